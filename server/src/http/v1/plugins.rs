//! `/api/v1/plugins`: the rules, one endpoint a file.

use axum::extract::{FromRef, FromRequestParts, rejection::BytesRejection};
use bytes::Bytes;
use http::{StatusCode, request::Parts};
use serde::de::DeserializeOwned;

use crate::{app::App, control::ControlError, http::error::ApiError};

mod config;
mod delete;
mod list;
mod logs;
mod mode;
mod upload;

pub use config::set_config;
pub use delete::delete;
pub use list::list;
pub use logs::logs;
pub use mode::set_mode;
pub use upload::upload;

/// Who changes something, for the audit log. There is one administrator, or none where the server is open on loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor(&'static str);

impl Actor {
    /// The holder of the admin token.
    pub const ADMIN: Self = Self("admin");
    /// Anybody on an open loopback server.
    pub const ANONYMOUS: Self = Self("anonymous");

    /// As it stands in the audit log.
    pub fn name(self) -> &'static str {
        self.0
    }
}

impl FromRef<App> for Actor {
    fn from_ref(app: &App) -> Self {
        if app.access.token_required() { Self::ADMIN } else { Self::ANONYMOUS }
    }
}

impl<S> FromRequestParts<S> for Actor
where
    S: Send + Sync,
    Self: FromRef<S>,
{
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(_: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::from_ref(state))
    }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        let text = error.to_string();
        match error {
            ControlError::NotFound(_) => Self::not_found(text),
            ControlError::Invalid { pointer, .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid value", text.clone()).with_error(pointer, text)
            }
            ControlError::Rejected(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Upload rejected", text),
            ControlError::TooLarge(_) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "Upload too large", text),
            ControlError::Conflict(_) => Self::conflict(text),
            ControlError::Busy(_) => Self::unavailable(text),
            ControlError::Store(error) => Self::from(error),
            ControlError::Broken(_) => Self::internal(text),
        }
    }
}

/// The body, or why it was not taken.
pub(super) fn body(given: Result<Bytes, BytesRejection>) -> Result<Bytes, ApiError> {
    given.map_err(|refused| match refused.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "Too large", "the body is larger than this route takes")
        }
        _ => ApiError::bad_request(format!("the body broke off: {}", refused.body_text())),
    })
}

/// JSON, or where it is not what was expected.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        ApiError::bad_request(format!("the body is not what this route takes: {error}")).with_error("body", place)
    })
}

#[cfg(test)]
mod tests;
