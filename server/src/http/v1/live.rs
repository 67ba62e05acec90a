//! `GET /api/v1/live`: the map as it changes, by server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::Body,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Deserialize;

use crate::{
    http::error::ApiError,
    live::{LiveHandle, Subscription},
};

/// Proxies close silent connections, often after a minute; and a client that is gone is noticed by writing to it.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// What a browser that lost the stream waits before it comes back.
const RETRY: &str = "retry: 1000\n\n";

/// The query string.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// For a client that opens a new stream: `EventSource` sends the header only on its own retries.
    last_event_id: Option<String>,
}

/// The stream: a snapshot or what was missed, then every change.
#[tracing::instrument(name = "http.live", skip_all)]
pub async fn get(
    State(live): State<LiveHandle>,
    Query(resume): Query<Resume>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let header = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let frames = live
        .subscribe(header.or(resume.last_event_id.as_deref()))
        .map_err(|refused| ApiError::unavailable(format!("{refused}; close another tab")).with_retry_after(5))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        // Without it nginx gathers the stream into blocks.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(bytes(frames).map(Ok::<_, Infallible>))).into_response())
}

/// The frames as bytes, with a sign of life in every pause.
fn bytes(frames: Subscription) -> impl Stream<Item = Bytes> {
    let beating = stream::unfold(frames, |mut frames| async move {
        match tokio::time::timeout(HEARTBEAT, frames.next()).await {
            Ok(frame) => frame.map(|frame| (frame.bytes(), frames)),
            Err(_) => Some((Bytes::from_static(b": still here\n\n"), frames)),
        }
    });
    stream::once(async { Bytes::from_static(RETRY.as_bytes()) }).chain(beating)
}

#[cfg(test)]
mod tests;
