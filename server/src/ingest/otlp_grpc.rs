//! OTLP over gRPC: the same bytes, the same walk.
//!
//! Not `tonic`'s server: it inflates a message on the reactor, up to a size but at any ratio, and with zstd in a window as large as the
//! sender says. A unary call is five bytes before a message and a trailer behind the answer, so bodies take the way of all others instead:
//! budget, limits, a thread of their own. Only the form of an error is `tonic`'s.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header};
use http_body_util::{BodyExt as _, Full};
use spillway_decode::{
    inflate::Packing,
    otlp::response::{self, Signal},
};
use tonic::{Code, Status};

use super::{Encoding, Form, Refused, Reservation, body::Received};
use crate::{app::App, http::access::Permission, metrics::Source};

/// The path of `opentelemetry.proto.collector.trace.v1.TraceService`.
pub const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// The path of `opentelemetry.proto.collector.metrics.v1.MetricsService`.
pub const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// What a message may be compressed with.
const ACCEPTED: HeaderValue = HeaderValue::from_static("identity,gzip,zstd");
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");
/// A flag that says whether the message is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// Stores the spans of one call; OK means committed.
#[tracing::instrument(name = "ingest.otlp_grpc", skip_all)]
pub async fn traces(State(app): State<App>, request: Request) -> Response {
    let stored = async {
        let (body, reservation) = message(&app, Source::OtlpGrpc, request).await?;
        let stored = app.ingest.spans(Source::OtlpGrpc, Form::Otlp(Encoding::Protobuf), body, reservation).await;
        let stored = stored.map_err(|refused| refuse(&app, Source::OtlpGrpc, &refused))?;
        Ok(response::success(Signal::Traces, stored.rejected, &stored.message, Encoding::Protobuf))
    };
    answer(stored.await)
}

/// Takes the data points of one call; OK means that what they said is committed.
#[tracing::instrument(name = "ingest.otlp_grpc.metrics", skip_all)]
pub async fn metrics(State(app): State<App>, request: Request) -> Response {
    let taken = async {
        let (body, reservation) = message(&app, Source::OtlpMetrics, request).await?;
        let taken = app.ingest.metrics(Encoding::Protobuf, body, reservation).await;
        let taken = taken.map_err(|refused| refuse(&app, Source::OtlpMetrics, &refused))?;
        Ok(response::success(Signal::Metrics, taken.rejected, &taken.message, Encoding::Protobuf))
    };
    answer(taken.await)
}

fn answer(outcome: Result<Vec<u8>, Status>) -> Response {
    match outcome {
        Ok(answer) => ok(&answer),
        Err(status) => failed(status),
    }
}

/// Any other call.
pub async fn unimplemented() -> Response {
    failed(Status::unimplemented("only Export of traces and of metrics is served"))
}

/// The one message of a call.
async fn message(app: &App, source: Source, request: Request) -> Result<(Received, Reservation), Status> {
    let (parts, body) = request.into_parts();
    if app.access.check(Permission::Ingest, &parts.headers, std::time::Instant::now()).is_err() {
        return Err(Status::unauthenticated("this call must carry the ingest key: `authorization: Bearer <key>`"));
    }
    let packing = packing(&parts.headers)?;
    let read = async {
        let (bytes, mut reservation) = app.ingest.collect(&parts.headers, body).await?;
        let (compressed, message) = unframed(bytes)?;
        if compressed && packing.is_none() {
            return Err(Refused::Malformed("the message is compressed, but `grpc-encoding` does not say how".into()));
        }
        let received = app.ingest.received(message, packing.filter(|_| compressed), &mut reservation)?;
        Ok((received, reservation))
    };
    read.await.map_err(|refused| refuse(app, source, &refused))
}

fn packing(headers: &HeaderMap) -> Result<Option<Packing>, Status> {
    let Some(encoding) = headers.get("grpc-encoding") else { return Ok(None) };
    match encoding.to_str().unwrap_or("?") {
        "identity" => Ok(None),
        "gzip" => Ok(Some(Packing::Gzip)),
        "zstd" => Ok(Some(Packing::Zstd)),
        other => {
            let other: String = other.chars().take(40).collect();
            Err(Status::unimplemented(format!("grpc-encoding `{other}` is not understood: send gzip, zstd or none")))
        }
    }
}

/// Whether the message is compressed, and it.
fn unframed(mut body: Bytes) -> Result<(bool, Bytes), Refused> {
    let malformed = |what: &str| Refused::Malformed(what.to_owned());
    let [compressed, length @ ..] =
        body.first_chunk::<PREFIX_BYTES>().ok_or_else(|| malformed("the call holds no message"))?;
    let (compressed, length) = (*compressed, u32::from_be_bytes(*length));
    let message = body.split_off(PREFIX_BYTES);
    if message.len() as u64 != u64::from(length) {
        return Err(malformed("the call must hold one message, of the length that stands before it"));
    }
    match compressed {
        0 => Ok((false, message)),
        1 => Ok((true, message)),
        _ => Err(malformed("the byte before the message's length must be 0 or 1")),
    }
}

fn ok(message: &[u8]) -> Response {
    let mut frame = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).expect("an answer is a count and a sentence"));
    frame.put_slice(message);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(frame.freeze()).with_trailers(async { Some(Ok(trailers)) });
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, CONTENT_TYPE);
    response.headers_mut().insert("grpc-accept-encoding", ACCEPTED);
    response
}

fn failed(status: Status) -> Response {
    let mut response = status.into_http::<Body>();
    response.headers_mut().insert("grpc-accept-encoding", ACCEPTED);
    response
}

fn refuse(app: &App, source: Source, refused: &Refused) -> Status {
    app.ingest.refused(source, refused);
    status_of(refused)
}

/// UNAVAILABLE with `google.rpc.RetryInfo` makes clients come back; RESOURCE_EXHAUSTED without one makes them give up.
fn status_of(refused: &Refused) -> Status {
    match refused {
        Refused::Overloaded | Refused::Stopping => retry_later(
            "more is waiting than memory allows, or the server is stopping: try again",
            Duration::from_secs(1),
        ),
        Refused::Full => retry_later("the disk is full: try again later", Duration::from_secs(10)),
        Refused::Unwritable => retry_later(
            "the request could not be stored, the server's log says why: try again later",
            Duration::from_secs(5),
        ),
        Refused::TooLarge(message) => Status::resource_exhausted(message.as_str()),
        Refused::Malformed(message) | Refused::MediaType(message) | Refused::Unsigned(message) => {
            Status::invalid_argument(message.as_str())
        }
        Refused::Conflict(_) | Refused::Failed => {
            Status::internal("the request could not be stored: the server's log says why")
        }
    }
}

fn retry_later(message: &str, delay: Duration) -> Status {
    Status::with_details(
        Code::Unavailable,
        message,
        response::retry_info(Code::Unavailable as i32, message, delay).into(),
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_call_holds_exactly_one_message() {
        let read = |body: &'static [u8]| unframed(Bytes::from_static(body));

        assert_eq!(read(b"\0\0\0\0\x02ab").unwrap(), (false, Bytes::from_static(b"ab")));
        assert_eq!(read(b"\x01\0\0\0\0").unwrap(), (true, Bytes::new()));
        for bad in
            [&b""[..], b"\0\0\0\0", b"\0\0\0\0\x03ab", b"\0\0\0\0\x01ab", b"\x02\0\0\0\0", b"\0\xff\xff\xff\xffab"]
        {
            assert!(matches!(read(bad), Err(Refused::Malformed(_))), "{bad:?}");
        }
    }
}
