//! Batches like those of a real exporter.

use spillway_model::{
    batch::{Scope, SpanBatch, SpanBatchBuilder, SpanKind, SpanRow, SpanStatus, StrId, Value},
    identity::{SpanId, TraceId},
};

use super::{Dice, EPOCH_NS};

/// A request as a real exporter sends it: spans of one service with ten attributes each, in the order in which they ended. For
/// measuring sizes and speed; ids and values have the entropy of real ones.
pub fn realistic_batch(seed: u64, spans: usize) -> SpanBatch {
    let mut dice = Dice::new(seed);
    let mut builder = SpanBatchBuilder::new();
    let service = dice.pick(&["checkout", "cart", "payments", "inventory", "gateway"]);
    let start = builder.attribute_count();
    for (key, value) in [
        ("service.name", service),
        ("service.namespace", "shop"),
        ("deployment.environment.name", "production"),
        ("service.version", "1.14.2"),
        ("telemetry.sdk.language", "java"),
        ("telemetry.sdk.name", "opentelemetry"),
        ("telemetry.sdk.version", "1.53.0"),
        ("host.name", "ip-10-3-42-17.ec2.internal"),
    ] {
        let (key, value) = (builder.intern(key), builder.intern(value));
        builder.attribute(key, Value::Str(value));
    }
    let attributes = builder.attributes_since(start);
    let resource = builder.resource(attributes, 0, StrId::EMPTY);
    let name = builder.intern("io.opentelemetry.servlet-5.0");
    let version = builder.intern("2.19.0");
    let scope = builder.scope(Scope { resource, name, version, ..Scope::default() });
    let mut now = EPOCH_NS + seed * 200_000_000;
    let mut trace = (TraceId::default(), SpanId::NONE);
    for index in 0..spans {
        // Four spans of a trace pass through one service, children first.
        let place = index % 4;
        if place == 0 {
            trace = (TraceId(std::array::from_fn(|_| dice.bits() as u8)), SpanId(dice.bits().to_le_bytes()));
        }
        let last = place == 3;
        let span_id = if last { trace.1 } else { SpanId(dice.bits().to_le_bytes()) };
        // The caller of the service is somewhere else.
        let parent_id = if last { SpanId(dice.bits().to_le_bytes()) } else { trace.1 };
        now += 50_000 + dice.below(3_000_000);
        let route = dice.pick(&["/cart/{id}", "/checkout", "/products/{id}", "/orders/{id}/items", "/health"]);
        let failed = dice.below(50) == 0;
        let start = builder.attribute_count();
        let text = |builder: &mut SpanBatchBuilder, key: &str, value: &str| {
            let (key, value) = (builder.intern(key), builder.intern(value));
            builder.attribute(key, Value::Str(value));
        };
        text(&mut builder, "http.request.method", dice.pick(&["GET", "GET", "GET", "POST"]));
        text(&mut builder, "http.route", route);
        text(&mut builder, "url.path", &route.replace("{id}", &dice.below(100_000).to_string()));
        text(&mut builder, "url.scheme", "http");
        text(&mut builder, "server.address", dice.pick(&["cart.shop.svc", "payments.shop.svc", "inventory.shop.svc"]));
        text(&mut builder, "network.protocol.version", "1.1");
        text(&mut builder, "user.id", &format!("u-{:06}", dice.below(20_000)));
        text(&mut builder, "thread.name", &format!("http-nio-8080-exec-{}", dice.below(40)));
        let key = builder.intern("http.response.status_code");
        builder.attribute(key, Value::Int(if failed { 503 } else { 200 }));
        let key = builder.intern("server.port");
        builder.attribute(key, Value::Int(8080));
        let duration = 200_000 + dice.below(30_000_000);
        let row = SpanRow {
            scope,
            trace_id: trace.0,
            span_id,
            parent_id,
            flags: 0x101,
            name: builder.intern(&format!("{} {route}", if last { "GET" } else { "call" })),
            kind: if last { SpanKind::Server } else { SpanKind::Client },
            start_ns: now - duration,
            end_ns: now,
            status: if failed { SpanStatus::Error } else { SpanStatus::Unset },
            attributes: builder.attributes_since(start),
            ..SpanRow::default()
        };
        builder.span(&row);
    }
    builder.finish()
}
