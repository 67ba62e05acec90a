//! `GET /api/v1/plugins/{id}/logs`: what a rule logged, and what was not considered of its proposals.

use axum::{
    Json,
    extract::{Path, State},
};
use spillway_api::PluginLogList;

use crate::{control::Control, http::error::ApiError};

/// Newest first, from memory.
#[tracing::instrument(name = "http.plugins.logs", skip_all, fields(plugin.id = %id))]
pub async fn logs(State(control): State<Control>, Path(id): Path<String>) -> Result<Json<PluginLogList>, ApiError> {
    Ok(Json(control.logs(&id)?))
}
