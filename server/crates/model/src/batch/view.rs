//! Row views: for code that wants one span with its text.

use super::{EventRow, LinkRow, Resource, Run, Scope, SpanBatch, SpanKind, SpanStatus, Value};
use crate::identity::{ServiceKey, SpanId, TraceId};

/// An attribute's value with its text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// Unset.
    Empty,
    /// Text.
    Str(&'a str),
    /// True or false.
    Bool(bool),
    /// 64-bit integer.
    Int(i64),
    /// 64-bit float.
    Double(f64),
    /// Raw bytes.
    Bytes(&'a [u8]),
    /// An encoded `ArrayValue`.
    Array(&'a [u8]),
    /// An encoded `KeyValueList`.
    Map(&'a [u8]),
}

impl<'a> ValueRef<'a> {
    /// The text, if it is text.
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The integer; text and whole doubles that hold one count too, since senders differ.
    pub fn as_int(self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(int),
            Self::Str(text) => text.parse().ok(),
            Self::Double(double) if double.fract() == 0.0 && double.abs() < 9e15 => Some(double as i64),
            _ => None,
        }
    }
}

/// The attributes of one owner.
#[derive(Clone, Copy)]
pub struct Attributes<'a> {
    batch: &'a SpanBatch,
    run: Run,
}

impl<'a> Attributes<'a> {
    /// Those of a run.
    pub fn new(batch: &'a SpanBatch, run: Run) -> Self {
        Self { batch, run }
    }

    /// In the sender's order.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, ValueRef<'a>)> {
        self.run.range().map(move |row| (self.batch.str(self.batch.attribute_keys[row]), self.batch.value(row)))
    }

    /// The first value of a key.
    pub fn get(self, key: &str) -> Option<ValueRef<'a>> {
        self.iter().find_map(|(have, value)| (have == key).then_some(value))
    }

    /// The text of a key, when it is text and not empty.
    pub fn text(self, key: &str) -> Option<&'a str> {
        self.get(key).and_then(ValueRef::as_str).filter(|text| !text.is_empty())
    }
}

impl SpanBatch {
    /// The value in a row of the attribute table.
    pub fn value(&self, row: usize) -> ValueRef<'_> {
        match self.attribute_values[row] {
            Value::Empty => ValueRef::Empty,
            Value::Str(id) => ValueRef::Str(self.str(id)),
            Value::Bool(bool) => ValueRef::Bool(bool),
            Value::Int(int) => ValueRef::Int(int),
            Value::Double(double) => ValueRef::Double(double),
            Value::Bytes(run) => ValueRef::Bytes(&self.bytes[run.range()]),
            Value::Array(run) => ValueRef::Array(&self.bytes[run.range()]),
            Value::Map(run) => ValueRef::Map(&self.bytes[run.range()]),
        }
    }

    /// The identity of a resource.
    pub fn service(&self, resource: &Resource) -> ServiceKey {
        ServiceKey::new(self.str(resource.environment), self.str(resource.namespace), self.str(resource.service))
    }
}

/// One span.
#[derive(Clone, Copy)]
pub struct SpanView<'a> {
    batch: &'a SpanBatch,
    index: usize,
}

#[expect(missing_docs, reason = "each accessor is the field of the same name in SpanRow")]
impl<'a> SpanView<'a> {
    pub(super) fn new(batch: &'a SpanBatch, index: usize) -> Self {
        Self { batch, index }
    }

    pub fn batch(self) -> &'a SpanBatch {
        self.batch
    }

    pub fn index(self) -> usize {
        self.index
    }

    pub fn trace_id(self) -> TraceId {
        self.batch.spans.trace_id[self.index]
    }

    pub fn span_id(self) -> SpanId {
        self.batch.spans.span_id[self.index]
    }

    pub fn parent_id(self) -> SpanId {
        self.batch.spans.parent_id[self.index]
    }

    pub fn name(self) -> &'a str {
        self.batch.str(self.batch.spans.name[self.index])
    }

    pub fn kind(self) -> SpanKind {
        self.batch.spans.kind[self.index]
    }

    pub fn start_ns(self) -> u64 {
        self.batch.spans.start_ns[self.index]
    }

    pub fn end_ns(self) -> u64 {
        self.batch.spans.end_ns[self.index]
    }

    /// Zero when the end lies before the start: a clock went back, or the sender left the end out.
    pub fn duration_ns(self) -> u64 {
        self.end_ns().saturating_sub(self.start_ns())
    }

    pub fn status(self) -> SpanStatus {
        self.batch.spans.status[self.index]
    }

    pub fn status_message(self) -> &'a str {
        self.batch.str(self.batch.spans.status_message[self.index])
    }

    pub fn trace_state(self) -> &'a str {
        self.batch.str(self.batch.spans.trace_state[self.index])
    }

    pub fn flags(self) -> u32 {
        self.batch.spans.flags[self.index]
    }

    pub fn scope(self) -> ScopeView<'a> {
        ScopeView { batch: self.batch, scope: &self.batch.scopes[self.batch.spans.scope[self.index] as usize] }
    }

    pub fn resource(self) -> &'a Resource {
        &self.batch.resources[self.scope().scope.resource as usize]
    }

    pub fn resource_attributes(self) -> Attributes<'a> {
        Attributes::new(self.batch, self.resource().attributes)
    }

    pub fn attributes(self) -> Attributes<'a> {
        Attributes::new(self.batch, self.batch.spans.attributes[self.index])
    }

    pub fn dropped(self) -> u32 {
        let columns = &self.batch.spans;
        columns.dropped_attributes[self.index]
            .saturating_add(columns.dropped_events[self.index])
            .saturating_add(columns.dropped_links[self.index])
    }

    pub fn events(self) -> impl Iterator<Item = EventView<'a>> {
        let batch = self.batch;
        batch.events[batch.spans.events[self.index].range()].iter().map(move |row| EventView { batch, row })
    }

    pub fn links(self) -> impl Iterator<Item = LinkView<'a>> {
        let batch = self.batch;
        batch.links[batch.spans.links[self.index].range()].iter().map(move |row| LinkView { batch, row })
    }
}

/// One instrumentation scope.
#[derive(Clone, Copy)]
pub struct ScopeView<'a> {
    batch: &'a SpanBatch,
    scope: &'a Scope,
}

impl<'a> ScopeView<'a> {
    /// Its name.
    pub fn name(self) -> &'a str {
        self.batch.str(self.scope.name)
    }

    /// Its version.
    pub fn version(self) -> &'a str {
        self.batch.str(self.scope.version)
    }

    /// Its attributes.
    pub fn attributes(self) -> Attributes<'a> {
        Attributes::new(self.batch, self.scope.attributes)
    }
}

/// One event.
#[derive(Clone, Copy)]
pub struct EventView<'a> {
    batch: &'a SpanBatch,
    row: &'a EventRow,
}

impl<'a> EventView<'a> {
    /// When.
    pub fn at_ns(self) -> u64 {
        self.row.at_ns
    }

    /// What.
    pub fn name(self) -> &'a str {
        self.batch.str(self.row.name)
    }

    /// Its attributes.
    pub fn attributes(self) -> Attributes<'a> {
        Attributes::new(self.batch, self.row.attributes)
    }
}

/// One link.
#[derive(Clone, Copy)]
pub struct LinkView<'a> {
    batch: &'a SpanBatch,
    row: &'a LinkRow,
}

impl<'a> LinkView<'a> {
    /// Trace of the other span.
    pub fn trace_id(self) -> TraceId {
        self.row.trace_id
    }

    /// The other span.
    pub fn span_id(self) -> SpanId {
        self.row.span_id
    }

    /// Its attributes.
    pub fn attributes(self) -> Attributes<'a> {
        Attributes::new(self.batch, self.row.attributes)
    }
}
