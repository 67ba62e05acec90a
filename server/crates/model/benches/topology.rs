//! What pairing costs a span, and what the live map costs on top and to draw.
//!
//! Traces of nine spans over four services, a database and an external host, in batches as SDKs send them: one service each, so that
//! nearly every pair is found across batches, half of them with the server's half first.

use std::{hint::black_box, time::Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use spillway_model::{
    batch::{Scope, SpanBatch, SpanBatchBuilder, SpanKind, SpanRow, StrId, Value},
    identity::{SpanId, TraceId},
    topology::{Live, LiveLimits, Pairer, PairerLimits},
};

const SECOND: u64 = 1_000_000_000;
const NOW: u64 = 1_767_225_600 * SECOND;
/// Traces in one round of batches: each service's batch then holds about this many spans or twice as many.
const TRACES: u64 = 256;

/// A span of a trace: service, id, parent, kind, attributes beside those that all have.
type Step = (&'static str, u8, u8, SpanKind, &'static [(&'static str, &'static str)]);

/// Spans of one trace.
const TRACE: [Step; 9] = [
    ("gateway", 1, 0, SpanKind::Server, &[("http.request.method", "GET"), ("http.route", "/checkout")]),
    ("gateway", 2, 1, SpanKind::Client, &[("http.request.method", "POST"), ("server.address", "10.0.0.2")]),
    ("checkout", 3, 2, SpanKind::Server, &[("http.request.method", "POST"), ("http.route", "/pay")]),
    ("checkout", 4, 3, SpanKind::Internal, &[("step", "price")]),
    (
        "checkout",
        5,
        3,
        SpanKind::Client,
        &[("rpc.system", "grpc"), ("rpc.service", "shop.Payments"), ("server.address", "payments")],
    ),
    ("payments", 6, 5, SpanKind::Server, &[("rpc.system", "grpc"), ("rpc.service", "shop.Payments")]),
    (
        "payments",
        7,
        6,
        SpanKind::Client,
        &[("db.system.name", "postgresql"), ("db.namespace", "payments"), ("server.address", "db.internal")],
    ),
    (
        "payments",
        8,
        6,
        SpanKind::Client,
        &[("http.request.method", "POST"), ("url.full", "https://api.bank.example/v1/charges")],
    ),
    ("cart", 9, 3, SpanKind::Server, &[("http.request.method", "GET"), ("http.route", "/cart")]),
];

const SERVICES: [&str; 4] = ["payments", "gateway", "checkout", "cart"];

/// Batches of one round: all spans of a service in one.
fn round(number: u64) -> impl Iterator<Item = SpanBatch> {
    SERVICES.into_iter().map(move |service| {
        let mut builder = SpanBatchBuilder::new();
        let start = builder.attribute_count();
        for (key, value) in [
            ("service.name", service),
            ("service.namespace", "shop"),
            ("deployment.environment.name", "prod"),
            ("service.instance.id", "1"),
        ] {
            let (key, value) = (builder.intern(key), builder.intern(value));
            builder.attribute(key, Value::Str(value));
        }
        let attributes = builder.attributes_since(start);
        let resource = builder.resource(attributes, 0, StrId::EMPTY);
        let scope = builder.scope(Scope { resource, ..Scope::default() });
        for trace in 0..TRACES {
            let id = number * TRACES + trace;
            for (_, span, parent, kind, attributes) in TRACE.into_iter().filter(|(of, ..)| *of == service) {
                add(&mut builder, scope, (id, span, parent, kind), attributes, NOW + number * SECOND / 10);
            }
        }
        builder.finish()
    })
}

fn add(
    builder: &mut SpanBatchBuilder,
    scope: u32,
    (trace, span, parent, kind): (u64, u8, u8, SpanKind),
    own: &[(&str, &str)],
    end_ns: u64,
) {
    // Spread like random ids.
    let spread = (trace + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut trace_id = [0; 16];
    trace_id[..8].copy_from_slice(&spread.to_be_bytes());
    trace_id[8..].copy_from_slice(&spread.rotate_left(29).to_be_bytes());
    let span_id = |span: u8| if span == 0 { SpanId::NONE } else { SpanId((spread ^ u64::from(span)).to_be_bytes()) };
    let start = builder.attribute_count();
    for (key, value) in own {
        let (key, value) = (builder.intern(key), builder.intern(value));
        builder.attribute(key, Value::Str(value));
    }
    for key in [
        "thread.name",
        "code.function.name",
        "user_agent.original",
        "network.protocol.version",
        "client.address",
        "app.tenant",
        "app.region",
    ] {
        let (key, value) = (builder.intern(key), builder.intern("some value"));
        builder.attribute(key, Value::Str(value));
    }
    let key = builder.intern("http.response.status_code");
    builder.attribute(key, Value::Int(200));
    let attributes = builder.attributes_since(start);
    let name = builder.intern("work");
    let row = SpanRow {
        scope,
        trace_id: TraceId(trace_id),
        span_id: span_id(span),
        parent_id: span_id(parent),
        name,
        kind,
        start_ns: end_ns - 5_000_000 - (spread % 20_000_000),
        end_ns,
        attributes,
        ..SpanRow::default()
    };
    builder.span(&row);
}

fn bench(criterion: &mut Criterion) {
    let batches: Vec<(u64, SpanBatch)> =
        (0..100).flat_map(|number| round(number).map(move |batch| (NOW + number * SECOND / 10, batch))).collect();
    let spans: usize = batches.iter().map(|(_, batch)| batch.len()).sum();
    let mut group = criterion.benchmark_group("topology");
    group.sample_size(10).throughput(Throughput::Elements(spans as u64));

    group.bench_function("pair", |bencher| {
        let run = |mut pairer: Pairer| {
            let mut facts = 0i64;
            for (now_ns, batch) in &batches {
                pairer.observe(batch, *now_ns, &mut |_, said| {
                    facts += said.iter().map(|fact| black_box(fact).times).sum::<i64>()
                });
            }
            // The result is that of every trace: nine spans give these facts, however they met.
            assert_eq!(facts, i64::try_from(100 * TRACES * FACTS).expect("small"));
            pairer
        };
        bencher.iter_batched(|| Pairer::new(PairerLimits::default()), run, BatchSize::LargeInput);
    });

    group.bench_function("live", |bencher| {
        let run = |mut live: Live| {
            for (now_ns, batch) in &batches {
                live.observe(batch, *now_ns, &mut |_, _| {});
            }
            live
        };
        bencher.iter_batched(|| Live::new(LiveLimits::default()), run, BatchSize::LargeInput);
    });
    group.finish();

    criterion.bench_function("topology/draw", draw_large);
}

/// A map of 1,000 services with 5,000 edges of one call a second each: only the drawing is timed, once a second as the server does it.
fn draw_large(bencher: &mut criterion::Bencher<'_>) {
    let mut live = Live::new(LiveLimits::default());
    let mut second = 0;
    let mut step = || {
        second += 1;
        let now_ns = NOW + second * SECOND;
        live.observe(&calls(second, now_ns), now_ns, &mut |_, _| {});
        let began = Instant::now();
        let map = black_box(live.snapshot(now_ns));
        (began.elapsed(), map)
    };
    for _ in 0..40 {
        step();
    }
    let (_, map) = step();
    assert_eq!((map.edges.len(), map.edges[0].caller.map(|numbers| numbers.rate)), (5_000, Some(1.0)));
    bencher.iter_custom(|times| (0..times).map(|_| step().0).sum());
}

/// One call over each edge.
fn calls(second: u64, end_ns: u64) -> SpanBatch {
    let mut builder = SpanBatchBuilder::new();
    let scopes: Vec<u32> = (0..1_000)
        .map(|service| {
            let start = builder.attribute_count();
            let (key, value) = (builder.intern("service.name"), builder.intern(&format!("service-{service}")));
            builder.attribute(key, Value::Str(value));
            let attributes = builder.attributes_since(start);
            let resource = builder.resource(attributes, 0, StrId::EMPTY);
            builder.scope(Scope { resource, ..Scope::default() })
        })
        .collect();
    for edge in 0..5_000u64 {
        let (source, target) = (edge % 1_000, (edge + 1 + 7 * (edge / 1_000)) % 1_000);
        let trace = second * 5_000 + edge;
        let scope = |service: u64| scopes[usize::try_from(service).expect("small")];
        add(&mut builder, scope(source), (trace, 1, 9, SpanKind::Client), &[("http.request.method", "GET")], end_ns);
        add(&mut builder, scope(target), (trace, 2, 1, SpanKind::Server), &[("http.request.method", "GET")], end_ns);
    }
    builder.finish()
}

/// Facts of one trace in the end: a node for each of four servers, both sides of two calls and of gateway's, the user, checkout's call of
/// cart, the database and the bank with their nodes.
const FACTS: u64 = 4 + 2 * 2 + 1 + 1 + 2 + 2;

criterion_group!(benches, bench);
criterion_main!(benches);
