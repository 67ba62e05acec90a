//! Reads one span: which part of a call it is, how the two ends talk, whom it names, whether it failed.

use super::attribute::Attribute;
use crate::{
    batch::{SpanBatch, SpanKind, SpanStatus, StrId, Value, ValueRef},
    observation::Protocol,
};

/// OTLP: the sender said whether the parent is in another process …
const HAS_IS_REMOTE: u32 = 0x100;
/// … and it is.
const IS_REMOTE: u32 = 0x200;

/// Which part of a call a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Makes a call.
    Client,
    /// Serves one.
    Server,
    /// Sends a message.
    Producer,
    /// Handles a message.
    Consumer,
    /// Fetches messages: it looks like an outgoing call, but the message flows the other way.
    Poll,
    /// Nothing was said: serves a call if the parent turns out to belong to another service.
    Weak,
    /// Nothing for the map.
    Inner,
}

/// What the map wants to know of one span. Texts are ids of its batch; [`StrId::EMPTY`] means not said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub role: Role,
    pub protocol: Protocol,
    pub failed: bool,
    /// True when the sender said that the parent lives in another process.
    pub remote_parent: bool,
    pub words: Words,
}

/// The texts and numbers among a span's attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Words {
    http: bool,
    status: Option<i64>,
    scheme: StrId,
    pub url: StrId,
    websocket: bool,
    rpc: bool,
    rpc_system: StrId,
    pub rpc_service: StrId,
    rpc_method: StrId,
    graphql: bool,
    pub db: bool,
    pub db_system: StrId,
    pub db_namespace: StrId,
    pub messaging: bool,
    pub messaging_system: StrId,
    destination: StrId,
    template: StrId,
    pub temporary: bool,
    operation: StrId,
    operation_name: StrId,
    pub peer_service: StrId,
    pub peer_namespace: StrId,
    address: StrId,
    peer_address: StrId,
    pub port: Option<u16>,
    shed: bool,
    sampler: StrId,
    sampler_param: Option<f64>,
}

impl Words {
    /// The share of traces that was chosen, where the span says it.
    pub(super) fn sampled_share(&self, batch: &SpanBatch) -> Option<f64> {
        self.sampler_param.filter(|_| self.sampler != StrId::EMPTY && batch.str(self.sampler) == "probabilistic")
    }

    /// Queue or topic, without its variable parts where the sender says how.
    pub(super) fn queue(&self) -> StrId {
        if self.template == StrId::EMPTY { self.destination } else { self.template }
    }

    /// Host of the callee: its name, else its network address.
    pub(super) fn host(&self) -> StrId {
        if self.address == StrId::EMPTY { self.peer_address } else { self.address }
    }

    /// The remote service of an RPC system: said, or the part of the method before the slash.
    pub(super) fn rpc_service<'a>(&self, batch: &'a SpanBatch) -> &'a str {
        if self.rpc_service != StrId::EMPTY {
            return batch.str(self.rpc_service);
        }
        batch.str(self.rpc_method).trim_start_matches('/').rsplit_once('/').map_or("", |(service, _)| service)
    }

    /// True when the RPC names its service.
    pub(super) fn rpc_method(&self) -> StrId {
        self.rpc_method
    }
}

/// Remembers for one batch what each key means, so that a key is compared as text once, not once a span.
#[derive(Default)]
pub(super) struct SpanReader {
    keys: Vec<(Attribute, bool)>,
}

impl SpanReader {
    /// Forgets the last batch.
    pub(super) fn begin(&mut self, batch: &SpanBatch) {
        self.keys.clear();
        self.keys.resize(batch.string_count(), (Attribute::Unread, false));
    }

    fn attribute(&mut self, batch: &SpanBatch, key: StrId) -> (Attribute, bool) {
        let Some(known) = self.keys.get_mut(key.0 as usize) else { return (Attribute::Other, false) };
        if known.0 == Attribute::Unread {
            let text = batch.str(key);
            *known = (Attribute::of(text), Attribute::current(text));
        }
        *known
    }

    /// Reads one span of the batch.
    pub(super) fn read(&mut self, batch: &SpanBatch, span: usize) -> Reading {
        let kind = batch.spans.kind[span];
        let flags = batch.spans.flags[span];
        let remote_parent = flags & (HAS_IS_REMOTE | IS_REMOTE) == HAS_IS_REMOTE | IS_REMOTE;
        if kind == SpanKind::Internal {
            return Reading {
                role: Role::Inner,
                protocol: Protocol::Unknown,
                failed: false,
                remote_parent,
                words: Words::default(),
            };
        }
        let words = self.words(batch, span);
        let linked = batch.spans.links[span].len > 0;
        let role = role(batch, kind, &words, remote_parent, linked);
        let failed = !words.shed
            && (batch.spans.status[span] == SpanStatus::Error || words.status.is_some_and(|status| status >= 500));
        Reading { role, protocol: protocol(batch, &words, role), failed, remote_parent, words }
    }

    fn words(&mut self, batch: &SpanBatch, span: usize) -> Words {
        let mut words = Words::default();
        for row in batch.spans.attributes[span].range() {
            let (attribute, current) = self.attribute(batch, batch.attribute_keys[row]);
            if attribute == Attribute::Other {
                continue;
            }
            let text = match batch.attribute_values[row] {
                Value::Str(text) => text,
                _ => StrId::EMPTY,
            };
            // The first value of a current name stays; an old name only fills a gap.
            let put = |field: &mut StrId| {
                if text != StrId::EMPTY && (current || *field == StrId::EMPTY) {
                    *field = text;
                }
            };
            match attribute {
                Attribute::Unread | Attribute::Other => {}
                Attribute::Http => words.http = true,
                Attribute::HttpStatus => {
                    words.http = true;
                    if current || words.status.is_none() {
                        words.status = batch.value(row).as_int();
                    }
                }
                Attribute::Scheme => put(&mut words.scheme),
                Attribute::Url => put(&mut words.url),
                // Its value is an array of strings; other upgrades (h2c) exist, so the word itself counts.
                Attribute::Upgrade => words.websocket |= says(batch.value(row), "websocket"),
                Attribute::ProtocolName => words.websocket |= says(batch.value(row), "websocket"),
                Attribute::Rpc => words.rpc = true,
                Attribute::RpcSystem => put(&mut words.rpc_system),
                Attribute::RpcService => put(&mut words.rpc_service),
                Attribute::RpcMethod => put(&mut words.rpc_method),
                Attribute::Graphql => words.graphql = true,
                Attribute::Db => words.db = true,
                Attribute::DbSystem => {
                    words.db = true;
                    put(&mut words.db_system);
                }
                Attribute::DbNamespace => {
                    words.db = true;
                    put(&mut words.db_namespace);
                }
                Attribute::Messaging => words.messaging = true,
                Attribute::MessagingSystem => {
                    words.messaging = true;
                    put(&mut words.messaging_system);
                }
                Attribute::Destination => {
                    words.messaging = true;
                    put(&mut words.destination);
                }
                Attribute::DestinationTemplate => put(&mut words.template),
                Attribute::DestinationTemporary => words.temporary |= batch.value(row) == ValueRef::Bool(true),
                Attribute::Operation => {
                    words.messaging = true;
                    put(&mut words.operation);
                }
                Attribute::OperationName => {
                    words.messaging = true;
                    put(&mut words.operation_name);
                }
                Attribute::PeerService => put(&mut words.peer_service),
                Attribute::PeerNamespace => put(&mut words.peer_namespace),
                Attribute::Address => put(&mut words.address),
                Attribute::PeerAddress => put(&mut words.peer_address),
                Attribute::Port => {
                    if current || words.port.is_none() {
                        words.port = batch.value(row).as_int().and_then(|port| u16::try_from(port).ok());
                    }
                }
                Attribute::Shed => {
                    words.shed |=
                        batch.value(row) == ValueRef::Bool(true) || text != StrId::EMPTY && batch.str(text) == "true"
                }
                Attribute::ShedHeader => words.shed = true,
                Attribute::Sampler => put(&mut words.sampler),
                Attribute::SamplerParam => {
                    words.sampler_param = match batch.value(row) {
                        ValueRef::Double(share) => Some(share),
                        value => value.as_int().map(|share| share as f64),
                    }
                }
            }
        }
        words
    }
}

/// True when a text, or an encoded array of texts, holds the word. Arrays stay encoded: the text lies in them as it is.
fn says(value: ValueRef<'_>, word: &str) -> bool {
    let bytes = match value {
        ValueRef::Str(text) => text.as_bytes(),
        ValueRef::Array(bytes) => bytes,
        _ => return false,
    };
    bytes.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

/// What the messaging operation says about the direction.
fn messaging_role(batch: &SpanBatch, words: &Words) -> Option<Role> {
    let operation = if words.operation == StrId::EMPTY { words.operation_name } else { words.operation };
    match batch.str(operation) {
        "send" | "publish" | "create" => Some(Role::Producer),
        "receive" | "poll" => Some(Role::Poll),
        "process" | "deliver" => Some(Role::Consumer),
        // A message that was fetched and handled is counted there; confirming it is not a third message.
        "settle" | "ack" | "nack" | "commit" => Some(Role::Inner),
        _ => None,
    }
}

fn role(batch: &SpanBatch, kind: SpanKind, words: &Words, remote_parent: bool, linked: bool) -> Role {
    match kind {
        SpanKind::Internal => Role::Inner,
        SpanKind::Server => Role::Server,
        SpanKind::Producer => Role::Producer,
        SpanKind::Consumer => match messaging_role(batch, words) {
            Some(role @ (Role::Poll | Role::Inner)) => role,
            _ => Role::Consumer,
        },
        SpanKind::Client if words.messaging => match messaging_role(batch, words) {
            // A batch that is sent links to the spans that created its messages: those were counted.
            None | Some(Role::Producer) if linked => Role::Inner,
            None => Role::Producer,
            Some(role) => role,
        },
        SpanKind::Client => Role::Client,
        SpanKind::Unspecified if words.messaging => messaging_role(batch, words).unwrap_or(Role::Weak),
        SpanKind::Unspecified if words.db || words.peer_service != StrId::EMPTY => Role::Client,
        SpanKind::Unspecified if remote_parent => Role::Server,
        SpanKind::Unspecified => Role::Weak,
    }
}

fn protocol(batch: &SpanBatch, words: &Words, role: Role) -> Protocol {
    if words.messaging || matches!(role, Role::Producer | Role::Consumer | Role::Poll) {
        return Protocol::Messaging;
    }
    if words.db {
        return Protocol::Database;
    }
    match batch.str(words.rpc_system) {
        "" if words.rpc || words.rpc_service != StrId::EMPTY => return Protocol::Rpc,
        "" => {}
        "grpc" => return Protocol::Grpc,
        _ => return Protocol::Rpc,
    }
    if words.graphql {
        return Protocol::Graphql;
    }
    let url = batch.str(words.url);
    if words.websocket
        || matches!(batch.str(words.scheme), "ws" | "wss")
        || url.starts_with("ws://")
        || url.starts_with("wss://")
    {
        return Protocol::Websocket;
    }
    if words.http || words.url != StrId::EMPTY || matches!(batch.str(words.scheme), "http" | "https") {
        Protocol::Http
    } else {
        Protocol::Unknown
    }
}

/// The protocol of a call whose two ends say different things: the one that says more. A proxy in between knows only HTTP, where the
/// client knows gRPC.
pub(super) fn more_specific(a: Protocol, b: Protocol) -> Protocol {
    let rank = |protocol: Protocol| match protocol {
        Protocol::Unknown => 0,
        Protocol::Http => 1,
        Protocol::Websocket => 2,
        Protocol::Graphql => 3,
        Protocol::Rpc => 4,
        Protocol::Grpc => 5,
        Protocol::Database => 6,
        Protocol::Messaging => 7,
    };
    if rank(a) >= rank(b) { a } else { b }
}

#[cfg(test)]
mod tests;
