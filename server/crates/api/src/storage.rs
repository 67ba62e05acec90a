//! Where the space goes, and how long it lasts.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// `GET /api/v1/storage`. Measured at most ten seconds before it was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Storage {
    /// When it was measured.
    pub at: Timestamp,
    /// Bytes of the data directory, in all.
    pub bytes: u64,
    /// Those of the log of commits: spans as they came, before they are compacted.
    pub log_bytes: u64,
    /// Of compacted spans.
    pub compacted_bytes: u64,
    /// Of rollups, events and decisions.
    pub history_bytes: u64,
    /// Of rules, pins, erasures and the audit log.
    pub control_bytes: u64,
    /// What the filesystem still takes; null when it does not say.
    pub disk_free_bytes: Option<u64>,
    /// Spans stored, in all.
    pub spans: u64,
    /// Arrival of the oldest of them, exact to some minutes; null without spans.
    pub oldest_at: Option<Timestamp>,
    /// Arrival of the newest.
    pub newest_at: Option<Timestamp>,
    /// The time that all rates are measured over: about the last hour, less when the store is younger; null when that is less than a minute.
    pub measured_s: Option<u64>,
    /// Spans that came a second, in that time.
    pub spans_per_s: Option<f64>,
    /// What a span takes once it is compacted; null before enough are, which is some ten minutes after the first.
    pub bytes_per_span: Option<f64>,
    /// What spans take a day if they go on to come as in the time measured; history and control are not in it.
    pub bytes_per_day: Option<f64>,
    /// How long spans are kept (`retention.spans`).
    pub retention_s: u64,
    /// How large the store may be (`retention.bytes`); null without a limit.
    pub retention_bytes: Option<u64>,
    /// Which bound is met first; null while a day cannot be told.
    pub forecast: Option<StorageForecast>,
    /// Services that sent in the time measured, most first, at most 1,000.
    pub services: Vec<StorageOfService>,
}

/// What ends the growth of the store, if spans go on to come as they do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StorageForecast {
    /// Which bound.
    pub bound: StorageBound,
    /// Days until it is met, at the earliest; 0 when it is.
    pub days_left: f64,
    /// Days that spans are kept from then on.
    pub days_kept: f64,
}

/// A bound of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StorageBound {
    /// `retention.spans`: spans go by their age.
    Age,
    /// `retention.bytes`: the oldest go before their age.
    Bytes,
    /// The disk: nothing goes, and ingest is refused.
    Disk,
}

/// What one service takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StorageOfService {
    /// `deployment.environment.name`.
    pub environment: String,
    /// `service.namespace`.
    pub namespace: String,
    /// `service.name`.
    pub service: String,
    /// Spans that came in the time measured.
    pub spans: u64,
    /// Its part of all spans that came.
    pub share: f64,
    /// Spans a second.
    pub spans_per_s: Option<f64>,
    /// What its spans take a day, at the mean cost of a span.
    pub bytes_per_day: Option<f64>,
    /// Since when its spans are stored, exact to the file; null when looking for it would take too long. All services are kept equally long.
    pub oldest_at: Option<Timestamp>,
}
