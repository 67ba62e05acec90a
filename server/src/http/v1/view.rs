//! From the model to the wire.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use spillway_api as api;
use spillway_decode::otlp::value::{self, Tree};
use spillway_model::{
    batch::{Attributes, SpanKind, SpanStatus, SpanView, ValueRef},
    event::{BreakerState, ChangeKind, Event, EventBody, Guard, HealthStatus, LimitState},
};
use spillway_store::{StoredEvent, TraceFound};

/// Spans count time unsigned, the wire signed: an instant beyond 2262 is shown as the last one.
pub fn timestamp(ns: u64) -> api::Timestamp {
    api::Timestamp::from_unix_ns(i64::try_from(ns).unwrap_or(i64::MAX))
}

/// One span.
pub fn span(span: SpanView<'_>) -> api::Span {
    let (batch, resource) = (span.batch(), span.resource());
    let parent = span.parent_id();
    let instance = batch.str(resource.instance);
    let mut events: Vec<api::SpanEvent> = span
        .events()
        .map(|event| api::SpanEvent {
            at: timestamp(event.at_ns()),
            name: event.name().to_owned(),
            attributes: attributes(event.attributes()),
        })
        .collect();
    events.sort_by_key(|event| event.at);
    api::Span {
        span_id: span.span_id().to_string(),
        parent_span_id: (!parent.is_none()).then(|| parent.to_string()),
        environment: batch.str(resource.environment).to_owned(),
        namespace: batch.str(resource.namespace).to_owned(),
        service: batch.str(resource.service).to_owned(),
        instance: (!instance.is_empty()).then(|| instance.to_owned()),
        name: span.name().to_owned(),
        kind: match span.kind() {
            SpanKind::Unspecified => api::SpanKind::Unspecified,
            SpanKind::Internal => api::SpanKind::Internal,
            SpanKind::Server => api::SpanKind::Server,
            SpanKind::Client => api::SpanKind::Client,
            SpanKind::Producer => api::SpanKind::Producer,
            SpanKind::Consumer => api::SpanKind::Consumer,
        },
        start: timestamp(span.start_ns()),
        duration_ns: span.duration_ns(),
        status: match span.status() {
            SpanStatus::Unset => api::SpanStatus::Unset,
            SpanStatus::Ok => api::SpanStatus::Ok,
            SpanStatus::Error => api::SpanStatus::Error,
        },
        status_message: span.status_message().to_owned(),
        trace_state: span.trace_state().to_owned(),
        scope: span.scope().name().to_owned(),
        attributes: attributes(span.attributes()),
        resource: attributes(span.resource_attributes()),
        events,
        links: span
            .links()
            .map(|link| api::SpanLink {
                trace_id: link.trace_id().to_string(),
                span_id: link.span_id().to_string(),
                attributes: attributes(link.attributes()),
            })
            .collect(),
        dropped: span.dropped(),
    }
}

fn attributes(attributes: Attributes<'_>) -> Vec<(String, api::AttributeValue)> {
    attributes.iter().map(|(key, value)| (key.to_owned(), attribute_value(value))).collect()
}

fn attribute_value(value: ValueRef<'_>) -> api::AttributeValue {
    tree_value(value::tree(value))
}

fn tree_value(tree: Tree) -> api::AttributeValue {
    match tree {
        Tree::Null => api::AttributeValue::Null,
        Tree::Bool(bool) => api::AttributeValue::Bool(bool),
        Tree::Int(int) => api::AttributeValue::Int(int),
        Tree::Double(double) if double.is_finite() => api::AttributeValue::Double(double),
        // JSON has no such numbers; a person still wants to see them.
        Tree::Double(double) => api::AttributeValue::String(double.to_string()),
        Tree::String(text) => api::AttributeValue::String(text),
        Tree::Bytes(bytes) => api::AttributeValue::String(format!("base64:{}", STANDARD.encode(bytes))),
        Tree::Array(items) => api::AttributeValue::Array(items.into_iter().map(tree_value).collect()),
        Tree::Map(entries) => {
            api::AttributeValue::Map(entries.into_iter().map(|(key, value)| (key, tree_value(value))).collect())
        }
    }
}

/// One row of a search.
pub fn trace_summary(trace: &TraceFound) -> api::TraceSummary {
    api::TraceSummary {
        trace_id: trace.trace_id.to_string(),
        root_service: trace.root_service.name.to_string(),
        root_name: trace.root_name.clone(),
        root_seen: trace.root_seen,
        environment: trace.root_service.environment.to_string(),
        start: timestamp(trace.start_ns),
        duration_ns: trace.end_ns.saturating_sub(trace.start_ns),
        spans: trace.spans,
        errors: trace.errors,
        services: trace.services.clone(),
    }
}

/// One stored event.
pub fn event_record(stored: &StoredEvent) -> api::EventRecord {
    api::EventRecord {
        seq: stored.seq,
        received_at: api::Timestamp::from_unix_ns(stored.received_at_ns),
        event: event(&stored.event),
    }
}

fn event(event: &Event) -> api::Event {
    let (environment, namespace, service) =
        (event.service.environment.to_string(), event.service.namespace.to_string(), event.service.name.to_string());
    let (id, instance, at) =
        (event.id.to_string(), event.instance.to_string(), api::Timestamp::from_unix_ns(event.at_ns));
    match &event.body {
        EventBody::Breaker { target, name, state } => api::Event::Breaker(api::BreakerEvent {
            id,
            environment,
            namespace,
            service,
            instance,
            target: target.to_string(),
            name: name.to_string(),
            state: breaker_state(*state),
            at,
        }),
        EventBody::Health { status, detail } => api::Event::Health(api::HealthEvent {
            id,
            environment,
            namespace,
            service,
            instance,
            status: match status {
                HealthStatus::Up => api::HealthStatus::Up,
                HealthStatus::Degraded => api::HealthStatus::Degraded,
                HealthStatus::Down => api::HealthStatus::Down,
            },
            at,
            detail: detail.to_string(),
        }),
        EventBody::Limit { guard, target, name, state, in_use, limit, waiting } => api::Event::Limit(api::LimitEvent {
            id,
            environment,
            namespace,
            service,
            instance,
            guard: match guard {
                Guard::Bulkhead => api::Guard::Bulkhead,
                Guard::RateLimiter => api::Guard::RateLimiter,
            },
            target: target.to_string(),
            name: name.to_string(),
            state: match state {
                LimitState::Free => api::LimitState::Free,
                LimitState::Exhausted => api::LimitState::Exhausted,
            },
            in_use: *in_use,
            limit: *limit,
            waiting: *waiting,
            at,
        }),
        EventBody::Change { change, version, title, url } => api::Event::Change(api::ChangeEvent {
            id,
            environment,
            namespace,
            service,
            instance,
            change: change_kind(*change),
            version: version.to_string(),
            title: title.to_string(),
            url: url.to_string(),
            at,
        }),
    }
}

/// A change; `None` for other events.
pub fn change(stored: &Event) -> Option<api::ChangeEvent> {
    match event(stored) {
        api::Event::Change(change) => Some(change),
        _ => None,
    }
}

const fn change_kind(kind: ChangeKind) -> api::ChangeKind {
    match kind {
        ChangeKind::Deploy => api::ChangeKind::Deploy,
        ChangeKind::Config => api::ChangeKind::Config,
        ChangeKind::Flag => api::ChangeKind::Flag,
        ChangeKind::Scale => api::ChangeKind::Scale,
    }
}

const fn breaker_state(state: BreakerState) -> api::BreakerState {
    match state {
        BreakerState::Closed => api::BreakerState::Closed,
        BreakerState::HalfOpen => api::BreakerState::HalfOpen,
        BreakerState::Open => api::BreakerState::Open,
        BreakerState::ForcedOpen => api::BreakerState::ForcedOpen,
        BreakerState::Disabled => api::BreakerState::Disabled,
        BreakerState::MetricsOnly => api::BreakerState::MetricsOnly,
    }
}
