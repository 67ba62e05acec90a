//! Errors of the API: RFC 9457 `application/problem+json`.

use serde::{Deserialize, Serialize};

/// Where in the request something is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// What is wrong.
    pub detail: String,
    /// JSON pointer, header or query parameter; behind it, `#char=4,9` says which characters of it, counted from 0 (RFC 5147).
    pub pointer: String,
}

/// Problem details (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `about:blank` where the status says all.
    pub r#type: String,
    /// Short, the same for every occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and what to do.
    #[serde(default)]
    pub detail: String,
    /// Each wrong part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}
