//! `POST /webhooks/github`: deployments.

use axum::{
    Json,
    extract::{Request, State},
};
use http::StatusCode;
use spillway_api::WebhookAnswer;
use spillway_decode::webhook;

use super::accept;
use crate::{app::App, http::error::ApiError, ingest::Refused, metrics::Source};

/// Stores a deployment that ended as a change.
#[tracing::instrument(name = "ingest.github", skip_all)]
pub async fn handler(State(app): State<App>, request: Request) -> Result<(StatusCode, Json<WebhookAnswer>), ApiError> {
    let accepted = accept(&app, Source::Github, request, |headers, _| {
        let event = headers.get("x-github-event").and_then(|event| event.to_str().ok());
        let event = event.ok_or_else(|| Refused::Malformed("the header X-GitHub-Event is missing".into()))?.to_owned();
        Ok(Box::new(move |body, limits, now_ns| webhook::github(&event, body, limits, now_ns)))
    });
    Ok((StatusCode::ACCEPTED, Json(accepted.await?.answer)))
}
