//! Usage report, version 1: what an enforcer counted, posted every second.

use serde::{Deserialize, Serialize};

use crate::{Criticality, IgnoredDirective, Timestamp};

/// A sparse exponential histogram of milliseconds (OpenTelemetry's buckets, base 2^(2^-scale)).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistogramWire {
    /// 4 is what Spillway stores; other scales are folded down.
    pub scale: i8,
    /// Values in all.
    pub count: u64,
    /// Their sum, in milliseconds.
    pub sum_ms: f64,
    /// Values too small for a bucket.
    pub zero: u64,
    /// `[index, count]`, index ascending: bucket `i` holds values in `(base^i, base^(i+1)]` milliseconds.
    pub buckets: Vec<(i32, u64)>,
}

/// Counters of one class on one route, cumulative since the instance's boot.
///
/// `offered = admitted + shed`; `admitted = ok + failed + timed_out + relayed + in flight`. A shed request is never a failed
/// one, neither here nor at those who pass the answer on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RouteUsage {
    /// Class of the requests.
    pub class: Criticality,
    /// Normalised route; `""` when the service names none.
    pub route: String,
    /// Arrived.
    pub offered: u64,
    /// Let through.
    pub admitted: u64,
    /// Turned away.
    pub shed: u64,
    /// Answered well.
    pub ok: u64,
    /// Answered with 5xx, or failed.
    pub failed: u64,
    /// Ended by a time-out (504, or given up by the caller).
    pub timed_out: u64,
    /// Answered with a rejection that a callee made (it carries `X-Spillway-Decision`): not done, but nobody's error.
    #[serde(default)]
    pub relayed: u64,
    /// Time to serve of the admitted ones.
    pub latency: HistogramWire,
}

/// A request that was turned away, so that its `X-Spillway-Decision` can be explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShedSample {
    /// What the rejection carried.
    pub decision: String,
    /// When.
    pub at: Timestamp,
    /// Its route.
    pub route: String,
    /// Its class.
    pub class: Criticality,
}

/// What one instance counted. Keyed (instance, boot, seq): a report that comes twice changes nothing, and because
/// counters are cumulative a lost one costs nothing either.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsageReport {
    /// `deployment.environment.name`.
    #[serde(default)]
    pub environment: String,
    /// `service.namespace`.
    #[serde(default)]
    pub namespace: String,
    /// `service.name`.
    pub service: String,
    /// `service.instance.id`.
    pub instance: String,
    /// Changes with every start of the instance.
    pub boot: String,
    /// Counts up by one a report.
    pub seq: u64,
    /// When it was made, by the instance's clock.
    pub at: Timestamp,
    /// Revision of the directives that the instance applies; empty when it has none.
    #[serde(default)]
    pub revision: String,
    /// Directives that it cannot obey.
    #[serde(default)]
    pub ignored: Vec<IgnoredDirective>,
    /// Requests in flight now.
    pub in_flight: u32,
    /// Its own limit on them, when it has one.
    #[serde(default)]
    pub in_flight_limit: Option<u32>,
    /// Mean wait before the work began, over the last second, when it knows.
    #[serde(default)]
    pub queue_wait_ms: Option<f64>,
    /// At most 1,000 rows; the enforcer folds the rest into the route `__other__`.
    pub usage: Vec<RouteUsage>,
    /// At most 20 a report.
    #[serde(default)]
    pub shed_samples: Vec<ShedSample>,
}

/// The answer to a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsageAnswer {
    /// Newest revision for the service: fetch when it differs from the applied one.
    pub revision: String,
}
