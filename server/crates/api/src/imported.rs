//! What became of an imported request.

use serde::{Deserialize, Serialize};

/// Spans of one imported request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Imported {
    /// Stored now.
    pub stored: u64,
    /// Left out, because they were stored before.
    pub known: u64,
    /// Refused one by one.
    pub rejected: u64,
    /// What was refused or cut, and why.
    pub message: String,
}
