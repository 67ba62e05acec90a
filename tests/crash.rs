//! Power and process failures: what was acknowledged is there afterwards.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use http::{Method, StatusCode};

use crate::harness::{
    Client, Server, alone,
    clock::now_ns,
    telemetry::{breaker, call, hex, otlp, trace_id},
};

/// The aim of the design: from start to the last listener.
const READY: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_during_ingest_lose_nothing_that_was_acknowledged() {
    let _turn = alone().await;
    let acknowledged: Arc<Mutex<(Vec<u64>, Vec<String>)>> = Arc::default();
    let mut server = Server::start().await;
    let mut next = 0;
    let mut slowest = Duration::ZERO;
    for round in 0..20u64 {
        let senders: Vec<_> = (0..4u64)
            .map(|sender| {
                let (acknowledged, url, otlp_url) =
                    (acknowledged.clone(), server.url("/webhooks/spillway"), server.otlp_http.clone());
                let first = next + sender * 1_000_000;
                tokio::spawn(async move {
                    let client = Client::new();
                    for number in first.. {
                        // A killed server refuses the connection or breaks the answer off: neither is an acknowledgement.
                        let Some(answer) = client.try_send(otlp(&otlp_url, &call(number))).await else { return };
                        assert_eq!(answer.status, StatusCode::OK);
                        acknowledged.lock().unwrap().0.push(number);
                        let id = format!("e-{number}");
                        let Some(answer) = client.try_json(Method::POST, &url, &breaker(&id, "open")).await else {
                            return;
                        };
                        assert_eq!(answer.status, StatusCode::OK);
                        acknowledged.lock().unwrap().1.push(id);
                    }
                })
            })
            .collect();
        let before = acknowledged.lock().unwrap().0.len();
        // The kill falls after a different number of acknowledgements each time, in the middle of whatever goes on then.
        let enough = before + 5 + (round as usize * 7) % 40;
        crate::harness::eventually("acknowledgements", Duration::from_secs(20), async || {
            (acknowledged.lock().unwrap().0.len() >= enough).then_some(())
        })
        .await;
        let data = server.kill().await;
        for sender in senders {
            sender.await.unwrap();
        }
        next += 10_000_000;
        let began = Instant::now();
        server = Server::start_in(data, &[]).await;
        slowest = slowest.max(began.elapsed());
    }

    let client = Client::new();
    let (traces, events) = acknowledged.lock().unwrap().clone();
    assert!(
        traces.len() > 200 && events.len() > 100,
        "too few to mean anything: {} and {}",
        traces.len(),
        events.len()
    );
    for number in &traces {
        let answer = client.get(&server.url(&format!("/api/v1/traces/{}", hex(&trace_id(*number))))).await;
        assert_eq!(answer.status, StatusCode::OK, "trace {number} was acknowledged and is gone");
        assert_eq!(answer.value()["spans"].as_array().unwrap().len(), 2, "trace {number} is not whole");
    }
    let mut stored = std::collections::BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&server.url(&format!("/api/v1/events?limit=1000{cursor}"))).await.value();
        stored.extend(
            page["events"].as_array().unwrap().iter().map(|record| record["event"]["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    for id in &events {
        assert!(stored.contains(id), "event {id} was acknowledged and is gone");
    }
    assert!(slowest < READY, "a start after a kill took {slowest:?}");
}

/// A kill does not test durability: the page cache survives it. So each sync is slowed down by 200 ms and counted, and an
/// acknowledgement must come after one.
#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_waits_for_the_sync() {
    let _turn = alone().await;
    assert_eq!(acks_before_sync(&[]).await, 0, "an acknowledgement came before its data was synced");
    // Negative controls: the test would notice both ways of breaking the promise.
    assert!(acks_before_sync(&[("SPILLWAY_TEST_ACK_EARLY", "1")]).await > 0, "an early acknowledgement went unnoticed");
    assert!(acks_before_sync(&[("SPILLWAY_TEST_SYNCHRONOUS_OFF", "1")]).await > 0, "a missing sync went unnoticed");
}

/// How many of some acknowledgements came without a sync that began after the request was sent and ended before the answer.
async fn acks_before_sync(variables: &[(&str, &str)]) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let (shim, log) = (shim(folder.path()), folder.path().join("syncs"));
    std::fs::write(&log, "").unwrap();
    let mut variables = variables.to_vec();
    variables.extend([("LD_PRELOAD", shim.to_str().unwrap()), ("SLOW_SYNC_LOG", log.to_str().unwrap())]);
    let server = Server::start_with_variables(&variables).await;
    let client = Client::new();
    let mut early = 0;
    for number in 0..5 {
        for event in [false, true] {
            let sent = now_ns();
            let answer = if event {
                client
                    .json(Method::POST, &server.url("/webhooks/spillway"), &breaker(&format!("e{number}"), "open"))
                    .await
            } else {
                client.send(otlp(&server.otlp_http, &call(number))).await
            };
            assert_eq!(answer.status, StatusCode::OK);
            let answered = now_ns();
            let synced = std::fs::read_to_string(&log).unwrap().lines().any(|line| {
                let (began, ended) = line.split_once(' ').unwrap();
                began.parse::<u64>().unwrap() >= sent && ended.parse::<u64>().unwrap() <= answered
            });
            early += usize::from(!synced);
        }
    }
    early
}

/// Compiles the library that slows syncs down.
fn shim(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/shim/slow_sync.c");
    let library = folder.join("slow_sync.so");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let status = Command::new(compiler)
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(source)
        .arg("-ldl")
        .status()
        .unwrap();
    assert!(status.success(), "cannot compile the shim");
    library
}
