//! `GET /api/v1/sources`: who sends.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// A service and the way by which it sends, since the start of the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sender {
    /// The way, as [`crate::IngestSource::source`] names it.
    pub source: String,
    /// `deployment.environment.name`.
    pub environment: String,
    /// `service.name`; of refused requests the name of who signed it, empty when nobody did.
    pub service: String,
    /// Requests that held something of it.
    pub requests: u64,
    /// Spans or events that were stored.
    pub items: u64,
    /// Requests that repeated an earlier one.
    pub repeated: u64,
    /// Spans or events a second, over the last minute.
    pub rate: f64,
    /// When it last sent.
    pub last_seen_at: Timestamp,
    /// Requests that were refused, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// The last of them.
    pub last_rejected: Option<RejectedRequest>,
}

/// A request that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RejectedRequest {
    /// When.
    pub at: Timestamp,
    /// The reason as it is counted.
    pub reason: String,
    /// What the sender was told.
    pub why: String,
    /// The start of its body without secrets, where it is text that can be shown: at most 4 kB, else empty.
    pub body: String,
}

/// `GET /api/v1/sources`, those that sent last first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SenderList {
    /// The sources.
    pub sources: Vec<Sender>,
}
