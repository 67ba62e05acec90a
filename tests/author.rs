//! What the author of a rule sees: uploads, refusals, and that a hostile rule harms nobody.

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::harness::{
    Client, Server, eventually,
    telemetry::{call, otlp},
};

/// The WebAssembly that the tasks built.
pub fn guest(name: &str) -> Bytes {
    let folder = std::env::var_os("SPILLWAY_GUESTS")
        .expect("set SPILLWAY_GUESTS: run `cargo xtask test`, or `cargo xtask guests`");
    let path = PathBuf::from(folder).join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
}

pub async fn upload(client: &Client, server: &Server, wasm: Bytes) -> crate::harness::Answer {
    let request = Request::post(server.url("/api/v1/plugins"))
        .header(header::CONTENT_TYPE, "application/wasm")
        .body(wasm)
        .unwrap();
    client.send(request).await
}

pub async fn set_mode(client: &Client, server: &Server, id: &str, mode: &str) -> Value {
    let answer =
        client.json(Method::PUT, &server.url(&format!("/api/v1/plugins/{id}/mode")), &json!({ "mode": mode })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.value()
}

async fn plugin(client: &Client, server: &Server, id: &str) -> Value {
    let list = client.get(&server.url("/api/v1/plugins")).await.value();
    list["plugins"]
        .as_array()
        .unwrap()
        .iter()
        .find(|plugin| plugin["id"] == id)
        .unwrap_or_else(|| panic!("{id} is not in {list}"))
        .clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_described_runs_in_shadow_and_survives_a_restart() {
    let (server, client) = (Server::start().await, Client::new());

    let answer = upload(&client, &server, guest("rule_goodput_guard")).await;

    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let uploaded = answer.value();
    assert_eq!(
        (&uploaded["name"], &uploaded["mode"], &uploaded["origin"]),
        (&json!("goodput-guard"), &json!("off"), &json!("uploaded")),
        "{uploaded}"
    );
    let id = uploaded["id"].as_str().unwrap().to_owned();
    let again = upload(&client, &server, guest("rule_goodput_guard")).await;
    assert!(again.status.is_success() && again.value()["id"] == id.as_str(), "{}", again.text());
    set_mode(&client, &server, &id, "shadow").await;

    let (_, data) = server.stop().await;
    let server = Server::start_in(data, &[]).await;

    assert_eq!(plugin(&client, &server, &id).await["mode"], "shadow");
    let ran = async || (plugin(&client, &server, &id).await["last_outcome"]["outcome"] == "proposed").then_some(());
    eventually("a tick of the rule", Duration::from_secs(10), ran).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_upload_says_exactly_why() {
    let (server, client) = (Server::start().await, Client::new());
    let refusal = async |wasm: Bytes| {
        let answer = upload(&client, &server, wasm).await;
        assert!(answer.status.is_client_error(), "{}: {}", answer.status, answer.text());
        assert_eq!(answer.header("content-type"), "application/problem+json");
        answer.value()["detail"].as_str().unwrap().to_owned()
    };

    assert!(refusal(Bytes::from_static(b"hello")).await.to_lowercase().contains("webassembly"));
    assert!(refusal(Bytes::from_static(b"\x7fELF\x02\x01\x01")).await.to_lowercase().contains("precompiled"));
    let import = refusal(guest("fixture_wrong_import")).await;
    assert!(import.contains("import"), "{import}");
    let list = client.get(&server.url("/api/v1/plugins")).await.value();
    assert!(list["plugins"].as_array().unwrap().iter().all(|plugin| plugin["origin"] == "builtin"), "{list}");
}

/// The fixtures behave until they see a service, so that they pass the self-test that keeps crude ones out.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_rules_are_contained_while_ingest_and_the_interface_go_on() {
    let (server, client) = (Server::start().await, Client::new());
    let expected = [
        ("fixture_endless_loop", ["out_of_fuel", "timed_out"].as_slice()),
        ("fixture_memory_hog", &["out_of_memory", "trapped"]),
        ("fixture_trap", &["trapped"]),
        ("fixture_huge_output", &["malformed", "out_of_fuel", "out_of_memory"]),
        ("fixture_log_flood", &["proposed", "refused"]),
    ];
    let mut running = Vec::new();
    for (name, outcomes) in expected {
        let answer = upload(&client, &server, guest(name)).await;
        if answer.status.is_client_error() {
            // Refused at the door is contained too, if it says why.
            assert!(!answer.value()["detail"].as_str().unwrap().is_empty());
            println!("{name} was refused: {}", answer.value()["detail"]);
            continue;
        }
        let id = answer.value()["id"].as_str().unwrap().to_owned();
        set_mode(&client, &server, &id, "active").await;
        running.push((name, id, outcomes));
    }

    for number in 0..40 {
        let began = std::time::Instant::now();
        assert_eq!(client.send(otlp(&server.otlp_http, &call(number))).await.status, StatusCode::OK);
        assert_eq!(client.get(&server.url("/api/v1/topology")).await.status, StatusCode::OK);
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "ingest and reading took {:?} beside hostile rules",
            began.elapsed()
        );
    }
    for (name, id, outcomes) in &running {
        let ended = async || {
            let outcome = plugin(&client, &server, id).await["last_outcome"]["outcome"].as_str()?.to_owned();
            outcomes.contains(&outcome.as_str()).then_some(())
        };
        eventually(&format!("{name} ends as one of {outcomes:?}"), Duration::from_secs(20), ended).await;
    }
    let traps = running.iter().filter(|(name, _, _)| *name != "fixture_log_flood");
    for (name, id, _) in traps {
        let opened = async || (plugin(&client, &server, id).await["breaker"]["state"] != "closed").then_some(());
        eventually(&format!("the breaker of {name} opens"), Duration::from_secs(20), opened).await;
    }
    assert_eq!(client.get(&server.url("/readyz")).await.status, StatusCode::OK);
}
