//! What the server says of itself.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// A listener that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Listener {
    /// `http`, `otlp-http`, `otlp-grpc` or `zipkin`.
    pub name: String,
    /// Where.
    pub url: String,
}

/// What came in by one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IngestSource {
    /// `otlp_http`, `otlp_grpc`, `otlp_metrics`, `webhook`, `zipkin`, `cloudevents`, `alertmanager` or `github`.
    pub source: String,
    /// Requests that were stored.
    pub requests: u64,
    /// Spans or events that were stored, or data points that were read.
    pub items: u64,
    /// Requests that repeated an earlier one.
    pub repeated: u64,
    /// Requests or items that were refused, by reason.
    pub rejected: std::collections::BTreeMap<String, u64>,
    /// Items that were taken in and mean nothing here, by name and reason: the most frequent ones. `/api/v1/metric-series` lists more.
    #[serde(default)]
    pub ignored: std::collections::BTreeMap<String, u64>,
    /// When something last came.
    pub last_seen_at: Option<Timestamp>,
}

/// `GET /api/v1/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Status {
    /// Of the program.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Where to send data.
    pub listeners: Vec<Listener>,
    /// True when ingest asks for a key.
    pub ingest_key_required: bool,
    /// What has come in since the start.
    pub ingest: Vec<IngestSource>,
    /// Spans stored, in all.
    pub spans_stored: u64,
    /// Bytes on disk, in all.
    pub bytes_stored: u64,
    /// How long data is kept.
    pub retention_s: u64,
    /// Values that the redactor masked, by rule.
    pub redacted: std::collections::BTreeMap<String, u64>,
    /// True when the demo system runs beside it, so that its switches can be shown.
    pub demo: bool,
}
