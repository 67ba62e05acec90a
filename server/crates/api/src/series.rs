//! Charts over time, read from rollups.

use serde::{Deserialize, Serialize};

use crate::{EdgeKey, Timestamp};

/// One step of a chart. Empty time is null, not zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SeriesPoint {
    /// Begin of the step.
    pub at: Timestamp,
    /// Requests per second.
    pub rate: Option<f64>,
    /// Failed share.
    pub error_ratio: Option<f64>,
    /// Median.
    pub p50_ms: Option<f64>,
    /// 95th percentile.
    pub p95_ms: Option<f64>,
    /// 99th percentile.
    pub p99_ms: Option<f64>,
}

/// A service over time: the requests that it served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServiceSeries {
    /// Node id.
    pub node: String,
    /// Length of a step.
    pub step_s: u32,
    /// In time order, without gaps.
    pub points: Vec<SeriesPoint>,
}

/// An edge over time, as its caller measured it, else its callee.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EdgeSeries {
    /// Which edge.
    pub edge: EdgeKey,
    /// Length of a step.
    pub step_s: u32,
    /// In time order, without gaps.
    pub points: Vec<SeriesPoint>,
}
