//! CloudEvents in their three modes.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
use proptest::prelude::*;
use serde_json::{Value, json};
use spillway_model::event::{BreakerState, Event, EventBody};

use super::*;

/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600_000_000_000;

fn event(data: Value) -> Value {
    json!({ "specversion": "1.0", "type": "spillway.breaker.v1", "source": "/services/checkout", "id": "A-1",
            "time": "2026-01-01T00:00:00Z", "subject": null, "myextension": 5, "data": data })
}

fn bare() -> Value {
    json!({ "target": "payments", "state": "open" })
}

fn read(body: &Value) -> Result<Posted, String> {
    structured(body.to_string().as_bytes(), &Limits::default(), NOW).map_err(|error| error.to_string())
}

fn only(posted: &Posted) -> (&str, &Event) {
    let [(source, events)] = &posted.by_source[..] else { panic!("{posted:?}") };
    let [event] = &events[..] else { panic!("{posted:?}") };
    (source, event)
}

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

#[test]
fn the_envelope_says_what_the_data_leaves_out_and_the_data_wins() {
    let posted = read(&event(bare())).unwrap();
    let (source, stored) = only(&posted);

    assert_eq!(
        (source, &*stored.id, &*stored.service.name, stored.at_ns),
        ("cloudevents:/services/checkout", "A-1", "checkout", NOW)
    );
    assert!(
        matches!(&stored.body, EventBody::Breaker { target, state: BreakerState::Open, .. } if &**target == "payments")
    );

    let mut own = bare();
    own.as_object_mut().unwrap().extend(
        json!({ "kind": "breaker", "id": "mine", "service": "cart", "at": "2025-12-31T23:59:59Z" })
            .as_object()
            .unwrap()
            .clone(),
    );
    let posted = read(&event(own)).unwrap();
    let (_, stored) = only(&posted);
    assert_eq!((&*stored.id, &*stored.service.name, stored.at_ns), ("mine", "cart", NOW - 1_000_000_000));
}

#[test]
fn all_modes_say_the_same() {
    let expected = read(&event(bare())).unwrap();
    let json = event(bare()).to_string();
    let in_base64 = {
        let mut event = event(Value::Null);
        event["data_base64"] = json!(STANDARD.encode(bare().to_string()));
        event
    };
    let attributes = headers(&[
        ("specversion", "1.0"),
        ("type", "spillway.breaker.v1"),
        ("source", "/services/checkout"),
        ("id", "%41-1"),
        ("time", "\"2026-01-01T00:00:00Z\""),
        ("other", "%ff"),
    ]);

    assert_eq!(read(&in_base64).unwrap(), expected);
    assert_eq!(batch(format!("[{json}]").as_bytes(), &Limits::default(), NOW).unwrap(), expected);
    assert_eq!(binary(&attributes, bare().to_string().as_bytes(), &Limits::default(), NOW).unwrap(), expected);
    assert_eq!(batch(b" [ ] ", &Limits::default(), NOW).unwrap(), Posted::default());
}

#[test]
fn events_of_different_sources_are_apart_and_other_types_are_counted() {
    let mut other = event(json!("any \"data\""));
    other["type"] = json!("com.example.someevent");
    let mut second = event(bare());
    second["source"] = json!("urn:service:cart");
    let body = json!([event(bare()), other, second, event(bare())]).to_string();

    let posted = batch(body.as_bytes(), &Limits::default(), NOW).unwrap();

    let of: Vec<(&str, usize)> = posted.by_source.iter().map(|(source, events)| (&**source, events.len())).collect();
    assert_eq!(of, [("cloudevents:/services/checkout", 2), ("cloudevents:urn:service:cart", 1)]);
    assert_eq!(&*posted.by_source[1].1[0].service.name, "cart");
    assert_eq!(
        posted.ignored.into_iter().collect::<Vec<_>>(),
        [("type `com.example.someevent` means nothing here".to_owned(), 1)]
    );
}

#[test]
fn every_mistake_is_named_with_its_place() {
    let with = |key: &str, value: Value| {
        let mut event = event(bare());
        event[key] = value;
        read(&event).unwrap_err()
    };

    insta::assert_snapshot!(with("specversion", json!("0.3")), @"/specversion: is `0.3`: only 1.0 is understood");
    insta::assert_snapshot!(with("id", Value::Null), @"/id: is missing");
    insta::assert_snapshot!(with("source", json!("")), @"/source: must not be empty");
    insta::assert_snapshot!(with("time", json!("noon")), @"/time: `noon` is not an RFC 3339 time such as 2026-01-01T00:00:00Z");
    insta::assert_snapshot!(with("data", Value::Null), @"/data: is missing");
    insta::assert_snapshot!(with("data", json!({"target": "a", "state": "ajar"})), @"/data/state: expected closed, half_open, open, forced_open, disabled or metrics_only, found `ajar`");
    insta::assert_snapshot!(with("data", json!({"kind": "health"})), @"/data/kind: is `breaker` by the envelope's type");
    insta::assert_snapshot!(with("data_base64", json!("e30=")), @"has data more than once");
    assert!(with("type", json!(5)).starts_with("/type: expected a string"));
    assert!(with("data", json!("text")).starts_with("/data: expected an object"));
    let mut broken = event(Value::Null);
    broken["data_base64"] = json!("... base64 encoded string ...");
    insta::assert_snapshot!(read(&broken).unwrap_err(), @"/data_base64: is not valid base64");
    let binary = |pairs: &[(&str, &str)], body: &[u8]| {
        binary(&headers(pairs), body, &Limits::default(), NOW).unwrap_err().to_string()
    };
    insta::assert_snapshot!(binary(&[("specversion", "1.0"), ("id", "%zz")], b"{}"), @"ce-id: has a `%` without two hexadecimal digits");
    insta::assert_snapshot!(binary(&[("specversion", "1.0")], b"{}"), @"ce-source: is missing");
    let full = [
        ("specversion", "1.0"),
        ("id", "1"),
        ("source", "a"),
        ("type", "spillway.health.v1"),
        ("time", "2026-01-01T00:00:00Z"),
    ];
    insta::assert_snapshot!(binary(&full, b""), @"is missing");
    insta::assert_snapshot!(binary(&full, b"{\"status\": \"up\"} x"), @"expected nothing more, found `x` (line 1, column 18)");
}

#[test]
fn the_mode_follows_from_the_content_type() {
    for (content_type, mode) in [
        ("application/cloudevents+json; charset=utf-8", Some(Mode::Structured)),
        ("Application/CloudEvents", Some(Mode::Structured)),
        ("application/cloudevents-batch+json", Some(Mode::Batch)),
        ("application/cloudevents-batch+xml", None),
        ("application/cloudevents+avro", None),
        ("application/json", Some(Mode::Binary)),
        ("", Some(Mode::Binary)),
        ("application/vnd.acme+json", Some(Mode::Binary)),
        ("text/xml", None),
    ] {
        assert_eq!(Mode::of(content_type), mode, "{content_type}");
    }
}

proptest! {
    #[test]
    fn damage_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut body = json!([event(bare()), event(Value::Null)]).to_string().into_bytes();
        prop_assert!(batch(&body[..cut.index(body.len())], &Limits::default(), NOW).is_err());
        let at = at.index(body.len());
        body[at] = byte;
        let _ = batch(&body, &Limits::default(), NOW);
    }

    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..64), value in prop::collection::vec(any::<u8>(), 0..32)) {
        let _ = structured(&body, &Limits::default(), NOW);
        let _ = batch(&body, &Limits::default(), NOW);
        let headers = ["specversion", "id", "source", "type", "time"].map(|name| (name.to_owned(), value.clone()));
        let _ = binary(&headers, &body, &Limits::default(), NOW);
    }
}
