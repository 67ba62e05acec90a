//! A Rust service whose traces go where the `OTEL_*` variables say, so that `spillway run` can start it:
//!
//! ```sh
//! spillway run -- cargo run -p spillway --example stock -- 8080
//! ```
//!
//! It answers `GET /` with a span of the official SDK that continues its caller's trace.

use std::time::Duration;

use async_trait::async_trait;
use axum::{Router, http::HeaderMap, routing::get};
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::{
    Context, KeyValue,
    propagation::TextMapPropagator as _,
    trace::{SpanKind, Tracer as _, TracerProvider as _},
};
use opentelemetry_http::{HeaderExtractor, HttpClient, HttpError, hyper::HyperClient};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider},
};
use tokio::{net::TcpListener, runtime::Handle};

/// The SDK exports from a thread of its own; connections live on the runtime.
#[derive(Clone, Debug)]
struct OnRuntime(HyperClient, Handle);

#[async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.0.clone();
        self.1.spawn(async move { client.send_bytes(request).await }).await?
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let port: u16 = std::env::args().nth(1).unwrap_or_default().parse()?;
    let client = OnRuntime(HyperClient::with_default_connector(Duration::from_secs(5), None), Handle::current());
    let exporter = SpanExporter::builder().with_http().with_http_client(client).build()?;
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).build();
    let tracer = provider.tracer("stock");
    let app = Router::new().route("/", get(move |headers: HeaderMap| answer(tracer.clone(), headers)));
    axum::serve(TcpListener::bind(("127.0.0.1", port)).await?, app).await?;
    Ok(())
}

async fn answer(tracer: SdkTracer, headers: HeaderMap) -> &'static str {
    let caller = TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(&headers));
    let span = tracer.span_builder("GET /").with_kind(SpanKind::Server).with_attributes([
        KeyValue::new("http.request.method", "GET"),
        KeyValue::new("http.route", "/"),
        KeyValue::new("http.response.status_code", 200),
    ]);
    // It ends when it is dropped.
    let _span = span.start_with_context(&tracer, &caller);
    "in stock"
}
