//! A service that sends: OTLP requests with known content, and events.

use bytes::Bytes;
use http::{Request, header};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status},
};
use prost::Message as _;
use serde_json::{Value, json};

use super::clock::now_ns;

/// An attribute of text.
pub fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(value.into())) }),
        ..KeyValue::default()
    }
}

/// A trace id that no other number has.
pub fn trace_id(number: u64) -> [u8; 16] {
    let mut id = [0x5a; 16];
    id[..8].copy_from_slice(&number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    id[8..].copy_from_slice(&number.to_be_bytes());
    id
}

/// The id as the API shows it.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One call of `checkout` to `payments`: the client's span and the server's, each from its own service.
pub fn call(number: u64) -> ExportTraceServiceRequest {
    let end = now_ns();
    let start = end - 20_000_000;
    let trace_id = trace_id(number).to_vec();
    let span = |span: u8, parent: u8, kind: i32, name: &str| Span {
        trace_id: trace_id.clone(),
        span_id: vec![0, 0, 0, 0, 0, 0, 0, span],
        parent_span_id: if parent == 0 { Vec::new() } else { vec![0, 0, 0, 0, 0, 0, 0, parent] },
        name: name.into(),
        kind,
        start_time_unix_nano: start + u64::from(span) * 1_000_000,
        end_time_unix_nano: end - u64::from(span) * 1_000_000,
        attributes: vec![attribute("http.request.method", "POST"), attribute("http.route", "/pay")],
        status: Some(Status::default()),
        ..Span::default()
    };
    let of = |service: &str, span: Span| ResourceSpans {
        resource: Some(Resource {
            attributes: vec![
                attribute("service.name", service),
                attribute("service.namespace", "shop"),
                attribute("deployment.environment.name", "test"),
                attribute("service.instance.id", &format!("{service}-1")),
            ],
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![of("checkout", span(1, 0, 3, "POST")), of("payments", span(2, 1, 2, "POST /pay"))],
    }
}

/// The same call, made for somebody whose name is in the client's span only.
pub fn named_call(number: u64, name: &str) -> ExportTraceServiceRequest {
    let mut request = call(number);
    let span = &mut request.resource_spans[0].scope_spans[0].spans[0];
    span.attributes.push(attribute("user.id", name));
    // Packed text is not seen by who looks at bytes; names of operations stand in a table as they are.
    span.name = name.into();
    request
}

/// A request to an OTLP/HTTP receiver.
pub fn otlp(url: &str, request: &ExportTraceServiceRequest) -> Request<Bytes> {
    Request::post(format!("{url}/v1/traces"))
        .header(header::CONTENT_TYPE, "application/x-protobuf")
        .body(request.encode_to_vec().into())
        .unwrap()
}

/// A breaker event of `checkout` towards `payments`.
pub fn breaker(id: &str, state: &str) -> Value {
    json!({ "id": id, "kind": "breaker", "environment": "test", "namespace": "shop", "service": "checkout", "instance": "checkout-1",
        "target": "payments", "name": "payments", "state": state, "at": super::clock::now_rfc3339() })
}
