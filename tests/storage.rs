//! What an operator does with the data: copy it while it is written, put a copy back, look for damage.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{Method, StatusCode};
use tokio::process::Command;

use crate::harness::{
    Client, Server, alone, eventually,
    telemetry::{call, hex, otlp, trace_id},
};

/// Code, standard output and standard error of `spillway` with these arguments.
async fn spillway(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spillway"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SPILLWAY_")) {
        command.env_remove(name);
    }
    let running = command.args(args).kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(60), running).await.expect("it goes on").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_during_ingest_is_restored_with_every_acknowledged_span() {
    let _turn = alone().await;
    let server = Server::start().await;
    let acknowledged = Arc::new(AtomicU64::new(0));
    let sender = tokio::spawn({
        let (acknowledged, url) = (acknowledged.clone(), server.otlp_http.clone());
        async move {
            let client = Client::new();
            for number in 0.. {
                let Some(answer) = client.try_send(otlp(&url, &call(number))).await else { return };
                assert_eq!(answer.status, StatusCode::OK);
                acknowledged.store(number + 1, Ordering::SeqCst);
            }
        }
    });
    let sent = async |count: u64| {
        let enough = async || (acknowledged.load(Ordering::SeqCst) >= count).then_some(());
        eventually("acknowledgements", Duration::from_secs(20), enough).await;
    };
    sent(50).await;
    let folder = tempfile::tempdir().unwrap();
    let (backup, restored) = (folder.path().join("backup"), tempfile::tempdir().unwrap());

    let before = acknowledged.load(Ordering::SeqCst);
    let (code, stdout, stderr) = spillway(&["backup", text(&backup), "--data-dir", text(server.data())]).await;
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    let after = acknowledged.load(Ordering::SeqCst);
    sent(after + 20).await;
    let (code, stdout, stderr) = spillway(&["check", "--data-dir", text(server.data())]).await;
    assert!(code == Some(0) && stdout.contains("all as it should be"), "{stdout}{stderr}");
    drop(server.kill().await);
    sender.await.unwrap();

    let into = ["restore", text(&backup), "--data-dir", text(restored.path())];
    let (code, stdout, stderr) = spillway(&into).await;
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    let (code, _, stderr) = spillway(&into).await;
    assert!(code == Some(69) && stderr.contains("--force"), "{stderr}");
    let (code, stdout, stderr) = spillway(&["check", "--data-dir", text(restored.path())]).await;
    assert!(code == Some(0) && stdout.contains("all as it should be"), "{stdout}{stderr}");

    let (server, client) = (Server::start_in(restored, &[]).await, Client::new());
    for number in 0..before {
        let answer = client.get(&server.url(&format!("/api/v1/traces/{}", hex(&trace_id(number))))).await;
        assert_eq!(answer.status, StatusCode::OK, "trace {number} of {before} is not in the backup");
        assert_eq!(answer.value()["spans"].as_array().unwrap().len(), 2, "trace {number} is not whole");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_is_found_by_a_check_and_refused_by_a_restore() {
    let (server, client) = (Server::start().await, Client::new());
    for number in 0..40 {
        assert_eq!(client.send(otlp(&server.otlp_http, &call(number))).await.status, StatusCode::OK);
    }
    let (_, data) = server.stop().await;
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    let (code, _, stderr) = spillway(&["backup", text(&backup), "--data-dir", text(data.path())]).await;
    assert_eq!(code, Some(0), "{stderr}");

    let restored = tempfile::tempdir().unwrap();
    let into = ["restore", text(&backup), "--data-dir", text(restored.path()), "--force"];
    let (code, _, stderr) = spillway(&into).await;
    assert_eq!(code, Some(0), "{stderr}");

    for dir in [restored.path(), &backup] {
        let path = dir.join("fresh/000001.db");
        let mut bytes = std::fs::read(&path).unwrap();
        // The magic number of a block stands in front of its checksummed bytes. All of them, since some may be copies that SQLite left behind.
        let blocks: Vec<usize> = (0..bytes.len() - 60).filter(|&at| bytes[at..].starts_with(b"SPWB")).collect();
        blocks.iter().for_each(|block| bytes[block + 60] ^= 1);
        std::fs::write(&path, bytes).unwrap();
        let (code, stdout, stderr) = spillway(&["check", "--data-dir", text(dir)]).await;
        assert_eq!(code, Some(65), "{stdout}{stderr}");
        let named = stdout.lines().any(|line| line.starts_with("fresh/000001.db block ") && line.contains("checksum"));
        assert!(named, "{stdout}");
    }

    let (code, _, stderr) = spillway(&into).await;
    assert!(code == Some(65) && stderr.contains("fresh/000001.db"), "{stderr}");
    assert!(restored.path().join("fresh/000001.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_is_pinned_with_a_note_listed_and_let_go() {
    let (server, client) = (Server::start().await, Client::new());
    assert_eq!(client.send(otlp(&server.otlp_http, &call(1))).await.status, StatusCode::OK);
    let url = |number: u64| server.url(&format!("/api/v1/traces/{}/pin", hex(&trace_id(number))));
    let pins = async || client.get(&server.url("/api/v1/pins")).await.value()["pins"].as_array().unwrap().clone();
    let note = serde_json::json!({ "note": "the outage of Monday" });

    assert_eq!(client.json(Method::POST, &url(2), &note).await.status, StatusCode::NOT_FOUND);
    let long = serde_json::json!({ "note": "a".repeat(1_001) });
    assert_eq!(client.json(Method::POST, &url(1), &long).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(client.json(Method::POST, &url(1), &note).await.status, StatusCode::OK);

    let pinned = pins().await;
    assert_eq!(pinned.len(), 1);
    assert_eq!(client.get(&server.url("/api/v1/pins")).await.value()["most"], 1_000);
    assert_eq!((&pinned[0]["trace_id"], &pinned[0]["note"]), (&hex(&trace_id(1)).into(), &note["note"]));
    assert_eq!(client.json(Method::DELETE, &url(1), &note).await.status, StatusCode::NO_CONTENT);
    assert_eq!(client.json(Method::DELETE, &url(1), &note).await.status, StatusCode::NOT_FOUND);
    assert!(pins().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_space_goes_is_told_by_part_and_by_service() {
    let (server, client) = (Server::start().await, Client::new());
    for number in 0..10 {
        assert_eq!(client.send(otlp(&server.otlp_http, &call(number))).await.status, StatusCode::OK);
    }

    let told = client.get(&server.url("/api/v1/storage")).await.value();

    let bytes = |key: &str| told[key].as_u64().unwrap_or_else(|| panic!("no {key} in {told}"));
    let parts = ["log_bytes", "compacted_bytes", "history_bytes", "control_bytes"].map(bytes);
    assert_eq!((bytes("spans"), bytes("bytes")), (20, parts.iter().sum()));
    assert!(parts[0] > 0 && bytes("disk_free_bytes") > 0 && bytes("retention_s") == 7 * 86_400);
    assert!(told["oldest_at"].as_str().unwrap() < told["newest_at"].as_str().unwrap());
    // Nothing was measured for a minute yet, and nothing is claimed.
    assert!(told["measured_s"].is_null() && told["spans_per_s"].is_null() && told["forecast"].is_null(), "{told}");
    let services = told["services"].as_array().unwrap();
    let names: Vec<&str> = services.iter().map(|of| of["service"].as_str().unwrap()).collect();
    assert_eq!(names, ["checkout", "payments"]);
    assert!(services.iter().all(|of| of["share"] == 0.5 && of["environment"] == "test"), "{told}");
}
