//! The native form.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600_000_000_000;

fn read(body: &Value) -> Result<Vec<Event>, String> {
    native(body.to_string().as_bytes(), &Limits::default(), NOW).map_err(|error| error.to_string())
}

fn breaker() -> Value {
    json!({"id": "1", "kind": "breaker", "service": "checkout", "instance": "checkout-1", "target": "payments",
           "name": "payments", "state": "open", "at": "2026-01-01T00:00:00Z"})
}

fn health() -> Value {
    json!({"id": "2", "kind": "health", "environment": "production", "namespace": "shop", "service": "checkout",
           "status": "degraded", "at": "2026-01-01T01:00:00.5+01:00", "detail": "slow disk"})
}

fn limit() -> Value {
    json!({"id": "3", "kind": "limit", "service": "checkout", "guard": "bulkhead", "target": "payments", "state": "exhausted",
           "in_use": 25, "limit": 25, "waiting": 3, "at": "2026-01-01T00:00:00Z"})
}

fn change() -> Value {
    json!({"id": "4", "kind": "change", "service": "checkout", "change": "deploy", "version": "1.2.3", "title": "Roll out 1.2.3",
           "url": "https://ci.example/7", "at": "2026-01-01T00:00:00Z"})
}

fn with(mut event: Value, key: &str, value: Value) -> Value {
    event[key] = value;
    event
}

#[test]
fn one_event_and_an_array_are_read() {
    let events = read(&json!([breaker(), health()])).unwrap();

    assert_eq!(
        events[0],
        Event {
            id: "1".into(),
            service: ServiceKey::new("", "", "checkout"),
            instance: "checkout-1".into(),
            at_ns: NOW,
            body: EventBody::Breaker { target: "payments".into(), name: "payments".into(), state: BreakerState::Open },
        }
    );
    assert_eq!(events[1].service, ServiceKey::new("production", "shop", "checkout"));
    assert_eq!(events[1].at_ns, NOW + 500_000_000);
    assert_eq!(events[1].body, EventBody::Health { status: HealthStatus::Degraded, detail: "slow disk".into() });
    assert_eq!(read(&breaker()).unwrap()[..], events[..1]);
    assert_eq!(read(&json!([])).unwrap(), []);
}

#[test]
fn limits_and_changes_are_read() {
    let mut uploads = with(limit(), "target", Value::Null);
    uploads["name"] = json!("uploads");
    uploads["guard"] = json!("RATE_LIMITER");
    uploads["waiting"] = Value::Null;
    let events = read(&json!([limit(), uploads, change()])).unwrap();

    let (in_use, limit, state) = (Some(25), Some(25), LimitState::Exhausted);
    let bulkhead = EventBody::Limit {
        guard: Guard::Bulkhead,
        target: "payments".into(),
        name: "payments".into(),
        state,
        in_use,
        limit,
        waiting: Some(3),
    };
    let limiter = EventBody::Limit {
        guard: Guard::RateLimiter,
        target: "".into(),
        name: "uploads".into(),
        state,
        in_use,
        limit,
        waiting: None,
    };
    let deploy = EventBody::Change {
        change: ChangeKind::Deploy,
        version: "1.2.3".into(),
        title: "Roll out 1.2.3".into(),
        url: "https://ci.example/7".into(),
    };
    assert_eq!(events.into_iter().map(|event| event.body).collect::<Vec<_>>(), [bulkhead, limiter, deploy]);
}

#[test]
fn states_are_read_in_every_spelling() {
    for spelling in ["half_open", "half-open", "HALF_OPEN", "halfOpen", "Half-Open"] {
        let events = read(&with(breaker(), "state", json!(spelling))).unwrap();
        assert!(matches!(events[0].body, EventBody::Breaker { state: BreakerState::HalfOpen, .. }), "{spelling}");
    }
    for (word, expected) in [
        ("FORCED_OPEN", BreakerState::ForcedOpen),
        ("disabled", BreakerState::Disabled),
        ("METRICS_ONLY", BreakerState::MetricsOnly),
    ] {
        let events = read(&with(breaker(), "state", json!(word))).unwrap();
        assert!(matches!(events[0].body, EventBody::Breaker { state, .. } if state == expected), "{word}");
    }
    for spelling in ["UP", "up"] {
        assert!(read(&with(health(), "status", json!(spelling))).is_ok());
    }
}

#[test]
fn a_breaker_without_a_name_has_its_targets() {
    let events = read(&with(breaker(), "name", Value::Null)).unwrap();

    assert!(matches!(&events[0].body, EventBody::Breaker { name, .. } if &**name == "payments"));
}

#[test]
fn every_mistake_is_named_with_its_place() {
    let third = |key: &str, value: Value| read(&json!([breaker(), health(), with(breaker(), key, value)])).unwrap_err();

    insta::assert_snapshot!(third("state", json!("ajar")), @"/2/state: expected closed, half_open, open, forced_open, disabled or metrics_only, found `ajar`");
    insta::assert_snapshot!(third("state", Value::Null), @"/2/state: is missing");
    insta::assert_snapshot!(third("stat", json!("open")), @"/2/stat: there is no such key in an event");
    insta::assert_snapshot!(third("a/b~c", json!(1)), @"/2/a~1b~0c: there is no such key in an event");
    insta::assert_snapshot!(third("detail", json!("x")), @"/2/detail: an event of kind breaker has no such key");
    insta::assert_snapshot!(third("id", json!(" ")), @"/2/id: must not be empty");
    insta::assert_snapshot!(third("service", json!("x".repeat(257))), @"/2/service: has 257 bytes, 256 are allowed");
    insta::assert_snapshot!(third("kind", json!("weather")), @"/2/kind: expected breaker, health, limit or change");
    insta::assert_snapshot!(third("at", json!("yesterday")), @"/2/at: `yesterday` is not an RFC 3339 time such as 2026-01-01T00:00:00Z");
    insta::assert_snapshot!(third("at", json!("2026-01-02T00:00:00.000000001Z")), @"/2/at: lies more than 24 hours in the future: check the sender's clock");
    let of_limit = |key: &str, value: Value| read(&with(limit(), key, value)).unwrap_err();
    assert!(
        of_limit("in_use", json!(-1)).starts_with("/in_use: expected a whole number from 0 to 4294967295, found `-1`")
    );
    insta::assert_snapshot!(of_limit("target", Value::Null), @"/name: is missing");
    insta::assert_snapshot!(of_limit("guard", json!("moat")), @"/guard: expected bulkhead or rate_limiter, found `moat`");
    insta::assert_snapshot!(of_limit("version", json!("1")), @"/version: an event of kind limit has no such key");
    let of_change = |key: &str, value: Value| read(&with(change(), key, value)).unwrap_err();
    insta::assert_snapshot!(of_change("url", json!("javascript:alert(1)")), @"/url: expected an address that begins with http:// or https://");
    insta::assert_snapshot!(of_change("url", json!("https://x/\n")), @"/url: expected an address that begins with http:// or https://");
    insta::assert_snapshot!(of_change("title", json!("x".repeat(1025))), @"/title: has 1025 bytes, 1024 are allowed");
    insta::assert_snapshot!(of_change("change", json!("weather")), @"/change: expected deploy, config, flag or scale, found `weather`");
    insta::assert_snapshot!(of_change("state", json!("open")), @"/state: an event of kind change has no such key");
    assert!(third("id", json!(5)).starts_with("/2/id: expected a string, found `5` (line 1, column "));
    assert!(read(&with(breaker(), "at", json!("2026-01-02T00:00:00Z"))).is_ok());
    assert!(
        read(&with(health(), "detail", json!("x".repeat(4097)))).unwrap_err().starts_with("/detail: has 4097 bytes")
    );
    insta::assert_snapshot!(read(&json!(vec![breaker(); 1001])).unwrap_err(), @"more than 1000 events in one request");
    insta::assert_snapshot!(read(&json!("x")).unwrap_err(), @"expected an object, found `\"x\"` (line 1, column 1)");
    insta::assert_snapshot!(native(b"{\"id\": \"a\", \"id\": \"b\"}", &Limits::default(), NOW).unwrap_err(), @"/id: the key comes twice");
    insta::assert_snapshot!(native(b"[{}", &Limits::default(), NOW).unwrap_err(), @"/0/kind: is missing");
}

proptest! {
    #[test]
    fn damage_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut body = json!([breaker(), health(), limit(), change()]).to_string().into_bytes();
        prop_assert!(native(&body[..cut.index(body.len())], &Limits::default(), NOW).is_err());
        let at = at.index(body.len());
        body[at] = byte;
        let _ = native(&body, &Limits::default(), NOW);
    }
}
