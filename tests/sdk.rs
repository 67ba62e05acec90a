//! OpenTelemetry SDKs with default settings, pointed nowhere: they must show up on the map.

use std::{path::PathBuf, process::Command, time::Duration};

use serde_json::Value;

use crate::harness::{Client, Server, eventually};

/// What a Python service installs to send spans by OTLP/HTTP.
const PACKAGES: [&str; 2] = ["opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"];

const PROGRAM: &str = r#"
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
tracer = trace.get_tracer("test")
for _ in range(20):
    with tracer.start_as_current_span("GET /hello", kind=trace.SpanKind.SERVER, attributes={"http.request.method": "GET", "http.route": "/hello"}):
        with tracer.start_as_current_span("SELECT", kind=trace.SpanKind.CLIENT, attributes={"db.system": "postgresql", "db.name": "greetings"}):
            pass
trace.get_tracer_provider().shutdown()
"#;

/// A Python with the SDK, made once and kept beside the build.
fn python() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("python-sdk");
    let python = folder.join("bin/python");
    let has_sdk = |python: &PathBuf| {
        Command::new(python)
            .args(["-c", "import opentelemetry.exporter.otlp.proto.http"])
            .output()
            .is_ok_and(|run| run.status.success())
    };
    if has_sdk(&python) {
        return Some(python);
    }
    let made = Command::new("python3").args(["-m", "venv"]).arg(&folder).status().is_ok_and(|status| status.success());
    if !made {
        return None;
    }
    let installed = Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(PACKAGES)
        .status()
        .unwrap();
    assert!(installed.success(), "pip could not install {PACKAGES:?}");
    assert!(has_sdk(&python));
    Some(python)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_service_with_default_settings_shows_up_on_the_map() {
    let Some(python) = tokio::task::spawn_blocking(python).await.unwrap() else {
        // Elsewhere a missing Python must not fail everybody's test run; in CI it must.
        assert!(std::env::var_os("CI").is_none(), "CI must have python3 with venv");
        println!("\n*** SKIPPED: no python3 with venv on this machine, the Python SDK was not tested ***\n");
        return;
    };
    // The port that SDKs send to when nobody says otherwise.
    let server = Server::start_with(&["--otlp-http", "127.0.0.1:4318"]).await;
    let client = Client::new();

    let sent = tokio::task::spawn_blocking(move || {
        Command::new(python)
            .args(["-c", PROGRAM])
            .env("OTEL_SERVICE_NAME", "hello-python")
            .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
            .output()
            .unwrap()
    });
    let sent = sent.await.unwrap();
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));

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
