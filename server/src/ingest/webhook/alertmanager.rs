//! `POST /webhooks/alertmanager`: notifications of Prometheus' Alertmanager and of Grafana.
//!
//! Alertmanager repeats a request after 5xx only, so a busy server answers 503, never 429.

use axum::{
    Json,
    extract::{Request, State},
};
use http::StatusCode;
use spillway_api::WebhookAnswer;
use spillway_decode::webhook;

use super::accept;
use crate::{app::App, clock, http::error::ApiError, metrics::Source};

/// Stores what the alerts say of their services.
#[tracing::instrument(name = "ingest.alertmanager", skip_all)]
pub async fn handler(State(app): State<App>, request: Request) -> Result<(StatusCode, Json<WebhookAnswer>), ApiError> {
    let accepted = accept(&app, Source::Alertmanager, request, |_, _| Ok(Box::new(webhook::alertmanager))).await?;
    app.alerts.note(&accepted.events, clock::unix_ns());
    Ok((StatusCode::ACCEPTED, Json(accepted.answer)))
}
