//! OTLP/JSON trace requests, into the same sink as protobuf.
//!
//! OTLP's JSON is protobuf's with its own rules: ids are hexadecimal and not base64, enums are numbers (names are taken too, since
//! senders write them), 64-bit integers come as text or as numbers, unknown keys are passed over, null is absent. Keys come in any
//! order: scopes that stand before their resource, and spans before their scope, are passed over and gone back to. The usual order
//! is read in one pass.

pub(super) mod field;
mod value;

use field::{Id, count, each, entity_ref, enumerated, kind, nanoseconds, optional_text, status, wait};
use spillway_model::batch::{EventRow, LinkRow, Resource, Scope, SpanRow, StrId};

use super::{
    error::{DecodeError, Malformed, Read},
    protobuf::wire,
    sink::{self, PendingResource, RawIds, Remembers, Sink},
};
use crate::{Decoded, Limits, Reason, json::Reader};

/// Decodes an `ExportTraceServiceRequest` in OTLP/JSON.
///
/// # Errors
/// [`DecodeError`] with path, line and column when the body is not such a request; then nothing of it is kept. A span that is broken in
/// itself is rejected alone: see [`Decoded::rejected`].
pub fn decode_traces(body: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    if body.len() > limits.body_bytes {
        return Err(*DecodeError::new(
            limits.body_bytes,
            Malformed::TooLong { bytes: body.len(), limit: limits.body_bytes },
        ));
    }
    let mut walk = Walk { sink: Sink::new(limits) };
    walk.request(body).map_err(|error| *error)?;
    Ok(walk.sink.finish())
}

pub(super) struct Walk {
    pub(super) sink: Sink,
}

/// Where arrays of one span begin that wait until its own attributes are complete.
#[derive(Default)]
struct Waiting<'a> {
    events: Vec<Reader<'a>>,
    links: Vec<Reader<'a>>,
}

impl Walk {
    fn request(&mut self, body: &[u8]) -> Read<()> {
        // What a span with few attributes takes in JSON: rather too much room than too little.
        const SPAN_BYTES: usize = 1024;
        self.sink.expect_spans(body.len() / SPAN_BYTES, body.len());
        let mut reader = Reader::new(body)?;
        let mut index = 0;
        let mut members = reader.object()?;
        while let Some(key) = reader.key(&mut members)? {
            match &*key {
                "resourceSpans" => each(&mut reader, "resourceSpans", &mut index, |reader, index| {
                    self.sink.place.resource = index;
                    self.resource_spans(reader)
                })?,
                _ => reader.skip()?,
            }
        }
        reader.end()
    }

    fn resource_spans(&mut self, reader: &mut Reader<'_>) -> Read<()> {
        let mut schema_url = StrId::EMPTY;
        let mut resource = None;
        let mut waiting = Vec::new();
        let mut index = 0;
        let mut members = reader.object()?;
        while let Some(key) = reader.key(&mut members)? {
            match (&*key, &mut resource) {
                ("resource", None) => resource = Some(self.resource(reader).map_err(|error| error.inside("resource"))?),
                ("scopeSpans", Some(resource)) => self.all_scope_spans(reader, resource, &mut index)?,
                ("scopeSpans", None) => wait(reader, "scopeSpans", &mut waiting)?,
                ("schemaUrl", _) => self.text(reader, "schemaUrl", &mut schema_url)?,
                _ => reader.skip()?,
            }
        }
        let mut resource = resource.unwrap_or_default();
        for mut reader in waiting {
            self.all_scope_spans(&mut reader, &mut resource, &mut index)?;
        }
        if let Some(added) = resource.added {
            self.sink.builder.resource_schema_url(added, schema_url);
        }
        Ok(())
    }

    fn all_scope_spans(
        &mut self,
        reader: &mut Reader<'_>,
        resource: &mut PendingResource,
        index: &mut usize,
    ) -> Read<()> {
        each(reader, "scopeSpans", index, |reader, index| {
            self.sink.place.scope = index;
            self.scope_spans(reader, resource)
        })
    }

    pub(super) fn resource(&mut self, reader: &mut Reader<'_>) -> Read<PendingResource> {
        let mut row = Resource::default();
        if reader.null() {
            return Ok(PendingResource::default());
        }
        let mut owner = self.sink.owner(Remembers::Nothing);
        let mut entity_refs = Vec::new();
        let mut members = reader.object()?;
        while let Some(key) = reader.key(&mut members)? {
            match &*key {
                "attributes" => self.attributes(reader, &mut owner)?,
                "droppedAttributesCount" => count(reader, "droppedAttributesCount", &mut row.dropped_attributes)?,
                "entityRefs" => each(reader, "entityRefs", &mut 0, |reader, _| {
                    let entity = entity_ref(reader)?;
                    wire::length_delimited(&mut entity_refs, 3, &entity);
                    Ok(())
                })?,
                _ => reader.skip()?,
            }
        }
        (row.attributes, row.dropped_attributes) = self.sink.attributes(&owner, row.dropped_attributes);
        row.entity_refs = self.sink.bytes(&entity_refs);
        Ok(PendingResource { row, added: None })
    }

    fn scope_spans(&mut self, reader: &mut Reader<'_>, resource: &mut PendingResource) -> Read<()> {
        let mark = self.sink.builder.mark();
        let mut schema_url = StrId::EMPTY;
        let mut scope = None;
        let mut added = None;
        let mut waiting = Vec::new();
        let mut index = 0;
        let mut members = reader.object()?;
        while let Some(key) = reader.key(&mut members)? {
            match (&*key, scope) {
                ("scope", None) => scope = Some(self.scope(reader).map_err(|error| error.inside("scope"))?),
                ("spans", Some(scope)) => self.spans(reader, resource, scope, &mut added, &mut index)?,
                ("spans", None) => wait(reader, "spans", &mut waiting)?,
                ("schemaUrl", _) => self.text(reader, "schemaUrl", &mut schema_url)?,
                _ => reader.skip()?,
            }
        }
        for mut reader in waiting {
            self.spans(&mut reader, resource, scope.unwrap_or_default(), &mut added, &mut index)?;
        }
        match added {
            Some(added) => self.sink.builder.scope_schema_url(added, schema_url),
            // Without spans nobody refers to what it has.
            None => self.sink.builder.rollback(mark),
        }
        Ok(())
    }

    fn spans(
        &mut self,
        reader: &mut Reader<'_>,
        resource: &mut PendingResource,
        scope: Scope,
        added: &mut Option<u32>,
        index: &mut usize,
    ) -> Read<()> {
        each(reader, "spans", index, |reader, index| {
            self.sink.place.span = index;
            if added.is_none() {
                *added = self.sink.scope(resource, scope);
            }
            match *added {
                Some(scope) => self.span(reader, scope),
                None => {
                    self.sink.reject(Reason::ScopeLimit);
                    reader.skip()
                }
            }
        })
    }

    fn scope(&mut self, reader: &mut Reader<'_>) -> Read<Scope> {
        let mut scope = Scope::default();
        if reader.null() {
            return Ok(scope);
        }
        let mut owner = self.sink.owner(Remembers::Nothing);
        let mut members = reader.object()?;
        while let Some(key) = reader.key(&mut members)? {
            match &*key {
                "name" => self.text(reader, "name", &mut scope.name)?,
                "version" => self.text(reader, "version", &mut scope.version)?,
                "attributes" => self.attributes(reader, &mut owner)?,
                "droppedAttributesCount" => count(reader, "droppedAttributesCount", &mut scope.dropped_attributes)?,
                _ => reader.skip()?,
            }
        }
        (scope.attributes, scope.dropped_attributes) = self.sink.attributes(&owner, scope.dropped_attributes);
        Ok(scope)
    }

    fn span(&mut self, reader: &mut Reader<'_>, scope: u32) -> Read<()> {
        if let Some(reason) = self.sink.full() {
            self.sink.reject(reason);
            return reader.skip();
        }
        let mark = self.sink.builder.mark();
        let mut row = SpanRow { scope, ..SpanRow::default() };
        let mut owner = self.sink.owner(Remembers::Last);
        let mut dropped_attributes = 0;
        let (mut trace, mut span, mut parent) = (Id::default(), Id::default(), Id::default());
        let mut waiting = Waiting::default();
        let mut members = reader.object()?;
        while let Some(key) = reader.key(&mut members)? {
            match &*key {
                "traceId" => trace.read(reader, "traceId")?,
                "spanId" => span.read(reader, "spanId")?,
                "parentSpanId" => parent.read(reader, "parentSpanId")?,
                "traceState" => self.text(reader, "traceState", &mut row.trace_state)?,
                "flags" => count(reader, "flags", &mut row.flags)?,
                "name" => self.text(reader, "name", &mut row.name)?,
                "kind" => row.kind = enumerated(reader, "kind", kind)?,
                "startTimeUnixNano" => nanoseconds(reader, "startTimeUnixNano", &mut row.start_ns)?,
                "endTimeUnixNano" => nanoseconds(reader, "endTimeUnixNano", &mut row.end_ns)?,
                "attributes" => self.attributes(reader, &mut owner)?,
                "droppedAttributesCount" => count(reader, "droppedAttributesCount", &mut dropped_attributes)?,
                "events" => wait(reader, "events", &mut waiting.events)?,
                "droppedEventsCount" => count(reader, "droppedEventsCount", &mut row.dropped_events)?,
                "links" => wait(reader, "links", &mut waiting.links)?,
                "droppedLinksCount" => count(reader, "droppedLinksCount", &mut row.dropped_links)?,
                "status" => self.status(reader, &mut row).map_err(|error| error.inside("status"))?,
                _ => reader.skip()?,
            }
        }
        let ids = RawIds { trace: trace.bytes(), span: span.bytes(), parent: parent.bytes() };
        if let Err(reason) = ids.check(&mut row) {
            self.sink.builder.rollback(mark);
            self.sink.reject(reason);
            return Ok(());
        }
        (row.attributes, row.dropped_attributes) = self.sink.attributes(&owner, dropped_attributes);
        self.events(&mut row, &waiting.events)?;
        self.links(&mut row, &waiting.links)?;
        self.sink.builder.span(&row);
        Ok(())
    }

    fn status(&mut self, reader: &mut Reader<'_>, row: &mut SpanRow) -> Read<()> {
        if reader.null() {
            return Ok(());
        }
        let mut members = reader.object()?;
        while let Some(key) = reader.key(&mut members)? {
            match &*key {
                "message" => self.text(reader, "message", &mut row.status_message)?,
                "code" => row.status = enumerated(reader, "code", status)?,
                _ => reader.skip()?,
            }
        }
        Ok(())
    }

    fn events(&mut self, row: &mut SpanRow, arrays: &[Reader<'_>]) -> Read<()> {
        row.events.start = self.sink.builder.event_count();
        let mut index = 0;
        for mut reader in arrays.iter().copied() {
            each(&mut reader, "events", &mut index, |reader, index| {
                if index >= self.sink.limits.events {
                    self.sink.trimmed.events += 1;
                    row.dropped_events = row.dropped_events.saturating_add(1);
                    return reader.skip();
                }
                let event = self.event(reader)?;
                self.sink.builder.event(event);
                Ok(())
            })?;
        }
        row.events.len = self.sink.builder.event_count() - row.events.start;
        Ok(())
    }

    fn event(&mut self, reader: &mut Reader<'_>) -> Read<EventRow> {
        let mut event = EventRow::default();
        let mut owner = self.sink.owner(Remembers::Nothing);
        let mut dropped = 0;
        let mut members = reader.object()?;
        while let Some(key) = reader.key(&mut members)? {
            match &*key {
                "timeUnixNano" => nanoseconds(reader, "timeUnixNano", &mut event.at_ns)?,
                "name" => self.text(reader, "name", &mut event.name)?,
                "attributes" => self.attributes(reader, &mut owner)?,
                "droppedAttributesCount" => count(reader, "droppedAttributesCount", &mut dropped)?,
                _ => reader.skip()?,
            }
        }
        (event.attributes, event.dropped_attributes) = self.sink.attributes(&owner, dropped);
        Ok(event)
    }

    fn links(&mut self, row: &mut SpanRow, arrays: &[Reader<'_>]) -> Read<()> {
        row.links.start = self.sink.builder.link_count();
        let mut index = 0;
        for mut reader in arrays.iter().copied() {
            each(&mut reader, "links", &mut index, |reader, index| {
                let mark = self.sink.builder.mark();
                let link =
                    if index < self.sink.limits.links { self.link(reader)? } else { reader.skip().map(|()| None)? };
                if let Some(link) = link {
                    self.sink.builder.link(link);
                } else {
                    self.sink.builder.rollback(mark);
                    self.sink.trimmed.links += 1;
                    row.dropped_links = row.dropped_links.saturating_add(1);
                }
                Ok(())
            })?;
        }
        row.links.len = self.sink.builder.link_count() - row.links.start;
        Ok(())
    }

    /// `None` when its ids are none: it links to nothing.
    fn link(&mut self, reader: &mut Reader<'_>) -> Read<Option<LinkRow>> {
        let mut link = LinkRow::default();
        let (mut trace, mut span) = (Id::default(), Id::default());
        let mut owner = self.sink.owner(Remembers::Nothing);
        let mut dropped = 0;
        let mut members = reader.object()?;
        while let Some(key) = reader.key(&mut members)? {
            match &*key {
                "traceId" => trace.read(reader, "traceId")?,
                "spanId" => span.read(reader, "spanId")?,
                "traceState" => self.text(reader, "traceState", &mut link.trace_state)?,
                "attributes" => self.attributes(reader, &mut owner)?,
                "droppedAttributesCount" => count(reader, "droppedAttributesCount", &mut dropped)?,
                "flags" => count(reader, "flags", &mut link.flags)?,
                _ => reader.skip()?,
            }
        }
        let (Some(trace_id), Some(span_id)) = (sink::trace_id(trace.bytes()), sink::span_id(span.bytes())) else {
            return Ok(None);
        };
        (link.attributes, link.dropped_attributes) = self.sink.attributes(&owner, dropped);
        Ok(Some(LinkRow { trace_id, span_id, ..link }))
    }

    fn text(&mut self, reader: &mut Reader<'_>, name: &str, to: &mut StrId) -> Read<()> {
        if let Some(text) = optional_text(reader).map_err(|error| error.inside(name))? {
            *to = self.sink.text(&text);
        }
        Ok(())
    }
}
