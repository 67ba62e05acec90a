//! What posts events: services, the tools around them, and those that pretend to be one.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Client, Server, clock::now_rfc3339};

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
