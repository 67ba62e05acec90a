use super::*;
use crate::topology::sample::{Sample, batch, span};

fn read(sample: Sample) -> Reading {
    let batch = batch(&[sample]);
    let mut reader = SpanReader::default();
    reader.begin(&batch);
    reader.read(&batch, 0)
}

#[test]
fn the_protocol_is_read_from_old_and_new_conventions() {
    let client = |attributes: &[(&'static str, &str)]| {
        attributes.iter().fold(span("a", 2, 1, SpanKind::Client), |sample, (key, value)| sample.with(key, *value))
    };
    for (attributes, protocol) in [
        (&[("http.request.method", "GET")][..], Protocol::Http),
        (&[("http.method", "GET")], Protocol::Http),
        (&[("url.full", "https://x/")], Protocol::Http),
        (&[("rpc.system", "grpc"), ("http.method", "POST")], Protocol::Grpc),
        (&[("rpc.system.name", "grpc")], Protocol::Grpc),
        (&[("rpc.system", "apache_dubbo")], Protocol::Rpc),
        (&[("rpc.service", "x")], Protocol::Rpc),
        (&[("http.method", "POST"), ("graphql.operation.name", "cart")], Protocol::Graphql),
        (&[("http.method", "GET"), ("url.scheme", "wss")], Protocol::Websocket),
        (&[("http.method", "GET"), ("http.request.header.upgrade", "WebSocket")], Protocol::Websocket),
        (&[("http.method", "GET"), ("http.request.header.upgrade", "h2c")], Protocol::Http),
        (&[("http.url", "ws://x/y")], Protocol::Websocket),
        (&[("db.system", "redis"), ("http.method", "GET")], Protocol::Database),
        (&[("messaging.system", "kafka")], Protocol::Messaging),
        (&[("thread.name", "x")], Protocol::Unknown),
    ] {
        assert_eq!(read(client(attributes)).protocol, protocol, "{attributes:?}");
    }
}

#[test]
fn the_role_follows_the_kind_but_for_messages() {
    let of = |kind, attributes: &[(&'static str, &str)]| {
        read(attributes.iter().fold(span("a", 2, 1, kind), |sample, (key, value)| sample.with(key, *value))).role
    };
    for (kind, operation, role) in [
        (SpanKind::Producer, "publish", Role::Producer),
        (SpanKind::Producer, "create", Role::Producer),
        (SpanKind::Client, "send", Role::Producer),
        (SpanKind::Client, "receive", Role::Poll),
        (SpanKind::Client, "settle", Role::Inner),
        (SpanKind::Consumer, "receive", Role::Poll),
        (SpanKind::Consumer, "process", Role::Consumer),
        (SpanKind::Unspecified, "process", Role::Consumer),
        (SpanKind::Unspecified, "send", Role::Producer),
    ] {
        for key in ["messaging.operation.type", "messaging.operation", "messaging.operation.name"] {
            assert_eq!(of(kind, &[(key, operation)]), role, "{kind:?} {key}={operation}");
        }
    }
    assert_eq!(of(SpanKind::Client, &[("messaging.system", "kafka")]), Role::Producer);
    assert_eq!(of(SpanKind::Client, &[]), Role::Client);
    assert_eq!(of(SpanKind::Unspecified, &[]), Role::Weak);
    assert_eq!(of(SpanKind::Unspecified, &[("peer.service", "x")]), Role::Client);
    assert_eq!(of(SpanKind::Internal, &[("db.system", "x")]), Role::Inner);
}

#[test]
fn a_current_name_wins_over_an_old_one_in_any_order() {
    let old_last =
        read(span("a", 2, 1, SpanKind::Server).with("http.response.status_code", 200).with("http.status_code", 500));
    let old_first =
        read(span("a", 2, 1, SpanKind::Server).with("http.status_code", 500).with("http.response.status_code", 200));

    assert!(!old_last.failed && !old_first.failed);
}

#[test]
fn the_remote_service_is_the_method_without_its_last_part() {
    let batch = batch(&[span("a", 2, 1, SpanKind::Client).with("rpc.method", "shop.Stock/Reserve")]);
    let mut reader = SpanReader::default();
    reader.begin(&batch);
    assert_eq!(reader.read(&batch, 0).words.rpc_service(&batch), "shop.Stock");
}
