//! The whole loop: overload, a rule, decisions, enforcement, and its effect on those who wait for an answer.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    author::{guest, set_mode, upload},
    harness::{Client, Server, alone, eventually},
};

/// Long enough for the queue to fill, the retries to storm and the breakers to open; and for the rule to find its level.
const SETTLE: Duration = Duration::from_secs(20);
/// Long enough for a thousand checkouts at tenfold load.
const MEASURE: Duration = Duration::from_secs(20);

struct Measured {
    success: f64,
    p99_ms: f64,
}

async fn demo(client: &Client, server: &Server) -> Value {
    client.get(&server.url("/api/v1/demo")).await.value()
}

/// What checkouts are like over a while. This is a measurement: time must pass for it.
async fn measure(client: &Client, server: &Server) -> Measured {
    tokio::time::sleep(SETTLE).await;
    let before = demo(client, server).await;
    tokio::time::sleep(MEASURE).await;
    let after = demo(client, server).await;
    let since = |field: &str| after[field].as_f64().unwrap() - before[field].as_f64().unwrap();
    assert!(since("checkouts") > 500.0, "too few checkouts to mean anything: {}", since("checkouts"));
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

    let off = measure(&client, &server).await;
    set_mode(&client, &server, &id, "active").await;
    let on = measure(&client, &server).await;

    println!(
        "checkout at tenfold load: success {:.1} % -> {:.1} %, p99 {:.0} ms -> {:.0} ms",
        off.success * 100.0,
        on.success * 100.0,
        off.p99_ms,
        on.p99_ms
    );
    let decisions = client.get(&server.url("/api/v1/decisions")).await.value();
    assert!(
        decisions["decisions"].as_array().unwrap().iter().any(|decision| decision["state"] == "in_force"),
        "{decisions}"
    );
    assert!(on.success >= 2.0 * off.success, "success only went from {:.3} to {:.3}", off.success, on.success);
    assert!(on.success > 0.15, "success is still {:.3}", on.success);
    assert!(on.p99_ms <= off.p99_ms / 2.0, "p99 only went from {:.0} to {:.0} ms", off.p99_ms, on.p99_ms);
}
