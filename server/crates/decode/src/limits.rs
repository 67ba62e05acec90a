//! How much one request may hold.

/// How much one trace request may hold. What goes beyond is refused or cut, and counted; the rest of the request is kept.
///
/// | field | default | beyond it |
/// |---|---|---|
/// | `body_bytes` | 64 MiB | the request is an error |
/// | `spans` | 100,000 | further spans are rejected |
/// | `scopes` | 10,000 | the spans of further scopes are rejected |
/// | `rows` | 4,000,000 | further spans are rejected, further attributes dropped |
/// | `attributes` | 1,000 an owner | further attributes are dropped, and counted as dropped in the span |
/// | `events`, `links` | 1,000 a span | the same |
/// | `value_bytes` | 16 KiB | texts and bytes are cut (at a character), nested values lose their tail |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the body, decompressed.
    pub body_bytes: usize,
    /// Spans of a request.
    pub spans: usize,
    /// Scopes of a request; resources are at most as many.
    pub scopes: usize,
    /// Attributes, events and links of a request, together.
    pub rows: usize,
    /// Attributes of one resource, scope, span, event or link.
    pub attributes: usize,
    /// Events of one span.
    pub events: usize,
    /// Links of one span.
    pub links: usize,
    /// Bytes of one text, and of one attribute value.
    pub value_bytes: usize,
}

impl Limits {
    /// What the OTLP specification recommends.
    pub const BODY_BYTES: usize = 64 << 20;
    /// SDKs send 512 by default and collectors 8,192, so this is ten times what is usual; decoding as many takes some 50 ms,
    /// the longest that one request should hold a decoder.
    pub const SPANS: usize = 100_000;
    /// A scope is an instrumentation library: a process has tens, a collector's batch some hundreds. An empty scope takes 4 bytes
    /// of body and 40 bytes of memory, which is what this bounds.
    pub const SCOPES: usize = 10_000;
    /// An empty attribute takes 2 bytes of body and 20 of memory: without this 64 MiB of body would become 640 MiB.
    pub const ROWS: usize = 4_000_000;
    /// SDKs stop at 128 by default.
    pub const ATTRIBUTES: usize = 1_000;
    /// SDKs stop at 128 by default.
    pub const EVENTS: usize = 1_000;
    /// SDKs stop at 128 by default; a batch consumer links every message it took.
    pub const LINKS: usize = 1_000;
    /// A deep stack trace has some 10 KiB. What is longer is a payload, which nobody should put into a span.
    pub const VALUE_BYTES: usize = 16 << 10;
    /// Levels of arrays and maps inside an attribute value. Not configurable: it keeps recursion off the end of the stack, and
    /// stored values must be readable by every later version.
    pub const DEPTH: usize = 16;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: Self::BODY_BYTES,
            spans: Self::SPANS,
            scopes: Self::SCOPES,
            rows: Self::ROWS,
            attributes: Self::ATTRIBUTES,
            events: Self::EVENTS,
            links: Self::LINKS,
            value_bytes: Self::VALUE_BYTES,
        }
    }
}
