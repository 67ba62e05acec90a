//! `POST /webhooks/spillway`: events of health, breakers, limits and changes in the native form.

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use spillway_api::WebhookAnswer;

use super::Refused;
use crate::{app::App, http::error::ApiError, metrics::Source};

/// Stores one event or an array; success means committed.
#[tracing::instrument(name = "ingest.webhook", skip_all)]
pub async fn handler(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let stored = async {
        let (body, reservation) = app.ingest.read(&parts.headers, body).await?;
        app.ingest.events(body, reservation).await
    };
    match stored.await {
        Ok(stored) => {
            let revision = stored.service.map(|service| app.control.revision(&service)).unwrap_or_default();
            Json(WebhookAnswer { stored: stored.stored, repeated: stored.repeated, revision }).into_response()
        }
        Err(refused) => {
            app.ingest.refused(Source::Webhook, &refused);
            refusal(refused).into_response()
        }
    }
}

fn refusal(refused: Refused) -> ApiError {
    match refused {
        // 503, not 429: some senders of webhooks never repeat a 429.
        Refused::Overloaded => ApiError::unavailable("more is waiting than memory allows: send it again"),
        Refused::Stopping => ApiError::unavailable("the server is stopping: send it again"),
        Refused::Full => ApiError::unavailable("the disk is full: send it again later").with_retry_after(10),
        Refused::Unwritable => {
            ApiError::unavailable("the events could not be stored, the server's log says why: send them again later")
                .with_retry_after(5)
        }
        Refused::TooLarge(detail) => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "Too large", detail),
        Refused::Malformed(detail) => ApiError::new(StatusCode::BAD_REQUEST, "Malformed event", detail),
        Refused::Conflict(id) => ApiError::conflict(format!(
            "the event id `{id}` came before with other content: an id names one event for ever"
        )),
        Refused::Failed => ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal error",
            "the events could not be stored: the server's log says why",
        ),
    }
}
