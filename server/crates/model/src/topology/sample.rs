//! Spans for tests, put into batches.

use crate::{
    batch::{LinkRow, Scope, SpanBatch, SpanBatchBuilder, SpanKind, SpanRow, SpanStatus, StrId, Value},
    identity::{NodeKey, NodeKind, ServiceKey, SpanId, TraceId},
    observation::{EdgeKey, Protocol},
};

pub(super) const SECOND: u64 = 1_000_000_000;

/// When everything in these tests happens.
pub(super) const NOW: u64 = 1_767_225_600 * SECOND;

/// An attribute's value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    Text(String),
    Number(i64),
    Flag(bool),
}

impl From<&str> for Said {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Said {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Said {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// A span, said shortly.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    pub service: String,
    pub instance: String,
    pub version: String,
    pub trace: u8,
    pub id: u8,
    /// 0 for a root.
    pub parent: u8,
    pub kind: SpanKind,
    pub end_ns: u64,
    pub duration_ns: u64,
    pub status: SpanStatus,
    pub flags: u32,
    pub trace_state: String,
    pub attributes: Vec<(&'static str, Said)>,
    pub links: Vec<(u8, u8)>,
}

pub(super) fn span(service: &str, id: u8, parent: u8, kind: SpanKind) -> Sample {
    Sample {
        service: service.to_owned(),
        instance: String::new(),
        version: String::new(),
        trace: 1,
        id,
        parent,
        kind,
        end_ns: NOW,
        duration_ns: 10_000_000,
        status: SpanStatus::Unset,
        flags: 0,
        trace_state: String::new(),
        attributes: Vec::new(),
        links: Vec::new(),
    }
}

impl Sample {
    pub(super) fn with(mut self, key: &'static str, value: impl Into<Said>) -> Self {
        self.attributes.push((key, value.into()));
        self
    }

    pub(super) fn http(self) -> Self {
        self.with("http.request.method", "GET")
    }

    pub(super) fn failed(mut self) -> Self {
        self.status = SpanStatus::Error;
        self
    }

    pub(super) fn trace(mut self, trace: u8) -> Self {
        self.trace = trace;
        self
    }

    pub(super) fn at(mut self, end_ns: u64) -> Self {
        self.end_ns = end_ns;
        self
    }

    pub(super) fn link(mut self, trace: u8, id: u8) -> Self {
        self.links.push((trace, id));
        self
    }
}

fn trace_id(trace: u8) -> TraceId {
    TraceId([trace; 16])
}

fn span_id(id: u8) -> SpanId {
    SpanId([id; 8])
}

/// One batch with these spans, each with a resource of its own.
pub(super) fn batch(spans: &[Sample]) -> SpanBatch {
    let mut builder = SpanBatchBuilder::new();
    for sample in spans {
        let start = builder.attribute_count();
        for (key, value) in [
            ("service.name", &*sample.service),
            ("service.namespace", "shop"),
            ("deployment.environment.name", "prod"),
            ("service.instance.id", &*sample.instance),
            ("service.version", &*sample.version),
        ] {
            let (key, value) = (builder.intern(key), builder.intern(value));
            builder.attribute(key, Value::Str(value));
        }
        let attributes = builder.attributes_since(start);
        let resource = builder.resource(attributes, 0, StrId::EMPTY);
        let scope = builder.scope(Scope { resource, ..Scope::default() });
        let start = builder.attribute_count();
        for (key, value) in &sample.attributes {
            let key = builder.intern(key);
            let value = match value {
                Said::Text(text) => Value::Str(builder.intern(text)),
                Said::Number(number) => Value::Int(*number),
                Said::Flag(flag) => Value::Bool(*flag),
            };
            builder.attribute(key, value);
        }
        let attributes = builder.attributes_since(start);
        let links = crate::batch::Run {
            start: builder.link_count(),
            len: u32::try_from(sample.links.len()).expect("few links"),
        };
        for (trace, id) in &sample.links {
            builder.link(LinkRow { trace_id: trace_id(*trace), span_id: span_id(*id), ..LinkRow::default() });
        }
        let row = SpanRow {
            scope,
            trace_id: trace_id(sample.trace),
            span_id: span_id(sample.id),
            parent_id: span_id(sample.parent),
            trace_state: builder.intern(&sample.trace_state),
            flags: sample.flags,
            name: builder.intern("work"),
            kind: sample.kind,
            start_ns: sample.end_ns - sample.duration_ns,
            end_ns: sample.end_ns,
            status: sample.status,
            attributes,
            links,
            ..SpanRow::default()
        };
        builder.span(&row);
    }
    builder.finish()
}

pub(super) fn node(kind: NodeKind, name: &str) -> NodeKey {
    NodeKey { kind, service: ServiceKey::new("prod", "shop", name) }
}

pub(super) fn service(name: &str) -> NodeKey {
    node(NodeKind::Service, name)
}

pub(super) fn edge(source: NodeKey, target: NodeKey, protocol: Protocol) -> EdgeKey {
    EdgeKey { source, target, protocol }
}
