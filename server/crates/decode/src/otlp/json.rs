//! OTLP/JSON trace requests, into the same sink as protobuf.
//!
//! OTLP's JSON is protobuf's with its own rules: ids are hexadecimal and not base64, enums are numbers (names are taken too, since
//! senders write them), 64-bit integers come as text or as numbers, unknown keys are passed over, null is absent. Keys come in any order, so
//! what later rows refer to is read first and then gone back, exactly as in [`protobuf`](super::protobuf).

mod value;

use std::borrow::Cow;

use spillway_model::batch::{EventRow, LinkRow, Resource, Scope, SpanKind, SpanRow, SpanStatus, StrId};

use super::{
    error::{DecodeError, Malformed, Read},
    protobuf::wire,
    sink::{self, Owner, PendingResource, RawIds, Remembers, Sink},
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

struct Walk {
    sink: Sink,
}

/// Where arrays of one span begin that wait until its own attributes are complete.
#[derive(Default)]
struct Waiting<'a> {
    events: Vec<Reader<'a>>,
    links: Vec<Reader<'a>>,
}

impl Walk {
    fn request(&mut self, body: &[u8]) -> Read<()> {
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
        let mut again = *reader;
        let mut resource = Resource::default();
        let mut owner = self.sink.owner(Remembers::Nothing);
        let mut entity_refs = Vec::new();
        let mut holds_scopes = false;
        let mut members = reader.object()?;
        while let Some(key) = reader.key(&mut members)? {
            match &*key {
                "resource" => self
                    .resource(reader, &mut resource, &mut owner, &mut entity_refs)
                    .map_err(|error| error.inside("resource"))?,
                "scopeSpans" => {
                    holds_scopes = true;
                    reader.skip().map_err(|error| error.inside("scopeSpans"))?;
                }
                "schemaUrl" => self.text(reader, "schemaUrl", &mut resource.schema_url)?,
                _ => reader.skip()?,
            }
        }
        if !holds_scopes {
            return Ok(());
        }
        (resource.attributes, resource.dropped_attributes) = self.sink.attributes(&owner, resource.dropped_attributes);
        resource.entity_refs = self.sink.bytes(&entity_refs);
        let mut resource = PendingResource { row: resource, added: None };

        let mut index = 0;
        let mut members = again.object()?;
        while let Some(key) = again.key(&mut members)? {
            match &*key {
                "scopeSpans" => each(&mut again, "scopeSpans", &mut index, |reader, index| {
                    self.sink.place.scope = index;
                    self.scope_spans(reader, &mut resource)
                })?,
                _ => again.skip()?,
            }
        }
        Ok(())
    }

    fn resource(
        &mut self,
        reader: &mut Reader<'_>,
        resource: &mut Resource,
        owner: &mut Owner,
        entity_refs: &mut Vec<u8>,
    ) -> Read<()> {
        if reader.null() {
            return Ok(());
        }
        let mut members = reader.object()?;
        while let Some(key) = reader.key(&mut members)? {
            match &*key {
                "attributes" => self.attributes(reader, owner)?,
                "droppedAttributesCount" => count(reader, "droppedAttributesCount", &mut resource.dropped_attributes)?,
                "entityRefs" => each(reader, "entityRefs", &mut 0, |reader, _| {
                    let entity = entity_ref(reader)?;
                    wire::length_delimited(entity_refs, 3, &entity);
                    Ok(())
                })?,
                _ => reader.skip()?,
            }
        }
        Ok(())
    }

    fn scope_spans(&mut self, reader: &mut Reader<'_>, resource: &mut PendingResource) -> Read<()> {
        let mut again = *reader;
        let mark = self.sink.builder.mark();
        let mut scope = Scope::default();
        let mut owner = self.sink.owner(Remembers::Nothing);
        let mut spans = 0;
        let mut members = reader.object()?;
        while let Some(key) = reader.key(&mut members)? {
            match &*key {
                "scope" => self.scope(reader, &mut scope, &mut owner).map_err(|error| error.inside("scope"))?,
                "spans" => each(reader, "spans", &mut spans, |reader, _| reader.skip())?,
                "schemaUrl" => self.text(reader, "schemaUrl", &mut scope.schema_url)?,
                _ => reader.skip()?,
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
        self.sink.expect_spans(spans, spans * 32);

        let mut index = 0;
        let mut members = again.object()?;
        while let Some(key) = again.key(&mut members)? {
            match &*key {
                "spans" => each(&mut again, "spans", &mut index, |reader, index| {
                    self.sink.place.span = index;
                    self.span(reader, scope)
                })?,
                _ => again.skip()?,
            }
        }
        Ok(())
    }

    fn scope(&mut self, reader: &mut Reader<'_>, scope: &mut Scope, owner: &mut Owner) -> Read<()> {
        if reader.null() {
            return Ok(());
        }
        let mut members = reader.object()?;
        while let Some(key) = reader.key(&mut members)? {
            match &*key {
                "name" => self.text(reader, "name", &mut scope.name)?,
                "version" => self.text(reader, "version", &mut scope.version)?,
                "attributes" => self.attributes(reader, owner)?,
                "droppedAttributesCount" => count(reader, "droppedAttributesCount", &mut scope.dropped_attributes)?,
                _ => reader.skip()?,
            }
        }
        Ok(())
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

/// Reads each item of an array, or of null. `index` goes on from array to array of the same name.
fn each<'a>(
    reader: &mut Reader<'a>,
    name: &str,
    index: &mut usize,
    mut item: impl FnMut(&mut Reader<'a>, usize) -> Read<()>,
) -> Read<()> {
    if reader.null() {
        return Ok(());
    }
    let mut array = reader.array().map_err(|error| error.inside(name))?;
    while reader.item(&mut array).map_err(|error| error.inside(name))? {
        item(reader, *index).map_err(|error| error.inside(format_args!("{name}[{index}]")))?;
        *index += 1;
    }
    Ok(())
}

/// Notes where a value begins, and passes over it.
fn wait<'a>(reader: &mut Reader<'a>, name: &str, waiting: &mut Vec<Reader<'a>>) -> Read<()> {
    // A key that comes thousands of times is no request of anybody; only its last values would cost memory here.
    const REPEATS: usize = 16;
    let begin = *reader;
    reader.skip().map_err(|error| error.inside(name))?;
    if waiting.len() == REPEATS {
        return Err(begin
            .fault(Malformed::Expected { expected: "each key once", found: "the same key again and again".to_owned() })
            .inside(name));
    }
    waiting.push(begin);
    Ok(())
}

fn optional_text<'a>(reader: &mut Reader<'a>) -> Read<Option<Cow<'a, str>>> {
    if reader.null() { Ok(None) } else { reader.string().map(Some) }
}

fn count(reader: &mut Reader<'_>, name: &str, to: &mut u32) -> Read<()> {
    if !reader.null() {
        *to = reader.integer("an integer from 0 to 4294967295").map_err(|error| error.inside(name))?;
    }
    Ok(())
}

fn nanoseconds(reader: &mut Reader<'_>, name: &str, to: &mut u64) -> Read<()> {
    if !reader.null() {
        *to = reader
            .integer("nanoseconds since 1970, from 0 to 18446744073709551615")
            .map_err(|error| error.inside(name))?;
    }
    Ok(())
}

/// An enum by number, or by name.
fn enumerated<T: Default>(reader: &mut Reader<'_>, name: &str, of: impl Fn(&str) -> T) -> Read<T> {
    if reader.null() {
        return Ok(T::default());
    }
    let read = match reader.next_byte() {
        Some(b'"') => reader.string(),
        _ => reader.integer("a number or a name").map(|number: i32| Cow::Owned(number.to_string())),
    };
    read.map(|text| of(&text)).map_err(|error| error.inside(name))
}

/// Unknown names and numbers are unspecified, as in protobuf.
fn kind(text: &str) -> SpanKind {
    match text.strip_prefix("SPAN_KIND_").unwrap_or(text) {
        "INTERNAL" | "1" => SpanKind::Internal,
        "SERVER" | "2" => SpanKind::Server,
        "CLIENT" | "3" => SpanKind::Client,
        "PRODUCER" | "4" => SpanKind::Producer,
        "CONSUMER" | "5" => SpanKind::Consumer,
        _ => SpanKind::Unspecified,
    }
}

fn status(text: &str) -> SpanStatus {
    match text.strip_prefix("STATUS_CODE_").unwrap_or(text) {
        "OK" | "1" => SpanStatus::Ok,
        "ERROR" | "2" => SpanStatus::Error,
        _ => SpanStatus::Unset,
    }
}

/// Bytes of an id, whatever their number up to one more than any id has.
#[derive(Clone, Copy, Default)]
struct Id {
    bytes: [u8; 17],
    length: usize,
}

impl Id {
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn read(&mut self, reader: &mut Reader<'_>, name: &str) -> Read<()> {
        let mut begin = *reader;
        let Some(text) = optional_text(reader).map_err(|error| error.inside(name))? else { return Ok(()) };
        // Base64 ids are the usual mistake of a protobuf library; they can only be told apart while they are text.
        if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(begin.expected("hexadecimal digits (OTLP/JSON ids are not base64)").inside(name));
        }
        *self = Self::default();
        for pair in text.as_bytes().chunks(2).take(self.bytes.len()) {
            let digit =
                |index: usize| pair.get(index).and_then(|digit| char::from(*digit).to_digit(16)).unwrap_or(0) as u8;
            self.bytes[self.length] = digit(0) << 4 | digit(1);
            self.length += 1;
        }
        // Half a byte too much makes the length wrong, which it is.
        if text.len() % 2 == 1 {
            self.length = 1;
        }
        Ok(())
    }
}

/// An `EntityRef` in protobuf.
fn entity_ref(reader: &mut Reader<'_>) -> Read<Vec<u8>> {
    let mut entity = Vec::new();
    let mut members = reader.object()?;
    while let Some(key) = reader.key(&mut members)? {
        let field = match &*key {
            "schemaUrl" => 1,
            "type" => 2,
            "idKeys" => 3,
            "descriptionKeys" => 4,
            _ => {
                reader.skip()?;
                continue;
            }
        };
        if field < 3 {
            if let Some(text) = optional_text(reader).map_err(|error| error.inside(&key))? {
                wire::length_delimited(&mut entity, field, text.as_bytes());
            }
        } else {
            each(reader, &key, &mut 0, |reader, _| {
                let text = reader.string()?;
                wire::length_delimited(&mut entity, field, text.as_bytes());
                Ok(())
            })?;
        }
    }
    Ok(entity)
}
