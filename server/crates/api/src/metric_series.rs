//! Series of metrics that came in, and what became of them.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// One series, by name. It may come twice: with labels that make it useful and without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MetricSeries {
    /// Its name, as it was sent.
    pub name: String,
    /// True when it says something here: the state of a breaker, a bulkhead or a limiter.
    pub used: bool,
    /// Why it is not used.
    pub why: Option<String>,
    /// Data points since the start of the server.
    pub points: u64,
    /// When the last ones came.
    pub last_seen_at: Timestamp,
}

/// Series that came by OTLP since the start of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MetricSeriesList {
    /// Used ones first, then the most frequent.
    pub series: Vec<MetricSeries>,
}
