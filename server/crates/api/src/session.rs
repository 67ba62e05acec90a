//! The browser's session: the admin token is exchanged for a cookie, since `EventSource` sends no headers.

use serde::{Deserialize, Serialize};

/// `POST /api/v1/session`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SessionStart {
    /// The admin token.
    pub token: String,
}

impl std::fmt::Debug for SessionStart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionStart { token: *** }")
    }
}

/// `GET /api/v1/session`: tells the page whether it must ask for the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// True when this server asks for a token at all.
    pub required: bool,
    /// True when this request may read and change everything.
    pub signed_in: bool,
}
