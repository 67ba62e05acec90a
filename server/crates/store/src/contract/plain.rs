//! A span with everything that hangs on it, as plain values: two batches that say the same compare equal, however they lay it out.

use spillway_model::batch::{SpanBatch, SpanKind, SpanStatus, ValueRef};

/// A value; doubles by their bits, so that NaN equals itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is that of ValueRef")]
pub enum PlainValue {
    Empty,
    Str(String),
    Bool(bool),
    Int(i64),
    Double(u64),
    Bytes(Vec<u8>),
    Array(Vec<u8>),
    Map(Vec<u8>),
}

impl From<ValueRef<'_>> for PlainValue {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Empty => Self::Empty,
            ValueRef::Str(text) => Self::Str(text.to_owned()),
            ValueRef::Bool(bool) => Self::Bool(bool),
            ValueRef::Int(int) => Self::Int(int),
            ValueRef::Double(double) => Self::Double(double.to_bits()),
            ValueRef::Bytes(bytes) => Self::Bytes(bytes.to_vec()),
            ValueRef::Array(bytes) => Self::Array(bytes.to_vec()),
            ValueRef::Map(bytes) => Self::Map(bytes.to_vec()),
        }
    }
}

/// Attributes in the sender's order.
pub type PlainAttributes = Vec<(String, PlainValue)>;

/// Trace, span, tracestate, flags, dropped attributes, attributes.
pub type PlainLink = ([u8; 16], [u8; 8], String, u32, u32, PlainAttributes);

/// One span.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each field is that of the same name in the model")]
pub struct PlainSpan {
    pub start_ns: u64,
    pub span_id: [u8; 8],
    pub trace_id: [u8; 16],
    pub parent_id: [u8; 8],
    pub end_ns: u64,
    pub kind: SpanKind,
    pub name: String,
    pub status: SpanStatus,
    pub status_message: String,
    pub trace_state: String,
    pub flags: u32,
    pub dropped: [u32; 3],
    pub attributes: PlainAttributes,
    pub events: Vec<(u64, String, u32, PlainAttributes)>,
    pub links: Vec<PlainLink>,
    pub scope: (String, String, String, u32, PlainAttributes),
    pub resource: (Vec<String>, Vec<u8>, u32, PlainAttributes),
}

fn attributes(batch: &SpanBatch, run: spillway_model::batch::Run) -> PlainAttributes {
    run.range().map(|row| (batch.str(batch.attribute_keys[row]).to_owned(), batch.value(row).into())).collect()
}

/// One span of a batch.
pub fn span(batch: &SpanBatch, index: usize) -> PlainSpan {
    let row = batch.spans.row(index);
    let text = |id| batch.str(id).to_owned();
    let scope = batch.scopes[row.scope as usize];
    let resource = batch.resources[scope.resource as usize];
    PlainSpan {
        start_ns: row.start_ns,
        span_id: row.span_id.0,
        trace_id: row.trace_id.0,
        parent_id: row.parent_id.0,
        end_ns: row.end_ns,
        kind: row.kind,
        name: text(row.name),
        status: row.status,
        status_message: text(row.status_message),
        trace_state: text(row.trace_state),
        flags: row.flags,
        dropped: [row.dropped_attributes, row.dropped_events, row.dropped_links],
        attributes: attributes(batch, row.attributes),
        events: batch.events[row.events.range()]
            .iter()
            .map(|event| (event.at_ns, text(event.name), event.dropped_attributes, attributes(batch, event.attributes)))
            .collect(),
        links: batch.links[row.links.range()]
            .iter()
            .map(|link| {
                (
                    link.trace_id.0,
                    link.span_id.0,
                    text(link.trace_state),
                    link.flags,
                    link.dropped_attributes,
                    attributes(batch, link.attributes),
                )
            })
            .collect(),
        scope: (
            text(scope.name),
            text(scope.version),
            text(scope.schema_url),
            scope.dropped_attributes,
            attributes(batch, scope.attributes),
        ),
        resource: (
            [
                resource.environment,
                resource.namespace,
                resource.service,
                resource.instance,
                resource.version,
                resource.schema_url,
            ]
            .map(text)
            .to_vec(),
            batch.bytes[resource.entity_refs.range()].to_vec(),
            resource.dropped_attributes,
            attributes(batch, resource.attributes),
        ),
    }
}

/// All spans of a batch, in its order.
pub fn spans(batch: &SpanBatch) -> Vec<PlainSpan> {
    (0..batch.len()).map(|index| span(batch, index)).collect()
}
