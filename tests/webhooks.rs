//! What posts events: services, the tools around them, and those that pretend to be one.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hmac::{Hmac, Mac as _};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::{
    Client, Server,
    clock::{now_ns, now_rfc3339},
    eventually,
    telemetry::{attribute, call, hex, otlp},
};

const SOON: Duration = Duration::from_secs(10);

/// The events as the API shows them, oldest first.
async fn events(server: &Server, client: &Client, query: &str) -> Vec<Value> {
    let list = client.get(&server.url(&format!("/api/v1/events?limit=1000{query}"))).await.value();
    let mut events: Vec<Value> =
        list["events"].as_array().unwrap().iter().map(|record| record["event"].clone()).collect();
    events.reverse();
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_event_comes_back_as_it_was_sent() {
    let (server, client) = (Server::start().await, Client::new());
    let event = |id: &str, more: Value| {
        let mut event = json!({ "id": id, "environment": "test", "namespace": "shop", "service": "checkout", "instance": "checkout-1",
            "at": now_rfc3339() });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let sent = json!([
        event("1", json!({ "kind": "breaker", "target": "payments", "name": "payments", "state": "forced_open" })),
        event("2", json!({ "kind": "health", "status": "degraded", "detail": "slow" })),
        event(
            "3",
            json!({ "kind": "limit", "guard": "bulkhead", "target": "payments", "name": "pool", "state": "exhausted",
            "in_use": 25, "limit": 25, "waiting": null })
        ),
        event(
            "4",
            json!({ "kind": "change", "change": "deploy", "version": "1.2.3", "title": "Roll out 1.2.3", "url": "https://ci.example/7" })
        ),
    ]);

    let answer = client.json(Method::POST, &server.url("/webhooks/spillway"), &sent).await;

    assert_eq!((answer.status, &answer.value()["stored"]), (StatusCode::OK, &json!(4)), "{}", answer.text());
    let shown = events(&server, &client, "").await;
    for (shown, sent) in shown.iter().zip(sent.as_array().unwrap()) {
        let (mut shown, mut sent) = (shown.clone(), sent.clone());
        for event in [&mut shown, &mut sent] {
            assert!(event.as_object_mut().unwrap().remove("at").is_some());
        }
        assert_eq!(shown, sent);
    }
    // A service's page has what is about it, and what guards calls to it.
    let kinds = |events: Vec<Value>| events.iter().map(|event| event["kind"].clone()).collect::<Vec<_>>();
    assert_eq!(kinds(events(&server, &client, "&service=payments").await), ["breaker", "limit"]);
    assert_eq!(kinds(events(&server, &client, "&kind=change&service=checkout").await), ["change"]);
    assert_eq!(kinds(events(&server, &client, "&kind=limit").await), ["limit"]);
}

/// A request to a webhook.
fn post(url: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request<Bytes> {
    let mut request = Request::post(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn cloudevents_are_taken_in_their_three_modes_and_once_each() {
    let (server, client) = (Server::start().await, Client::new());
    let url = server.url("/webhooks/cloudevents");
    let event = |id: &str, kind: &str, data: Value| json!({ "specversion": "1.0", "id": id, "source": "/services/checkout", "type": kind, "time": now_rfc3339(), "data": data });
    let breaker = event("1", "spillway.breaker.v1", json!({ "target": "payments", "state": "open" }));
    let structured = [("content-type", "application/cloudevents+json; charset=utf-8")];
    let batch = [("content-type", "application/cloudevents-batch+json")];

    let answer = client.send(post(&url, &structured, breaker.to_string())).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    assert_eq!((&answer.value()["stored"], answer.value()["revision"].is_string()), (&json!(1), true));
    let binary = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "%32"),
        ("ce-source", "/services/checkout"),
        ("ce-type", "spillway.health.v1"),
        ("ce-time", &now_rfc3339()),
    ];
    let answer = client.send(post(&url, &binary, json!({ "status": "down", "detail": "no disk" }).to_string())).await;
    assert_eq!(answer.value()["stored"], 1, "{}", answer.text());
    let mut elsewhere =
        event("1", "spillway.change.v1", json!({ "service": "cart", "change": "flag", "title": "new prices" }));
    elsewhere["source"] = json!("https://flags.example");
    let all = json!([
        breaker,
        event("3", "spillway.limit.v1", json!({ "guard": "bulkhead", "name": "pool", "state": "exhausted" })),
        elsewhere,
        event("4", "com.example.else", json!(null)),
    ]);
    let answer = client.send(post(&url, &batch, all.to_string())).await.value();
    assert_eq!((&answer["stored"], &answer["repeated"]), (&json!(2), &json!(1)), "{answer}");
    assert_eq!(answer["ignored"], json!({ "type `com.example.else` means nothing here": 1 }));
    assert_eq!(client.send(post(&url, &batch, "[]")).await.status, StatusCode::ACCEPTED);

    let stored = events(&server, &client, "").await;
    let told: Vec<String> =
        stored.iter().map(|event| format!("{} {} {}", event["kind"], event["id"], event["service"])).collect();
    assert_eq!(
        told,
        [
            r#""breaker" "1" "checkout""#,
            r#""health" "2" "checkout""#,
            r#""limit" "3" "checkout""#,
            r#""change" "1" "cart""#
        ]
    );
    let refused = client.send(post(&url, &structured, "{\"specversion\": \"1.0\", \"id\": \"9\"}")).await;
    assert_eq!((refused.status, refused.text().contains("/source: is missing")), (StatusCode::BAD_REQUEST, true));
    let refused = client.send(post(&url, &[("content-type", "application/cloudevents+xml")], "<event/>")).await;
    assert_eq!(refused.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_of_cloudevents_may_ask_first() {
    let (server, client) = (locked().await, Client::new());
    let ask = Request::options(server.url("/webhooks/cloudevents"))
        .header("webhook-request-origin", "eventgrid.example")
        .header("webhook-request-rate", "120");

    let answer = client.send(ask.body(Bytes::new()).unwrap()).await;

    assert_eq!((answer.status, answer.header("webhook-allowed-origin")), (StatusCode::OK, "eventgrid.example"));
    assert_eq!((answer.header("webhook-allowed-rate"), answer.header("allow")), ("*", "OPTIONS, POST"));
}

const SECRETS: &str = "github:It's a Secret to Everybody,ci:whsec_MDEyMzQ1Njc4OWFiY2RlZg==,grafana:fedcba9876543210";

async fn locked() -> Server {
    Server::start_with_variables(&[
        ("SPILLWAY_ADMIN_TOKEN", "admin-token-0123456789"),
        ("SPILLWAY_INGEST_KEY", "ingest-key-0123456789"),
        ("SPILLWAY_WEBHOOKS_SECRETS", SECRETS),
    ])
    .await
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_opens_webhooks_alone_and_a_wrong_one_none() {
    let (server, client) = (locked().await, Client::new());
    let body =
        json!({ "id": "1", "kind": "health", "service": "checkout", "status": "up", "at": now_rfc3339() }).to_string();
    let (id, at) = ("msg_1", (now_ns() / 1_000_000_000).to_string());
    let standard = format!(
        "v1,{}",
        STANDARD.encode(hmac(b"0123456789abcdef", &[id.as_bytes(), b".", at.as_bytes(), b".", body.as_bytes()]))
    );
    let github = format!("sha256={}", hex(&hmac(b"It's a Secret to Everybody", &[body.as_bytes()])));
    let grafana = hex(&hmac(b"fedcba9876543210", &[at.as_bytes(), b":", body.as_bytes()]));
    let json = ("content-type", "application/json");
    let of_standard = [json, ("webhook-id", id), ("webhook-timestamp", &at), ("webhook-signature", &standard)];
    let url = server.url("/webhooks/spillway");
    let status = async |headers: &[(&str, &str)], body: &str| {
        let answer = client.send(post(&url, headers, body.to_owned())).await;
        (answer.status, answer.text())
    };

    assert_eq!(status(&[json], &body).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&of_standard, &body).await.0, StatusCode::OK);
    assert_eq!(status(&[json, ("x-hub-signature-256", &github)], &body).await.0, StatusCode::OK);
    let of_grafana = [json, ("x-grafana-alerting-signature", &*grafana), ("x-grafana-alerting-timestamp", &*at)];
    assert_eq!(status(&of_grafana, &body).await.0, StatusCode::OK);
    // The bytes are signed, not what they mean.
    let (code, text) = status(&of_standard, &body.replace(':', ": ")).await;
    assert_eq!((code, text.contains("no configured secret")), (StatusCode::UNAUTHORIZED, true), "{text}");
    let old = (now_ns() / 1_000_000_000 - 301).to_string();
    let stale = [json, ("webhook-id", id), ("webhook-timestamp", &old), ("webhook-signature", &standard)];
    assert!(status(&stale, &body).await.1.contains("5 minutes"));
    // The key does not excuse it, and it is good for webhooks only.
    let both = [json, ("authorization", "Bearer ingest-key-0123456789"), ("x-hub-signature-256", "sha256=00")];
    assert_eq!(status(&both, &body).await.0, StatusCode::UNAUTHORIZED);
    let elsewhere = post(&server.url("/v1/traces"), &[json, ("x-hub-signature-256", &github)], body.clone());
    assert_eq!(client.send(elsewhere).await.status, StatusCode::UNAUTHORIZED);
    // Somebody unknown cannot make the server read much.
    let large = client.send(post(&url, &[json, ("x-hub-signature-256", &github)], vec![b' '; 2 << 20])).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    let log = format!("{}{}", server.last_words(), client.get(&server.url("/api/v1/openapi.json")).await.text());
    assert!(!log.contains("Secret to Everybody") && !log.contains("fedcba9876543210"));
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_health_of_the_services_that_they_name_until_they_are_resolved() {
    let (server, client) = (Server::start().await, Client::new());
    let url = server.url("/webhooks/alertmanager");
    let started = now_rfc3339();
    let notification = |status: &str, ends_at: &str| {
        json!({ "version": "4", "status": status, "receiver": "spillway", "alerts": [
            { "status": status, "labels": { "alertname": "Slow", "severity": "page", "job": "shop/checkout", "env": "test" },
              "annotations": { "summary": "p99 above 2 s" }, "startsAt": started, "endsAt": ends_at, "fingerprint": "6f1b0c3d5e7a9b2c" },
            { "status": status, "labels": { "alertname": "DiskFull", "severity": "page" }, "annotations": {}, "startsAt": started,
              "endsAt": ends_at, "fingerprint": "0000000000000001" } ] })
    };
    let firing = notification("firing", "0001-01-01T00:00:00Z");
    let node = async || {
        let map = client.get(&server.url("/api/v1/topology")).await.value();
        map["nodes"].as_array()?.iter().find(|node| node["id"] == "service:test/shop/checkout").cloned()
    };

    let answer = client.json(Method::POST, &url, &firing).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    let answer = answer.value();
    assert_eq!((&answer["stored"], answer["ignored"].as_object().unwrap().len()), (&json!(1), 1), "{answer}");
    let sick = async || node().await.filter(|node| node["health"] == "failing");
    let sick = eventually("a service that an alert calls down", SOON, sick).await;
    assert!(sick["health_reason"].as_str().unwrap().contains("Slow reports down: p99 above 2 s"), "{sick}");
    // It repeats what it said.
    assert_eq!(client.json(Method::POST, &url, &firing).await.value()["repeated"], 1);

    let resolved = client.json(Method::POST, &url, &notification("resolved", &now_rfc3339())).await.value();
    assert_eq!(resolved["stored"], 1, "{resolved}");
    eventually("a service that is well again", SOON, async || node().await.filter(|node| node["health"] == "healthy"))
        .await;
    let broken = client.json(Method::POST, &url, &json!({ "text": "a template" })).await;
    assert_eq!((broken.status, broken.text().contains("/alerts: is missing")), (StatusCode::BAD_REQUEST, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_github_tells_of_is_a_change() {
    let (server, client) = (Server::start().await, Client::new());
    let url = server.url("/webhooks/github");
    let deployment = json!({
        "deployment_status": { "id": 7, "state": "success", "creator": { "login": "ada" }, "environment": "production",
            "log_url": "https://ci.example/7", "created_at": now_rfc3339() },
        "deployment": { "ref": "v1.2.3", "sha": "f95f852bd8fca8fcc58a9a2d6c842781e32a215e", "payload": {} },
        "repository": { "name": "checkout" } });
    let send = async |event: &'static str| {
        let headers = [("content-type", "application/json"), ("x-github-event", event)];
        client.send(post(&url, &headers, deployment.to_string())).await
    };

    assert_eq!(send("deployment_status").await.status, StatusCode::ACCEPTED);
    assert_eq!(send("deployment_status").await.value()["repeated"], 1);
    assert_eq!(send("push").await.value()["ignored"].as_object().unwrap().len(), 1);

    let changes = events(&server, &client, "&kind=change").await;
    assert_eq!(changes.len(), 1);
    assert_eq!((&changes[0]["version"], &changes[0]["url"]), (&json!("v1.2.3"), &json!("https://ci.example/7")));
    let unnamed = client.json(Method::POST, &url, &deployment).await;
    assert_eq!(unnamed.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_is_a_change_that_nobody_has_to_announce_and_a_restart_announces_nothing() {
    let (server, client) = (Server::start().await, Client::new());
    let number = std::sync::atomic::AtomicU64::new(0);
    let send = async |server: &Server, version: &str| {
        let mut request = call(number.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        for resource in &mut request.resource_spans {
            resource.resource.as_mut().unwrap().attributes.push(attribute("service.version", version));
        }
        assert_eq!(client.send(otlp(&server.otlp_http, &request)).await.status, StatusCode::OK);
    };
    let changes = async |server: &Server| {
        let list = client.get(&server.url("/api/v1/changes?service=checkout")).await.value();
        list["changes"].as_array().unwrap().clone()
    };
    let hook = json!({ "id": "flag", "kind": "change", "service": "checkout", "change": "flag", "title": "new prices", "at": "2026-01-01T00:00:00Z" });
    client.json(Method::POST, &server.url("/webhooks/spillway"), &hook).await;

    send(&server, "1.2.3").await;
    send(&server, "1.2.4").await;
    let told = eventually("a change of version", SOON, async || {
        let changes = changes(&server).await;
        (!changes.is_empty()).then_some(changes)
    });
    let told = told.await;

    assert_eq!(told.len(), 1, "what lies before the day is not in it: {told:?}");
    assert_eq!(
        (&told[0]["change"], &told[0]["version"], &told[0]["environment"]),
        (&json!("deploy"), &json!("1.2.4"), &json!("test"))
    );
    assert_eq!(told[0]["title"], "Version 1.2.4 runs, before it 1.2.3");
    let of_flag =
        client.get(&server.url("/api/v1/changes?from=2025-12-31T00:00:00Z&to=2026-01-02T00:00:00Z")).await.value();
    assert_eq!(of_flag["changes"][0]["title"], "new prices", "{of_flag}");

    let (_, data) = server.stop().await;
    let server = Server::start_in(data, &[]).await;
    send(&server, "1.2.4").await;
    send(&server, "1.2.5").await;
    let versions = async || {
        let told: Vec<Value> = changes(&server).await.iter().map(|change| change["version"].clone()).collect();
        (told.len() > 1).then_some(told)
    };
    assert_eq!(eventually("the next version", SOON, versions).await, ["1.2.5", "1.2.4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_source_is_listed_with_what_was_refused_and_why() {
    let canary = "hunter2canary7";
    let (server, client) = (Server::start().await, Client::new());
    let url = server.url("/webhooks/spillway");
    assert_eq!(client.send(otlp(&server.otlp_http, &call(1))).await.status, StatusCode::OK);
    let good = json!({ "id": "1", "kind": "health", "service": "cart", "status": "up", "at": now_rfc3339() });
    assert_eq!(client.json(Method::POST, &url, &good).await.status, StatusCode::OK);
    let bad = json!({ "id": "2", "kind": "health", "service": "cart", "status": "unwell", "password": canary });
    assert_eq!(client.json(Method::POST, &url, &bad).await.status, StatusCode::BAD_REQUEST);

    let sources = client.get(&server.url("/api/v1/sources")).await.value();
    let row = |source: &str, service: &str| {
        let rows = sources["sources"].as_array().unwrap();
        let row = rows.iter().find(|row| row["source"] == source && row["service"] == service);
        row.unwrap_or_else(|| panic!("{source} {service}: {sources}")).clone()
    };

    assert_eq!(
        (&row("otlp_http", "checkout")["items"], &row("otlp_http", "payments")["items"]),
        (&json!(1), &json!(1))
    );
    assert_eq!((&row("webhook", "cart")["items"], &row("webhook", "cart")["last_rejected"]), (&json!(1), &Value::Null));
    let refused = row("webhook", "");
    assert_eq!(refused["rejected"], json!({ "malformed": 1 }));
    let last = &refused["last_rejected"];
    assert!(last["why"].as_str().unwrap().starts_with("/password: there is no such key"), "{last}");
    assert!(last["body"].as_str().unwrap().contains("unwell"), "{last}");
    assert!(!sources.to_string().contains(canary), "{sources}");
}
