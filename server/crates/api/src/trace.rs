//! Traces as they are read back: whole, or as a list of summaries.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// An attribute's value: every type that OTLP has. 64-bit integers stay exact in Rust; a JavaScript client sees numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum AttributeValue {
    /// `bool_value`.
    Bool(bool),
    /// `int_value`.
    Int(i64),
    /// `double_value`; NaN and infinities are written as text.
    Double(f64),
    /// `string_value`.
    String(String),
    /// `array_value`.
    #[cfg_attr(feature = "openapi", schema(no_recursion))]
    Array(Vec<AttributeValue>),
    /// `kvlist_value`.
    #[cfg_attr(feature = "openapi", schema(no_recursion))]
    Map(std::collections::BTreeMap<String, AttributeValue>),
    /// A value that the sender left unset. `bytes_value` is a string `base64:…`.
    Null,
}

/// OTLP's `SpanKind`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SpanKind {
    /// Not said.
    #[default]
    Unspecified,
    /// Within one service.
    Internal,
    /// Serves a remote call.
    Server,
    /// Makes a remote call.
    Client,
    /// Sends a message.
    Producer,
    /// Handles a message.
    Consumer,
}

/// OTLP's status code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SpanStatus {
    /// Not said: no error is known.
    #[default]
    Unset,
    /// The application says that it went well.
    Ok,
    /// It failed.
    Error,
}

/// Something that happened during a span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SpanEvent {
    /// When.
    pub at: Timestamp,
    /// What.
    pub name: String,
    /// Attributes in the sender's order.
    pub attributes: Vec<(String, AttributeValue)>,
}

/// Another span that this one is caused by or belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SpanLink {
    /// 32 hex digits.
    pub trace_id: String,
    /// 16 hex digits.
    pub span_id: String,
    /// Attributes in the sender's order.
    pub attributes: Vec<(String, AttributeValue)>,
}

/// One span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Span {
    /// 16 hex digits.
    pub span_id: String,
    /// 16 hex digits; null for a root.
    pub parent_span_id: Option<String>,
    /// `deployment.environment.name`.
    pub environment: String,
    /// `service.namespace`.
    pub namespace: String,
    /// `service.name`.
    pub service: String,
    /// `service.instance.id`, when said.
    pub instance: Option<String>,
    /// The operation.
    pub name: String,
    /// Which side of a call it is.
    pub kind: SpanKind,
    /// When it began.
    pub start: Timestamp,
    /// How long it took.
    pub duration_ns: u64,
    /// Whether it failed.
    pub status: SpanStatus,
    /// What the sender says of the failure.
    pub status_message: String,
    /// W3C tracestate as sent.
    pub trace_state: String,
    /// Name of the instrumentation scope.
    pub scope: String,
    /// Attributes in the sender's order.
    pub attributes: Vec<(String, AttributeValue)>,
    /// Attributes of the resource.
    pub resource: Vec<(String, AttributeValue)>,
    /// What happened meanwhile, in time order.
    pub events: Vec<SpanEvent>,
    /// Links to other spans.
    pub links: Vec<SpanLink>,
    /// Attributes, events and links that the sender dropped before sending.
    pub dropped: u32,
}

/// One trace, spans sorted by start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Trace {
    /// 32 hex digits.
    pub trace_id: String,
    /// All the spans that are stored.
    pub spans: Vec<Span>,
}

/// A trace in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TraceSummary {
    /// 32 hex digits.
    pub trace_id: String,
    /// Service of the root, or of the earliest span when the root is not there.
    pub root_service: String,
    /// Name of that span.
    pub root_name: String,
    /// True when the root itself is stored.
    pub root_seen: bool,
    /// Environment of that span.
    pub environment: String,
    /// First start.
    pub start: Timestamp,
    /// From the first start to the last end.
    pub duration_ns: u64,
    /// How many spans are stored.
    pub spans: u32,
    /// How many of them failed.
    pub errors: u32,
    /// Services in the order of first appearance.
    pub services: Vec<String>,
}

/// A page of traces, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TraceList {
    /// The page.
    pub traces: Vec<TraceSummary>,
    /// Pass it as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
    /// Blocks whose spans were looked at.
    pub blocks_read: u64,
    /// Blocks that their summary ruled out.
    pub blocks_skipped: u64,
    /// False when the deadline ended the search early: the cursor goes on from there.
    pub complete: bool,
    /// How far back the search came: spans that began later were all looked at. Null when nothing is left to look at.
    pub reached: Option<Timestamp>,
}

/// What can stand at a place of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FilterPart {
    /// A field of the span or the key of an attribute.
    Key,
    /// `=`, `exists` and the like.
    Operator,
    /// What a key is compared with.
    Value,
    /// Nothing that could be offered.
    Nothing,
}

/// What can be typed at a place of an unfinished filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FilterCompletion {
    /// What is expected there.
    pub expected: FilterPart,
    /// First character of the text that a choice takes the place of, counted from 0.
    pub replace_from: u32,
    /// The character behind the last one.
    pub replace_to: u32,
    /// What can stand there, as it is written in a filter; attributes are those that were stored lately.
    pub choices: Vec<String>,
}

/// An operation of a service, for completion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Operation {
    /// `deployment.environment.name`.
    pub environment: String,
    /// `service.namespace`.
    pub namespace: String,
    /// `service.name`.
    pub service: String,
    /// Span name.
    pub name: String,
}

/// The operations that are stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OperationList {
    /// Sorted; at most 10,000.
    pub operations: Vec<Operation>,
}
