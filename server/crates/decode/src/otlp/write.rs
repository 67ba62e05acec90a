//! A batch as an OTLP/JSON request on one line: what an export holds, and any OTLP receiver takes.
//!
//! As the specification says: ids in hexadecimal, 64-bit integers as text, enums as numbers, bytes in base64. What is unset is left out.
//! [`super::json::decode_traces`] reads back an equal batch (property test), the order of spans within each scope kept.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use spillway_model::batch::{Attributes, EventRow, LinkRow, Run, SpanBatch, SpanRow};

use super::{
    protobuf::wire,
    value::{self, Tree},
};

/// Writes an `ExportTraceServiceRequest`, without the end of the line.
pub fn write_traces(batch: &SpanBatch) -> String {
    let mut by_scope: Vec<Vec<Value>> = vec![Vec::new(); batch.scopes.len()];
    for index in 0..batch.len() {
        let row = batch.spans.row(index);
        by_scope[row.scope as usize].push(span(batch, &row));
    }
    let mut by_resource: Vec<Vec<Value>> = vec![Vec::new(); batch.resources.len()];
    for (scope, spans) in by_scope.into_iter().enumerate().filter(|(_, spans)| !spans.is_empty()) {
        let row = batch.scopes[scope];
        let mut about = Map::new();
        put_text(&mut about, "name", batch.str(row.name));
        put_text(&mut about, "version", batch.str(row.version));
        put_attributes(&mut about, batch, row.attributes, row.dropped_attributes);
        let mut scope_spans = Map::new();
        scope_spans.insert("scope".into(), about.into());
        scope_spans.insert("spans".into(), spans.into());
        put_text(&mut scope_spans, "schemaUrl", batch.str(row.schema_url));
        by_resource[row.resource as usize].push(scope_spans.into());
    }
    let resources = by_resource.into_iter().enumerate().filter(|(_, scopes)| !scopes.is_empty());
    let resource_spans: Vec<Value> =
        resources.map(|(resource, scopes)| resource_spans(batch, resource, scopes)).collect();
    json!({ "resourceSpans": resource_spans }).to_string()
}

fn resource_spans(batch: &SpanBatch, resource: usize, scopes: Vec<Value>) -> Value {
    let row = batch.resources[resource];
    let mut about = Map::new();
    put_attributes(&mut about, batch, row.attributes, row.dropped_attributes);
    let entities: Vec<Value> =
        wire::fields(&batch.bytes[row.entity_refs.range()]).into_iter().map(|(_, entity)| entity_ref(entity)).collect();
    put_list(&mut about, "entityRefs", entities);
    let mut all = Map::new();
    all.insert("resource".into(), about.into());
    all.insert("scopeSpans".into(), scopes.into());
    put_text(&mut all, "schemaUrl", batch.str(row.schema_url));
    all.into()
}

fn entity_ref(entity: &[u8]) -> Value {
    let (mut all, mut ids, mut descriptions) = (Map::new(), Vec::new(), Vec::new());
    for (field, text) in wire::fields(entity) {
        let text = String::from_utf8_lossy(text).into_owned();
        match field {
            1 => put_text(&mut all, "schemaUrl", &text),
            2 => put_text(&mut all, "type", &text),
            3 => ids.push(text.into()),
            _ => descriptions.push(text.into()),
        }
    }
    put_list(&mut all, "idKeys", ids);
    put_list(&mut all, "descriptionKeys", descriptions);
    all.into()
}

fn span(batch: &SpanBatch, row: &SpanRow) -> Value {
    let mut all = Map::new();
    all.insert("traceId".into(), row.trace_id.to_string().into());
    all.insert("spanId".into(), row.span_id.to_string().into());
    if !row.parent_id.is_none() {
        all.insert("parentSpanId".into(), row.parent_id.to_string().into());
    }
    put_text(&mut all, "traceState", batch.str(row.trace_state));
    put_number(&mut all, "flags", row.flags);
    put_text(&mut all, "name", batch.str(row.name));
    put_number(&mut all, "kind", row.kind as u32);
    all.insert("startTimeUnixNano".into(), row.start_ns.to_string().into());
    all.insert("endTimeUnixNano".into(), row.end_ns.to_string().into());
    put_attributes(&mut all, batch, row.attributes, row.dropped_attributes);
    put_list(&mut all, "events", batch.events[row.events.range()].iter().map(|it| event(batch, it)).collect());
    put_number(&mut all, "droppedEventsCount", row.dropped_events);
    put_list(&mut all, "links", batch.links[row.links.range()].iter().map(|it| link(batch, it)).collect());
    put_number(&mut all, "droppedLinksCount", row.dropped_links);
    let mut status = Map::new();
    put_text(&mut status, "message", batch.str(row.status_message));
    put_number(&mut status, "code", row.status as u32);
    if !status.is_empty() {
        all.insert("status".into(), status.into());
    }
    all.into()
}

fn event(batch: &SpanBatch, event: &EventRow) -> Value {
    let mut all = Map::new();
    all.insert("timeUnixNano".into(), event.at_ns.to_string().into());
    put_text(&mut all, "name", batch.str(event.name));
    put_attributes(&mut all, batch, event.attributes, event.dropped_attributes);
    all.into()
}

fn link(batch: &SpanBatch, link: &LinkRow) -> Value {
    let mut all = Map::new();
    all.insert("traceId".into(), link.trace_id.to_string().into());
    all.insert("spanId".into(), link.span_id.to_string().into());
    put_text(&mut all, "traceState", batch.str(link.trace_state));
    put_attributes(&mut all, batch, link.attributes, link.dropped_attributes);
    put_number(&mut all, "flags", link.flags);
    all.into()
}

fn put_text(to: &mut Map<String, Value>, key: &str, text: &str) {
    if !text.is_empty() {
        to.insert(key.into(), text.into());
    }
}

fn put_number(to: &mut Map<String, Value>, key: &str, number: u32) {
    if number != 0 {
        to.insert(key.into(), number.into());
    }
}

fn put_list(to: &mut Map<String, Value>, key: &str, items: Vec<Value>) {
    if !items.is_empty() {
        to.insert(key.into(), items.into());
    }
}

fn put_attributes(to: &mut Map<String, Value>, batch: &SpanBatch, run: Run, dropped: u32) {
    let attributes = Attributes::new(batch, run).iter();
    put_list(to, "attributes", attributes.map(|(key, have)| key_value(key.to_owned(), value::tree(have))).collect());
    put_number(to, "droppedAttributesCount", dropped);
}

fn key_value(key: String, tree: Tree) -> Value {
    json!({ "key": key, "value": any(tree) })
}

fn any(tree: Tree) -> Value {
    match tree {
        Tree::Null => json!({}),
        Tree::Bool(bool) => json!({ "boolValue": bool }),
        Tree::Int(int) => json!({ "intValue": int.to_string() }),
        Tree::Double(double) => json!({ "doubleValue": number(double) }),
        Tree::String(text) => json!({ "stringValue": text }),
        Tree::Bytes(bytes) => json!({ "bytesValue": STANDARD.encode(bytes) }),
        Tree::Array(items) => {
            json!({ "arrayValue": { "values": items.into_iter().map(any).collect::<Vec<_>>() } })
        }
        Tree::Map(entries) => {
            let values: Vec<Value> = entries.into_iter().map(|(key, value)| key_value(key, value)).collect();
            json!({ "kvlistValue": { "values": values } })
        }
    }
}

/// JSON has no numbers for what is not finite; protobuf's JSON has names.
fn number(double: f64) -> Value {
    if double.is_finite() {
        double.into()
    } else if double.is_nan() {
        "NaN".into()
    } else {
        (if double > 0.0 { "Infinity" } else { "-Infinity" }).into()
    }
}
