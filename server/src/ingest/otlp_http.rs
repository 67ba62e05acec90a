//! `POST /v1/traces` and `/v1/metrics`: OTLP over HTTP, protobuf and JSON.
//!
//! Answers follow the OTLP specification: the content type of the request comes back, errors are `google.rpc.Status`, and only 429, 502,
//! 503 and 504 make a client try again.

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{HeaderValue, StatusCode, header};
use spillway_decode::otlp::response::{self, Signal};

use super::{Encoding, Form, Refused, StoredSpans};
use crate::{app::App, metrics::Source};

/// `google.rpc.Code`.
mod code {
    pub const INVALID_ARGUMENT: i32 = 3;
    pub const RESOURCE_EXHAUSTED: i32 = 8;
    pub const INTERNAL: i32 = 13;
    pub const UNAVAILABLE: i32 = 14;
}

/// Stores the spans of one request; success means committed.
#[tracing::instrument(name = "ingest.otlp_http", skip_all)]
pub async fn traces(State(app): State<App>, request: Request) -> Response {
    let Some(encoding) = encoding_of(&request) else { return unsupported(&app, Source::OtlpHttp) };
    let (parts, body) = request.into_parts();
    let stored = async {
        let (body, reservation) = app.ingest.read(&parts.headers, body).await?;
        app.ingest.spans(Source::OtlpHttp, Form::Otlp(encoding), body, reservation).await
    };
    match stored.await {
        Ok(stored) => success(&app, Signal::Traces, &stored, encoding),
        Err(refused) => {
            app.ingest.refused(Source::OtlpHttp, &refused);
            refusal(&refused, encoding)
        }
    }
}

/// Takes the data points of one request; success means that what they said is committed.
#[tracing::instrument(name = "ingest.otlp_http.metrics", skip_all)]
pub async fn metrics(State(app): State<App>, request: Request) -> Response {
    let Some(encoding) = encoding_of(&request) else { return unsupported(&app, Source::OtlpMetrics) };
    let (parts, body) = request.into_parts();
    let taken = async {
        let (body, reservation) = app.ingest.read(&parts.headers, body).await?;
        app.ingest.metrics(encoding, body, reservation).await
    };
    match taken.await {
        Ok(taken) => success(&app, Signal::Metrics, &taken, encoding),
        Err(refused) => {
            app.ingest.refused(Source::OtlpMetrics, &refused);
            refusal(&refused, encoding)
        }
    }
}

fn unsupported(app: &App, source: Source) -> Response {
    let mut response = Response::new(Body::from(
        "415 unsupported media type, supported: [application/json, application/x-protobuf]\n",
    ));
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    app.metrics.rejected(source, "media_type", 1);
    response
}

fn success(app: &App, signal: Signal, stored: &StoredSpans, encoding: Encoding) -> Response {
    let body = response::success(signal, stored.rejected, &stored.message, encoding);
    let mut answer = answer(StatusCode::OK, encoding, body);
    if let Some(revision) = stored.service.as_ref().and_then(|service| app.revision_header(service)) {
        answer.headers_mut().insert("x-spillway-revision", revision);
    }
    answer
}

fn encoding_of(request: &Request) -> Option<Encoding> {
    let content_type = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    match content_type.split(';').next()?.trim().to_ascii_lowercase().as_str() {
        "application/x-protobuf" => Some(Encoding::Protobuf),
        "application/json" => Some(Encoding::Json),
        _ => None,
    }
}

fn answer(status: StatusCode, encoding: Encoding, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let content_type = match encoding {
        Encoding::Protobuf => "application/x-protobuf",
        Encoding::Json => "application/json",
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn refusal(refused: &Refused, encoding: Encoding) -> Response {
    let (status, code, retry_after_s, message) = match refused {
        Refused::Overloaded => (
            StatusCode::SERVICE_UNAVAILABLE,
            code::UNAVAILABLE,
            Some(1),
            "more is waiting than memory allows: try again",
        ),
        Refused::TooLarge(message) => (StatusCode::PAYLOAD_TOO_LARGE, code::RESOURCE_EXHAUSTED, None, message.as_str()),
        Refused::Malformed(message) | Refused::MediaType(message) | Refused::Unsigned(message) => {
            (StatusCode::BAD_REQUEST, code::INVALID_ARGUMENT, None, message.as_str())
        }
        Refused::Full => {
            (StatusCode::SERVICE_UNAVAILABLE, code::UNAVAILABLE, Some(10), "the disk is full: try again later")
        }
        Refused::Unwritable => (
            StatusCode::SERVICE_UNAVAILABLE,
            code::UNAVAILABLE,
            Some(5),
            "the request could not be stored, the server's log says why: try again later",
        ),
        Refused::Failed | Refused::Conflict(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            code::INTERNAL,
            None,
            "the request could not be stored: the server's log says why",
        ),
        Refused::Stopping => {
            (StatusCode::SERVICE_UNAVAILABLE, code::UNAVAILABLE, Some(1), "the server is stopping: try again")
        }
    };
    let mut response = answer(status, encoding, response::status(code, message, encoding));
    if let Some(seconds) = retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
