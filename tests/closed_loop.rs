//! The whole loop: overload, a rule, decisions, enforcement, and its effect on those who wait for an answer.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    author::{guest, set_mode, upload},
    harness::{Client, Server, alone, eventually},
};

/// Long enough for the queue to fill, the retries to storm and the breakers to open.
const SETTLE: Duration = Duration::from_secs(20);
/// Long enough for some hundred checkouts at tenfold load. The demo's p99 looks back as long.
const WINDOW: Duration = Duration::from_secs(15);
/// The rule finds its level within the first; a machine that is busy with something else may spoil some of them. Without a rule no
/// window comes near: its p99 is the patience of the callers.
const WINDOWS: usize = 6;

#[derive(Debug)]
struct Measured {
    success: f64,
    p99_ms: f64,
}

async fn demo(client: &Client, server: &Server) -> Value {
    client.get(&server.url("/api/v1/demo")).await.value()
}

/// What checkouts are like over a window. This is a measurement: time must pass for it.
async fn measure(client: &Client, server: &Server) -> Measured {
    let before = demo(client, server).await;
    tokio::time::sleep(WINDOW).await;
    let after = demo(client, server).await;
    let since = |field: &str| after[field].as_f64().unwrap() - before[field].as_f64().unwrap();
    assert!(since("checkouts") > 300.0, "too few checkouts to mean anything: {}", since("checkouts"));
    Measured { success: since("checkouts_ok") / since("checkouts"), p99_ms: after["checkout_p99_ms"].as_f64().unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_doubles_the_success_and_halves_the_wait_at_tenfold_load() {
    let _turn = alone().await;
    let server = Server::start_with(&["--demo"]).await;
    let client = Client::new();
    let running = async || (client.get(&server.url("/api/v1/demo")).await.status == StatusCode::OK).then_some(());
    eventually("the demo's switches", Duration::from_secs(20), running).await;
    let plugin = upload(&client, &server, guest("rule_goodput_guard")).await;
    assert_eq!(plugin.status, StatusCode::CREATED, "{}", plugin.text());
    let id = plugin.value()["id"].as_str().unwrap().to_owned();
    let switched = client.json(Method::PUT, &server.url("/api/v1/demo"), &json!({ "load": 10.0 })).await;
    assert_eq!(switched.status, StatusCode::OK, "{}", switched.text());

    tokio::time::sleep(SETTLE).await;
    let off = measure(&client, &server).await;
    set_mode(&client, &server, &id, "active").await;
    let mut windows = Vec::new();
    let helped = loop {
        let on = measure(&client, &server).await;
        let helps = on.success >= 2.0 * off.success && on.success > 0.15 && on.p99_ms <= off.p99_ms / 2.0;
        windows.push(on);
        if helps || windows.len() == WINDOWS {
            break helps;
        }
    };

    println!("checkout at tenfold load without the rule: {off:?}, then with it: {windows:?}");
    assert!(helped, "it neither doubled the success nor halved the wait of {off:?}: {windows:?}");
    let decisions = client.get(&server.url("/api/v1/decisions")).await.value();
    assert!(
        decisions["decisions"].as_array().unwrap().iter().any(|decision| decision["state"] == "in_force"),
        "{decisions}"
    );
}
