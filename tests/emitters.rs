//! Real senders: OpenTelemetry SDKs of Python and Node.js, what they sent is asked for and compared.
//!
//! Their packages are installed once, beside the build. Where a language is missing the test says so, in one line; in CI it fails.

use std::{
    path::PathBuf,
    process::{Command, Output},
    time::Duration,
};

use serde_json::{Value, json};

use crate::harness::{Client, Server, eventually, runtimes};

/// What a Python service installs to send by OTLP/HTTP.
const PACKAGES: [&str; 2] = ["opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"];

const PYTHON: &str = include_str!("emitters/emit.py");
const NODE: &str = include_str!("emitters/node/emit.js");
const NODE_PACKAGES: &str = include_str!("emitters/node/package.json");

/// A Python with the SDK, made once; `None` where there is no Python.
fn python() -> Option<PathBuf> {
    runtimes::python("python-sdk", &PACKAGES)
}

/// A folder with the program and the packages that it needs, made once; `None` where there is no Node.js with npm.
fn node() -> Option<PathBuf> {
    let folder = runtimes::node("node-sdk", NODE_PACKAGES)?;
    std::fs::write(folder.join("emit.js"), NODE).unwrap();
    Some(folder)
}

fn succeeded(run: &Output) {
    assert!(run.status.success(), "{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
}

/// The spans of all traces of a service, as `service kind name`, sorted, with how many of each.
async fn spans(client: &Client, server: &Server, service: &str) -> Vec<(String, usize)> {
    let list = client.get(&server.url(&format!("/api/v1/traces?service={service}&limit=100"))).await.value();
    let mut found = std::collections::BTreeMap::new();
    for trace in list["traces"].as_array().unwrap() {
        let trace =
            client.get(&server.url(&format!("/api/v1/traces/{}", trace["trace_id"].as_str().unwrap()))).await.value();
        for span in trace["spans"].as_array().unwrap() {
            let text = |key: &str| span[key].as_str().unwrap().to_owned();
            *found.entry(format!("{} {} {}", text("service"), text("kind"), text("name"))).or_default() += 1;
        }
    }
    found.into_iter().collect()
}

/// The newest breaker event of a service: its target and state.
async fn breaker(client: &Client, server: &Server, service: &str) -> (Value, Value) {
    let events = client.get(&server.url(&format!("/api/v1/events?kind=breaker&service={service}"))).await.value();
    let events = events["events"].as_array().unwrap();
    assert_eq!(events.len(), 1, "{events:?}");
    (events[0]["event"]["target"].clone(), events[0]["event"]["state"].clone())
}

/// Names of series and whether they are used.
async fn series(client: &Client, server: &Server) -> Vec<(String, bool)> {
    let list = client.get(&server.url("/api/v1/metric-series")).await.value();
    let mut series: Vec<_> = list["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["name"].as_str().unwrap().to_owned(), row["used"].as_bool().unwrap()))
        .collect();
    series.sort();
    series
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_service_with_default_settings_shows_up_on_the_map() {
    let Some(python) = runtimes::off(python).await else { return runtimes::skipped("python3 with venv") };
    // The port that SDKs send to when nobody says otherwise.
    let server = Server::start_with(&["--otlp-http", "127.0.0.1:4318"]).await;
    let client = Client::new();

    let sent = runtimes::off(move || {
        let mut python = Command::new(python);
        python.args(["-c", PYTHON]).env("OTEL_SERVICE_NAME", "hello-python").env_remove("OTEL_EXPORTER_OTLP_ENDPOINT");
        python.output().unwrap()
    });
    succeeded(&sent.await);

    let found = spans(&client, &server, "hello-python").await;
    assert_eq!(
        found,
        [("hello-python client SELECT".to_owned(), 20), ("hello-python server GET /hello".to_owned(), 20)]
    );
    assert_eq!(breaker(&client, &server, "hello-python").await, (json!("greetings"), json!("open")));
    let known = series(&client, &server).await;
    for expected in [("greetings.sent", false), ("http.server.request.duration", false), ("pybreaker_state", true)] {
        assert!(known.contains(&(expected.0.to_owned(), expected.1)), "{expected:?} is not in {known:?}");
    }
    let shown = async || {
        let map = client.get(&server.url("/api/v1/topology")).await.value();
        let has = |list: &str, test: &dyn Fn(&Value) -> bool| {
            map[list].as_array().is_some_and(|items| items.iter().any(test))
        };
        let service = has("nodes", &|node| {
            node["name"] == "hello-python"
                && node["kind"] == "service"
                && node["rate"].as_f64().is_some_and(|rate| rate > 0.0)
        });
        let database = has("edges", &|edge| {
            edge["source"].as_str().is_some_and(|id| id.ends_with("hello-python")) && edge["protocol"] == "database"
        });
        (service && database).then_some(())
    };
    eventually("the service and its database on the map", Duration::from_secs(15), shown).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_service_is_read_back_as_it_was_sent_by_otlp_json_and_by_zipkin() {
    let Some(folder) = runtimes::off(node).await else { return runtimes::skipped("node with npm") };
    let (server, client) = (Server::start().await, Client::new());

    let (otlp, zipkin) = (server.otlp_http.clone(), format!("{}/api/v2/spans", server.zipkin));
    let sent = runtimes::off(move || {
        let mut node = Command::new("node");
        node.arg("emit.js").current_dir(folder);
        node.env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp).env("OTEL_EXPORTER_ZIPKIN_ENDPOINT", zipkin).output().unwrap()
    });
    succeeded(&sent.await);

    for service in ["hello-node", "hello-node-zipkin"] {
        let found = spans(&client, &server, service).await;
        assert_eq!(found, [(format!("{service} client POST"), 20), (format!("{service} server GET /hello"), 20)]);
        let failed = client.get(&server.url(&format!("/api/v1/traces?service={service}&status=error"))).await.value();
        let failed = failed["traces"].as_array().unwrap();
        assert_eq!(failed.len(), 1, "{failed:?}");
        let trace = client
            .get(&server.url(&format!("/api/v1/traces/{}", failed[0]["trace_id"].as_str().unwrap())))
            .await
            .value();
        let client_span = trace["spans"].as_array().unwrap().iter().find(|span| span["kind"] == "client").unwrap();
        assert_eq!(client_span["status_message"], "no answer", "{client_span}");
        assert!(
            client_span["parent_span_id"].is_string() && client_span["events"].as_array().unwrap().len() == 1,
            "{client_span}"
        );
    }
    assert_eq!(breaker(&client, &server, "hello-node").await, (json!("greetings"), json!("half_open")));
    let known = series(&client, &server).await;
    for expected in
        [("circuit_breaker_state", true), ("greetings.sent", false), ("http.server.request.duration", false)]
    {
        assert!(known.contains(&(expected.0.to_owned(), expected.1)), "{expected:?} is not in {known:?}");
    }
}
