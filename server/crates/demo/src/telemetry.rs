//! The official OpenTelemetry SDK, one provider a service instance, as each would have in a process of its own.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use opentelemetry::{Context, KeyValue, propagation::TextMapPropagator as _, trace::TracerProvider as _};
use opentelemetry_http::{HeaderExtractor, HeaderInjector, HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider},
};
use tokio::runtime::Handle;

/// Of everything in the shop.
pub(crate) const ENVIRONMENT: &str = "demo";
/// Of everything in the shop.
pub(crate) const NAMESPACE: &str = "shop";

/// The SDK waits 5 s by default; a demo should be seen at once.
const EXPORT_EVERY: Duration = Duration::from_secs(1);
/// An answer to an export is a few bytes.
const ANSWER_BYTES: usize = 64 << 10;

/// Connections of the whole shop.
pub(crate) type Http = Client<HttpConnector, Full<Bytes>>;

/// The SDK exports from a thread of its own; the connections live on the runtime.
#[derive(Clone, Debug)]
struct OnRuntime {
    client: Http,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let call = self.runtime.spawn(async move {
            let (head, body) = client.request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        });
        call.await?
    }
}

/// What a service instance needs to send spans.
#[derive(Clone)]
pub(crate) struct Telemetry {
    pub(crate) tracer: SdkTracer,
    pub(crate) provider: SdkTracerProvider,
}

/// Where spans go.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) otlp_url: String,
    pub(crate) key: Option<String>,
}

impl Telemetry {
    /// The SDK of one instance.
    ///
    /// # Errors
    /// An address that the exporter cannot use.
    pub(crate) fn new(target: &Target, http: &Http, service: &'static str, instance: &str) -> Result<Self, String> {
        let mut headers = HashMap::new();
        if let Some(key) = &target.key {
            headers.insert("authorization".to_owned(), format!("Bearer {key}"));
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(OnRuntime { client: http.clone(), runtime: Handle::current() })
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", target.otlp_url.trim_end_matches('/')))
            .with_headers(headers)
            .build()
            .map_err(|error| format!("cannot export to {}: {error}", target.otlp_url))?;
        let resource = Resource::builder()
            .with_service_name(service)
            .with_attributes([
                KeyValue::new("service.namespace", NAMESPACE),
                KeyValue::new("service.instance.id", instance.to_owned()),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("deployment.environment.name", ENVIRONMENT),
            ])
            .build();
        let config = BatchConfigBuilder::default().with_scheduled_delay(EXPORT_EVERY).build();
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
        let provider = SdkTracerProvider::builder().with_span_processor(processor).with_resource(resource).build();
        Ok(Self { tracer: provider.tracer("spillway-demo"), provider })
    }
}

/// The caller's context, from `traceparent`.
pub(crate) fn extract(headers: &HeaderMap) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers))
}

/// Puts a context into `traceparent`.
pub(crate) fn inject(context: &Context, headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(context, &mut HeaderInjector(headers));
}
