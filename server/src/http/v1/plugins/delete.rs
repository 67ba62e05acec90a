//! `DELETE /api/v1/plugins/{id}`: forget an uploaded rule that is off.

use axum::extract::{Path, State};
use http::StatusCode;

use super::Actor;
use crate::{control::Control, http::error::ApiError};

/// 204 when it is gone.
#[tracing::instrument(name = "http.plugins.delete", skip_all, fields(plugin.id = %id))]
pub async fn delete(
    State(control): State<Control>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    control.delete(&id, actor.name()).await?;
    Ok(StatusCode::NO_CONTENT)
}
