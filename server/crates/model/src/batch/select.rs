//! Some spans of a batch as a batch of their own.

use super::{EventRow, LinkRow, Resource, Run, Scope, SpanBatch, SpanBatchBuilder, StrId, Value};

const UNSEEN: u32 = u32::MAX;

/// Makes small batches out of a large one: each has its own strings, scopes and resources, and nothing that no span of it refers to. Nothing
/// is compared, since each of them is in the large one once; what that needs is remembered from one small batch to the next.
pub struct Selector<'a> {
    from: &'a SpanBatch,
    strings: Vec<u32>,
    scopes: Vec<u32>,
    resources: Vec<u32>,
    /// Rows of the three that are in use: they are cleared when the next batch begins.
    used_strings: Vec<u32>,
    used_scopes: Vec<u32>,
    used_resources: Vec<u32>,
}

impl<'a> Selector<'a> {
    /// Selects from this one.
    pub fn new(from: &'a SpanBatch) -> Self {
        let mut strings = vec![UNSEEN; from.string_count()];
        strings[StrId::EMPTY.0 as usize] = 0;
        Self {
            from,
            strings,
            scopes: vec![UNSEEN; from.scopes.len()],
            resources: vec![UNSEEN; from.resources.len()],
            used_strings: Vec::new(),
            used_scopes: Vec::new(),
            used_resources: Vec::new(),
        }
    }

    /// These spans, in this order.
    pub fn select(&mut self, spans: impl ExactSizeIterator<Item = usize>) -> SpanBatch {
        for (known, used) in [
            (&mut self.strings, &mut self.used_strings),
            (&mut self.scopes, &mut self.used_scopes),
            (&mut self.resources, &mut self.used_resources),
        ] {
            used.drain(..).for_each(|row| known[row as usize] = UNSEEN);
        }
        let mut to = SpanBatchBuilder::new().finish();
        to.spans.reserve(spans.len());
        for span in spans {
            self.span(span, &mut to);
        }
        to
    }

    fn span(&mut self, span: usize, to: &mut SpanBatch) {
        let from = self.from;
        let mut row = from.spans.row(span);
        row.scope = self.scope(row.scope, to);
        row.trace_state = self.string(row.trace_state, to);
        row.name = self.string(row.name, to);
        row.status_message = self.string(row.status_message, to);
        row.attributes = self.attributes(row.attributes, to);
        let start = row_number(to.events.len());
        for event in &from.events[row.events.range()] {
            let name = self.string(event.name, to);
            let attributes = self.attributes(event.attributes, to);
            to.events.push(EventRow { name, attributes, ..*event });
        }
        row.events.start = start;
        let start = row_number(to.links.len());
        for link in &from.links[row.links.range()] {
            let trace_state = self.string(link.trace_state, to);
            let attributes = self.attributes(link.attributes, to);
            to.links.push(LinkRow { trace_state, attributes, ..*link });
        }
        row.links.start = start;
        to.spans.push(&row);
    }

    fn scope(&mut self, scope: u32, to: &mut SpanBatch) -> u32 {
        let known = self.scopes[scope as usize];
        if known != UNSEEN {
            return known;
        }
        let source = self.from.scopes[scope as usize];
        let row = Scope {
            resource: self.resource(source.resource, to),
            name: self.string(source.name, to),
            version: self.string(source.version, to),
            schema_url: self.string(source.schema_url, to),
            attributes: self.attributes(source.attributes, to),
            dropped_attributes: source.dropped_attributes,
        };
        let number = row_number(to.scopes.len());
        to.scopes.push(row);
        self.scopes[scope as usize] = number;
        self.used_scopes.push(scope);
        number
    }

    fn resource(&mut self, resource: u32, to: &mut SpanBatch) -> u32 {
        let known = self.resources[resource as usize];
        if known != UNSEEN {
            return known;
        }
        let source = self.from.resources[resource as usize];
        let row = Resource {
            attributes: self.attributes(source.attributes, to),
            dropped_attributes: source.dropped_attributes,
            schema_url: self.string(source.schema_url, to),
            entity_refs: to.append_bytes(&self.from.bytes[source.entity_refs.range()]),
            service: self.string(source.service, to),
            namespace: self.string(source.namespace, to),
            environment: self.string(source.environment, to),
            instance: self.string(source.instance, to),
            version: self.string(source.version, to),
        };
        let number = row_number(to.resources.len());
        to.resources.push(row);
        self.resources[resource as usize] = number;
        self.used_resources.push(resource);
        number
    }

    fn string(&mut self, id: StrId, to: &mut SpanBatch) -> StrId {
        let known = self.strings[id.0 as usize];
        if known != UNSEEN {
            return StrId(known);
        }
        let new = to.append_str(self.from.str(id));
        self.strings[id.0 as usize] = new.0;
        self.used_strings.push(id.0);
        new
    }

    fn attributes(&mut self, run: Run, to: &mut SpanBatch) -> Run {
        let from = self.from;
        let start = row_number(to.attribute_keys.len());
        for row in run.range() {
            let key = self.string(from.attribute_keys[row], to);
            let value = match from.attribute_values[row] {
                Value::Str(id) => Value::Str(self.string(id, to)),
                Value::Bytes(run) => Value::Bytes(to.append_bytes(&from.bytes[run.range()])),
                Value::Array(run) => Value::Array(to.append_bytes(&from.bytes[run.range()])),
                Value::Map(run) => Value::Map(to.append_bytes(&from.bytes[run.range()])),
                plain @ (Value::Empty | Value::Bool(_) | Value::Int(_) | Value::Double(_)) => plain,
            };
            to.attribute_keys.push(key);
            to.attribute_values.push(value);
        }
        Run { start, len: run.len }
    }
}

fn row_number(rows: usize) -> u32 {
    u32::try_from(rows).expect("no more rows than the larger batch has")
}
