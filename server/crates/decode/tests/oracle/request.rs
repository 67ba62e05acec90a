//! Arbitrary requests, and the one form that everything equal to them has.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList, any_value::Value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span},
};
use proptest::{collection::vec, option, prelude::*};

/// Any request with valid ids: scopes without spans, absent resources and statuses, unknown enum numbers, every type of value.
pub fn arbitrary() -> impl Strategy<Value = ExportTraceServiceRequest> {
    vec(resource_spans(), 0..3).prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

/// Presence that protobuf keeps and a batch does not is made explicit: an absent message is the default one, an unknown number of an
/// enum is 0, and what holds no span is left out.
pub fn normalised(mut request: ExportTraceServiceRequest) -> ExportTraceServiceRequest {
    for resource_spans in &mut request.resource_spans {
        let resource = resource_spans.resource.get_or_insert_default();
        resource.attributes.iter_mut().for_each(normalise_key_value);
        resource_spans.scope_spans.retain(|scope| !scope.spans.is_empty());
        for scope_spans in &mut resource_spans.scope_spans {
            scope_spans.scope.get_or_insert_default().attributes.iter_mut().for_each(normalise_key_value);
            scope_spans.spans.iter_mut().for_each(normalise_span);
        }
    }
    request.resource_spans.retain(|resource| !resource.scope_spans.is_empty());
    request
}

fn normalise_span(span: &mut Span) {
    span.kind = if (0..6).contains(&span.kind) { span.kind } else { 0 };
    let status = span.status.get_or_insert_default();
    status.code = if (0..3).contains(&status.code) { status.code } else { 0 };
    if span.parent_span_id.iter().all(|byte| *byte == 0) {
        span.parent_span_id.clear();
    }
    span.attributes.iter_mut().for_each(normalise_key_value);
    span.events.iter_mut().flat_map(|event| &mut event.attributes).for_each(normalise_key_value);
    span.links.iter_mut().flat_map(|link| &mut link.attributes).for_each(normalise_key_value);
}

fn normalise_key_value(pair: &mut KeyValue) {
    pair.key_strindex = 0;
    normalise_any(pair.value.get_or_insert_default());
}

fn normalise_any(any: &mut AnyValue) {
    match &mut any.value {
        Some(Value::StringValueStrindex(_)) => any.value = None,
        Some(Value::ArrayValue(array)) => array.values.iter_mut().for_each(normalise_any),
        Some(Value::KvlistValue(list)) => list.values.iter_mut().for_each(normalise_key_value),
        _ => {}
    }
}

fn resource_spans() -> impl Strategy<Value = ResourceSpans> {
    (option::of(resource()), vec(scope_spans(), 0..3), text())
        .prop_map(|(resource, scope_spans, schema_url)| ResourceSpans { resource, scope_spans, schema_url })
}

fn resource() -> impl Strategy<Value = Resource> {
    let entity = (text(), text(), vec(text(), 0..3), vec(text(), 0..2)).prop_map(
        |(schema_url, r#type, id_keys, description_keys)| EntityRef { schema_url, r#type, id_keys, description_keys },
    );
    (attributes(), any::<u32>(), vec(entity, 0..3)).prop_map(|(attributes, dropped_attributes_count, entity_refs)| {
        Resource { attributes, dropped_attributes_count, entity_refs }
    })
}

fn scope_spans() -> impl Strategy<Value = ScopeSpans> {
    let scope = (text(), text(), attributes(), any::<u32>()).prop_map(
        |(name, version, attributes, dropped_attributes_count)| InstrumentationScope {
            name,
            version,
            attributes,
            dropped_attributes_count,
        },
    );
    (option::of(scope), vec(one_span(), 0..4), text()).prop_map(|(scope, spans, schema_url)| ScopeSpans {
        scope,
        spans,
        schema_url,
    })
}

fn one_span() -> impl Strategy<Value = Span> {
    let ids = (id(16), id(8), prop_oneof![Just(Vec::new()), Just(vec![0; 8]), id(8)], text(), any::<u32>());
    let facts = (text(), -1..8i32, any::<u64>(), any::<u64>(), option::of((text(), -1..5i32)));
    let owned = (attributes(), vec(event(), 0..3), vec(link(), 0..3), any::<[u32; 3]>());
    (ids, facts, owned).prop_map(|(ids, facts, owned)| {
        let (trace_id, span_id, parent_span_id, trace_state, flags) = ids;
        let (name, kind, start_time_unix_nano, end_time_unix_nano, status) = facts;
        let (attributes, events, links, dropped) = owned;
        Span {
            trace_id,
            span_id,
            trace_state,
            parent_span_id,
            flags,
            name,
            kind,
            start_time_unix_nano,
            end_time_unix_nano,
            attributes,
            dropped_attributes_count: dropped[0],
            events,
            dropped_events_count: dropped[1],
            links,
            dropped_links_count: dropped[2],
            status: status.map(|(message, code)| Status { message, code }),
        }
    })
}

fn event() -> impl Strategy<Value = span::Event> {
    (any::<u64>(), text(), attributes(), any::<u32>()).prop_map(
        |(time_unix_nano, name, attributes, dropped_attributes_count)| span::Event {
            time_unix_nano,
            name,
            attributes,
            dropped_attributes_count,
        },
    )
}

fn link() -> impl Strategy<Value = span::Link> {
    (id(16), id(8), text(), attributes(), any::<u32>(), any::<u32>()).prop_map(
        |(trace_id, span_id, trace_state, attributes, dropped_attributes_count, flags)| span::Link {
            trace_id,
            span_id,
            trace_state,
            attributes,
            dropped_attributes_count,
            flags,
        },
    )
}

/// Not all zero.
fn id(bytes: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), bytes).prop_map(|mut id| {
        id[0] |= 1;
        id
    })
}

/// Few different ones, so that interning and guessing by position are put to work, and some with characters of every width.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-c]{0,2}", 1 => "\\PC{0,12}", 1 => Just("service.name".to_owned())]
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    vec(key_value(any_value()), 0..4)
}

fn key_value(value: impl Strategy<Value = AnyValue>) -> impl Strategy<Value = KeyValue> {
    (text(), option::weighted(0.9, value), prop_oneof![9 => Just(0), 1 => any::<i32>()])
        .prop_map(|(key, value, key_strindex)| KeyValue { key, value, key_strindex })
}

fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        4 => text().prop_map(Value::StringValue),
        1 => any::<bool>().prop_map(Value::BoolValue),
        1 => any::<i64>().prop_map(Value::IntValue),
        // NaN is not equal to itself; a unit test has it.
        1 => any::<f64>().prop_filter("comparable", |double| !double.is_nan()).prop_map(Value::DoubleValue),
        1 => vec(any::<u8>(), 0..9).prop_map(Value::BytesValue),
        1 => any::<i32>().prop_map(Value::StringValueStrindex),
    ];
    let leaf = option::weighted(0.9, leaf).prop_map(|value| AnyValue { value });
    leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|values| Value::ArrayValue(ArrayValue { values })),
            vec(key_value(inner), 0..3).prop_map(|values| Value::KvlistValue(KeyValueList { values })),
        ]
        .prop_map(|value| AnyValue { value: Some(value) })
    })
}
