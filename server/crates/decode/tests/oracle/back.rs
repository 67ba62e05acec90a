//! A batch back to the reference implementation's structs.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span},
};
use prost::Message as _;
use spillway_decode::otlp::value::{self, Tree};
use spillway_model::batch::{Attributes, Run, SpanBatch};

/// The request that the batch holds. Scopes and resources without spans are not in a batch.
pub fn request(batch: &SpanBatch) -> ExportTraceServiceRequest {
    let resources = (0..batch.resources.len()).map(|resource| resource_spans(batch, resource)).collect();
    ExportTraceServiceRequest { resource_spans: resources }
}

fn resource_spans(batch: &SpanBatch, index: usize) -> ResourceSpans {
    let row = batch.resources[index];
    // The run holds field 3 of `Resource` with its tags, so it reads as one.
    let entity_refs = Resource::decode(&batch.bytes[row.entity_refs.range()]).unwrap().entity_refs;
    ResourceSpans {
        resource: Some(Resource {
            attributes: attributes(batch, row.attributes),
            dropped_attributes_count: row.dropped_attributes,
            entity_refs,
        }),
        scope_spans: (0..batch.scopes.len())
            .filter(|scope| batch.scopes[*scope].resource as usize == index)
            .map(|scope| scope_spans(batch, scope))
            .collect(),
        schema_url: batch.str(row.schema_url).to_owned(),
    }
}

fn scope_spans(batch: &SpanBatch, index: usize) -> ScopeSpans {
    let row = batch.scopes[index];
    ScopeSpans {
        scope: Some(InstrumentationScope {
            name: batch.str(row.name).to_owned(),
            version: batch.str(row.version).to_owned(),
            attributes: attributes(batch, row.attributes),
            dropped_attributes_count: row.dropped_attributes,
        }),
        spans: (0..batch.len())
            .filter(|span| batch.spans.scope[*span] as usize == index)
            .map(|span| one_span(batch, span))
            .collect(),
        schema_url: batch.str(row.schema_url).to_owned(),
    }
}

fn one_span(batch: &SpanBatch, index: usize) -> Span {
    let row = batch.spans.row(index);
    Span {
        trace_id: row.trace_id.0.to_vec(),
        span_id: row.span_id.0.to_vec(),
        trace_state: batch.str(row.trace_state).to_owned(),
        parent_span_id: if row.parent_id.is_none() { Vec::new() } else { row.parent_id.0.to_vec() },
        flags: row.flags,
        name: batch.str(row.name).to_owned(),
        kind: row.kind as i32,
        start_time_unix_nano: row.start_ns,
        end_time_unix_nano: row.end_ns,
        attributes: attributes(batch, row.attributes),
        dropped_attributes_count: row.dropped_attributes,
        events: batch.events[row.events.range()]
            .iter()
            .map(|event| span::Event {
                time_unix_nano: event.at_ns,
                name: batch.str(event.name).to_owned(),
                attributes: attributes(batch, event.attributes),
                dropped_attributes_count: event.dropped_attributes,
            })
            .collect(),
        dropped_events_count: row.dropped_events,
        links: batch.links[row.links.range()]
            .iter()
            .map(|link| span::Link {
                trace_id: link.trace_id.0.to_vec(),
                span_id: link.span_id.0.to_vec(),
                trace_state: batch.str(link.trace_state).to_owned(),
                attributes: attributes(batch, link.attributes),
                dropped_attributes_count: link.dropped_attributes,
                flags: link.flags,
            })
            .collect(),
        dropped_links_count: row.dropped_links,
        status: Some(Status { message: batch.str(row.status_message).to_owned(), code: row.status as i32 }),
    }
}

fn attributes(batch: &SpanBatch, run: Run) -> Vec<KeyValue> {
    Attributes::new(batch, run).iter().map(|(key, have)| key_value(key.to_owned(), value::tree(have))).collect()
}

fn key_value(key: String, tree: Tree) -> KeyValue {
    KeyValue { key, value: Some(any(tree)), key_strindex: 0 }
}

fn any(tree: Tree) -> AnyValue {
    use any_value::Value;
    let value = match tree {
        Tree::Null => None,
        Tree::Bool(bool) => Some(Value::BoolValue(bool)),
        Tree::Int(int) => Some(Value::IntValue(int)),
        Tree::Double(double) => Some(Value::DoubleValue(double)),
        Tree::String(text) => Some(Value::StringValue(text)),
        Tree::Bytes(bytes) => Some(Value::BytesValue(bytes)),
        Tree::Array(items) => Some(Value::ArrayValue(ArrayValue { values: items.into_iter().map(any).collect() })),
        Tree::Map(entries) => {
            let values = entries.into_iter().map(|(key, value)| key_value(key, value)).collect();
            Some(Value::KvlistValue(KeyValueList { values }))
        }
    };
    AnyValue { value }
}
