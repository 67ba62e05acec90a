//! Deployments by GitHub.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600_000_000_000;

fn body() -> Value {
    json!({
        "action": "created",
        "deployment_status": { "id": 7_654_321, "state": "success", "creator": { "login": "ada", "id": 1 }, "environment": "production",
            "target_url": "", "log_url": "https://ci.example/7", "created_at": "2026-01-01T00:00:00Z", "unknown": [{ "id": 1 }] },
        "deployment": { "ref": "v1.2.3", "sha": "f95f852bd8fca8fcc58a9a2d6c842781e32a215e", "payload": {}, "task": "deploy" },
        "repository": { "name": "checkout", "full_name": "shop/checkout", "html_url": "https://github.com/shop/checkout" }
    })
}

fn read(body: &Value) -> Result<Posted, String> {
    github("deployment_status", body.to_string().as_bytes(), &Limits::default(), NOW).map_err(|error| error.to_string())
}

fn event(body: &Value) -> Event {
    let posted = read(body).unwrap();
    let [(source, events)] = &posted.by_source[..] else { panic!("{posted:?}") };
    assert_eq!((&**source, events.len()), ("github", 1));
    events[0].clone()
}

#[test]
fn a_deployment_that_succeeded_is_a_change_of_its_repositorys_service() {
    assert_eq!(
        event(&body()),
        Event {
            id: "deployment_status-7654321".into(),
            service: ServiceKey::new("production", "", "checkout"),
            instance: "".into(),
            at_ns: NOW,
            body: EventBody::Change {
                change: ChangeKind::Deploy,
                version: "v1.2.3".into(),
                title: "Deployed v1.2.3 (f95f852) to production by ada".into(),
                url: "https://ci.example/7".into(),
            },
        }
    );
}

#[test]
fn its_payload_may_name_the_service_and_a_link_must_be_one() {
    let mut named = body();
    named["deployment"]["payload"] = json!({ "service": "cart", "environment": "prod", "namespace": "shop" });
    named["deployment_status"]["log_url"] = json!("javascript:alert(1)");
    named["deployment_status"]["state"] = json!("failure");
    let event = event(&named);

    assert_eq!(event.service, ServiceKey::new("prod", "shop", "cart"));
    let EventBody::Change { version, title, url, .. } = event.body else { panic!() };
    assert_eq!(
        (&*version, &*title, &*url),
        ("", "Failed to deploy v1.2.3 (f95f852) to prod by ada", "https://github.com/shop/checkout")
    );
    let mut text = body();
    text["deployment"]["payload"] = json!("{\"service\": \"cart\"}");
    assert_eq!(&*self::event(&text).service.name, "checkout");
}

#[test]
fn what_has_not_ended_and_what_is_no_deployment_is_counted() {
    let mut pending = body();
    pending["deployment_status"]["state"] = json!("in_progress");
    let reasons = |posted: Posted| posted.ignored.into_keys().collect::<Vec<_>>();

    assert_eq!(reasons(read(&pending).unwrap()), ["a deployment that is in_progress has changed nothing yet"]);
    let ping = github("ping", b"{\"zen\": \"Design for failure.\"}", &Limits::default(), NOW).unwrap();
    assert_eq!(reasons(ping), ["a GitHub event `ping` means nothing here: send deployment_status"]);
}

#[test]
fn what_is_missing_is_named() {
    let without = |path: &str| {
        let mut body = body();
        *body.pointer_mut(path).unwrap() = Value::Null;
        read(&body).unwrap_err()
    };

    insta::assert_snapshot!(without("/deployment_status"), @"/deployment_status/state: is missing");
    insta::assert_snapshot!(without("/deployment_status/id"), @"/deployment_status/id: is missing");
    insta::assert_snapshot!(without("/deployment_status/created_at"), @"/deployment_status/created_at: is missing");
    insta::assert_snapshot!(without("/repository/name"), @"/repository/name: is missing");
}

proptest! {
    #[test]
    fn damage_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut body = body().to_string().into_bytes();
        prop_assert!(github("deployment_status", &body[..cut.index(body.len())], &Limits::default(), NOW).is_err());
        let at = at.index(body.len());
        body[at] = byte;
        let _ = github("deployment_status", &body, &Limits::default(), NOW);
    }
}
