//! Spans of several batches put together in one: a trace, a block.

use rustc_hash::FxHashMap;

use super::{EventRow, LinkRow, Resource, Run, Scope, SpanBatch, SpanBatchBuilder, StrId, Value};

/// What a builder remembers of one batch that it copies from: where its scopes and strings went. Start with an empty one for each
/// pair of a batch and a builder.
#[derive(Clone, Debug, Default)]
pub struct Copied {
    scopes: Vec<Option<u32>>,
    strings: Vec<Option<StrId>>,
}

/// Resources and scopes of a builder by what they say, so that the same one out of many batches is there once.
#[derive(Clone, Debug, Default)]
pub struct Distinct {
    resources: FxHashMap<Box<[u8]>, u32>,
    scopes: FxHashMap<Box<[u8]>, u32>,
    key: Vec<u8>,
}

impl SpanBatchBuilder {
    /// Copies one span of another batch with everything that hangs on it.
    pub fn copy_span(&mut self, from: &SpanBatch, span: usize, copied: &mut Copied, distinct: &mut Distinct) {
        if copied.strings.is_empty() {
            copied.scopes.resize(from.scopes.len(), None);
            copied.strings.resize(from.string_count(), None);
        }
        let mut row = from.spans.row(span);
        row.scope = self.copy_scope(from, row.scope, copied, distinct);
        let strings = &mut copied.strings;
        row.trace_state = self.copy_str(from, row.trace_state, strings);
        row.name = self.copy_str(from, row.name, strings);
        row.status_message = self.copy_str(from, row.status_message, strings);
        row.attributes = self.copy_attributes(from, row.attributes, strings);
        let (events, links) = (row.events, row.links);
        row.events = Run { start: self.event_count(), len: events.len };
        for event in &from.events[events.range()] {
            let copied = EventRow {
                name: self.copy_str(from, event.name, strings),
                attributes: self.copy_attributes(from, event.attributes, strings),
                ..*event
            };
            self.event(copied);
        }
        row.links = Run { start: self.link_count(), len: links.len };
        for link in &from.links[links.range()] {
            let copied = LinkRow {
                trace_state: self.copy_str(from, link.trace_state, strings),
                attributes: self.copy_attributes(from, link.attributes, strings),
                ..*link
            };
            self.link(copied);
        }
        self.span(&row);
    }

    fn copy_scope(&mut self, from: &SpanBatch, scope: u32, copied: &mut Copied, distinct: &mut Distinct) -> u32 {
        if let Some(copied) = copied.scopes[scope as usize] {
            return copied;
        }
        let source = from.scopes[scope as usize];
        let resource = self.copy_resource(from, source.resource, copied, distinct);
        let strings = &mut copied.strings;
        let mark = self.mark();
        let row = Scope {
            resource,
            name: self.copy_str(from, source.name, strings),
            version: self.copy_str(from, source.version, strings),
            attributes: self.copy_attributes(from, source.attributes, strings),
            dropped_attributes: source.dropped_attributes,
            schema_url: self.copy_str(from, source.schema_url, strings),
        };
        let key = &mut distinct.key;
        key.clear();
        for number in [resource, row.name.0, row.version.0, row.schema_url.0, row.dropped_attributes] {
            key.extend_from_slice(&number.to_le_bytes());
        }
        self.put_attributes(row.attributes, key);
        let place = match distinct.scopes.get(key.as_slice()) {
            Some(&known) => {
                self.rollback(mark);
                known
            }
            None => {
                let place = self.scope(row);
                distinct.scopes.insert(key.as_slice().into(), place);
                place
            }
        };
        copied.scopes[scope as usize] = Some(place);
        place
    }

    fn copy_resource(&mut self, from: &SpanBatch, resource: u32, copied: &mut Copied, distinct: &mut Distinct) -> u32 {
        let source = from.resources[resource as usize];
        let mark = self.mark();
        let attributes = self.copy_attributes(from, source.attributes, &mut copied.strings);
        let schema_url = self.copy_str(from, source.schema_url, &mut copied.strings);
        let entity_refs = &from.bytes[source.entity_refs.range()];
        let key = &mut distinct.key;
        key.clear();
        key.extend_from_slice(&schema_url.0.to_le_bytes());
        key.extend_from_slice(&source.dropped_attributes.to_le_bytes());
        key.extend_from_slice(&source.entity_refs.len.to_le_bytes());
        key.extend_from_slice(entity_refs);
        self.put_attributes(attributes, key);
        if let Some(&known) = distinct.resources.get(key.as_slice()) {
            self.rollback(mark);
            return known;
        }
        let entity_refs = self.bytes(entity_refs);
        let dropped_attributes = source.dropped_attributes;
        let row = Resource { attributes, dropped_attributes, schema_url, entity_refs, ..Resource::default() };
        let place = self.resource_row(row);
        distinct.resources.insert(distinct.key.as_slice().into(), place);
        place
    }

    fn copy_str(&mut self, from: &SpanBatch, id: StrId, strings: &mut [Option<StrId>]) -> StrId {
        if let Some(copied) = strings[id.0 as usize] {
            return copied;
        }
        let copied = self.intern(from.str(id));
        strings[id.0 as usize] = Some(copied);
        copied
    }

    fn copy_attributes(&mut self, from: &SpanBatch, run: Run, strings: &mut [Option<StrId>]) -> Run {
        let start = self.attribute_count();
        for row in run.range() {
            let key = self.copy_str(from, from.attribute_keys[row], strings);
            let value = match from.attribute_values[row] {
                Value::Str(id) => Value::Str(self.copy_str(from, id, strings)),
                Value::Bytes(run) => Value::Bytes(self.bytes(&from.bytes[run.range()])),
                Value::Array(run) => Value::Array(self.bytes(&from.bytes[run.range()])),
                Value::Map(run) => Value::Map(self.bytes(&from.bytes[run.range()])),
                plain @ (Value::Empty | Value::Bool(_) | Value::Int(_) | Value::Double(_)) => plain,
            };
            self.attribute(key, value);
        }
        self.attributes_since(start)
    }

    /// Attributes as bytes that are equal when they are: strings by their number, each value behind its type and length.
    fn put_attributes(&self, run: Run, out: &mut Vec<u8>) {
        for row in run.range() {
            out.extend_from_slice(&self.batch.attribute_keys[row].0.to_le_bytes());
            let (tag, run): (u8, Option<Run>) = match self.batch.attribute_values[row] {
                Value::Empty => (0, None),
                Value::Bool(bool) => (1 + u8::from(bool), None),
                Value::Str(id) => {
                    out.extend_from_slice(&id.0.to_le_bytes());
                    (3, None)
                }
                Value::Int(int) => {
                    out.extend_from_slice(&int.to_le_bytes());
                    (4, None)
                }
                Value::Double(double) => {
                    out.extend_from_slice(&double.to_bits().to_le_bytes());
                    (5, None)
                }
                Value::Bytes(run) => (6, Some(run)),
                Value::Array(run) => (7, Some(run)),
                Value::Map(run) => (8, Some(run)),
            };
            out.push(tag);
            if let Some(run) = run {
                out.extend_from_slice(&run.len.to_le_bytes());
                out.extend_from_slice(&self.batch.bytes[run.range()]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{SpanBatchBuilder, SpanRow};

    fn batch(service: &str, names: &[&str]) -> SpanBatch {
        let mut builder = SpanBatchBuilder::new();
        let start = builder.attribute_count();
        let (key, value) = (builder.intern("service.name"), builder.intern(service));
        builder.attribute(key, Value::Str(value));
        let attributes = builder.attributes_since(start);
        let resource = builder.resource(attributes, 0, StrId::EMPTY);
        let scope = builder.scope(Scope { resource, ..Scope::default() });
        for name in names {
            let name = builder.intern(name);
            builder.span(&SpanRow { scope, name, ..SpanRow::default() });
        }
        builder.finish()
    }

    #[test]
    fn the_same_resource_of_many_batches_is_there_once() {
        let batches = [batch("a", &["x", "y"]), batch("b", &["x"]), batch("a", &["z", "x"])];
        let (mut builder, mut distinct) = (SpanBatchBuilder::new(), Distinct::default());

        for batch in &batches {
            let mut copied = Copied::default();
            (0..batch.len()).for_each(|span| builder.copy_span(batch, span, &mut copied, &mut distinct));
        }

        let all = builder.finish();
        let spans: Vec<_> = (0..all.len())
            .map(|span| {
                let resource = all.resources[all.scopes[all.spans.scope[span] as usize].resource as usize];
                (all.str(resource.service), all.str(all.spans.name[span]))
            })
            .collect();
        assert_eq!(spans, [("a", "x"), ("a", "y"), ("b", "x"), ("a", "z"), ("a", "x")]);
        assert_eq!((all.resources.len(), all.scopes.len(), all.attribute_keys.len()), (2, 2, 2));
    }
}
