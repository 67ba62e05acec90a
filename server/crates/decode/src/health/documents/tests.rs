use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

type Form = fn(u16, &[u8]) -> Verdict;

fn read(form: Form, status: u16, body: &Value) -> Verdict {
    form(status, body.to_string().as_bytes())
}

#[test]
fn springs_words_and_components_are_read() {
    use HealthStatus::{Degraded, Down, Up};
    let components = json!({"status": "DOWN", "components": {
        "db": {"status": "DOWN", "details": {"error": "connection refused", "database": "PostgreSQL"}},
        "disk": {"status": "UP", "details": {"free": 5}},
        "all": {"status": "UP", "components": {"queue": {"status": "OUT_OF_SERVICE"}}},
        "ping": {"status": "UNKNOWN"}}});

    for (status, body, expected) in [
        (200, json!({"status": "UP"}), Verdict::says(Up, "")),
        (503, components, Verdict::says(Down, "queue OUT_OF_SERVICE, db DOWN (connection refused)")),
        (503, json!({"status": "OUT_OF_SERVICE"}), Verdict::says(Down, "")),
        (200, json!({"status": "CIRCUIT_OPEN"}), Verdict::says(Degraded, "CIRCUIT_OPEN")),
        (200, json!({"status": "UNKNOWN"}), Verdict::none("its status is `UNKNOWN`")),
        (200, json!({"status": "UP", "details": {"db": {"status": "UP"}}}), Verdict::says(Up, "")),
    ] {
        assert_eq!(read(spring, status, &body), expected, "{body}");
    }
}

#[test]
fn health_json_is_read_with_its_aliases() {
    use HealthStatus::{Degraded, Down, Up};
    let checks = json!({"status": "warn", "version": "1", "output": "slow", "checks": {
        "cassandra:responseTime": [{"status": "pass", "observedValue": 250}, {"status": "warn", "output": "250 ms"}],
        "uptime": [{"status": "pass"}]}});

    assert_eq!(read(health_json, 200, &checks), Verdict::says(Degraded, "slow: cassandra:responseTime warn (250 ms)"));
    for (word, expected) in [("pass", Up), ("OK", Up), ("up", Up), ("Warn", Degraded), ("fail", Down), ("error", Down)]
    {
        assert_eq!(read(health_json, 200, &json!({"status": word})), Verdict::says(expected, ""), "{word}");
    }
    assert_eq!(read(health_json, 200, &json!({"status": "so-so"})), Verdict::none("its status is `so-so`"));
}

#[test]
fn microprofile_and_dotnet_are_read() {
    use HealthStatus::{Degraded, Down, Up};
    let checks = json!({"status": "DOWN", "checks": [
        {"name": "db", "status": "DOWN", "data": {"rootCause": "no connection"}}, {"name": "disk", "status": "UP"}]});
    let entries = json!({"status": "Degraded", "totalDuration": "00:00:00.01", "entries": {
        "cache": {"data": {}, "description": "slow", "duration": "00:00:00.01", "status": "Degraded", "tags": []},
        "db": {"data": {}, "duration": "00:00:00.01", "status": "Healthy", "tags": []}}});

    assert_eq!(read(microprofile, 503, &checks), Verdict::says(Down, "db DOWN (no connection)"));
    assert_eq!(read(microprofile, 200, &json!({"status": "UP", "checks": []})), Verdict::says(Up, ""));
    assert_eq!(read(dotnet, 200, &entries), Verdict::says(Degraded, "cache Degraded (slow)"));
    assert_eq!(read(dotnet, 503, &json!({"status": "Unhealthy"})), Verdict::says(Down, ""));
    assert_eq!(read(dotnet, 200, &json!({"status": "Healthy"})), Verdict::says(Up, ""));
}

#[test]
fn what_cannot_be_read_counts_only_when_the_server_says_that_it_fails() {
    let why = |status, body: &str| spring(status, body.as_bytes());

    assert_eq!(
        why(503, "<html>"),
        Verdict::says(HealthStatus::Down, "it answers 503, and no document that can be read")
    );
    assert_eq!(why(404, ""), Verdict::none("it answers 404, which says nothing of its health"));
    assert_eq!(why(200, "{}"), Verdict::none("the answer is no such document: `status` is missing, or no text"));
    assert_eq!(
        why(200, "<html>"),
        Verdict::none("the answer is no such document: expected an object, found `<html>` (line 1, column 1)")
    );
}

#[test]
fn details_are_bounded_and_one_line() {
    let many: serde_json::Map<String, Value> = (0..50)
        .map(|number| (format!("part\n{number}"), json!({"status": "DOWN", "details": {"error": "x".repeat(5_000)}})))
        .collect();

    let Verdict::Says { detail, .. } = read(spring, 503, &json!({"status": "DOWN", "components": many})) else {
        panic!()
    };

    assert!(detail.len() <= super::super::MAX_DETAIL_BYTES && !detail.contains('\n'), "{detail}");
}

proptest! {
    #[test]
    fn damage_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), status in any::<u16>(), noise in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut body = json!({"status": "é", "components": {"a": {"status": "DOWN", "details": {"error": "x"}}},
            "checks": {"b": [{"status": "fail"}]}, "entries": {"c": {"status": "Unhealthy"}}}).to_string().into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        for form in [spring, health_json, microprofile, dotnet, super::super::plain, super::super::consul] {
            let _ = form(status, &body);
            let _ = form(status, &noise);
        }
    }
}
