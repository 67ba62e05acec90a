//! One span while it is read, and what Zipkin's words become.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;
use spillway_model::batch::{EventRow, Mark, Scope, SpanKind, SpanRow, SpanStatus, StrId, UNKNOWN_SERVICE, Value};

use crate::{
    Decoded, Limits, Reason,
    otlp::sink::{Owner, PendingResource, Remembers, Sink},
};

/// One end of a call. Texts are those of the batch; nothing said is empty, or 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Endpoint {
    pub service: StrId,
    /// IPv4 if there is one, else IPv6.
    pub address: StrId,
    pub port: u16,
}

/// A span that is being read.
pub(super) struct Open {
    pub row: SpanRow,
    pub local: Endpoint,
    pub remote: Endpoint,
    pub shared: bool,
    owner: Owner,
    mark: Mark,
    /// Of the tag `error`: its text, when it says that the span failed.
    failed: Option<StrId>,
    /// Of the tag `otel.status_code`.
    said: SpanStatus,
    /// Of the tag `span.kind`, which some write instead of the field.
    tagged_kind: SpanKind,
    first_annotation_ns: u64,
    /// The queue or topic in the words of Brave's instrumentations, and whose words they are.
    queue: Option<(&'static str, Value)>,
    dropped_events: u32,
}

/// Puts spans into the batch. Resources are the distinct local endpoints.
pub(super) struct Writer {
    pub sink: Sink,
    scopes: HashMap<Endpoint, u32, FxBuildHasher>,
}

/// Microseconds to nanoseconds; what would be after the year 2554 stays there.
pub(super) fn nanoseconds(microseconds: u64) -> u64 {
    microseconds.saturating_mul(1_000)
}

impl Writer {
    pub fn new(limits: &Limits, body_bytes: usize) -> Self {
        // What a span with few tags takes: rather too much room than too little.
        const SPAN_BYTES: usize = 512;
        let mut sink = Sink::new(limits);
        sink.expect_spans(body_bytes / SPAN_BYTES, body_bytes);
        Self { sink, scopes: HashMap::default() }
    }

    pub fn finish(self) -> Decoded {
        self.sink.finish()
    }

    pub fn open(&mut self) -> Open {
        let mark = self.sink.builder.mark();
        let mut row = SpanRow::default();
        row.events.start = self.sink.builder.event_count();
        Open {
            row,
            local: Endpoint::default(),
            remote: Endpoint::default(),
            shared: false,
            owner: self.sink.owner(Remembers::Last),
            mark,
            failed: None,
            said: SpanStatus::Unset,
            tagged_kind: SpanKind::Unspecified,
            first_annotation_ns: u64::MAX,
            queue: None,
            dropped_events: 0,
        }
    }

    /// A text that is likely to be `guess`.
    fn guessed(&mut self, text: &str, guess: StrId) -> StrId {
        if self.sink.builder.is(guess, text.as_bytes()) { guess } else { self.sink.text(text) }
    }

    /// Takes a tag whose value is text: always, if the sender keeps to the format.
    pub fn tag(&mut self, open: &mut Open, key: &str, text: &str) {
        match key {
            // Its presence means failure, but bridges from other tracers write what they were told.
            "error" => {
                if !text.eq_ignore_ascii_case("false") {
                    let message = if text.eq_ignore_ascii_case("true") { "" } else { text };
                    open.failed = Some(self.sink.text(message));
                }
                return;
            }
            "otel.status_code" => {
                open.said = match text {
                    "ERROR" => SpanStatus::Error,
                    "OK" => SpanStatus::Ok,
                    _ => SpanStatus::Unset,
                };
                return;
            }
            "otel.status_description" => {
                open.row.status_message = self.sink.text(text);
                return;
            }
            "w3c.tracestate" => {
                open.row.trace_state = self.sink.text(text);
                return;
            }
            "span.kind" => open.tagged_kind = kind_of_tag(text),
            _ => {}
        }
        if !self.sink.attribute_fits(&mut open.owner) {
            return;
        }
        let (likely_key, likely_text) = self.sink.guess(&open.owner);
        let key_id = self.guessed(key, likely_key);
        let value = match number_of_tag(key, text) {
            Some(number) => Value::Int(number),
            None => Value::Str(self.guessed(text, likely_text)),
        };
        if let Some(system) = system_of_queue(key)
            && !text.is_empty()
        {
            open.queue = Some((system, value));
        }
        self.sink.attribute(&mut open.owner, key_id, value);
    }

    /// Takes a tag whose value is a number or a truth value, which some senders write.
    pub fn other_tag(&mut self, open: &mut Open, key: &str, value: Value) {
        if key == "error" {
            if value != Value::Bool(false) {
                open.failed = Some(StrId::EMPTY);
            }
            return;
        }
        self.attribute(open, key, value);
    }

    fn attribute(&mut self, open: &mut Open, key: &str, value: Value) {
        if self.sink.attribute_fits(&mut open.owner) {
            let (likely, _) = self.sink.guess(&open.owner);
            let key = self.guessed(key, likely);
            self.sink.attribute(&mut open.owner, key, value);
        }
    }

    pub fn annotation(&mut self, open: &mut Open, at_ns: u64, text: &str) {
        if at_ns > 0 {
            open.first_annotation_ns = open.first_annotation_ns.min(at_ns);
        }
        if open.row.events.len as usize >= self.sink.limits.events {
            self.sink.trimmed.events += 1;
            open.dropped_events = open.dropped_events.saturating_add(1);
            return;
        }
        let name = self.sink.text(text);
        self.sink.builder.event(EventRow { at_ns, name, ..EventRow::default() });
        open.row.events.len += 1;
    }

    /// Adds the span, or counts it as rejected; `index` is its place in the list.
    pub fn close(&mut self, mut open: Open, duration_ns: u64, index: usize) {
        let mark = open.mark;
        let reject = |writer: &mut Self, reason| {
            writer.sink.builder.rollback(mark);
            writer.sink.reject_at(reason, format_args!("[{index}]"));
        };
        if open.row.start_ns == 0 {
            if open.first_annotation_ns == u64::MAX {
                return reject(self, Reason::NoTime);
            }
            open.row.start_ns = open.first_annotation_ns;
        }
        let row = &mut open.row;
        row.end_ns = row.start_ns.saturating_add(duration_ns);
        row.dropped_events = open.dropped_events;
        if row.kind == SpanKind::Unspecified {
            row.kind = if open.shared { SpanKind::Server } else { open.tagged_kind };
        }
        if row.parent_id == row.span_id {
            row.parent_id = Default::default();
        }
        row.status = match open.failed {
            Some(message) => {
                if row.status_message == StrId::EMPTY {
                    row.status_message = message;
                }
                SpanStatus::Error
            }
            None => open.said,
        };
        self.remote(&mut open);
        (open.row.attributes, open.row.dropped_attributes) = self.sink.attributes(&open.owner, 0);
        match self.scope(open.local) {
            Some(scope) => {
                open.row.scope = scope;
                self.sink.builder.span(&open.row);
            }
            None => reject(self, Reason::ScopeLimit),
        }
    }

    /// What is known of the other side, as attributes by which the map finds it.
    fn remote(&mut self, open: &mut Open) {
        let Endpoint { service, address, port } = open.remote;
        if service != StrId::EMPTY {
            self.attribute(open, "service.peer.name", Value::Str(service));
        }
        if address != StrId::EMPTY {
            self.attribute(open, "network.peer.address", Value::Str(address));
        }
        if port != 0 {
            // A server's other side is a client, whose port names nobody.
            let key = if open.row.kind == SpanKind::Server { "network.peer.port" } else { "server.port" };
            self.attribute(open, key, Value::Int(port.into()));
        }
        if let Some((system, queue)) = open.queue
            && matches!(open.row.kind, SpanKind::Producer | SpanKind::Consumer)
        {
            let system = self.sink.text(system);
            self.attribute(open, "messaging.system", Value::Str(system));
            self.attribute(open, "messaging.destination.name", queue);
        }
    }

    /// The scope of all spans of an endpoint; `None` when there are too many.
    fn scope(&mut self, local: Endpoint) -> Option<u32> {
        if let Some(&known) = self.scopes.get(&local) {
            return Some(known);
        }
        let mut owner = self.sink.owner(Remembers::Nothing);
        let service = if local.service == StrId::EMPTY && local.address != StrId::EMPTY {
            // A proxy that was given no name (Envoy sends none by default): its address at least tells it from another's.
            let name = format!("{UNKNOWN_SERVICE}:{}", self.sink.builder.str(local.address));
            self.sink.text(&name)
        } else {
            local.service
        };
        let port = (local.port != 0).then_some(Value::Int(local.port.into()));
        let text = |text: StrId| (text != StrId::EMPTY).then_some(Value::Str(text));
        let attributes = [
            ("service.name", text(service)),
            ("network.local.address", text(local.address)),
            ("network.local.port", port),
        ];
        for (key, value) in attributes {
            if let Some(value) = value {
                let key = self.sink.text(key);
                self.sink.attribute(&mut owner, key, value);
            }
        }
        let mut resource = PendingResource::default();
        (resource.row.attributes, _) = self.sink.attributes(&owner, 0);
        let scope = self.sink.scope(&mut resource, Scope::default())?;
        self.scopes.insert(local, scope);
        Some(scope)
    }
}

fn kind_of_tag(text: &str) -> SpanKind {
    match text {
        "client" => SpanKind::Client,
        "server" => SpanKind::Server,
        "producer" => SpanKind::Producer,
        "consumer" => SpanKind::Consumer,
        "internal" => SpanKind::Internal,
        _ => SpanKind::Unspecified,
    }
}

/// Zipkin's tags are all text. Those that are numbers in the semantic conventions become numbers, so that a comparison in a filter and the map's
/// reading of a status hold for them as for OTLP's; what does not read as one stays text.
fn number_of_tag(key: &str, text: &str) -> Option<i64> {
    let number = matches!(
        key,
        "http.status_code"
            | "http.response.status_code"
            | "rpc.grpc.status_code"
            | "net.peer.port"
            | "server.port"
            | "net.host.port"
            | "client.port"
    );
    if number { text.parse().ok() } else { None }
}

/// The messaging system whose queue or topic a tag of Brave's instrumentations names.
fn system_of_queue(key: &str) -> Option<&'static str> {
    match key {
        "kafka.topic" => Some("kafka"),
        "rabbit.queue" => Some("rabbitmq"),
        "jms.queue" | "jms.topic" => Some("jms"),
        _ => None,
    }
}
