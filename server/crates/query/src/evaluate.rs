//! Whether a span fulfils a filter: the plain meaning, which every engine's answer is compared with.

use spillway_model::batch::{Attributes, SpanBatch, SpanView, ValueRef};

use crate::{
    Number,
    field::{AttributeKey, Place, TextField},
    filter::{AttributeTest, Equality, Filter, Term, TextTest},
    literal::{any, text_of},
};

impl Filter {
    /// Whether the span in that row fulfils it.
    pub fn matches(&self, batch: &SpanBatch, row: usize) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.matches(batch, row)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(batch, row)),
            Self::Not(part) => !part.matches(batch, row),
            Self::Term(term) => term.matches(batch.span(row)),
        }
    }
}

impl Term {
    /// Whether a span fulfils it.
    pub fn matches(&self, span: SpanView<'_>) -> bool {
        match self {
            Self::Text(field, test) => text(*field, test, span),
            Self::Kind(equality, kind) => equality.holds(span.kind() == *kind),
            Self::Status(equality, status) => equality.holds(span.status() == *status),
            Self::Duration(comparison, bound) => comparison.holds(span.duration_ns(), *bound),
            Self::Start(comparison, bound) => comparison.holds(span.start_ns(), *bound),
            Self::Trace(equality, id) => equality.holds(span.trace_id() == *id),
            Self::Span(equality, id) => equality.holds(span.span_id() == *id),
            Self::Root(root) => span.parent_id().is_none() == *root,
            Self::LinkExists => span.links().next().is_some(),
            Self::Link(Equality::Is, id) => span.links().any(|link| link.trace_id() == *id),
            Self::Link(Equality::IsNot, id) => {
                span.links().next().is_some() && !span.links().any(|link| link.trace_id() == *id)
            }
            Self::Attribute(key, test) => attribute(key, test, span),
        }
    }
}

fn text(field: TextField, test: &TextTest, span: SpanView<'_>) -> bool {
    let (batch, resource) = (span.batch(), span.resource());
    let name = match field {
        TextField::Service => batch.str(resource.service),
        TextField::Operation => span.name(),
        TextField::Environment => batch.str(resource.environment),
        TextField::Namespace => batch.str(resource.namespace),
        TextField::Instance => batch.str(resource.instance),
        TextField::Version => batch.str(resource.version),
        TextField::Scope => span.scope().name(),
        TextField::EventName => return test.holds_for(&span.events().map(|event| event.name()).collect::<Vec<_>>()),
    };
    test.matches(name)
}

impl TextTest {
    /// Whether a name fulfils it.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exists => !name.is_empty(),
            Self::Is(pattern) => pattern.matches(name),
            Self::IsNot(pattern) => !name.is_empty() && !pattern.matches(name),
            Self::Contains(needle) => needle.is_in(name),
        }
    }

    /// Whether one of several names fulfils it; none of them may be what [`Self::IsNot`] names.
    fn holds_for(&self, names: &[&str]) -> bool {
        match self {
            Self::IsNot(pattern) => {
                names.iter().any(|name| !name.is_empty()) && !names.iter().any(|name| pattern.matches(name))
            }
            test => names.iter().any(|name| test.matches(name)),
        }
    }
}

fn attribute(AttributeKey { place, key }: &AttributeKey, test: &AttributeTest, span: SpanView<'_>) -> bool {
    let own = |attributes: Attributes<'_>| attributes.get(key).is_some_and(|value| test.matches(value));
    match place {
        Place::Nearest => match span.attributes().get(key) {
            Some(value) => test.matches(value),
            None => own(span.resource_attributes()),
        },
        Place::Span => own(span.attributes()),
        Place::Resource => own(span.resource_attributes()),
        Place::Event => {
            let mut values = span.events().filter_map(|event| event.attributes().get(key)).peekable();
            match test {
                AttributeTest::IsNot(literal) => values.peek().is_some() && !values.any(|value| literal.matches(value)),
                test => values.any(|value| test.matches(value)),
            }
        }
    }
}

impl AttributeTest {
    /// Whether the value of a key that is there fulfils it.
    pub fn matches(&self, value: ValueRef<'_>) -> bool {
        match self {
            Self::Exists => true,
            Self::Is(literal) => literal.matches(value),
            Self::IsNot(literal) => !literal.matches(value),
            Self::Compare(order, bound) => {
                any(value, |value| Number::of(value).is_some_and(|number| order.holds(number.compare(bound.number()))))
            }
            Self::Contains(needle) => any(value, |value| text_of(value).is_some_and(|text| needle.is_in(&text))),
        }
    }
}
