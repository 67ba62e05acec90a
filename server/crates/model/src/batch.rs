//! Spans in columns: the one representation from the socket to the disk.
//!
//! A decoder fills a [`SpanBatchBuilder`], the topology reads columns, the store compresses them, a query decodes what it
//! needs. All text is interned once per batch, so a span's service, name and attribute keys are 4-byte ids and comparing two
//! names is comparing two integers. Every field and value type of OTLP is kept.

mod builder;
mod copy;
mod rewrite;
mod select;
mod view;

pub use builder::{Mark, SpanBatchBuilder};
pub use copy::{Copied, Distinct};
pub use select::Selector;
pub use view::{Attributes, EventView, LinkView, ScopeView, SpanView, ValueRef};

use crate::identity::{SpanId, TraceId};

/// A string of one batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StrId(pub u32);

impl StrId {
    /// The empty string, in every batch.
    pub const EMPTY: Self = Self(0);
}

/// A run of rows in another table, or of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Run {
    /// First row.
    pub start: u32,
    /// How many.
    pub len: u32,
}

impl Run {
    /// As indexes.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.start as usize + self.len as usize
    }
}

/// OTLP's `SpanKind`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SpanKind {
    /// Not said, or a number that OTLP does not know.
    #[default]
    Unspecified = 0,
    /// Within one service.
    Internal = 1,
    /// Serves a remote call.
    Server = 2,
    /// Makes a remote call.
    Client = 3,
    /// Sends a message.
    Producer = 4,
    /// Handles a message.
    Consumer = 5,
}

impl SpanKind {
    /// The kind of OTLP's number; unknown numbers are [`SpanKind::Unspecified`].
    pub fn from_number(number: u64) -> Self {
        match number {
            1 => Self::Internal,
            2 => Self::Server,
            3 => Self::Client,
            4 => Self::Producer,
            5 => Self::Consumer,
            _ => Self::Unspecified,
        }
    }
}

/// OTLP's status code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SpanStatus {
    /// Not said, or a number that OTLP does not know.
    #[default]
    Unset = 0,
    /// It went well.
    Ok = 1,
    /// It failed.
    Error = 2,
}

impl SpanStatus {
    /// The status of OTLP's number; unknown numbers are [`SpanStatus::Unset`].
    pub fn from_number(number: u64) -> Self {
        match number {
            1 => Self::Ok,
            2 => Self::Error,
            _ => Self::Unset,
        }
    }
}

/// An attribute's value. Arrays and maps stay in OTLP's protobuf encoding (`ArrayValue`, `KeyValueList`): they are rare, and only
/// shown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Value {
    /// The sender left it unset.
    #[default]
    Empty,
    /// `string_value`.
    Str(StrId),
    /// `bool_value`.
    Bool(bool),
    /// `int_value`.
    Int(i64),
    /// `double_value`.
    Double(f64),
    /// `bytes_value`: a run of [`SpanBatch::bytes`].
    Bytes(Run),
    /// `array_value`: an encoded `ArrayValue` in [`SpanBatch::bytes`].
    Array(Run),
    /// `kvlist_value`: an encoded `KeyValueList` in [`SpanBatch::bytes`].
    Map(Run),
}

/// The name of a service that has none, as SDKs write it too. With the executable's name behind it where that is known, so
/// that programs that have nothing to do with each other do not become one node.
pub const UNKNOWN_SERVICE: &str = "unknown_service";

/// A resource: the process that sent the spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    /// Rows of the attribute table.
    pub attributes: Run,
    /// Attributes that the sender dropped.
    pub dropped_attributes: u32,
    /// Schema URL of the `ResourceSpans`.
    pub schema_url: StrId,
    /// Its `EntityRef`s (OTLP field 3, still in development there), encoded back to back with their tags, in
    /// [`SpanBatch::bytes`].
    pub entity_refs: Run,
    /// `service.name`; without one [`UNKNOWN_SERVICE`], with `:` and the name of the executable where that is known.
    pub service: StrId,
    /// `service.namespace`.
    pub namespace: StrId,
    /// `deployment.environment.name`, or the older `deployment.environment`.
    pub environment: StrId,
    /// `service.instance.id`.
    pub instance: StrId,
    /// `service.version`.
    pub version: StrId,
}

/// An instrumentation scope within a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Row of the resource table.
    pub resource: u32,
    /// Its name.
    pub name: StrId,
    /// Its version.
    pub version: StrId,
    /// Rows of the attribute table.
    pub attributes: Run,
    /// Attributes that the sender dropped.
    pub dropped_attributes: u32,
    /// Schema URL of the `ScopeSpans`.
    pub schema_url: StrId,
}

/// Everything of one span but what hangs on it in other tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanRow {
    /// Row of the scope table.
    pub scope: u32,
    /// Its trace.
    pub trace_id: TraceId,
    /// Its id.
    pub span_id: SpanId,
    /// Its parent, or none.
    pub parent_id: SpanId,
    /// W3C tracestate.
    pub trace_state: StrId,
    /// W3C trace flags and OTLP's remote bits.
    pub flags: u32,
    /// The operation.
    pub name: StrId,
    /// Which side of a call.
    pub kind: SpanKind,
    /// Begin, in nanoseconds since the Unix epoch.
    pub start_ns: u64,
    /// End, in nanoseconds since the Unix epoch.
    pub end_ns: u64,
    /// Whether it failed.
    pub status: SpanStatus,
    /// Why.
    pub status_message: StrId,
    /// Rows of the attribute table.
    pub attributes: Run,
    /// Attributes that the sender dropped.
    pub dropped_attributes: u32,
    /// Rows of the event table.
    pub events: Run,
    /// Events that the sender dropped.
    pub dropped_events: u32,
    /// Rows of the link table.
    pub links: Run,
    /// Links that the sender dropped.
    pub dropped_links: u32,
}

/// One event of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventRow {
    /// When, in nanoseconds since the Unix epoch.
    pub at_ns: u64,
    /// What.
    pub name: StrId,
    /// Rows of the attribute table.
    pub attributes: Run,
    /// Attributes that the sender dropped.
    pub dropped_attributes: u32,
}

/// One link of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkRow {
    /// Trace of the other span.
    pub trace_id: TraceId,
    /// The other span.
    pub span_id: SpanId,
    /// Its tracestate.
    pub trace_state: StrId,
    /// Its flags.
    pub flags: u32,
    /// Rows of the attribute table.
    pub attributes: Run,
    /// Attributes that the sender dropped.
    pub dropped_attributes: u32,
}

/// Spans in columns. Built by [`SpanBatchBuilder`]; afterwards only the redactor changes values.
///
/// The columns are public to read, for the topology and the block encoder, which want one field of all spans at a time.
#[derive(Clone, Debug)]
pub struct SpanBatch {
    /// All strings, one after the other.
    pub(crate) text: String,
    /// Each string's place in `text`; row 0 is the empty string.
    pub(crate) strings: Vec<Run>,
    /// Bytes, arrays and maps that attribute values point into.
    pub bytes: Vec<u8>,
    /// The resource table.
    pub resources: Vec<Resource>,
    /// The scope table.
    pub scopes: Vec<Scope>,
    /// The span table, column by column.
    pub spans: SpanColumns,
    /// The attribute table: keys.
    pub attribute_keys: Vec<StrId>,
    /// The attribute table: values.
    pub attribute_values: Vec<Value>,
    /// The event table.
    pub events: Vec<EventRow>,
    /// The link table.
    pub links: Vec<LinkRow>,
}

/// The span table: all columns have the same length.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each column is the field of the same name in SpanRow")]
pub struct SpanColumns {
    pub scope: Vec<u32>,
    pub trace_id: Vec<TraceId>,
    pub span_id: Vec<SpanId>,
    pub parent_id: Vec<SpanId>,
    pub trace_state: Vec<StrId>,
    pub flags: Vec<u32>,
    pub name: Vec<StrId>,
    pub kind: Vec<SpanKind>,
    pub start_ns: Vec<u64>,
    pub end_ns: Vec<u64>,
    pub status: Vec<SpanStatus>,
    pub status_message: Vec<StrId>,
    pub attributes: Vec<Run>,
    pub dropped_attributes: Vec<u32>,
    pub events: Vec<Run>,
    pub dropped_events: Vec<u32>,
    pub links: Vec<Run>,
    pub dropped_links: Vec<u32>,
}

impl SpanColumns {
    fn reserve(&mut self, spans: usize) {
        self.scope.reserve(spans);
        self.trace_id.reserve(spans);
        self.span_id.reserve(spans);
        self.parent_id.reserve(spans);
        self.trace_state.reserve(spans);
        self.flags.reserve(spans);
        self.name.reserve(spans);
        self.kind.reserve(spans);
        self.start_ns.reserve(spans);
        self.end_ns.reserve(spans);
        self.status.reserve(spans);
        self.status_message.reserve(spans);
        self.attributes.reserve(spans);
        self.dropped_attributes.reserve(spans);
        self.events.reserve(spans);
        self.dropped_events.reserve(spans);
        self.links.reserve(spans);
        self.dropped_links.reserve(spans);
    }

    fn push(&mut self, row: &SpanRow) {
        self.scope.push(row.scope);
        self.trace_id.push(row.trace_id);
        self.span_id.push(row.span_id);
        self.parent_id.push(row.parent_id);
        self.trace_state.push(row.trace_state);
        self.flags.push(row.flags);
        self.name.push(row.name);
        self.kind.push(row.kind);
        self.start_ns.push(row.start_ns);
        self.end_ns.push(row.end_ns);
        self.status.push(row.status);
        self.status_message.push(row.status_message);
        self.attributes.push(row.attributes);
        self.dropped_attributes.push(row.dropped_attributes);
        self.events.push(row.events);
        self.dropped_events.push(row.dropped_events);
        self.links.push(row.links);
        self.dropped_links.push(row.dropped_links);
    }

    /// One row, put together from all columns.
    pub fn row(&self, span: usize) -> SpanRow {
        SpanRow {
            scope: self.scope[span],
            trace_id: self.trace_id[span],
            span_id: self.span_id[span],
            parent_id: self.parent_id[span],
            trace_state: self.trace_state[span],
            flags: self.flags[span],
            name: self.name[span],
            kind: self.kind[span],
            start_ns: self.start_ns[span],
            end_ns: self.end_ns[span],
            status: self.status[span],
            status_message: self.status_message[span],
            attributes: self.attributes[span],
            dropped_attributes: self.dropped_attributes[span],
            events: self.events[span],
            dropped_events: self.dropped_events[span],
            links: self.links[span],
            dropped_links: self.dropped_links[span],
        }
    }
}

impl SpanBatch {
    /// How many spans.
    pub fn len(&self) -> usize {
        self.spans.trace_id.len()
    }

    /// True without spans.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text of a string.
    pub fn str(&self, id: StrId) -> &str {
        self.strings.get(id.0 as usize).and_then(|run| self.text.get(run.range())).unwrap_or_default()
    }

    /// How many strings, the empty one included; ids are below it.
    pub fn string_count(&self) -> usize {
        self.strings.len()
    }

    /// One span.
    pub fn span(&self, index: usize) -> SpanView<'_> {
        SpanView::new(self, index)
    }

    /// All spans, in the order of arrival.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = SpanView<'_>> {
        (0..self.len()).map(|index| self.span(index))
    }

    /// The memory it holds, roughly: what the ingest budget counts.
    pub fn size_bytes(&self) -> usize {
        const SPAN: usize = 136;
        self.text.len()
            + self.bytes.len()
            + self.strings.len() * size_of::<Run>()
            + self.len() * SPAN
            + self.attribute_keys.len() * (size_of::<StrId>() + size_of::<Value>())
            + self.events.len() * size_of::<EventRow>()
            + self.links.len() * size_of::<LinkRow>()
    }

    /// Adds a string, for a value that replaces another; not interned.
    pub fn append_str(&mut self, text: &str) -> StrId {
        let start = u32::try_from(self.text.len()).expect("a batch holds less than 4 GiB of text: bodies are bounded");
        let len = u32::try_from(text.len()).expect("a batch holds less than 4 GiB of text: bodies are bounded");
        self.text.push_str(text);
        self.strings.push(Run { start, len });
        StrId(u32::try_from(self.strings.len() - 1).expect("fewer strings than bytes of text and one"))
    }

    /// Appends bytes that a value can point to.
    pub fn append_bytes(&mut self, bytes: &[u8]) -> Run {
        let start = u32::try_from(self.bytes.len()).expect("a batch holds less than 4 GiB: bodies are bounded");
        let len = u32::try_from(bytes.len()).expect("a batch holds less than 4 GiB: bodies are bounded");
        self.bytes.extend_from_slice(bytes);
        Run { start, len }
    }

    /// Which strings a row refers to. Masked text is no longer among them, so an encoder that writes only these cannot leak it.
    pub fn referenced_strings(&self) -> Vec<bool> {
        let mut used = vec![false; self.strings.len()];
        let mut mark = |id: StrId| {
            if let Some(used) = used.get_mut(id.0 as usize) {
                *used = true;
            }
        };
        mark(StrId::EMPTY);
        for resource in &self.resources {
            [
                resource.schema_url,
                resource.service,
                resource.namespace,
                resource.environment,
                resource.instance,
                resource.version,
            ]
            .into_iter()
            .for_each(&mut mark);
        }
        for scope in &self.scopes {
            [scope.name, scope.version, scope.schema_url].into_iter().for_each(&mut mark);
        }
        let columns = &self.spans;
        columns.name.iter().chain(&columns.trace_state).chain(&columns.status_message).copied().for_each(&mut mark);
        self.attribute_keys.iter().copied().for_each(&mut mark);
        for value in &self.attribute_values {
            if let Value::Str(id) = value {
                mark(*id);
            }
        }
        self.events.iter().for_each(|event| mark(event.name));
        self.links.iter().for_each(|link| mark(link.trace_state));
        used
    }
}
