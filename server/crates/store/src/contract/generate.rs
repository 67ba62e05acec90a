//! Batches, events and queries for the suite.

use std::sync::Arc;

use proptest::{collection::vec, prelude::*, sample::select};
use spillway_model::{
    batch::{EventRow, LinkRow, Run, Scope, SpanBatch, SpanBatchBuilder, SpanKind, SpanRow, SpanStatus, StrId, Value},
    event::{BreakerState, Event, EventBody, HealthStatus},
    identity::{ServiceKey, SpanId, TraceId},
};

/// Numbers that look random and are not: the same seed gives the same on every run.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d)
    }

    /// The next 64 bits (splitmix64).
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`, which is not zero.
    pub fn below(&mut self, n: u64) -> u64 {
        self.bits() % n
    }

    /// One of them.
    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// Begin of the time in which generated spans lie.
pub const EPOCH_NS: u64 = 1_790_000_000_000_000_000;

/// Names that generated services, operations and environments have.
pub mod names {
    /// Environments.
    pub const ENVIRONMENTS: [&str; 3] = ["", "production", "staging"];
    /// Services.
    pub const SERVICES: [&str; 4] = ["checkout", "cart", "payments", "søppel/ost"];
    /// Operations.
    pub const OPERATIONS: [&str; 5] = ["GET /cart", "POST /checkout", "charge", "", "SELECT"];
}

/// Where a generated span comes from: its content follows from these, so a repeated span is the same span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// Changes all content.
    pub seed: u64,
    /// Which trace.
    pub trace: u8,
    /// Which span of it.
    pub span: u8,
}

/// The id of a generated trace.
pub fn trace_id(trace: u8) -> TraceId {
    TraceId([trace.wrapping_add(1); 16])
}

/// A batch of generated spans. Times of different spans are often equal, so that the order of ties is tested.
pub fn batch_of(origins: &[Origin]) -> SpanBatch {
    let mut builder = SpanBatchBuilder::new();
    let mut scopes: Vec<((&str, &str), u32)> = Vec::new();
    for origin in origins {
        let mut dice = Dice::new(origin.seed ^ (u64::from(origin.trace) << 32) ^ (u64::from(origin.span) << 40));
        let service = dice.pick(&names::SERVICES);
        let environment = dice.pick(&names::ENVIRONMENTS);
        let scope = match scopes.iter().find(|(key, _)| *key == (environment, service)) {
            Some((_, scope)) => *scope,
            None => {
                let scope = add_scope(&mut builder, environment, service);
                scopes.push(((environment, service), scope));
                scope
            }
        };
        let start = builder.attribute_count();
        let key = builder.intern("http.response.status_code");
        builder.attribute(key, Value::Int(200 + dice.below(4) as i64));
        let key = builder.intern("user.id");
        let value = builder.intern(&format!("user-{}", dice.below(1000)));
        builder.attribute(key, Value::Str(value));
        let start_ns = EPOCH_NS + u64::from(origin.trace) * 1_000_000_000 + dice.below(8) * 500_000_000;
        let row = SpanRow {
            scope,
            trace_id: trace_id(origin.trace),
            span_id: SpanId([origin.span.wrapping_add(1); 8]),
            parent_id: if origin.span == 0 {
                SpanId::NONE
            } else {
                SpanId([dice.below(u64::from(origin.span)) as u8 + 1; 8])
            },
            name: builder.intern(dice.pick(&names::OPERATIONS)),
            kind: SpanKind::from_number(dice.below(6)),
            start_ns,
            end_ns: start_ns + dice.below(5) * 1_000_000,
            status: SpanStatus::from_number(dice.below(4).saturating_sub(1)),
            attributes: builder.attributes_since(start),
            ..SpanRow::default()
        };
        builder.span(&row);
    }
    builder.finish()
}

/// Spans of the trace `trace_id(200)`, as one of many requests that carry it.
pub fn one_trace(number: u16, spans: u32) -> SpanBatch {
    let mut builder = SpanBatchBuilder::new();
    let scope = add_scope(&mut builder, "production", "cart");
    let name = builder.intern("a step");
    for index in 0..spans {
        let id = (u64::from(number) << 32) | u64::from(index) | (1 << 60);
        let start_ns = EPOCH_NS + u64::from(index) * 1_000;
        let row = SpanRow {
            scope,
            trace_id: trace_id(200),
            span_id: SpanId(id.to_le_bytes()),
            name,
            start_ns,
            end_ns: start_ns + 500,
            ..SpanRow::default()
        };
        builder.span(&row);
    }
    builder.finish()
}

fn add_scope(builder: &mut SpanBatchBuilder, environment: &str, service: &str) -> u32 {
    let start = builder.attribute_count();
    for (key, value) in [("service.name", service), ("deployment.environment.name", environment)] {
        let (key, value) = (builder.intern(key), builder.intern(value));
        builder.attribute(key, Value::Str(value));
    }
    let attributes = builder.attributes_since(start);
    let resource = builder.resource(attributes, 0, StrId::EMPTY);
    let name = builder.intern("suite");
    builder.scope(Scope { resource, name, ..Scope::default() })
}

/// Spans of a few traces, in any order, some more than once.
pub fn origins(seed: u64, most: usize) -> impl Strategy<Value = Vec<Origin>> {
    vec((0u8..12, 0u8..10), 0..most)
        .prop_map(move |spans| spans.into_iter().map(|(trace, span)| Origin { seed, trace, span }).collect())
}

/// Batches of one world, and the gaps between their arrivals.
pub fn history(batches: usize, spans: usize) -> impl Strategy<Value = Vec<(Vec<Origin>, i64)>> {
    any::<u64>().prop_flat_map(move |seed| vec((origins(seed, spans), 0i64..3_000_000_000), 1..batches))
}

/// Any conditions, of values that generated spans have.
pub fn query() -> impl Strategy<Value = crate::TraceQuery> {
    let some =
        |values: &'static [&'static str]| proptest::option::weighted(0.3, select(values).prop_map(str::to_owned));
    let time = || proptest::option::weighted(0.3, (0u64..34).prop_map(|step| EPOCH_NS + step * 500_000_000));
    let duration = || proptest::option::weighted(0.2, (0u64..6).prop_map(|ms| ms * 1_000_000));
    let status = proptest::option::weighted(0.3, select(&[SpanStatus::Unset, SpanStatus::Ok, SpanStatus::Error]));
    (
        some(&names::ENVIRONMENTS),
        some(&names::SERVICES),
        some(&names::OPERATIONS),
        status,
        duration(),
        duration(),
        time(),
        time(),
        1u32..6,
    )
        .prop_map(
            |(environment, service, operation, status, min_duration_ns, max_duration_ns, from_ns, to_ns, limit)| {
                crate::TraceQuery {
                    environment,
                    service,
                    operation,
                    status,
                    min_duration_ns,
                    max_duration_ns,
                    from_ns,
                    to_ns,
                    limit,
                    ..crate::TraceQuery::default()
                }
            },
        )
}

/// An event of few ids and few contents, so that repeats and conflicts happen.
pub fn event() -> impl Strategy<Value = Event> {
    let body = prop_oneof![
        (
            select(&["payments", "bank"]),
            select(&["main", "spare"]),
            select(&[BreakerState::Closed, BreakerState::HalfOpen, BreakerState::Open])
        )
            .prop_map(|(target, name, state)| EventBody::Breaker {
                target: target.into(),
                name: name.into(),
                state
            }),
        (select(&[HealthStatus::Up, HealthStatus::Degraded, HealthStatus::Down]), select(&["", "disk"]))
            .prop_map(|(status, detail)| EventBody::Health { status, detail: detail.into() }),
    ];
    (0u8..60, select(&["", "staging"]), select(&["checkout", "payments"]), select(&["", "i1", "i2"]), 0i64..20, body)
        .prop_map(|(id, environment, service, instance, at, body)| Event {
            id: Arc::from(format!("e{id}")),
            service: ServiceKey::new(environment, "", service),
            instance: instance.into(),
            at_ns: EPOCH_NS as i64 + at * 1_000_000_000,
            body,
        })
}

/// A batch of anything that a sender may make, extremes included: for encodings that must lose nothing.
pub fn wild_batch(spans: usize) -> impl Strategy<Value = SpanBatch> {
    (any::<u64>(), 0..=spans, 1u64..6).prop_map(|(seed, spans, variety)| wild(seed, spans, variety))
}

/// Everything that hangs on an owner, drawn at random; a small `variety` makes neighbours alike.
struct Wild {
    dice: Dice,
    variety: u64,
    builder: SpanBatchBuilder,
}

impl Wild {
    fn text(&mut self) -> StrId {
        let text = match self.dice.below(6) {
            0 => String::new(),
            1 => format!("unique {}", self.dice.bits()),
            2 => "é\0\u{1F600}".repeat(self.dice.below(4) as usize),
            _ => format!("text {}", self.dice.below(self.variety)),
        };
        self.builder.intern(&text)
    }

    fn number(&mut self) -> u32 {
        match self.dice.below(8) {
            0 => self.dice.bits() as u32,
            1 => self.dice.below(300) as u32,
            _ => 0,
        }
    }

    fn bytes(&mut self) -> Run {
        let bytes: Vec<u8> = (0..self.dice.below(6)).map(|_| self.dice.bits() as u8).collect();
        self.builder.bytes(&bytes)
    }

    fn value(&mut self, kind: u64) -> Value {
        match kind {
            0 => Value::Empty,
            1 => Value::Bool(self.dice.below(2) == 0),
            2 => Value::Int(self.dice.bits() as i64),
            3 => Value::Int(self.dice.below(5) as i64 * 100),
            4 => Value::Int(1_000_000 + self.dice.below(50) as i64),
            5 => Value::Double(f64::from_bits(self.dice.bits())),
            6 => Value::Bytes(self.bytes()),
            7 => Value::Array(self.bytes()),
            8 => Value::Map(self.bytes()),
            _ => Value::Str(self.text()),
        }
    }

    /// The keys, and mostly the type of a key's values, follow from the shape; now and then a key comes twice.
    fn attributes(&mut self) -> Run {
        let start = self.builder.attribute_count();
        let shape = self.dice.below(self.variety);
        for key in 0..shape * 2 {
            let kind = if self.dice.below(10) == 0 { self.dice.below(12) } else { (key + shape) % 12 };
            let name = self.builder.intern(&format!("key.{}", if self.dice.below(20) == 0 { 0 } else { key }));
            let value = self.value(kind);
            self.builder.attribute(name, value);
        }
        self.builder.attributes_since(start)
    }

    fn time(&mut self) -> u64 {
        match self.dice.below(12) {
            0 => self.dice.bits(),
            1 => 0,
            2 => u64::MAX,
            _ => EPOCH_NS + self.dice.below(1_000_000_000),
        }
    }

    fn trace(&mut self) -> TraceId {
        let number = self.dice.below(self.variety * 3);
        TraceId(std::array::from_fn(|place| (number * place as u64) as u8))
    }

    /// Of a few, so that parents are often rows, and some ids come twice.
    fn span_id(&mut self) -> SpanId {
        if self.dice.below(4) == 0 { SpanId::NONE } else { SpanId(self.dice.below(40).to_le_bytes()) }
    }

    fn events(&mut self) -> Run {
        let start = self.builder.event_count();
        for _ in 0..self.dice.below(6).saturating_sub(3) {
            let row = EventRow {
                at_ns: self.time(),
                name: self.text(),
                attributes: self.attributes(),
                dropped_attributes: self.number(),
            };
            self.builder.event(row);
        }
        Run { start, len: self.builder.event_count() - start }
    }

    fn links(&mut self) -> Run {
        let start = self.builder.link_count();
        for _ in 0..self.dice.below(6).saturating_sub(4) {
            let row = LinkRow {
                trace_id: self.trace(),
                span_id: self.span_id(),
                trace_state: self.text(),
                flags: self.number(),
                attributes: self.attributes(),
                dropped_attributes: self.number(),
            };
            self.builder.link(row);
        }
        Run { start, len: self.builder.link_count() - start }
    }
}

fn wild(seed: u64, spans: usize, variety: u64) -> SpanBatch {
    let mut wild = Wild { dice: Dice::new(seed), variety, builder: SpanBatchBuilder::new() };
    let mut scopes = 0;
    for _ in 0..1 + wild.dice.below(variety) {
        let (attributes, dropped, schema) = (wild.attributes(), wild.number(), wild.text());
        let resource = wild.builder.resource(attributes, dropped, schema);
        for _ in 0..1 + wild.dice.below(3) {
            let row = Scope {
                resource,
                name: wild.text(),
                version: wild.text(),
                attributes: wild.attributes(),
                dropped_attributes: wild.number(),
                schema_url: wild.text(),
            };
            wild.builder.scope(row);
            scopes += 1;
        }
    }
    // Some batches have times in whole micro- or milliseconds.
    let unit = [1, 1, 1_000, 1_000_000][wild.dice.below(4) as usize];
    for _ in 0..spans {
        let row = SpanRow {
            scope: wild.dice.below(scopes) as u32,
            trace_id: wild.trace(),
            span_id: wild.span_id(),
            parent_id: wild.span_id(),
            trace_state: wild.text(),
            flags: wild.number(),
            name: wild.text(),
            kind: SpanKind::from_number(wild.dice.below(6)),
            start_ns: wild.time() / unit * unit,
            end_ns: wild.time() / unit * unit,
            status: SpanStatus::from_number(wild.dice.below(3)),
            status_message: wild.text(),
            attributes: wild.attributes(),
            dropped_attributes: wild.number(),
            events: wild.events(),
            dropped_events: wild.number(),
            links: wild.links(),
            dropped_links: wild.number(),
        };
        wild.builder.span(&row);
    }
    wild.builder.finish()
}

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
