//! Where decoders of spans put what they read: the builder, behind the limits.

use std::{fmt, str::Utf8Error};

use spillway_model::{
    batch::{Resource, Run, Scope, SpanBatchBuilder, SpanRow, StrId, Value},
    identity::{SpanId, TraceId},
};

use crate::{Decoded, Limits, Reason, Rejected, Trimmed};

/// Which span of the request is being read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    pub resource: usize,
    pub scope: usize,
    pub span: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "resourceSpans[{}].scopeSpans[{}].spans[{}]", self.resource, self.scope, self.span)
    }
}

/// The attributes of one resource, scope, span, event or link while they are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    start: u32,
    /// How many were read.
    position: usize,
    /// How many of them were dropped.
    dropped: u32,
    remembers: Remembers,
}

impl Owner {
    /// Index of the attribute that comes next.
    pub fn index(&self) -> usize {
        self.position
    }
}

/// Whether the texts of one owner are likely to be those of the one before, at the same position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remembers {
    /// Spans of one request look alike.
    Last,
    /// The others do not, or are rare.
    Nothing,
}

pub(crate) struct Sink {
    pub builder: SpanBatchBuilder,
    pub limits: Limits,
    pub trimmed: Trimmed,
    pub place: Place,
    rejected: Rejected,
    scopes: usize,
    /// Key and text of the span before, by position.
    last: Vec<(StrId, StrId)>,
}

impl Sink {
    pub fn new(limits: &Limits) -> Self {
        Self {
            builder: SpanBatchBuilder::new(),
            limits: *limits,
            trimmed: Trimmed::default(),
            place: Place::default(),
            rejected: Rejected::default(),
            scopes: 0,
            last: Vec::new(),
        }
    }

    pub fn finish(self) -> Decoded {
        Decoded { batch: self.builder.finish(), rejected: self.rejected, trimmed: self.trimmed }
    }

    /// Makes room for spans that take so many bytes of body, as far as they will be kept.
    ///
    /// What a message claims reserves at most a few times what it is long: small spans are taken to have few attributes.
    pub fn expect_spans(&mut self, spans: usize, body_bytes: usize) {
        const SMALLEST_SPAN: usize = 32;
        const ATTRIBUTES: usize = 10;
        const ATTRIBUTE_BYTES: usize = 24;
        const TEXT_BYTES: usize = 64;
        let kept =
            spans.min(self.limits.spans.saturating_sub(self.builder.span_count())).min(body_bytes / SMALLEST_SPAN);
        let bytes_each = body_bytes / spans.max(1);
        self.builder.reserve(kept, ATTRIBUTES.min(bytes_each / ATTRIBUTE_BYTES), TEXT_BYTES.min(bytes_each));
    }

    /// A text, cut to the limit.
    pub fn text(&mut self, text: &str) -> StrId {
        let cut = self.cut(text);
        self.builder.intern(cut)
    }

    /// The same for bytes that were not checked yet.
    ///
    /// # Errors
    /// [`Utf8Error`] for what is no text, also where it would be cut off.
    #[inline]
    pub fn unchecked_text(&mut self, text: &[u8]) -> Result<StrId, Utf8Error> {
        if text.len() <= self.limits.value_bytes {
            return self.builder.intern_utf8(text);
        }
        str::from_utf8(text).map(|text| self.text(text))
    }

    fn cut<'a>(&mut self, text: &'a str) -> &'a str {
        let limit = self.limits.value_bytes;
        if text.len() <= limit {
            return text;
        }
        self.trimmed.values += 1;
        &text[..text.floor_char_boundary(limit)]
    }

    /// Bytes, cut to the limit.
    pub fn bytes(&mut self, bytes: &[u8]) -> Run {
        let limit = self.limits.value_bytes;
        if bytes.len() > limit {
            self.trimmed.values += 1;
        }
        self.builder.bytes(&bytes[..bytes.len().min(limit)])
    }

    pub fn owner(&self, remembers: Remembers) -> Owner {
        Owner { start: self.builder.attribute_count(), position: 0, dropped: 0, remembers }
    }

    /// True when one more attribute fits; else it is counted as dropped.
    pub fn attribute_fits(&mut self, owner: &mut Owner) -> bool {
        let fits = owner.position - (owner.dropped as usize) < self.limits.attributes && self.rows() < self.limits.rows;
        if !fits {
            owner.position += 1;
            owner.dropped = owner.dropped.saturating_add(1);
            self.trimmed.attributes += 1;
        }
        fits
    }

    /// The key and text that the attribute at this position had last time.
    pub fn guess(&self, owner: &Owner) -> (StrId, StrId) {
        match owner.remembers {
            Remembers::Last => self.last.get(owner.position).copied().unwrap_or_default(),
            Remembers::Nothing => Default::default(),
        }
    }

    pub fn attribute(&mut self, owner: &mut Owner, key: StrId, value: Value) {
        if owner.remembers == Remembers::Last {
            let text = if let Value::Str(text) = value { text } else { StrId::EMPTY };
            // Positions come one after the other, except behind dropped attributes: those are not worth remembering.
            if let Some(last) = self.last.get_mut(owner.position) {
                *last = (key, text);
            } else if owner.position == self.last.len() {
                self.last.push((key, text));
            }
        }
        owner.position += 1;
        self.builder.attribute(key, value);
    }

    /// The attributes of an owner, and how many it lost: those that the sender counted and those that did not fit.
    pub fn attributes(&self, owner: &Owner, sender_dropped: u32) -> (Run, u32) {
        (self.builder.attributes_since(owner.start), sender_dropped.saturating_add(owner.dropped))
    }

    /// Adds a resource with a scope, or the scope of one that was added; `None` when the request has too many.
    pub fn scope(&mut self, resource: &mut PendingResource, scope: Scope) -> Option<u32> {
        if self.scopes == self.limits.scopes {
            return None;
        }
        self.scopes += 1;
        let builder = &mut self.builder;
        let resource = *resource.added.get_or_insert_with(|| builder.resource_row(resource.row));
        Some(self.builder.scope(Scope { resource, ..scope }))
    }

    fn rows(&self) -> usize {
        let builder = &self.builder;
        builder.attribute_count() as usize + builder.event_count() as usize + builder.link_count() as usize
    }

    /// Why not one more span may be read.
    pub fn full(&self) -> Option<Reason> {
        if self.builder.span_count() >= self.limits.spans {
            Some(Reason::SpanLimit)
        } else if self.rows() >= self.limits.rows {
            Some(Reason::RowLimit)
        } else {
            None
        }
    }

    /// Counts the span at the current place as rejected.
    pub fn reject(&mut self, reason: Reason) {
        self.rejected.add(reason, 1, self.place);
    }

    /// The same for formats whose places are not those of OTLP.
    pub fn reject_at(&mut self, reason: Reason, place: impl fmt::Display) {
        self.rejected.add(reason, 1, place);
    }

    /// Counts spans of which not one was read.
    pub fn reject_all(&mut self, reason: Reason, spans: usize) {
        self.place.span = 0;
        self.rejected.add(reason, spans as u64, self.place);
    }
}

/// A resource that is added when a scope with spans shows that it is needed.
#[derive(Default)]
pub(crate) struct PendingResource {
    pub row: Resource,
    pub added: Option<u32>,
}

/// A span's ids as they were sent; absent ones are empty.
#[derive(Clone, Copy, Default)]
pub(crate) struct RawIds<'a> {
    pub trace: &'a [u8],
    pub span: &'a [u8],
    pub parent: &'a [u8],
}

impl RawIds<'_> {
    /// Puts the ids into the row.
    ///
    /// # Errors
    /// The reason to reject the span.
    pub fn check(self, row: &mut SpanRow) -> Result<(), Reason> {
        row.trace_id = trace_id(self.trace).ok_or(Reason::TraceId)?;
        row.span_id = span_id(self.span).ok_or(Reason::SpanId)?;
        // All zero means none, as empty does.
        row.parent_id = match self.parent {
            [] => SpanId::NONE,
            parent => SpanId(parent.try_into().map_err(|_| Reason::ParentId)?),
        };
        Ok(())
    }
}

/// The id, if it is one.
pub(crate) fn trace_id(bytes: &[u8]) -> Option<TraceId> {
    bytes.try_into().ok().map(TraceId).filter(|id| *id != TraceId::default())
}

/// The id, if it is one.
pub(crate) fn span_id(bytes: &[u8]) -> Option<SpanId> {
    bytes.try_into().ok().map(SpanId).filter(|id| !id.is_none())
}
