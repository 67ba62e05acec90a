//! Webhooks: every endpoint takes the same way, and differs in how it reads a body.
//!
//! A request is let in by the ingest key, or by a signature of a sender whose secret is configured; a signature that is there must be right
//! even where no key is asked for. It is checked on the bytes as they came, before anything reads them.

pub mod alertmanager;
pub mod cloudevents;
pub mod github;
pub mod native;

use axum::extract::Request;
use http::{HeaderMap, StatusCode};
use spillway_api::WebhookAnswer;
use spillway_decode::{
    Limits,
    webhook::{Posted, WebhookError},
};
use spillway_model::event::Event;

use super::Refused;
use crate::{app::App, clock, http::access::Permission, http::error::ApiError, metrics::Source};

/// Largest body of somebody who is not known before all of it came: their senders promise far less (Standard Webhooks 20 kB).
const UNKNOWN_BYTES: usize = 1 << 20;

/// Reads a body: its bytes, the limits, the server's clock. Runs on another thread when the body is large.
type Read<'a> = Box<dyn FnOnce(&[u8], &Limits, i64) -> Result<Posted, WebhookError> + Send + 'a>;

/// What became of a request, with the events that it held.
struct Accepted {
    answer: WebhookAnswer,
    events: Vec<Event>,
}

/// Checks, reads and stores a request; returns after the commit. `read` is given the name of the sender who signed it, if one did.
async fn accept(
    app: &App,
    source: Source,
    request: Request,
    read: impl FnOnce(&HeaderMap, Option<&str>) -> Result<Read<'static>, Refused>,
) -> Result<Accepted, ApiError> {
    let (parts, body) = request.into_parts();
    let accepted = async {
        let has_key = app.access.check(Permission::Ingest, &parts.headers, std::time::Instant::now()).is_ok();
        let most = if has_key { usize::MAX } else { UNKNOWN_BYTES };
        let (body, reservation) = app.ingest.read_at_most(&parts.headers, body, most).await?;
        // At most a few milliseconds where the sender is unknown; those with a key seldom sign.
        let signer = app
            .access
            .signer(&parts.headers, body.raw(), clock::unix_ns() / 1_000_000_000)
            .map_err(|bad| Refused::Unsigned(bad.to_string()))?;
        let read = read(&parts.headers, signer)?;
        app.ingest.posted(source, body, reservation, read).await
    };
    match accepted.await {
        Ok((stored, events)) => {
            let revision = events.first().map(|event| app.control.revision(&event.service)).unwrap_or_default();
            let answer =
                WebhookAnswer { stored: stored.stored, repeated: stored.repeated, ignored: stored.ignored, revision };
            Ok(Accepted { answer, events })
        }
        Err(refused) => {
            app.ingest.refused(source, &refused);
            Err(refusal(refused))
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
        Refused::Unsigned(detail) => ApiError::new(StatusCode::UNAUTHORIZED, "Bad signature", detail),
        Refused::TooLarge(detail) => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "Too large", detail),
        Refused::MediaType(detail) => ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported format", detail),
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
