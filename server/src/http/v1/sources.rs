//! `GET /api/v1/sources`: who sends, by protocol and service.

use axum::{Json, extract::State};
use spillway_api::SenderList;

use crate::{app::App, clock};

/// Everybody that has sent since the start.
#[tracing::instrument(name = "http.sources.list", skip_all)]
pub async fn list(State(app): State<App>) -> Json<SenderList> {
    Json(SenderList { sources: app.metrics.senders.rows(clock::unix_ns()) })
}
