//! Batches, events and queries for the suite.

use std::sync::Arc;

use proptest::{collection::vec, option, prelude::*, sample::select};
use spillway_model::{
    batch::{EventRow, LinkRow, Run, Scope, SpanBatch, SpanBatchBuilder, SpanKind, SpanRow, SpanStatus, StrId, Value},
    event::{BreakerState, ChangeKind, Event, EventBody, Guard, HealthStatus, LimitState},
    identity::{ServiceKey, SpanId, TraceId},
};
use spillway_query::{
    Comparison, Equality, Filter, Order, Pattern, Term, TextField, TextTest,
    generate::{self, Vocabulary},
};

mod realistic;
mod wild;

pub use realistic::realistic_batch;
pub use wild::wild_batch;

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
        if dice.below(3) == 0 {
            // "blue", 300
            let tags = builder.bytes(&[0x0a, 6, 0x0a, 4, b'b', b'l', b'u', b'e', 0x0a, 3, 0x18, 0xac, 0x02]);
            let key = builder.intern("tags");
            builder.attribute(key, Value::Array(tags));
        }
        let attributes = builder.attributes_since(start);
        let events = Run { start: builder.event_count(), len: dice.below(3).saturating_sub(1) as u32 };
        for _ in events.range() {
            let start = builder.attribute_count();
            let key = builder.intern("attempt");
            builder.attribute(key, Value::Double(dice.below(4) as f64 / 2.0));
            let attributes = builder.attributes_since(start);
            let name = builder.intern(dice.pick(&["retry", "done"]));
            builder.event(EventRow { name, attributes, ..EventRow::default() });
        }
        let links = Run { start: builder.link_count(), len: u32::from(dice.below(8) == 0) };
        for _ in links.range() {
            builder.link(LinkRow { trace_id: trace_id(dice.below(12) as u8), ..LinkRow::default() });
        }
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
            attributes,
            events,
            links,
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

/// Words that generated spans are made of, and a few that none has.
fn vocabulary() -> Vocabulary {
    let all = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    Vocabulary {
        names: [&names::ENVIRONMENTS[..], &names::SERVICES, &names::OPERATIONS, &["suite", "retry"]].map(all).concat(),
        keys: all(&["http.response.status_code", "user.id", "tags", "attempt", "service.name", "missing"]),
        values: all(&["200", "201", "202.0", "user-7", "user-123", "blue", "300", "0.5", "1", "cart", "nowhere"]),
        durations: (0..6).map(|ms| ms * 1_000_000).collect(),
        starts: (0..34).map(|step| EPOCH_NS + step * 500_000_000).collect(),
        traces: (0..13).map(trace_id).collect(),
        spans: (0..11).map(|span| SpanId([span + 1; 8])).collect(),
    }
}

/// What people ask for: a few conditions side by side, that an engine has summaries of.
fn plain_filter() -> impl Strategy<Value = Filter> {
    let is = |field: TextField, values: &'static [&'static str]| {
        let name = select(values).prop_map(|name| Pattern::Exact(name.to_owned()));
        option::weighted(0.3, name.prop_map(move |name| Term::Text(field, TextTest::Is(name))))
    };
    let duration = |order: Order| {
        let ms = 0u64..6;
        option::weighted(0.2, ms.prop_map(move |ms| Term::Duration(Comparison::Order(order), ms * 1_000_000)))
    };
    let start = |order: Order| {
        let step = 0u64..34;
        option::weighted(
            0.3,
            step.prop_map(move |step| Term::Start(Comparison::Order(order), EPOCH_NS + step * 500_000_000)),
        )
    };
    let statuses = select(&[SpanStatus::Unset, SpanStatus::Ok, SpanStatus::Error]);
    let terms = (
        is(TextField::Environment, &names::ENVIRONMENTS),
        is(TextField::Service, &names::SERVICES),
        is(TextField::Operation, &names::OPERATIONS),
        option::weighted(0.3, statuses.prop_map(|status| Term::Status(Equality::Is, status))),
        duration(Order::AtLeast),
        duration(Order::AtMost),
        start(Order::AtLeast),
        start(Order::Less),
    );
    terms.prop_map(|(a, b, c, d, e, f, g, h)| {
        Filter::all([a, b, c, d, e, f, g, h].into_iter().flatten().map(Filter::Term))
    })
}

/// Any conditions, of values that generated spans have.
pub fn query() -> impl Strategy<Value = crate::TraceQuery> {
    let any = generate::filter(&vocabulary());
    let both = (plain_filter(), generate::filter(&vocabulary())).prop_map(|(a, b)| Filter::all([a, b]));
    let filter = prop_oneof![plain_filter(), any, both];
    (filter, 1u32..6).prop_map(|(filter, limit)| crate::TraceQuery { filter, limit, ..crate::TraceQuery::default() })
}

fn limit() -> impl Strategy<Value = EventBody> {
    let number = || prop::option::of(select(&[0, 7, u32::MAX]));
    let names = (select(&["", "payments", "bank"]), select(&["main", "spare"]));
    (select(&Guard::ALL), names, select(&LimitState::ALL), number(), number(), number()).prop_map(
        |(guard, (target, name), state, in_use, limit, waiting)| EventBody::Limit {
            guard,
            target: target.into(),
            name: name.into(),
            state,
            in_use,
            limit,
            waiting,
        },
    )
}

/// An event of few ids and few contents, so that repeats and conflicts happen.
pub fn event() -> impl Strategy<Value = Event> {
    let body = prop_oneof![
        (select(&["payments", "bank"]), select(&["main", "spare"]), select(&BreakerState::ALL))
            .prop_map(|(target, name, state)| EventBody::Breaker { target: target.into(), name: name.into(), state }),
        (select(&HealthStatus::ALL), select(&["", "disk"]))
            .prop_map(|(status, detail)| EventBody::Health { status, detail: detail.into() }),
        limit(),
        (select(&ChangeKind::ALL), select(&["", "v2"]), select(&["", "Roll out"]), select(&["", "https://ci/7"]))
            .prop_map(|(change, version, title, url)| EventBody::Change {
                change,
                version: version.into(),
                title: title.into(),
                url: url.into(),
            }),
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
