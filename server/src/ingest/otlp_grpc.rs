//! OTLP over gRPC: the same bytes, the same walk. The codec hands the message over undecoded, so no generated structs are built.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf as _, BufMut as _, Bytes};
use http::Request;
use spillway_decode::otlp::response;
use tonic::{
    Code, Response, Status,
    body::Body,
    codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EnabledCompressionEncodings, EncodeBuf, Encoder},
    server::{Grpc, NamedService, UnaryService},
};

use super::{Encoding, Refused, body::Received};
use crate::{app::App, http::access::Permission, metrics::Source};

/// Messages as bytes.
#[derive(Clone, Copy, Debug, Default)]
struct RawCodec;

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(length)))
    }
}

/// `opentelemetry.proto.collector.trace.v1.TraceService`.
#[derive(Clone)]
pub struct TraceService {
    app: App,
}

impl TraceService {
    /// The service.
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

impl NamedService for TraceService {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl tower_service::Service<Request<axum::body::Body>> for TraceService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<axum::body::Body>) -> Self::Future {
        let app = self.app.clone();
        Box::pin(async move {
            let export = request.uri().path().ends_with("/Export");
            if !export {
                return Ok(Status::unimplemented("only Export is served").into_http());
            }
            if app.access.check(Permission::Ingest, request.headers(), std::time::Instant::now()).is_err() {
                return Ok(Status::unauthenticated(
                    "this call must carry the ingest key: `authorization: Bearer <key>`",
                )
                .into_http());
            }
            // The message is read by the codec, so its largest size is set aside first and shrunk when it is known.
            let announced = request
                .headers()
                .get(http::header::CONTENT_LENGTH)
                .and_then(|length| length.to_str().ok()?.parse().ok());
            let reservation =
                match app.ingest.reserve(announced.unwrap_or(UNKNOWN_LENGTH).min(app.config.max_body_bytes)) {
                    Ok(reservation) => reservation,
                    Err(refused) => {
                        app.ingest.refused(Source::OtlpGrpc, &refused);
                        return Ok(status_of(&refused).into_http());
                    }
                };
            let mut accepted = EnabledCompressionEncodings::default();
            accepted.enable(CompressionEncoding::Gzip);
            let mut grpc = Grpc::new(RawCodec)
                .apply_compression_config(accepted, EnabledCompressionEncodings::default())
                .apply_max_message_size_config(Some(app.config.max_decompressed_bytes), None);
            Ok(grpc.unary(Export { app, reservation: Some(reservation) }, request).await)
        })
    }
}

/// gRPC senders rarely announce a length; batches of the SDKs are far below this, and the real size is reserved before decoding.
const UNKNOWN_LENGTH: usize = 1 << 20;

struct Export {
    app: App,
    reservation: Option<super::Reservation>,
}

impl UnaryService<Bytes> for Export {
    type Response = Bytes;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let app = self.app.clone();
        let reservation = self.reservation.take();
        Box::pin(async move {
            let stored = async {
                let mut reservation = reservation.ok_or(Refused::Failed)?;
                let body = request.into_inner();
                app.ingest.resize(&mut reservation, body.len())?;
                app.ingest.spans(Source::OtlpGrpc, Encoding::Protobuf, Received::plain(body), reservation).await
            };
            match stored.await {
                Ok(stored) => {
                    Ok(Response::new(response::success(stored.rejected, &stored.message, Encoding::Protobuf).into()))
                }
                Err(refused) => {
                    app.ingest.refused(Source::OtlpGrpc, &refused);
                    Err(status_of(&refused))
                }
            }
        })
    }
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
            "the spans could not be stored, the server's log says why: try again later",
            Duration::from_secs(5),
        ),
        Refused::TooLarge(message) => Status::resource_exhausted(message.as_str()),
        Refused::Malformed(message) => Status::invalid_argument(message.as_str()),
        Refused::Conflict(_) | Refused::Failed => {
            Status::internal("the spans could not be stored: the server's log says why")
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
