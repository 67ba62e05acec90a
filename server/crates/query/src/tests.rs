//! Laws that tie evaluation, planning and tokens together, on generated spans and filters.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*, sample::select};
use spillway_model::{
    batch::{EventRow, LinkRow, Run, Scope, SpanBatch, SpanBatchBuilder, SpanKind, SpanRow, SpanStatus, StrId, Value},
    identity::{SpanId, TraceId},
};

use crate::{
    AttributeKey, AttributeTest, Equality, Filter, Literal, Needs, Place, Term, TextTest, Verdict,
    generate::{self, Vocabulary},
    parse,
    token::attribute_tokens,
};

const NAMES: [&str; 5] = ["", "checkout", "cart", "GET /cart", "søppel øst"];
const KEYS: [&str; 5] = ["http.route", "retry.count", "name", "odd key", "service"];
const TEXTS: [&str; 7] = ["200", "200.0", "true", "a b", "/Cart/1", "", "201.5"];

pub(crate) fn vocabulary() -> Vocabulary {
    let all = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let odd = ["-a", "span.x", "or", "exists", "a\"b\\", "*", "a*b", "\u{7}", "=x", "(", "é\u{1F600}"];
    Vocabulary {
        names: [all(&NAMES), all(&odd)].concat(),
        keys: [all(&KEYS), all(&odd), all(&["", "event.name", "link.trace", "a.", "span."])].concat(),
        values: [all(&TEXTS), all(&odd), all(&["false", "-1", "1e300", "0.1", "20"])].concat(),
        durations: vec![0, 1, 1_000, 1_500_000, 5_000_000, u64::MAX],
        starts: vec![0, 1_000, 1_001, 1_790_000_000_000_000_000, u64::MAX],
        traces: vec![TraceId([1; 16]), TraceId([2; 16])],
        spans: vec![SpanId([1; 8]), SpanId([2; 8])],
    }
}

/// Words of spans only, so that conditions often hold.
fn close_vocabulary() -> Vocabulary {
    let all = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    Vocabulary {
        names: all(&NAMES),
        keys: all(&KEYS),
        values: [all(&TEXTS), all(&["0.1"])].concat(),
        starts: vec![1_000, 1_001, 1_002],
        durations: vec![0, 1, 2],
        ..vocabulary()
    }
}

#[derive(Clone, Debug)]
enum Drawn {
    Plain(Value),
    Text(&'static str),
    Array(Vec<u8>),
}

fn value() -> impl Strategy<Value = Drawn> {
    prop_oneof![
        4 => select(&TEXTS).prop_map(Drawn::Text),
        2 => (198i64..203).prop_map(|int| Drawn::Plain(Value::Int(int))),
        1 => select(&[200.0, 201.5, 0.1, f64::NAN, f64::INFINITY]).prop_map(|double| Drawn::Plain(Value::Double(double))),
        1 => any::<bool>().prop_map(|bool| Drawn::Plain(Value::Bool(bool))),
        1 => Just(Drawn::Plain(Value::Empty)),
        1 => vec(prop_oneof![Just(vec![0x0a, 3, 0x18, 0xc8, 0x01]), Just(vec![0x0a, 6, 0x0a, 4, b't', b'r', b'u', b'e'])], 0..3)
            .prop_map(|elements| Drawn::Array(elements.concat())),
    ]
}

type Attributes = Vec<(&'static str, Drawn)>;

fn attributes() -> impl Strategy<Value = Attributes> {
    vec((select(&KEYS), value()), 0..4)
}

fn add(builder: &mut SpanBatchBuilder, attributes: Attributes) -> Run {
    let start = builder.attribute_count();
    for (key, drawn) in attributes {
        let key = builder.intern(key);
        let value = match drawn {
            Drawn::Plain(value) => value,
            Drawn::Text(text) => Value::Str(builder.intern(text)),
            Drawn::Array(bytes) => Value::Array(builder.bytes(&bytes)),
        };
        builder.attribute(key, value);
    }
    builder.attributes_since(start)
}

/// A batch of one span.
fn span() -> impl Strategy<Value = SpanBatch> {
    let names = || select(&NAMES);
    let ids = (1u8..3, 1u8..3, 0u8..2);
    let times = (1_000u64..1_003, 0u64..3);
    (
        (attributes(), attributes(), vec((names(), attributes()), 0..3), vec(1u8..3, 0..2)),
        (names(), names(), names(), names(), names()),
        ids,
        times,
        (0u64..6, 0u64..3),
    )
        .prop_map(|((own, of_resource, events, links), names, ids, (start_ns, took), (kind, status))| {
            let (service, environment, instance, operation, scope) = names;
            let mut builder = SpanBatchBuilder::new();
            let mut resource: Attributes = of_resource;
            resource.extend([
                ("service.name", Drawn::Text(service)),
                ("deployment.environment.name", Drawn::Text(environment)),
                ("service.instance.id", Drawn::Text(instance)),
            ]);
            let run = add(&mut builder, resource);
            let resource = builder.resource(run, 0, StrId::EMPTY);
            let name = builder.intern(scope);
            let scope = builder.scope(Scope { resource, name, ..Scope::default() });
            let attributes = add(&mut builder, own);
            let run = Run { start: 0, len: events.len() as u32 };
            for (name, attributes) in events {
                let row = EventRow {
                    name: builder.intern(name),
                    attributes: add(&mut builder, attributes),
                    ..EventRow::default()
                };
                builder.event(row);
            }
            let link_run = Run { start: 0, len: links.len() as u32 };
            links
                .into_iter()
                .for_each(|link| builder.link(LinkRow { trace_id: TraceId([link; 16]), ..LinkRow::default() }));
            let row = SpanRow {
                scope,
                trace_id: TraceId([ids.0; 16]),
                span_id: SpanId([ids.1; 8]),
                parent_id: SpanId([ids.2; 8]),
                name: builder.intern(operation),
                kind: SpanKind::from_number(kind),
                status: SpanStatus::from_number(status),
                start_ns,
                end_ns: start_ns + took,
                attributes,
                events: run,
                links: link_run,
                ..SpanRow::default()
            };
            builder.span(&row);
            builder.finish()
        })
}

/// Whether a span has everything that is needed, said without looking at the filter.
fn fulfils(needs: &Needs, batch: &SpanBatch) -> bool {
    let span = batch.span(0);
    let service = batch.service(span.resource());
    let is_in = |names: &Option<BTreeSet<String>>, name: &str| names.as_ref().is_none_or(|names| names.contains(name));
    let mut tokens = BTreeSet::new();
    // Everything that the block's filter holds.
    for row in 0..batch.attribute_keys.len() {
        attribute_tokens(batch.str(batch.attribute_keys[row]), batch.value(row), |token| {
            tokens.insert(token);
        });
    }
    is_in(&needs.services, &service.name)
        && is_in(&needs.environments, &service.environment)
        && is_in(&needs.namespaces, &service.namespace)
        && is_in(&needs.operations, span.name())
        && needs.traces.as_ref().is_none_or(|traces| traces.contains(&span.trace_id()))
        && needs.statuses.contains(&span.status())
        && needs.kinds.contains(&span.kind())
        && (needs.min_duration_ns..=needs.max_duration_ns).contains(&span.duration_ns())
        && (needs.from_ns..=needs.last_ns).contains(&span.start_ns())
        && needs.attributes.iter().all(|clause| !clause.is_disjoint(&tokens))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_span_that_matches_has_what_is_needed(filter in generate::filter(&close_vocabulary()), span in span()) {
        let needs = filter.needs();

        if filter.matches(&span, 0) {
            prop_assert!(!needs.are_impossible(), "{filter}: {needs:?}");
            prop_assert!(fulfils(&needs, &span), "{filter}: {needs:?}");
        }
    }

    #[test]
    fn not_and_or_are_those_of_logic(
        a in generate::filter(&close_vocabulary()),
        b in generate::filter(&close_vocabulary()),
        span in span(),
    ) {
        let holds = |filter: &Filter| filter.matches(&span, 0);

        prop_assert_eq!(holds(&a.clone().negated()), !holds(&a));
        prop_assert_eq!(holds(&Filter::all([a.clone(), b.clone()])), holds(&a) && holds(&b));
        prop_assert_eq!(holds(&Filter::any([a.clone(), b.clone()])), holds(&a) || holds(&b));
        prop_assert_eq!(parse(&a.to_string()).map(|again| holds(&again)), Ok(holds(&a)));
    }

    #[test]
    fn a_verdict_on_less_than_all_is_never_wrong(
        filter in generate::filter(&close_vocabulary()),
        span in span(),
        hidden in any::<u64>(),
    ) {
        let mut place = 0;
        let verdict = filter.judge(1, &mut |term| {
            place += 1;
            let known = hidden >> (place % 64) & 1 == 0;
            vec![if known { term.matches(span.span(0)).into() } else { Verdict::Maybe }]
        });

        let truth: Verdict = filter.matches(&span, 0).into();
        prop_assert!(verdict[0] == truth || verdict[0] == Verdict::Maybe && hidden != 0);
    }

    #[test]
    fn a_value_that_equals_has_a_token_that_is_needed(text in select(&TEXTS), drawn in value()) {
        let mut builder = SpanBatchBuilder::new();
        add(&mut builder, vec![("key", drawn)]);
        let batch = builder.finish();
        let test = AttributeTest::Is(Literal::bare(text));
        let key = AttributeKey { place: Place::Span, key: "key".into() };
        let needs = Filter::Term(Term::Attribute(key, test.clone())).needs();

        let mut tokens = BTreeSet::new();
        attribute_tokens("key", batch.value(0), |token| {
            tokens.insert(token);
        });

        prop_assert!(!test.matches(batch.value(0)) || !needs.attributes[0].is_disjoint(&tokens));
    }

    /// `a!=b` is `a exists -a=b`, of names, attributes and links alike.
    #[test]
    fn different_is_present_and_not_equal(filter in generate::filter(&close_vocabulary()), span in span()) {
        let mut terms = Vec::new();
        filter.each_term(&mut |term| terms.push(term.clone()));
        for term in terms {
            let (exists, equal) = match &term {
                Term::Attribute(key, AttributeTest::IsNot(literal)) => (
                    Term::Attribute(key.clone(), AttributeTest::Exists),
                    Term::Attribute(key.clone(), AttributeTest::Is(literal.clone())),
                ),
                Term::Text(field, TextTest::IsNot(pattern)) => {
                    (Term::Text(*field, TextTest::Exists), Term::Text(*field, TextTest::Is(pattern.clone())))
                }
                Term::Link(Equality::IsNot, id) => (Term::LinkExists, Term::Link(Equality::Is, *id)),
                _ => continue,
            };
            let view = span.span(0);
            prop_assert_eq!(term.matches(view), exists.matches(view) && !equal.matches(view), "{}", term);
        }
    }
}

fn example() -> SpanBatch {
    let mut builder = SpanBatchBuilder::new();
    let resource = vec![
        ("service.name", Drawn::Text("checkout")),
        ("region", Drawn::Text("eu")),
        ("http.route", Drawn::Text("/of the resource")),
    ];
    let run = add(&mut builder, resource);
    let resource = builder.resource(run, 0, StrId::EMPTY);
    let scope = builder.scope(Scope { resource, ..Scope::default() });
    let own = vec![
        ("http.route", Drawn::Text("/pay/{id}")),
        ("retry.count", Drawn::Plain(Value::Int(3))),
        ("ratio", Drawn::Plain(Value::Double(0.5))),
        ("cached", Drawn::Plain(Value::Bool(false))),
        ("tags", Drawn::Array(vec![0x0a, 4, 0x0a, 2, b'v', b'1', 0x0a, 3, 0x18, 0xac, 0x02])),
        ("empty", Drawn::Plain(Value::Empty)),
    ];
    let attributes = add(&mut builder, own);
    for (name, count) in [("retry", 1), ("retry", 2), ("done", 3)] {
        let attributes = add(&mut builder, vec![("attempt", Drawn::Plain(Value::Int(count)))]);
        let name = builder.intern(name);
        builder.event(EventRow { name, attributes, ..EventRow::default() });
    }
    let name = builder.intern("POST /pay/{id}");
    builder.span(&SpanRow {
        scope,
        name,
        kind: SpanKind::Server,
        status: SpanStatus::Error,
        trace_id: TraceId([1; 16]),
        start_ns: 1_790_000_000_000_000_000,
        end_ns: 1_790_000_000_300_000_000,
        attributes,
        events: Run { start: 0, len: 3 },
        ..SpanRow::default()
    });
    builder.finish()
}

/// The examples of `docs/QUERY.md`, one by one.
#[test]
fn a_filter_means_what_the_manual_says() {
    let span = example();
    for text in [
        "",
        "service=checkout status=error duration>250ms http.route=\"/pay/{id}\" -http.request.method=GET",
        "retry.count>=2 retry.count=3 retry.count=\"3\" or retry.count=3.0",
        "operation=POST* operation~PAY",
        "operation=\"POST /pay/{id}\"",
        "region=eu resource.region=eu -span.region=eu",
        "resource.http.route~resource -http.route~resource",
        "cached=false ratio<1 ratio=0.5 ratio=0.*",
        "tags=v1 tags=300 tags>200 tags~V -tags=v2 -tags!=v1 tags!=v2",
        "empty exists -empty=\"\" empty!=x",
        "event.name=retry -event.name!=retry event.attempt>=3 event.attempt=1",
        "environment=\"\" -environment exists -environment!=production",
        "root=true kind=server trace=01010101010101010101010101010101 -link.trace exists",
        "start>=2026-09-21T14:13:20Z start<2026-09-21T14:13:21Z",
        "(a=1 or b=2 or status!=ok) -(a=1 or b=2)",
    ] {
        assert!(parse(text).expect(text).matches(&span, 0), "{text}");
    }
    for text in [
        "-()",
        "service=Checkout",
        "http.route=/pay",
        "missing!=1",
        "retry.count=\"3\"",
        "retry.count>3",
        "http.route>1",
        "cached exists -cached=false",
        "environment!=production",
        "event.attempt>3",
    ] {
        assert!(!parse(text).expect(text).matches(&span, 0), "{text}");
    }
}

#[test]
fn needs_are_as_narrow_as_the_filter_says() {
    let needs = |text: &str| parse(text).expect(text).needs();
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>());

    let found = needs("service=a duration>=5ms duration<7ms start>=10 start<20 -status=ok");
    assert_eq!(found.services, names(&["a"]));
    assert_eq!((found.min_duration_ns, found.max_duration_ns), (5_000_000, 6_999_999));
    assert_eq!((found.from_ns, found.last_ns), (10, 19));
    assert_eq!(found.statuses, BTreeSet::from([SpanStatus::Unset, SpanStatus::Error]));
    assert_eq!(needs("service=a or service=b").services, names(&["a", "b"]));
    assert_eq!(needs("service=a or x=1").services, None);
    assert_eq!(needs("-(service!=a or duration<1ms)").min_duration_ns, 1_000_000);
    assert_eq!(needs("x=1 or y=2").attributes.len(), 1);
    assert_eq!(needs("x=1 y exists").attributes.len(), 2);
    assert_eq!(needs("-x=1").attributes.len(), 0);
    assert_eq!(needs("x=1.50").attributes[0].len(), 2);
    assert!(needs("service=a service=b").are_impossible() && needs("duration<0ns").are_impossible());
    assert!(needs("-()").are_impossible() && !needs("-() or x=1").are_impossible());
}
