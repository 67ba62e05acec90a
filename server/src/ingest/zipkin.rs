//! `POST /api/v2/spans`: Zipkin's spans of version 2, JSON and protobuf.
//!
//! Answers are those of Zipkin's own server: 202 without a body, 400 for what is no such list. Its reporters keep no word of the answer and most
//! never send again, so spans that were left out are counted, and told in the body of the 202 for whoever looks.

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use spillway_decode::zipkin::Encoding;

use super::{Form, Refused};
use crate::{app::App, http::error::ApiError, metrics::Source};

/// Stores the spans of one request; 202 means committed.
#[tracing::instrument(name = "ingest.zipkin", skip_all)]
pub async fn handler(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(encoding) = encoding_of(&parts.headers) else {
        app.metrics.rejected(Source::Zipkin, "media_type", 1);
        let detail = "supported are application/json and application/x-protobuf; Thrift and Zipkin's version 1 are not";
        return ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type", detail).into_response();
    };
    let stored = async {
        let (body, reservation) = app.ingest.read(&parts.headers, body).await?;
        app.ingest.spans(Source::Zipkin, Form::Zipkin(encoding), body, reservation).await
    };
    match stored.await {
        Ok(stored) => {
            let mut answer = Response::new(Body::from(stored.message));
            *answer.status_mut() = StatusCode::ACCEPTED;
            answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            answer
        }
        Err(refused) => {
            app.ingest.refused(Source::Zipkin, &refused);
            refusal(refused).into_response()
        }
    }
}

/// Without a content type it is JSON, as Zipkin's server takes it.
fn encoding_of(headers: &HeaderMap) -> Option<Encoding> {
    let Some(content_type) = headers.get(header::CONTENT_TYPE) else { return Some(Encoding::Json) };
    match content_type.to_str().ok()?.split(';').next()?.trim().to_ascii_lowercase().as_str() {
        "application/x-protobuf" => Some(Encoding::Protobuf),
        "application/json" | "" => Some(Encoding::Json),
        _ => None,
    }
}

fn refusal(refused: Refused) -> ApiError {
    match refused {
        Refused::Overloaded => ApiError::unavailable("more is waiting than memory allows: send it again"),
        Refused::Stopping => ApiError::unavailable("the server is stopping: send it again"),
        Refused::Full => ApiError::unavailable("the disk is full: send it again later").with_retry_after(10),
        Refused::Unwritable => {
            ApiError::unavailable("the spans could not be stored, the server's log says why: send them again later")
                .with_retry_after(5)
        }
        Refused::TooLarge(detail) => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "Too large", detail),
        Refused::Malformed(detail) | Refused::MediaType(detail) | Refused::Unsigned(detail) => {
            ApiError::new(StatusCode::BAD_REQUEST, "Malformed spans", detail)
        }
        Refused::Failed | Refused::Conflict(_) => ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal error",
            "the spans could not be stored: the server's log says why",
        ),
    }
}
