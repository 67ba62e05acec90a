//! Traces that are kept whatever the retention says.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// A trace that a person keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pin {
    /// Which.
    pub trace_id: String,
    /// Since when.
    pub pinned_at: Timestamp,
    /// By whom: `admin`, or `anonymous` on an open server.
    pub by: String,
    /// Why.
    pub note: String,
}

/// `GET /api/v1/pins`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PinList {
    /// Newest first.
    pub pins: Vec<Pin>,
    /// So many traces can be pinned at a time.
    pub most: u32,
}

/// Body of `POST /api/v1/traces/{trace_id}/pin`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PinNote {
    /// Why; at most 1,000 characters.
    #[serde(default)]
    pub note: String,
}
