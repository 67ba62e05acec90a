//! `GET /api/v1/plugins`: all rules, uploaded and built in.

use axum::{Json, extract::State};
use spillway_api::PluginList;

use crate::control::Control;

/// Active first, then by name and time of upload.
#[tracing::instrument(name = "http.plugins.list", skip_all)]
pub async fn list(State(control): State<Control>) -> Json<PluginList> {
    Json(control.plugins())
}
