//! The real program on a fresh data directory.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::process;

/// A client with its own connections.
pub type Http = Client<HttpConnector, Full<Bytes>>;

/// A client with its own connections.
pub fn client() -> Http {
    let mut connector = HttpConnector::new();
    // Without it a small request waits for the acknowledgement of the packet before.
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    http: Http,
    /// `http://host:port` of interface and API.
    pub api: String,
    /// The same of OTLP/HTTP.
    pub otlp: String,
    pub started: Duration,
    data: tempfile::TempDir,
}

impl Server {
    /// Starts it with its data below `work`.
    pub fn start(binary: &Path, work: &Path) -> Self {
        let data = tempfile::tempdir_in(work).unwrap();
        let began = Instant::now();
        let mut child = Command::new(binary)
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--otlp-http",
                "127.0.0.1:0",
                "--otlp-grpc",
                "off",
                "--zipkin",
                "off",
            ])
            .args(["--log-filter", "warn", "--data-dir"])
            .arg(data.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", binary.display()));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |name: &str| {
            let line = lines.next().expect("the server ended before it listened").unwrap();
            line.strip_prefix(&format!("listening {name} ")).unwrap_or_else(|| panic!("unexpected: {line}")).to_owned()
        };
        let (api, otlp) = (address("http"), address("otlp-http"));
        Self { child, http: client(), api, otlp, started: began.elapsed(), data }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    pub fn cpu_s(&self) -> f64 {
        process::cpu_s(self.pid())
    }

    /// A page of the API: status, body, and milliseconds until its last byte was here.
    pub async fn get(&self, path: &str) -> (StatusCode, Bytes, f64) {
        let began = Instant::now();
        let response = self.http.get(format!("{}{path}", self.api).parse().unwrap()).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, body, began.elapsed().as_secs_f64() * 1e3)
    }

    /// A page that must be there, as JSON, and the milliseconds without parsing it.
    pub async fn json(&self, path: &str) -> (serde_json::Value, f64) {
        let (status, body, took_ms) = self.get(path).await;
        assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
        (serde_json::from_slice(&body).unwrap(), took_ms)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
