//! What came of a request: the spans that could be used, and an account of the rest.

use std::fmt::{self, Write as _};

use spillway_model::batch::SpanBatch;

/// A decoded trace request.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// What could be used.
    pub batch: SpanBatch,
    /// Spans that could not.
    pub rejected: Rejected,
    /// What was cut off spans that are kept.
    pub trimmed: Trimmed,
}

impl Decoded {
    /// For the sender, as OTLP's partial success carries it; empty when everything was kept as it was sent.
    pub fn message(&self) -> String {
        let mut text = self.rejected.message();
        let Trimmed { values, attributes, events, links } = self.trimmed;
        let counts = [
            (values, "values cut"),
            (attributes, "attributes dropped"),
            (events, "events dropped"),
            (links, "links dropped"),
        ];
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            let separator = if text.is_empty() { "" } else { "; " };
            write!(text, "{separator}{count} {what}").expect("writing to a string cannot fail");
        }
        text
    }
}

/// Why a span was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Its trace id is not 16 bytes, or all zero.
    TraceId,
    /// Its span id is not 8 bytes, or all zero.
    SpanId,
    /// Its parent's id is neither absent nor 8 bytes.
    ParentId,
    /// Nothing says when it was. OTLP has no such spans; Zipkin's tags that were sent after the fact are.
    NoTime,
    /// The request holds more spans than one may.
    SpanLimit,
    /// The request holds more scopes than one may.
    ScopeLimit,
    /// The request holds more attributes, events and links than one may.
    RowLimit,
}

impl Reason {
    /// The label in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TraceId => "trace_id",
            Self::SpanId => "span_id",
            Self::ParentId => "parent_id",
            Self::NoTime => "no_time",
            Self::SpanLimit => "span_limit",
            Self::ScopeLimit => "scope_limit",
            Self::RowLimit => "row_limit",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TraceId => "the trace id must be 16 bytes, not all zero",
            Self::SpanId => "the span id must be 8 bytes, not all zero",
            Self::ParentId => "the parent span id must be 8 bytes, or absent",
            Self::NoTime => "the span has neither a timestamp nor an annotation",
            Self::SpanLimit => "too many spans in one request",
            Self::ScopeLimit => "too many scopes in one request",
            Self::RowLimit => "too many attributes, events and links in one request",
        })
    }
}

/// Spans that were not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// How many.
    pub spans: u64,
    /// How many for each reason, in the order of their first appearance.
    pub reasons: Vec<(Reason, u64)>,
    /// Which was the first, and why.
    pub first_message: Option<String>,
}

impl Rejected {
    /// Counts spans; `place` says where the first of them is.
    pub(crate) fn add(&mut self, reason: Reason, spans: u64, place: impl fmt::Display) {
        if spans == 0 {
            return;
        }
        self.spans += spans;
        match self.reasons.iter_mut().find(|(have, _)| *have == reason) {
            Some((_, count)) => *count += spans,
            None => self.reasons.push((reason, spans)),
        }
        self.first_message.get_or_insert_with(|| format!("{place}: {reason}"));
    }

    /// For the sender; empty without rejected spans.
    pub fn message(&self) -> String {
        let Some(first) = &self.first_message else { return String::new() };
        let mut text = format!("{} spans rejected", self.spans);
        for (index, (reason, count)) in self.reasons.iter().enumerate() {
            let separator = if index == 0 { ": " } else { ", " };
            write!(text, "{separator}{count} because {reason}").expect("writing to a string cannot fail");
        }
        write!(text, "; the first is {first}").expect("writing to a string cannot fail");
        text
    }
}

/// What was cut off spans that are kept, because of [`Limits`](crate::Limits) or because it meant nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Texts and attribute values that were cut.
    pub values: u64,
    /// Attributes that were dropped.
    pub attributes: u64,
    /// Events that were dropped.
    pub events: u64,
    /// Links that were dropped, also those whose ids are none.
    pub links: u64,
}
