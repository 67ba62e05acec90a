//! `POST /webhooks/spillway`: events of health, breakers, limits and changes in the native form.

use axum::{
    Json,
    extract::{Request, State},
};
use spillway_api::WebhookAnswer;
use spillway_decode::webhook::{self, Posted};

use super::accept;
use crate::{app::App, http::error::ApiError, metrics::Source};

/// Stores one event or an array; success means committed.
#[tracing::instrument(name = "ingest.webhook", skip_all)]
pub async fn handler(State(app): State<App>, request: Request) -> Result<Json<WebhookAnswer>, ApiError> {
    let accepted = accept(&app, Source::Webhook, request, |_, signer| {
        // Two senders may count their events alike.
        let source = signer.map_or_else(|| "native".to_owned(), |name| format!("signed:{name}"));
        Ok(Box::new(move |body, limits, now_ns| {
            webhook::native(body, limits, now_ns).map(|events| Posted::of(source, events))
        }))
    });
    Ok(Json(accepted.await?.answer))
}
