//! `PUT /api/v1/plugins/{id}/mode`: off, shadow or active.

use axum::{
    Json,
    extract::{Path, State, rejection::BytesRejection},
};
use bytes::Bytes;
use spillway_api::{Plugin, PluginModeChange};

use super::{Actor, body, json};
use crate::{control::Control, http::error::ApiError};

/// Setting a version active switches another active one of the same name off.
#[tracing::instrument(name = "http.plugins.mode", skip_all, fields(plugin.id = %id))]
pub async fn set_mode(
    State(control): State<Control>,
    actor: Actor,
    Path(id): Path<String>,
    given: Result<Bytes, BytesRejection>,
) -> Result<Json<Plugin>, ApiError> {
    let change: PluginModeChange = json(&body(given)?)?;
    Ok(Json(control.set_mode(&id, change.mode, actor.name()).await?))
}
