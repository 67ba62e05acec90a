//! `/api/v1/targets`: whom the server asks how they are.

use axum::{
    Json,
    extract::{Path, State, rejection::BytesRejection},
};
use bytes::Bytes;
use http::StatusCode;
use spillway_api as api;

use super::plugins::{Actor, body, json};
use crate::{
    http::error::ApiError,
    pull::{Pull, PullError},
};

/// `GET /api/v1/targets`.
pub async fn list(State(pull): State<Pull>) -> Json<api::TargetList> {
    Json(pull.list())
}

/// `POST /api/v1/targets`.
#[tracing::instrument(name = "http.targets.post", skip_all)]
pub async fn post(
    State(pull): State<Pull>,
    actor: Actor,
    given: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<api::Target>), ApiError> {
    let target = pull.add(json(&body(given)?)?, actor.name()).await?;
    Ok((StatusCode::CREATED, Json(target)))
}

/// `DELETE /api/v1/targets/{id}`.
#[tracing::instrument(name = "http.targets.delete", skip_all, fields(target.id = id))]
pub async fn delete(State(pull): State<Pull>, actor: Actor, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    pull.remove(&id, actor.name()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/v1/targets/{id}/check`: asks it now.
#[tracing::instrument(name = "http.targets.check", skip_all, fields(target.id = id))]
pub async fn check(State(pull): State<Pull>, Path(id): Path<String>) -> Result<Json<api::Target>, ApiError> {
    Ok(Json(pull.check(&id).await?))
}

impl From<PullError> for ApiError {
    fn from(error: PullError) -> Self {
        let text = error.to_string();
        match error {
            PullError::Bad(bad) => {
                Self::bad_request("the target cannot be used").with_error(format!("/{}", bad.field), bad.why)
            }
            PullError::Known | PullError::NotHere(_) => Self::conflict(text),
            PullError::NoSuch(_) => Self::not_found(text),
            PullError::Late => Self::unavailable(text),
            PullError::Store(error) => error.into(),
        }
    }
}
