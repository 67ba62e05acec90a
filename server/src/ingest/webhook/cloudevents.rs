//! `POST /webhooks/cloudevents`: CloudEvents 1.0, structured, binary or a batch; and the handshake that senders ask for before.

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use spillway_api::WebhookAnswer;
use spillway_decode::webhook::cloudevents::{self, Mode};

use super::accept;
use crate::{app::App, http::error::ApiError, ingest::Refused, metrics::Source};

/// Bytes of the headers of an event in binary mode that are looked at: some thirty attributes.
const HEADER_BYTES: usize = 16 << 10;

/// Stores the events of a request; 202 means that they are committed, and that nobody has acted on them yet.
#[tracing::instrument(name = "ingest.cloudevents", skip_all)]
pub async fn handler(State(app): State<App>, request: Request) -> Result<(StatusCode, Json<WebhookAnswer>), ApiError> {
    let accepted = accept(&app, Source::CloudEvents, request, |headers, _| {
        let content_type = match headers.get(header::CONTENT_TYPE) {
            Some(value) => value.to_str().unwrap_or("?"),
            None => "",
        };
        match Mode::of(content_type) {
            Some(Mode::Structured) => Ok(Box::new(cloudevents::structured)),
            Some(Mode::Batch) => Ok(Box::new(cloudevents::batch)),
            Some(Mode::Binary) => {
                let attributes = attributes(headers)?;
                Ok(Box::new(move |body, limits, now_ns| cloudevents::binary(&attributes, body, limits, now_ns)))
            }
            None => Err(Refused::MediaType(
                "send application/cloudevents+json, application/cloudevents-batch+json, or JSON with ce- headers"
                    .into(),
            )),
        }
    });
    Ok((StatusCode::ACCEPTED, Json(accepted.await?.answer)))
}

fn attributes(headers: &HeaderMap) -> Result<Vec<(String, Vec<u8>)>, Refused> {
    let attributes: Vec<(String, Vec<u8>)> = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().strip_prefix("ce-")?.to_owned(), value.as_bytes().to_vec())))
        .collect();
    if attributes.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > HEADER_BYTES {
        return Err(Refused::Malformed(format!("the ce- headers have more than {HEADER_BYTES} bytes")));
    }
    Ok(attributes)
}

/// Answers whether this is a place that wants events ("Abuse protection" of `cloudevents/spec`, `http-webhook.md`): it does, from whoever may
/// send them.
pub async fn handshake(headers: HeaderMap) -> Response {
    let mut response = StatusCode::OK.into_response();
    let answer = response.headers_mut();
    answer.insert(header::ALLOW, HeaderValue::from_static("OPTIONS, POST"));
    if let Some(origin) = headers.get("webhook-request-origin") {
        answer.insert(HeaderName::from_static("webhook-allowed-origin"), origin.clone());
        // Who sends too much is told so when it does.
        answer.insert(HeaderName::from_static("webhook-allowed-rate"), HeaderValue::from_static("*"));
    }
    response
}
