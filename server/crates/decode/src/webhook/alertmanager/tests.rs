//! Notifications of Alertmanager and Grafana.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600_000_000_000;

fn alert(status: &str, labels: Value) -> Value {
    json!({ "status": status, "labels": labels, "annotations": { "summary": "p99 above 2 s", "runbook": "https://wiki" },
            "startsAt": "2026-01-01T00:00:00.5Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prometheus/graph",
            "fingerprint": "6f1b0c3d5e7a9b2c" })
}

fn notification(alerts: &[Value]) -> Value {
    json!({ "version": "4", "groupKey": "{}:{alertname=\"Slow\"}", "truncatedAlerts": 0, "status": "firing", "receiver": "spillway",
            "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alertmanager", "alerts": alerts })
}

fn read(body: &Value) -> Result<Posted, String> {
    alertmanager(body.to_string().as_bytes(), &Limits::default(), NOW).map_err(|error| error.to_string())
}

fn events(alerts: &[Value]) -> Vec<Event> {
    let posted = read(&notification(alerts)).unwrap();
    assert_eq!(posted.ignored.len(), 0, "{posted:?}");
    posted.by_source.into_iter().flat_map(|(_, events)| events).collect()
}

fn slow() -> Value {
    json!({ "alertname": "Slow", "service": "checkout", "severity": "critical", "instance": "10.0.0.1:9100" })
}

#[test]
fn firing_and_resolved_become_health_of_the_service_that_the_labels_name() {
    let mut resolved = alert("resolved", slow());
    resolved["endsAt"] = json!("2026-01-01T00:10:00Z");

    let events = events(&[alert("firing", slow()), resolved]);

    let [firing, resolved] = &events[..] else { panic!("{events:?}") };
    assert_eq!(firing.service, ServiceKey::new("", "", "checkout"));
    assert_eq!((&*firing.instance, firing.at_ns), ("Slow 10.0.0.1:9100", NOW + 500_000_000));
    assert_eq!(firing.body, EventBody::Health { status: HealthStatus::Down, detail: "p99 above 2 s".into() });
    assert_eq!(resolved.at_ns, NOW + 600_000_000_000);
    assert!(matches!(resolved.body, EventBody::Health { status: HealthStatus::Up, .. }));
    assert!(firing.id.starts_with("alert-6f1b0c3d5e7a9b2c-188672520bc76500-firing-"), "{}", firing.id);
    assert_ne!(firing.id, resolved.id);
}

#[test]
fn a_repeated_notification_says_the_same_and_one_with_another_text_is_another_event() {
    let first = events(&[alert("firing", slow())]);
    let again = events(&[alert("firing", slow())]);
    let mut changed = alert("firing", slow());
    changed["annotations"]["summary"] = json!("p99 above 3 s");
    let changed = events(&[changed]);

    assert_eq!(first, again);
    assert_ne!(first[0].id, changed[0].id);
    assert_eq!(first[0].at_ns, changed[0].at_ns);
}

#[test]
fn labels_name_the_service_in_their_documented_order() {
    let key = |labels: Value| events(&[alert("firing", labels)])[0].service.clone();

    assert_eq!(key(json!({ "job": "node", "app": "cart" })), ServiceKey::new("", "", "cart"));
    assert_eq!(key(json!({ "job": "shop/cart", "env": "prod" })), ServiceKey::new("prod", "shop", "cart"));
    assert_eq!(
        key(json!({ "service_name": "cart", "service_namespace": "shop", "deployment_environment_name": "prod" })),
        ServiceKey::new("prod", "shop", "cart")
    );
    assert_eq!(key(json!({ "service": " ", "job": "a/b/c" })), ServiceKey::new("", "a/b", "c"));
    assert_eq!(key(json!({ "service": "x".repeat(300) })).name.len(), 256);
}

#[test]
fn what_names_no_service_or_says_nothing_is_counted_with_its_reason() {
    let posted = read(&notification(&[
        alert("firing", json!({ "alertname": "DiskFull", "severity": "critical" })),
        alert("firing", json!({ "alertname": "Watchdog", "severity": "none", "job": "prometheus" })),
        alert("firing", Value::Null),
    ]))
    .unwrap();

    assert!(posted.by_source.is_empty());
    let ignored: Vec<(String, u32)> = posted.ignored.into_iter().collect();
    let unnamed = "an alert without a label service, service_name, app_kubernetes_io_name, app, job names no service";
    let silent = "an alert of severity none or info says nothing of a service";
    assert_eq!(ignored, [(silent.to_owned(), 1), (unnamed.to_owned(), 2)]);
}

#[test]
fn severities_weigh_and_grafana_says_the_same() {
    let status = |severity: Value| {
        let mut labels = slow();
        labels["severity"] = severity;
        let mut body = notification(&[alert("firing", labels)]);
        body["version"] = json!("1");
        body["orgId"] = json!(1);
        body["alerts"][0]["values"] = json!({ "B": 22.5 });
        match &read(&body).unwrap().by_source[0].1[0].body {
            EventBody::Health { status, .. } => *status,
            other => panic!("{other:?}"),
        }
    };

    assert_eq!(status(json!("CRITICAL")), HealthStatus::Down);
    assert_eq!(status(json!("warning")), HealthStatus::Degraded);
    assert_eq!(status(Value::Null), HealthStatus::Degraded);
}

#[test]
fn an_alert_without_a_fingerprint_is_known_by_its_labels() {
    let mut plain = alert("firing", slow());
    plain["fingerprint"] = Value::Null;
    let mut other = plain.clone();
    other["labels"]["instance"] = json!("10.0.0.2:9100");

    let ids: Vec<Event> = events(&[plain.clone(), plain, other]);

    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0].id, ids[2].id);
}

#[test]
fn every_mistake_is_named_with_its_place() {
    let with = |key: &str, value: Value| {
        let mut alert = alert("firing", slow());
        alert[key] = value;
        read(&notification(&[alert])).unwrap_err()
    };

    insta::assert_snapshot!(with("status", json!("burning")), @"/alerts/0/status: expected firing or resolved, found `burning`");
    insta::assert_snapshot!(with("status", Value::Null), @"/alerts/0/status: is missing");
    insta::assert_snapshot!(with("startsAt", json!("now")), @"/alerts/0/startsAt: `now` is not an RFC 3339 time such as 2026-01-01T00:00:00Z");
    assert!(with("labels", json!("none")).starts_with("/alerts/0: expected an object"));
    assert!(read(&json!({ "text": "own template" })).unwrap_err().starts_with("/alerts: is missing"));
    assert!(read(&json!({ "alerts": {} })).unwrap_err().starts_with("/alerts: expected an array"));
    assert!(read(&json!([])).unwrap_err().starts_with("expected an object"));
    let many = notification(&vec![alert("firing", slow()); 1_001]);
    insta::assert_snapshot!(read(&many).unwrap_err(), @"/alerts: more than 1000 alerts in one request");
}

proptest! {
    #[test]
    fn damage_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut body = notification(&[alert("firing", slow()), alert("resolved", slow())]).to_string().into_bytes();
        prop_assert!(alertmanager(&body[..cut.index(body.len())], &Limits::default(), NOW).is_err());
        let at = at.index(body.len());
        body[at] = byte;
        let _ = alertmanager(&body, &Limits::default(), NOW);
    }

    #[test]
    fn arbitrary_text_never_panics_and_stays_bounded(name in "\\PC{0,300}", why in "\\PC{0,80}") {
        let mut alert = alert("firing", json!({ "service": name, "alertname": name, "job": name, "env": name }));
        alert["annotations"]["summary"] = json!(why);
        for event in read(&notification(&[alert])).unwrap().by_source.iter().flat_map(|(_, events)| events) {
            prop_assert!(event.service.name.len() <= 256 && event.instance.len() <= 256 && event.id.len() <= 256);
        }
    }
}
