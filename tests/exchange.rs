//! What goes out of the store for good, and what goes from store to store.

use std::{path::Path, process::Output, time::Duration};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{
    Client, Server, eventually, holds,
    telemetry::{breaker, call, hex, named_call, otlp, trace_id},
};

/// What is to go.
const SECRET: &str = "Zq8#vK2!mX7@";
/// Far above what any of this takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a command of the program to its end.
async fn spillway(args: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_spillway"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SPILLWAY_")) {
        command.env_remove(name);
    }
    tokio::time::timeout(PATIENCE, command.args(args).kill_on_drop(true).output()).await.expect("it goes on").unwrap()
}

/// What it printed, when it ended well.
async fn succeeds(args: &[&str]) -> String {
    let output = spillway(args).await;
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn spans(client: &Client, server: &Server, number: u64) -> usize {
    let answer = client.get(&server.url(&format!("/api/v1/traces/{}", hex(&trace_id(number))))).await;
    if answer.status == StatusCode::NOT_FOUND { 0 } else { answer.value()["spans"].as_array().unwrap().len() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_from_a_running_server_is_gone_from_its_folder_and_does_not_come_back() {
    let (server, client) = (Server::start().await, Client::new());
    let requests: Vec<_> =
        (0..20).map(|number| if number % 4 == 0 { named_call(number, SECRET) } else { call(number) }).collect();
    for request in &requests {
        assert_eq!(client.send(otlp(&server.otlp_http, request)).await.status, StatusCode::OK);
    }
    assert!(!holds(server.data(), SECRET).is_empty(), "the test can see it");
    let filter = format!("user.id=\"{SECRET}\"");
    let args = ["erase", "--where", &filter, "--data-dir", server.data().to_str().unwrap(), "--url", &server.http];

    let counted = succeeds(&[&args[..], &["--dry-run"]].concat()).await;
    assert!(counted.contains("would erase 5 spans of 5 traces"), "{counted}");
    let erased = succeeds(&args).await;

    assert!(erased.contains("erased 5 spans of 5 traces") && erased.contains("not searched: backups"), "{erased}");
    assert_eq!(holds(server.data(), SECRET), Vec::<String>::new());
    // A sender that repeats its request is answered as before, and changes nothing.
    for (number, request) in requests.iter().enumerate() {
        assert_eq!(client.send(otlp(&server.otlp_http, request)).await.status, StatusCode::OK);
        assert_eq!(spans(&client, &server, number as u64).await, if number % 4 == 0 { 1 } else { 2 });
    }

    // The same from a folder that nobody has open.
    let (_, data) = server.stop().await;
    let whole = ["erase", "--where", "service=payments", "--traces", "--data-dir", data.path().to_str().unwrap()];
    let erased = succeeds(&whole).await;
    assert!(erased.contains("erased 35 spans of 20 traces"), "{erased}");
    // What is left is whole: checksums, summaries, filters, index.
    succeeds(&["check", "--data-dir", data.path().to_str().unwrap()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_erased_by_is_refused_with_the_place() {
    let (server, client) = (Server::start().await, Client::new());
    for (filter, words) in [("", "empty"), ("duration>", "expected"), ("status=teapot", "status")] {
        let answer = client.json(Method::POST, &server.url("/api/v1/erase"), &json!({ "where": filter })).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let detail = answer.value()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(words) && answer.value()["errors"][0]["pointer"] == "/where", "{detail}");
        let output = spillway(&["erase", "--where", filter, "--data-dir", server.data().to_str().unwrap()]).await;
        assert_eq!(output.status.code(), Some(64));
    }
    let missing = server.data().join("nothing");
    let output = spillway(&["erase", "--where", "service=a", "--data-dir", missing.to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(69));
    assert!(!missing.exists());
}

/// All of a server as the API shows it.
async fn everything(client: &Client, server: &Server, numbers: std::ops::Range<u64>) -> Vec<Value> {
    let mut all = Vec::new();
    for number in numbers {
        all.push(client.get(&server.url(&format!("/api/v1/traces/{}", hex(&trace_id(number))))).await.value());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_server_exports_another_imports_and_shows_alike_however_often() {
    let (server, other, client) = (Server::start().await, Server::start().await, Client::new());
    for number in 0..30 {
        assert_eq!(client.send(otlp(&server.otlp_http, &named_call(number, SECRET))).await.status, StatusCode::OK);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("traces.jsonl");
    let file = file.to_str().unwrap();
    let at = |server: &Server| {
        ["--data-dir".to_owned(), server.data().display().to_string(), "--url".into(), server.http.clone()]
    };
    let run = async |command: &[&str], place: [String; 4]| {
        let place: Vec<&str> = place.iter().map(String::as_str).collect();
        succeeds(&[command, &place].concat()).await
    };

    run(&["export", file], at(&server)).await;
    let lines = std::fs::read_to_string(file).unwrap();
    assert_eq!(lines.lines().count(), 30);
    for expected in ["60 spans stored, 0 known", "0 spans stored, 60 known"] {
        let said = run(&["import", file], at(&other)).await;
        assert!(said.contains(expected), "{said}");
    }

    // Also where they came by another way, so that no digest of a request tells.
    let said = run(&["import", file], at(&server)).await;
    assert!(said.contains("0 spans stored, 60 known"), "{said}");

    let expected = everything(&client, &server, 0..30).await;
    assert_eq!(everything(&client, &other, 0..30).await, expected);

    // And from folder to folder, with a filter, a time and gzip.
    let (_, data) = other.stop().await;
    let none =
        succeeds(&["export", "-", "--to", "2020-01-01T00:00:00Z", "--data-dir", data.path().to_str().unwrap()]).await;
    assert_eq!(none, "");
    let some = [
        "export",
        "-",
        "--where",
        "service=payments",
        "--from",
        "2020-01-01T00:00:00Z",
        "--data-dir",
        data.path().to_str().unwrap(),
    ];
    let exported = succeeds(&some).await;
    assert_eq!(exported.lines().count(), 30);
    let packed = folder.path().join("traces.jsonl.gz");
    let mut gzip = flate2::write::GzEncoder::new(std::fs::File::create(&packed).unwrap(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, exported.as_bytes()).unwrap();
    gzip.finish().unwrap();
    let third = Server::start().await;
    let (_, third) = third.stop().await;
    let args = ["import", packed.to_str().unwrap(), "--data-dir", third.path().to_str().unwrap()];
    assert!(succeeds(&args).await.contains("60 spans stored, 0 known"));
    assert!(succeeds(&args).await.contains("0 spans stored, 60 known"));
    let third = Server::start_in(third, &[]).await;
    assert_eq!(everything(&client, &third, 0..30).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_that_jaeger_saved_is_shown_with_all_that_it_says() {
    let (server, client) = (Server::start().await, Client::new());
    let saved = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/payloads/jaeger.json");
    let said = succeeds(&["import", saved, "--data-dir", server.data().to_str().unwrap(), "--url", &server.http]).await;
    assert!(said.contains("2 spans stored"), "{said}");

    let trace = client.get(&server.url("/api/v1/traces/00000000000000005af7183fb1d4cf5f")).await.value();

    let spans = trace["spans"].as_array().unwrap();
    let of = |name: &str| spans.iter().find(|span| span["name"] == name).unwrap();
    let (get, charge) = (of("GET /cart"), of("charge"));
    assert_eq!((&get["service"], &get["kind"], &get["status"]), (&json!("cart"), &json!("server"), &json!("error")));
    assert_eq!(charge["parent_span_id"], get["span_id"]);
    assert_eq!(charge["links"].as_array().unwrap().len(), 1);
    assert_eq!(get["events"][0]["name"], "retry");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_one_server_is_that_of_another_after_export_and_import() {
    // Sums are written at once; else a server holds them for ten seconds.
    let server = Server::start_with_variables(&[("SPILLWAY_TEST_COMPACT_AT_ONCE", "1")]).await;
    let client = Client::new();
    for number in 0..5 {
        assert_eq!(client.send(otlp(&server.otlp_http, &call(number))).await.status, StatusCode::OK);
    }
    let event = breaker("1", "open");
    assert_eq!(client.json(Method::POST, &server.url("/webhooks/spillway"), &event).await.status, StatusCode::OK);
    let folder = tempfile::tempdir().unwrap();
    let (file, again) = (folder.path().join("history.jsonl"), folder.path().join("again.jsonl"));
    let [file, again] = [&file, &again].map(|path| path.to_str().unwrap());
    let other = Server::start().await;
    let export = async |file: &str, dir: &Path| {
        succeeds(&["export", file, "--history", "--data-dir", dir.to_str().unwrap()]).await;
        std::fs::read_to_string(file).unwrap()
    };
    let kinds = |exported: &str, kind: &str| {
        let begin = format!("{{\"history\":\"{kind}\"");
        exported.lines().filter(|line| line.starts_with(&begin)).count()
    };
    // Beside the server that has it open.
    let written = async || {
        let exported = export(file, server.data()).await;
        (kinds(&exported, "rollup") >= 4).then_some(exported)
    };
    eventually("the sums on the disk", PATIENCE, written).await;
    let (_, data) = server.stop().await;
    let exported = export(file, data.path()).await;
    assert!(kinds(&exported, "rollup") >= 4 && kinds(&exported, "event") == 1, "{exported}");

    // Not beside a server, which holds the newest sums in memory.
    let url = other.http.clone();
    let import = ["import", file, "--data-dir", other.data().to_str().unwrap(), "--url", &url];
    let refused = spillway(&import).await;
    assert_eq!(refused.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("stop the server"), "{refused:?}");
    let (_, other) = other.stop().await;
    let import = ["import", file, "--data-dir", other.path().to_str().unwrap()];
    for expected in ["lines of history stored, 0 known", "0 lines of history stored"] {
        let said = succeeds(&import).await;
        assert!(said.contains(expected), "{said}");
    }
    assert_eq!(export(again, other.path()).await, exported);

    // And it is served.
    let other = Server::start_in(other, &[]).await;
    let events = client.get(&other.url("/api/v1/events")).await.value();
    assert_eq!(events["events"].as_array().unwrap().len(), 1, "{events}");
    let both = ["export", file, "--history", "--where", "service=a", "--data-dir", "x"];
    assert_eq!(spillway(&both).await.status.code(), Some(64));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_names_the_backups_that_may_still_hold_what_went() {
    let (server, client) = (Server::start().await, Client::new());
    let folder = tempfile::tempdir().unwrap();
    let backup = async |name: &str, dir: &Path| {
        let to = folder.path().join(name);
        succeeds(&["backup", to.to_str().unwrap(), "--data-dir", dir.to_str().unwrap()]).await;
    };
    backup("empty", server.data()).await;
    assert_eq!(client.send(otlp(&server.otlp_http, &named_call(1, SECRET))).await.status, StatusCode::OK);
    // Also beside the server that has it open.
    backup("first", server.data()).await;
    backup("second", server.data()).await;
    std::fs::remove_dir_all(folder.path().join("second")).unwrap();
    let filter = format!("user.id=\"{SECRET}\"");
    let args = ["erase", "--where", &filter, "--data-dir", server.data().to_str().unwrap(), "--url", &server.http];
    let names =
        |said: &str, name: &str| said.lines().find(|line| line.contains(&format!("/{name}, made "))).map(str::to_owned);

    let counted = succeeds(&[&args[..], &["--dry-run"]].concat()).await;
    let erased = succeeds(&args).await;

    for said in [&counted, &erased] {
        assert!(said.contains("these backups may still hold such spans"), "{said}");
        assert!(names(said, "first").is_some_and(|line| line.contains("spans up to") && !line.contains("not there")));
        assert!(names(said, "second").is_some_and(|line| line.ends_with("not there now")), "{said}");
        assert_eq!(names(said, "empty"), None, "{said}");
    }
    // What is gone is in no backup that is made now, and what was never there is in none.
    let counted = succeeds(&[&args[..], &["--dry-run"]].concat()).await;
    assert!(!counted.contains("these backups"), "{counted}");

    // The same from a folder that nobody has open.
    let (_, data) = server.stop().await;
    let directly = ["erase", "--where", "service=payments", "--data-dir", data.path().to_str().unwrap()];
    let erased = succeeds(&directly).await;
    assert!(names(&erased, "first").is_some() && names(&erased, "empty").is_none(), "{erased}");
}
