//! `POST /api/v1/plugins`: take in a rule. 201 for a new one, 200 when the same bytes are there already.

use axum::{
    Json,
    extract::{State, rejection::BytesRejection},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::StatusCode;

use super::{Actor, body};
use crate::{
    control::{Control, Uploaded},
    http::error::ApiError,
};

/// Validates, compiles, tests and stores it. It is off until somebody switches it on.
#[tracing::instrument(name = "http.plugins.upload", skip_all)]
pub async fn upload(
    State(control): State<Control>,
    actor: Actor,
    given: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    Ok(match control.upload(body(given)?, actor.name()).await? {
        Uploaded::Known(plugin) => Json(plugin).into_response(),
        Uploaded::New(plugin) => (StatusCode::CREATED, Json(plugin)).into_response(),
    })
}
