//! OTLP/protobuf trace requests: one borrowing walk over the body, straight into columns.
//!
//! Not `prost`: decoding into structs and copying from there is five times slower, and decoding is the largest single cost of
//! ingest. What protobuf demands of a reader holds all the same: fields in any order, unknown ones passed over, of a repeated
//! scalar the last counts, repeated messages are merged.
//!
//! A message whose fields come in any order is walked twice where a row must stand before others can refer to it (resource
//! before scopes, scope before spans): passing over a field costs one length.

pub(crate) mod reader;
mod value;
pub(crate) mod wire;

use reader::{Reader, Tag};
use spillway_model::batch::{EventRow, LinkRow, Resource, Scope, SpanKind, SpanRow, SpanStatus, StrId};

use super::{
    error::{DecodeError, Malformed, Read},
    sink::{self, Owner, PendingResource, RawIds, Remembers, Sink},
};
use crate::{Decoded, Limits, Reason};

/// Decodes an `ExportTraceServiceRequest`.
///
/// # Errors
/// [`DecodeError`] when the body is not such a message; then nothing of it is kept. A span that is broken in itself is
/// rejected alone: see [`Decoded::rejected`].
pub fn decode_traces(body: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    if body.len() > limits.body_bytes {
        return Err(*DecodeError::new(
            limits.body_bytes,
            Malformed::TooLong { bytes: body.len(), limit: limits.body_bytes },
        ));
    }
    let mut walk = Walk::new(limits);
    walk.request(Reader::new(body)).map_err(|error| *error)?;
    Ok(walk.sink.finish())
}

pub(super) struct Walk<'a> {
    pub(super) sink: Sink,
    /// Events and links of the span being read: they wait until its own attributes are complete, which must stand together.
    events: Vec<Reader<'a>>,
    links: Vec<Reader<'a>>,
}

/// The fields of a span but for what goes straight into the builder.
struct PendingSpan<'a> {
    row: SpanRow,
    ids: RawIds<'a>,
    attributes: Owner,
    dropped_attributes: u32,
}

impl<'a> Walk<'a> {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { sink: Sink::new(limits), events: Vec::new(), links: Vec::new() }
    }

    fn request(&mut self, mut request: Reader<'a>) -> Read<()> {
        let mut index = 0;
        while let Some(tag) = request.tag()? {
            if tag.field == 1 {
                self.sink.place.resource = index;
                let resource_spans = request.message(tag).and_then(|message| self.resource_spans(message));
                resource_spans.map_err(|error| error.inside(format_args!("resourceSpans[{index}]")))?;
                index += 1;
            } else {
                request.skip(tag)?;
            }
        }
        Ok(())
    }

    fn resource_spans(&mut self, message: Reader<'a>) -> Read<()> {
        let mut resource = Resource::default();
        let mut owner = self.sink.owner(Remembers::Nothing);
        let mut entity_refs = Vec::new();
        let mut holds_scopes = false;
        let mut fields = message;
        while let Some(tag) = fields.tag()? {
            match tag.field {
                1 => fields
                    .message(tag)
                    .and_then(|inner| self.resource(inner, &mut resource, &mut owner, &mut entity_refs))
                    .map_err(|error| error.inside("resource"))?,
                2 => {
                    holds_scopes = true;
                    fields.skip(tag)?;
                }
                3 => resource.schema_url = self.text(&mut fields, tag).map_err(|error| error.inside("schemaUrl"))?,
                _ => fields.skip(tag)?,
            }
        }
        if !holds_scopes {
            return Ok(());
        }
        (resource.attributes, resource.dropped_attributes) = self.sink.attributes(&owner, resource.dropped_attributes);
        resource.entity_refs = self.sink.bytes(&entity_refs);
        let mut resource = PendingResource { row: resource, added: None };

        let mut fields = message;
        let mut index = 0;
        while let Some(tag) = fields.tag()? {
            if tag.field == 2 {
                self.sink.place.scope = index;
                let scope_spans = fields.message(tag).and_then(|inner| self.scope_spans(inner, &mut resource));
                scope_spans.map_err(|error| error.inside(format_args!("scopeSpans[{index}]")))?;
                index += 1;
            } else {
                fields.skip(tag)?;
            }
        }
        Ok(())
    }

    pub(super) fn resource(
        &mut self,
        mut message: Reader<'a>,
        resource: &mut Resource,
        owner: &mut Owner,
        entity_refs: &mut Vec<u8>,
    ) -> Read<()> {
        while let Some(tag) = message.tag()? {
            match tag.field {
                1 => self.attribute(&mut message, tag, owner)?,
                2 => {
                    resource.dropped_attributes =
                        count(&mut message, tag).map_err(|error| error.inside("droppedAttributesCount"))?
                }
                3 => {
                    let entity =
                        message.message(tag).and_then(entity_ref).map_err(|error| error.inside("entityRefs"))?;
                    wire::length_delimited(entity_refs, 3, &entity);
                }
                _ => message.skip(tag)?,
            }
        }
        Ok(())
    }

    fn scope_spans(&mut self, message: Reader<'a>, resource: &mut PendingResource) -> Read<()> {
        let mut scope = Scope::default();
        let mark = self.sink.builder.mark();
        let mut owner = self.sink.owner(Remembers::Nothing);
        let mut spans = 0;
        let mut fields = message;
        while let Some(tag) = fields.tag()? {
            match tag.field {
                1 => {
                    let inner = fields.message(tag).and_then(|inner| self.scope(inner, &mut scope, &mut owner));
                    inner.map_err(|error| error.inside("scope"))?;
                }
                2 => {
                    spans += 1;
                    fields.skip(tag)?;
                }
                3 => scope.schema_url = self.text(&mut fields, tag).map_err(|error| error.inside("schemaUrl"))?,
                _ => fields.skip(tag)?,
            }
        }
        (scope.attributes, scope.dropped_attributes) = self.sink.attributes(&owner, scope.dropped_attributes);
        if spans == 0 {
            self.sink.builder.rollback(mark);
            return Ok(());
        }
        let Some(scope) = self.sink.scope(resource, scope) else {
            self.sink.builder.rollback(mark);
            self.sink.reject_all(Reason::ScopeLimit, spans);
            return Ok(());
        };
        self.sink.expect_spans(spans, message.len());

        let mut fields = message;
        let mut index = 0;
        while let Some(tag) = fields.tag()? {
            if tag.field == 2 {
                self.sink.place.span = index;
                let span = fields.message(tag).and_then(|inner| self.span(inner, scope));
                span.map_err(|error| error.inside(format_args!("spans[{index}]")))?;
                index += 1;
            } else {
                fields.skip(tag)?;
            }
        }
        Ok(())
    }

    fn scope(&mut self, mut message: Reader<'a>, scope: &mut Scope, owner: &mut Owner) -> Read<()> {
        while let Some(tag) = message.tag()? {
            match tag.field {
                1 => scope.name = self.text(&mut message, tag).map_err(|error| error.inside("name"))?,
                2 => scope.version = self.text(&mut message, tag).map_err(|error| error.inside("version"))?,
                3 => self.attribute(&mut message, tag, owner)?,
                4 => {
                    scope.dropped_attributes =
                        count(&mut message, tag).map_err(|error| error.inside("droppedAttributesCount"))?
                }
                _ => message.skip(tag)?,
            }
        }
        Ok(())
    }

    fn span(&mut self, mut message: Reader<'a>, scope: u32) -> Read<()> {
        if let Some(reason) = self.sink.full() {
            self.sink.reject(reason);
            return Ok(());
        }
        let mark = self.sink.builder.mark();
        self.events.clear();
        self.links.clear();
        let mut span = PendingSpan {
            row: SpanRow { scope, ..SpanRow::default() },
            ids: RawIds::default(),
            attributes: self.sink.owner(Remembers::Last),
            dropped_attributes: 0,
        };
        while let Some(tag) = message.tag()? {
            self.span_field(&mut message, tag, &mut span).map_err(|error| match span_field_name(tag.field) {
                Some(name) => error.inside(name),
                None => error,
            })?;
        }
        if let Err(reason) = span.ids.check(&mut span.row) {
            self.sink.builder.rollback(mark);
            self.sink.reject(reason);
            return Ok(());
        }
        let row = &mut span.row;
        (row.attributes, row.dropped_attributes) = self.sink.attributes(&span.attributes, span.dropped_attributes);
        self.events(row)?;
        self.links(row)?;
        self.sink.builder.span(row);
        Ok(())
    }

    #[inline]
    fn span_field(&mut self, message: &mut Reader<'a>, tag: Tag, span: &mut PendingSpan<'a>) -> Read<()> {
        let row = &mut span.row;
        match tag.field {
            1 => span.ids.trace = message.bytes(tag)?,
            2 => span.ids.span = message.bytes(tag)?,
            3 => row.trace_state = self.text(message, tag)?,
            4 => span.ids.parent = message.bytes(tag)?,
            5 => row.name = self.text(message, tag)?,
            6 => row.kind = SpanKind::from_number(message.integer(tag)?),
            7 => row.start_ns = message.fixed64(tag)?,
            8 => row.end_ns = message.fixed64(tag)?,
            9 => self.attribute(message, tag, &mut span.attributes)?,
            10 => span.dropped_attributes = count(message, tag)?,
            11 => {
                let event = message.message(tag)?;
                self.events.push(event);
            }
            12 => row.dropped_events = count(message, tag)?,
            13 => {
                let link = message.message(tag)?;
                self.links.push(link);
            }
            14 => row.dropped_links = count(message, tag)?,
            15 => {
                let status = message.message(tag)?;
                self.status(status, row)?;
            }
            16 => row.flags = message.fixed32(tag)?,
            _ => message.skip(tag)?,
        }
        Ok(())
    }

    fn status(&mut self, mut message: Reader<'a>, row: &mut SpanRow) -> Read<()> {
        while let Some(tag) = message.tag()? {
            match tag.field {
                2 => row.status_message = self.text(&mut message, tag).map_err(|error| error.inside("message"))?,
                3 => row.status = SpanStatus::from_number(message.integer(tag).map_err(|error| error.inside("code"))?),
                _ => message.skip(tag)?,
            }
        }
        Ok(())
    }

    fn events(&mut self, row: &mut SpanRow) -> Read<()> {
        row.events.start = self.sink.builder.event_count();
        let fit = self.events.len().min(self.sink.limits.events);
        for index in 0..fit {
            let event =
                self.event(self.events[index]).map_err(|error| error.inside(format_args!("events[{index}]")))?;
            self.sink.builder.event(event);
        }
        let surplus = self.events.len() - fit;
        self.sink.trimmed.events += surplus as u64;
        row.dropped_events = row.dropped_events.saturating_add(surplus as u32);
        row.events.len = fit as u32;
        Ok(())
    }

    fn event(&mut self, mut message: Reader<'a>) -> Read<EventRow> {
        let mut event = EventRow::default();
        let mut owner = self.sink.owner(Remembers::Nothing);
        let mut dropped = 0;
        while let Some(tag) = message.tag()? {
            match tag.field {
                1 => event.at_ns = message.fixed64(tag).map_err(|error| error.inside("timeUnixNano"))?,
                2 => event.name = self.text(&mut message, tag).map_err(|error| error.inside("name"))?,
                3 => self.attribute(&mut message, tag, &mut owner)?,
                4 => dropped = count(&mut message, tag).map_err(|error| error.inside("droppedAttributesCount"))?,
                _ => message.skip(tag)?,
            }
        }
        (event.attributes, event.dropped_attributes) = self.sink.attributes(&owner, dropped);
        Ok(event)
    }

    fn links(&mut self, row: &mut SpanRow) -> Read<()> {
        row.links.start = self.sink.builder.link_count();
        let fit = self.links.len().min(self.sink.limits.links);
        let mut useless = 0;
        for index in 0..fit {
            let mark = self.sink.builder.mark();
            match self.link(self.links[index]).map_err(|error| error.inside(format_args!("links[{index}]")))? {
                Some(link) => self.sink.builder.link(link),
                None => {
                    self.sink.builder.rollback(mark);
                    useless += 1;
                }
            }
        }
        let lost = self.links.len() - fit + useless;
        self.sink.trimmed.links += lost as u64;
        row.dropped_links = row.dropped_links.saturating_add(lost as u32);
        row.links.len = (fit - useless) as u32;
        Ok(())
    }

    /// `None` when its ids are none: it links to nothing.
    fn link(&mut self, mut message: Reader<'a>) -> Read<Option<LinkRow>> {
        let mut link = LinkRow::default();
        let mut ids = RawIds::default();
        let mut owner = self.sink.owner(Remembers::Nothing);
        let mut dropped = 0;
        while let Some(tag) = message.tag()? {
            match tag.field {
                1 => ids.trace = message.bytes(tag).map_err(|error| error.inside("traceId"))?,
                2 => ids.span = message.bytes(tag).map_err(|error| error.inside("spanId"))?,
                3 => link.trace_state = self.text(&mut message, tag).map_err(|error| error.inside("traceState"))?,
                4 => self.attribute(&mut message, tag, &mut owner)?,
                5 => dropped = count(&mut message, tag).map_err(|error| error.inside("droppedAttributesCount"))?,
                6 => link.flags = message.fixed32(tag).map_err(|error| error.inside("flags"))?,
                _ => message.skip(tag)?,
            }
        }
        let (Some(trace_id), Some(span_id)) = (sink::trace_id(ids.trace), sink::span_id(ids.span)) else {
            return Ok(None);
        };
        (link.attributes, link.dropped_attributes) = self.sink.attributes(&owner, dropped);
        Ok(Some(LinkRow { trace_id, span_id, ..link }))
    }

    fn text(&mut self, message: &mut Reader<'a>, tag: Tag) -> Read<StrId> {
        let text = message.message(tag)?;
        self.sink.unchecked_text(text.rest()).map_err(|error| text.not_utf8(error))
    }
}

/// A `uint32`.
fn count(message: &mut Reader<'_>, tag: Tag) -> Read<u32> {
    message.integer(tag).map(|value| value as u32)
}

/// An `EntityRef`, written anew with what we know of it.
fn entity_ref(mut message: Reader<'_>) -> Read<Vec<u8>> {
    let mut entity = Vec::new();
    while let Some(tag) = message.tag()? {
        match tag.field {
            1..=4 => wire::length_delimited(&mut entity, tag.field, message.text(tag)?.as_bytes()),
            _ => message.skip(tag)?,
        }
    }
    Ok(entity)
}

/// The name of a span's field in OTLP/JSON. Attributes name themselves, with their index.
fn span_field_name(field: u32) -> Option<&'static str> {
    Some(match field {
        1 => "traceId",
        2 => "spanId",
        3 => "traceState",
        4 => "parentSpanId",
        5 => "name",
        6 => "kind",
        7 => "startTimeUnixNano",
        8 => "endTimeUnixNano",
        10 => "droppedAttributesCount",
        11 => "events",
        12 => "droppedEventsCount",
        13 => "links",
        14 => "droppedLinksCount",
        15 => "status",
        16 => "flags",
        _ => return None,
    })
}
