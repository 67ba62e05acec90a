//! Decoding a request as an SDK sends it: 512 spans with 10 attributes each, plain, in OTLP's and Zipkin's encodings. One thread, so spans
//! a second are spans per CPU-second.
//!
//! The request is made here, so that the figure can be repeated anywhere; every run first checks that what was decoded is what was
//! sent.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status},
};
use prost::Message as _;
use serde_json::json;
use spillway_decode::{
    Limits, otlp,
    redact::{RedactionCounts, RedactionRules, Redactor, Rule},
    zipkin,
};
use spillway_model::batch::{Attributes, SpanBatch, SpanKind, ValueRef};

const SPANS: u64 = 512;

fn decode(c: &mut Criterion) {
    let sent = request();
    let protobuf = sent.encode_to_vec();
    let limits = Limits::default();
    let decoded = otlp::protobuf::decode_traces(&protobuf, &limits).expect("the request is well-formed");
    assert_eq!(decoded.batch.len() as u64, SPANS);
    assert_eq!(decoded.batch.attribute_keys.len() as u64, SPANS * 10 + 3);
    assert_eq!(decoded.message(), "");

    let mut group = c.benchmark_group("otlp");
    group.throughput(Throughput::Elements(SPANS));
    group.bench_function("protobuf", |bench| {
        bench.iter(|| otlp::protobuf::decode_traces(black_box(&protobuf), &limits))
    });
    let redactor = Redactor::new(&RedactionRules::default()).expect("there are no patterns");
    group.bench_function("protobuf, redacted", |bench| {
        bench.iter(|| {
            let mut decoded =
                otlp::protobuf::decode_traces(black_box(&protobuf), &limits).expect("the request is well-formed");
            redactor.redact_batch(&mut decoded.batch, &mut RedactionCounts::default());
            decoded
        });
    });
    let mut counts = RedactionCounts::default();
    redactor.redact_batch(&mut decoded.batch.clone(), &mut counts);
    assert!(counts.get(Rule::UrlQuery) > SPANS / 4, "half of the URLs have a query: {counts:?}");
    let json = json(&decoded.batch);
    let again = otlp::json::decode_traces(json.as_bytes(), &limits).expect("the request is well-formed");
    assert_eq!(
        again.batch.iter().map(|span| span.span_id()).collect::<Vec<_>>(),
        decoded.batch.iter().map(|span| span.span_id()).collect::<Vec<_>>()
    );
    assert_eq!(again.batch.attribute_keys.len(), decoded.batch.attribute_keys.len());
    group.bench_function("json", |bench| bench.iter(|| otlp::json::decode_traces(black_box(json.as_bytes()), &limits)));
    group.bench_function("protobuf with prost", |bench| {
        bench.iter(|| ExportTraceServiceRequest::decode(black_box(&*protobuf)))
    });
    group.finish();

    let zipkin_json = as_zipkin(&decoded.batch);
    let again = zipkin::decode_spans(zipkin_json.as_bytes(), zipkin::Encoding::Json, &limits);
    let again = again.expect("the list is well-formed").batch;
    assert_eq!((again.len() as u64, again.attribute_keys.len() as u64), (SPANS, SPANS * 10 + 2));
    let mut group = c.benchmark_group("zipkin");
    group.throughput(Throughput::Elements(SPANS));
    group.bench_function("json", |bench| {
        bench.iter(|| zipkin::decode_spans(black_box(zipkin_json.as_bytes()), zipkin::Encoding::Json, &limits))
    });
    group.finish();
}

/// Half server spans, half client spans; two attributes of each are its own, the others repeat as they do in practice.
fn request() -> ExportTraceServiceRequest {
    let mut random = Random(7);
    let spans = (0..SPANS).map(|index| span(index, &mut random)).collect();
    let text = |value: &str| Value::StringValue(value.to_owned());
    let resource = Resource {
        attributes: vec![
            pair("service.name", text("checkout")),
            pair("service.instance.id", text("checkout-7f9c-1")),
            pair("deployment.environment.name", text("production")),
        ],
        ..Resource::default()
    };
    let scope = InstrumentationScope {
        name: "http".to_owned(),
        version: "1.2.3".to_owned(),
        ..InstrumentationScope::default()
    };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, schema_url: String::new() }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource: Some(resource), scope_spans, schema_url: String::new() }],
    }
}

fn span(index: u64, random: &mut Random) -> Span {
    let route = ["/cart", "/cart/{id}", "/checkout", "/payments/{id}"][(random.next() % 4) as usize];
    let start = 1_767_225_600_000_000_000 + index * 1_000_000 + random.next() % 1_000_000;
    let text = |value: String| Value::StringValue(value);
    let attributes = vec![
        pair("http.request.method", text(if random.next().is_multiple_of(3) { "POST" } else { "GET" }.to_owned())),
        pair("http.route", text(route.to_owned())),
        // Every second URL has a query, which the redactor has to rewrite.
        pair(
            "url.full",
            text(format!(
                "http://checkout.shop.svc:8080{route}/{}{}",
                random.next() % 10_000,
                ["", "?page=2"][(index % 2) as usize]
            )),
        ),
        pair("http.response.status_code", Value::IntValue(if random.next().is_multiple_of(50) { 503 } else { 200 })),
        pair("server.address", text("checkout.shop.svc".to_owned())),
        pair("server.port", Value::IntValue(8080)),
        pair("network.protocol.version", text("1.1".to_owned())),
        pair("user_agent.original", text("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36".to_owned())),
        pair("thread.id", Value::IntValue((random.next() % 16).cast_signed())),
        pair("cart.id", text(format!("{:016x}", random.next()))),
    ];
    Span {
        trace_id: (u128::from(random.next()) << 64 | u128::from(random.next() | 1)).to_be_bytes().to_vec(),
        span_id: (random.next() | 1).to_be_bytes().to_vec(),
        parent_span_id: if index.is_multiple_of(8) { Vec::new() } else { (random.next() | 1).to_be_bytes().to_vec() },
        name: format!("GET {route}"),
        kind: if index.is_multiple_of(2) { 2 } else { 3 },
        flags: 0x101,
        start_time_unix_nano: start,
        end_time_unix_nano: start + random.next() % 50_000_000,
        attributes,
        status: Some(Status::default()),
        ..Span::default()
    }
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), key_strindex: 0 }
}

/// The same request in OTLP/JSON.
fn json(batch: &SpanBatch) -> String {
    fn attributes(attributes: Attributes<'_>) -> Vec<serde_json::Value> {
        let value = |value| match value {
            ValueRef::Int(int) => json!({"intValue": int.to_string()}),
            value => json!({"stringValue": value.as_str()}),
        };
        attributes.iter().map(|(key, have)| json!({"key": key, "value": value(have)})).collect()
    }
    let spans: Vec<_> = batch
        .iter()
        .map(|span| {
            json!({
                "traceId": span.trace_id().to_string(), "spanId": span.span_id().to_string(), "parentSpanId": span.parent_id().to_string(),
                "name": span.name(), "kind": span.kind() as u8, "flags": span.flags(), "status": {},
                "startTimeUnixNano": span.start_ns().to_string(), "endTimeUnixNano": span.end_ns().to_string(),
                "attributes": attributes(span.attributes()),
            })
        })
        .collect();
    let resource = json!({"attributes": attributes(batch.span(0).resource_attributes())});
    json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "http"}, "spans": spans}]}]})
        .to_string()
}

/// The same spans in Zipkin's JSON: its tags are all text.
fn as_zipkin(batch: &SpanBatch) -> String {
    let spans: Vec<_> = batch
        .iter()
        .map(|span| {
            let tags: serde_json::Map<_, _> = span
                .attributes()
                .iter()
                .map(|(key, value)| {
                    let text = match value {
                        ValueRef::Int(int) => int.to_string(),
                        value => value.as_str().unwrap_or_default().to_owned(),
                    };
                    (key.to_owned(), text.into())
                })
                .collect();
            json!({
                "traceId": span.trace_id().to_string(), "id": span.span_id().to_string(), "parentId": span.parent_id().to_string(),
                "kind": if span.kind() == SpanKind::Server { "SERVER" } else { "CLIENT" }, "name": span.name(),
                "timestamp": span.start_ns() / 1_000, "duration": (span.end_ns() - span.start_ns()) / 1_000,
                "localEndpoint": {"serviceName": "checkout", "ipv4": "10.1.0.4"}, "tags": tags,
            })
        })
        .collect();
    serde_json::Value::Array(spans).to_string()
}

/// SplitMix64: the same request everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

criterion_group!(benches, decode);
criterion_main!(benches);
