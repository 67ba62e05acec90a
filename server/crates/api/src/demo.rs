//! Switches of the demo system.

use serde::{Deserialize, Serialize};

/// What is wrong with a dependency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DemoFault {
    /// Nothing.
    #[default]
    None,
    /// Answers ten times slower.
    Slow,
    /// Fails 60 % of the requests.
    Failing,
    /// Accepts no connection.
    Dead,
}

/// One dependency and its switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DemoDependency {
    /// Service name.
    pub service: String,
    /// Its fault.
    pub fault: DemoFault,
}

/// `GET /api/v1/demo`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DemoState {
    /// 1 is normal load, 10 is tenfold.
    pub load: f64,
    /// Every service that can be made sick.
    pub dependencies: Vec<DemoDependency>,
    /// Requests offered to the gateway since the start.
    pub offered: u64,
    /// Checkouts that went well since the start.
    pub checkouts_ok: u64,
    /// Checkouts that were tried since the start.
    pub checkouts: u64,
    /// 99th percentile of what users waited for a checkout in the last 15 s, good or not.
    pub checkout_p99_ms: Option<f64>,
}

/// `PUT /api/v1/demo`: what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DemoSwitch {
    /// 0 to 20.
    #[serde(default)]
    pub load: Option<f64>,
    /// Dependencies to switch.
    #[serde(default)]
    pub dependencies: Vec<DemoDependency>,
}
