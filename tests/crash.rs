//! Power and process failures: what was acknowledged is there afterwards.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use http::{Method, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use crate::harness::{
    Client, Server, alone,
    clock::{now_ns, now_rfc3339},
    eventually, holds, shim,
    telemetry::{breaker, call, hex, named_call, otlp, trace_id},
};

/// The aim of the design: from start to the last listener.
const READY: Duration = Duration::from_secs(2);

/// What senders did, and what they were told.
#[derive(Default)]
struct Ledger {
    next: u64,
    /// Traces that were acknowledged.
    traces: Vec<u64>,
    /// Sent without an answer: their senders send them again, byte by byte the same.
    unanswered: Vec<(u64, ExportTraceServiceRequest)>,
    events: Vec<u64>,
}

/// A plain mutex: no await happens while it is held.
type Shared = Arc<Mutex<Ledger>>;

/// How many, and when: `SPILLWAY_KILLS` says how many, `SPILLWAY_KILLS_SEED` repeats a run.
fn kills() -> (u64, StdRng) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let (kills, seed) =
        (number("SPILLWAY_KILLS").unwrap_or(20), number("SPILLWAY_KILLS_SEED").unwrap_or_else(|| rand::rng().random()));
    println!("SPILLWAY_KILLS={kills} SPILLWAY_KILLS_SEED={seed}");
    (kills, StdRng::seed_from_u64(seed))
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_during_ingest_and_compaction_lose_nothing_that_was_acknowledged() {
    let _turn = alone().await;
    let (kills, mut rng) = kills();
    let (ledger, began_at) = (Shared::default(), now_rfc3339());
    let mut server = Server::start().await;
    let mut slowest = Duration::ZERO;
    for round in 0..kills {
        let senders: Vec<_> = (0..4)
            .map(|_| {
                let url = server.url("/webhooks/spillway");
                tokio::spawn(send_until_killed(ledger.clone(), url, server.otlp_http.clone()))
            })
            .collect();
        // The kill falls after a different number of acknowledgements each time, in the middle of whatever goes on then.
        let first_new = ledger.lock().unwrap().traces.len();
        let enough = first_new + rng.random_range(1..45);
        eventually("acknowledgements", Duration::from_secs(20), async || {
            (ledger.lock().unwrap().traces.len() >= enough).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_micros(rng.random_range(0..20_000))).await;
        let data = server.kill().await;
        for sender in senders {
            sender.await.unwrap();
        }
        // Half of the servers compact all that they have at once, and so are killed amid that; the others only add to the log.
        let compacting = [("SPILLWAY_TEST_COMPACT_AT_ONCE", "1")];
        let began = Instant::now();
        server = Server::start_in_with_variables(data, if round % 2 == 0 { &compacting } else { &[] }).await;
        slowest = slowest.max(began.elapsed());
        let new = ledger.lock().unwrap().traces[first_new..].to_vec();
        assert_whole(&server, &new).await;
    }

    let client = Client::new();
    let unanswered = std::mem::take(&mut ledger.lock().unwrap().unanswered);
    for (number, request) in unanswered {
        assert_eq!(client.send(otlp(&server.otlp_http, &request)).await.status, StatusCode::OK);
        ledger.lock().unwrap().traces.push(number);
    }
    let Ledger { traces, events, .. } = std::mem::take(&mut *ledger.lock().unwrap());
    let enough = 5 * kills as usize;
    assert!(
        traces.len() > enough && events.len() > enough,
        "too few to mean anything: {} and {}",
        traces.len(),
        events.len()
    );
    assert_whole(&server, &traces).await;
    let compacted = std::fs::read_dir(server.data().join("segments")).unwrap().count();
    assert!(compacted > 0, "no kill can have fallen into a compaction");
    let status = client.get(&server.url("/api/v1/status")).await.value();
    assert_eq!(status["spans_stored"], 2 * traces.len(), "spans are stored twice, though their requests were the same");
    assert_calls_counted(&server, traces.len(), &began_at).await;
    let stored = events_stored(&server).await;
    for number in &events {
        assert!(stored.contains(&format!("e-{number}")), "event {number} was acknowledged and is gone");
    }
    println!("{} traces and {} events over {kills} kills; slowest start {slowest:?}", traces.len(), events.len());
    assert!(slowest < READY, "a start after a kill took {slowest:?}");
}

/// Only kills that cut an erasure off count: the one that carried it out began after them.
#[tokio::test(flavor = "multi_thread")]
async fn kills_during_an_erasure_leave_nothing_of_it_and_all_of_the_rest() {
    /// Of these every second is for the one who is to be forgotten.
    const CALLS: u64 = 8;
    let _turn = alone().await;
    let (enough, mut rng) = kills();
    let client = Client::new();
    let mut server = Server::start().await;
    let (mut slowest, mut all, mut amid, mut erasures) = (Duration::ZERO, 0_u64, 0_u64, 0_u64);
    while amid < enough {
        assert!(erasures < 20 * enough, "{amid} of {all} kills fell into one of {erasures} erasures");
        let name = format!("Zq8#vK2!mX7@{erasures}.");
        let calls = erasures * CALLS..(erasures + 1) * CALLS;
        for number in calls.clone() {
            let request = if number % 2 == 0 { named_call(number, &name) } else { call(number) };
            assert_eq!(client.send(otlp(&server.otlp_http, &request)).await.status, StatusCode::OK);
        }
        assert!(!holds(server.data(), &name).is_empty(), "the test sees what is to go");
        let asked = serde_json::json!({ "where": format!("user.id=\"{name}\"") });
        let begun = client.json(Method::POST, &server.url("/api/v1/erase"), &asked).await;
        assert_eq!(begun.status, StatusCode::ACCEPTED, "{begun:?}");
        let path = format!("/api/v1/erase/{}", begun.value()["id"]);
        erasures += 1;

        let mut killed_at = Vec::new();
        for _ in 0..rng.random_range(1..3) {
            tokio::time::sleep(Duration::from_micros(rng.random_range(0..6_000))).await;
            let data = server.kill().await;
            killed_at.push(now_ns());
            // Half of the servers compact at once, so that the erasure goes through compacted files too.
            let compacting = [("SPILLWAY_TEST_COMPACT_AT_ONCE", "1")];
            let began = Instant::now();
            server = Server::start_in_with_variables(data, if all % 2 == 0 { &compacting } else { &[] }).await;
            slowest = slowest.max(began.elapsed());
            all += 1;
        }
        let state = eventually("the end of the erasure", Duration::from_secs(20), async || {
            let state = client.get(&server.url(&path)).await.value();
            (!state["done_at"].is_null()).then_some(state)
        })
        .await;
        assert_eq!(state["failure"], "");
        let done_at: spillway_api::Timestamp = serde_json::from_value(state["done_at"].clone()).unwrap();
        amid += killed_at.iter().filter(|killed| i64::try_from(**killed).unwrap() < done_at.unix_ns()).count() as u64;

        assert_eq!(holds(server.data(), &name), Vec::<String>::new());
        for number in calls {
            let answer = client.get(&server.url(&format!("/api/v1/traces/{}", hex(&trace_id(number))))).await;
            let left = if number % 2 == 0 { 1 } else { 2 };
            assert_eq!(answer.value()["spans"].as_array().map_or(0, Vec::len), left, "trace {number}");
        }
    }
    println!("{amid} of {all} kills fell into one of {erasures} erasures; slowest start {slowest:?}");
    assert!(slowest < READY, "a start after a kill took {slowest:?}");
}

/// Sends what has no answer yet, then more and more, a trace and an event at a time.
async fn send_until_killed(ledger: Shared, url: String, otlp_url: String) {
    let client = Client::new();
    loop {
        let (number, request) = {
            let mut ledger = ledger.lock().unwrap();
            ledger.unanswered.pop().unwrap_or_else(|| {
                ledger.next += 1;
                (ledger.next, call(ledger.next))
            })
        };
        // A killed server refuses the connection or breaks the answer off: neither is an acknowledgement.
        let Some(answer) = client.try_send(otlp(&otlp_url, &request)).await else {
            ledger.lock().unwrap().unanswered.push((number, request));
            return;
        };
        assert_eq!(answer.status, StatusCode::OK);
        ledger.lock().unwrap().traces.push(number);
        let event = breaker(&format!("e-{number}"), "open");
        let Some(answer) = client.try_json(Method::POST, &url, &event).await else { return };
        assert_eq!(answer.status, StatusCode::OK);
        ledger.lock().unwrap().events.push(number);
    }
}

/// Each trace has its two spans, each of them once.
async fn assert_whole(server: &Server, traces: &[u64]) {
    let client = Client::new();
    for number in traces {
        let answer = client.get(&server.url(&format!("/api/v1/traces/{}", hex(&trace_id(*number))))).await;
        assert_eq!(answer.status, StatusCode::OK, "trace {number} was acknowledged and is gone");
        assert_eq!(answer.value()["spans"].as_array().unwrap().len(), 2, "trace {number} is not whole");
    }
}

/// The rollups count each call once.
async fn assert_calls_counted(server: &Server, calls: usize, from: &str) {
    let client = Client::new();
    let url = format!("/api/v1/services/series?node=service%3Atest%2Fshop%2Fpayments&step_s=10&from={from}");
    let mut counted = 0;
    let deadline = Instant::now() + Duration::from_secs(20);
    while counted != calls {
        assert!(Instant::now() < deadline, "{counted} of {calls} calls are in the rollups");
        tokio::time::sleep(Duration::from_millis(50)).await;
        let series = client.get(&server.url(&url)).await.value();
        let rates = series["points"].as_array().unwrap().iter().filter_map(|point| point["rate"].as_f64());
        counted = (rates.sum::<f64>() * 10.0).round() as usize;
    }
}

/// The ids of all events.
pub async fn events_stored(server: &Server) -> BTreeSet<String> {
    let client = Client::new();
    let mut stored = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&server.url(&format!("/api/v1/events?limit=1000{cursor}"))).await.value();
        let records = page["events"].as_array().unwrap();
        stored.extend(records.iter().map(|record| record["event"]["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { return stored };
        cursor = format!("&cursor={next}");
    }
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
    let (shim, log) = (shim::compile("slow_sync", folder.path()), folder.path().join("syncs"));
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
