//! `PUT /api/v1/plugins/{id}/config`: set a rule's configuration, if the rule accepts it.

use axum::{
    Json,
    extract::{Path, State, rejection::BytesRejection},
};
use bytes::Bytes;
use spillway_api::{Plugin, PluginConfigChange};

use super::{Actor, body, json};
use crate::{control::Control, http::error::ApiError};

/// The rule itself is asked.
#[tracing::instrument(name = "http.plugins.config", skip_all, fields(plugin.id = %id))]
pub async fn set_config(
    State(control): State<Control>,
    actor: Actor,
    Path(id): Path<String>,
    given: Result<Bytes, BytesRejection>,
) -> Result<Json<Plugin>, ApiError> {
    let change: PluginConfigChange = json(&body(given)?)?;
    Ok(Json(control.set_config(&id, change.config, actor.name()).await?))
}
