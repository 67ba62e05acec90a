//! Generated filters for property tests, of words that the tester's spans use.

use proptest::{collection::vec, option, prelude::*, sample::select};
use spillway_model::identity::{SpanId, TraceId};

use crate::{
    AttributeKey, AttributeTest, Comparison, Equality, Filter, KINDS, Literal, Needle, Numeric, Order, Pattern, Place,
    STATUSES, Term, TextField, TextTest, Wild,
};

/// What generated conditions are about. No list is empty.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    /// Names of services, spans, environments and so on.
    pub names: Vec<String>,
    /// Keys of attributes.
    pub keys: Vec<String>,
    /// Values as text, numbers among them.
    pub values: Vec<String>,
    /// Durations in nanoseconds.
    pub durations: Vec<u64>,
    /// Instants in nanoseconds since the Unix epoch.
    pub starts: Vec<u64>,
    /// Traces.
    pub traces: Vec<TraceId>,
    /// Spans.
    pub spans: Vec<SpanId>,
}

/// Filters in normal form, some of one condition, some nested three deep.
pub fn filter(vocabulary: &Vocabulary) -> impl Strategy<Value = Filter> + use<> {
    let leaf = term(vocabulary).prop_map(Filter::Term);
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            3 => vec(inner.clone(), 0..4).prop_map(Filter::all),
            2 => vec(inner.clone(), 0..3).prop_map(Filter::any),
            1 => inner.prop_map(Filter::negated),
        ]
    })
}

fn equality() -> impl Strategy<Value = Equality> {
    select(&[Equality::Is, Equality::IsNot])
}

fn order() -> impl Strategy<Value = Order> {
    select(&[Order::Less, Order::AtMost, Order::Greater, Order::AtLeast])
}

fn comparison() -> impl Strategy<Value = Comparison> {
    prop_oneof![equality().prop_map(Comparison::Equality), order().prop_map(Comparison::Order)]
}

/// Part of a text with `*` before, behind or within.
fn wild(texts: Vec<String>) -> impl Strategy<Value = Option<Wild>> {
    (select(texts), any::<prop::sample::Index>(), 0..3).prop_map(|(text, cut, shape)| {
        let cut = text.char_indices().map(|(at, _)| at).nth(cut.index(text.chars().count().max(1))).unwrap_or(0);
        let (front, back) = text.split_at(cut);
        Wild::parse(&match shape {
            0 => format!("{front}*"),
            1 => format!("*{back}"),
            _ => format!("{front}*{back}"),
        })
    })
}

fn needle(texts: Vec<String>) -> impl Strategy<Value = Needle> {
    (select(texts), 0usize..3, any::<bool>()).prop_map(|(text, skip, upper)| {
        let part: String = text.chars().skip(skip).take(4).collect();
        Needle::new(&if upper { part.to_uppercase() } else { part })
    })
}

fn text_test(names: Vec<String>) -> impl Strategy<Value = TextTest> {
    let exact = || select(names.clone()).prop_map(Pattern::Exact);
    let pattern = || (wild(names.clone()), exact()).prop_map(|(wild, exact)| wild.map_or(exact, Pattern::Wild));
    prop_oneof![
        1 => Just(TextTest::Exists),
        4 => exact().prop_map(TextTest::Is),
        1 => pattern().prop_map(TextTest::Is),
        1 => pattern().prop_map(TextTest::IsNot),
        1 => needle(names.clone()).prop_map(TextTest::Contains),
    ]
}

fn attribute_test(values: Vec<String>) -> impl Strategy<Value = AttributeTest> {
    let literal = || {
        (select(values.clone()), option::of(wild(values.clone())), 0..3).prop_map(|(text, wild, shape)| {
            match (shape, wild.flatten()) {
                (0, _) => Literal::Text(text),
                (1, Some(wild)) => Literal::Wild(wild),
                _ => Literal::bare(&text),
            }
        })
    };
    let numbers: Vec<Numeric> =
        values.iter().filter_map(|text| Numeric::parse(text)).chain(Numeric::parse("201.5")).collect();
    prop_oneof![
        1 => Just(AttributeTest::Exists),
        4 => literal().prop_map(AttributeTest::Is),
        1 => literal().prop_map(AttributeTest::IsNot),
        2 => (order(), select(numbers)).prop_map(|(order, bound)| AttributeTest::Compare(order, bound)),
        1 => needle(values.clone()).prop_map(AttributeTest::Contains),
    ]
}

fn term(vocabulary: &Vocabulary) -> impl Strategy<Value = Term> + use<> {
    let Vocabulary { names, keys, values, durations, starts, traces, spans } = vocabulary.clone();
    let place = select(&[Place::Nearest, Place::Nearest, Place::Span, Place::Resource, Place::Event]);
    let key = (place, select(keys)).prop_map(|(place, key)| AttributeKey { place, key });
    prop_oneof![
        6 => (select(&TextField::ALL), text_test(names)).prop_map(|(field, test)| Term::Text(field, test)),
        1 => (equality(), select(&KINDS)).prop_map(|(equality, (_, kind))| Term::Kind(equality, kind)),
        2 => (equality(), select(&STATUSES)).prop_map(|(equality, (_, status))| Term::Status(equality, status)),
        2 => (comparison(), select(durations)).prop_map(|(comparison, ns)| Term::Duration(comparison, ns)),
        2 => (comparison(), select(starts)).prop_map(|(comparison, ns)| Term::Start(comparison, ns)),
        1 => (equality(), select(traces.clone())).prop_map(|(equality, id)| Term::Trace(equality, id)),
        1 => (equality(), select(spans)).prop_map(|(equality, id)| Term::Span(equality, id)),
        1 => any::<bool>().prop_map(Term::Root),
        1 => Just(Term::LinkExists),
        1 => (equality(), select(traces)).prop_map(|(equality, id)| Term::Link(equality, id)),
        8 => (key, attribute_test(values)).prop_map(|(key, test)| Term::Attribute(key, test)),
    ]
}
