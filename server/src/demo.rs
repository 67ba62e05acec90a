//! The demo system beside the server: a child process, so that its load and its faults are its own.

use std::{
    process::Stdio,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};
use tokio_util::sync::CancellationToken;

/// Its switches answer at once or not at all.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Far more than its state needs.
const ANSWER_BYTES: usize = 64 << 10;

/// Handle of the demo's switches.
#[derive(Clone)]
pub struct Demo {
    client: Client<HttpConnector, Full<Bytes>>,
    /// Where its switches are, once it has said so.
    control_url: Arc<OnceLock<String>>,
}

/// Where the demo sends what it has to say.
#[derive(Clone, Debug)]
pub struct Target {
    /// Of the API.
    pub spillway_url: String,
    /// Of the OTLP/HTTP receiver.
    pub otlp_url: String,
    /// When one is asked for.
    pub ingest_key: Option<String>,
}

/// Why the demo's switches did not answer.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// It has not said yet where they are.
    #[error("the demo is still starting")]
    Starting,
    /// It does not answer.
    #[error("the demo does not answer: {0}")]
    Unreachable(String),
}

impl Demo {
    /// A handle for a demo that is about to be started.
    pub fn new() -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), control_url: Arc::default() }
    }

    /// Runs the demo until `stop`; it ends with this process.
    pub async fn run(self, target: Target, stop: CancellationToken) {
        let program = match std::env::current_exe() {
            Ok(program) => program,
            Err(error) => return tracing::error!(%error, "cannot find this program to start the demo"),
        };
        let mut command = Command::new(program);
        command.args([
            "demo",
            "--spillway-url",
            &target.spillway_url,
            "--otlp-url",
            &target.otlp_url,
            "--control",
            "127.0.0.1:0",
            "--until-stdin-ends",
        ]);
        if let Some(key) = &target.ingest_key {
            // Not a flag: the process list shows flags to everybody.
            command.env("SPILLWAY_DEMO_INGEST_KEY", key);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return tracing::error!(%error, "cannot start the demo"),
        };
        let Some(stdout) = child.stdout.take() else { return };
        let mut lines = BufReader::new(stdout).lines();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                line = lines.next_line() => match line {
                    Ok(Some(line)) => {
                        if let Some(url) = line.strip_prefix("listening demo-control ") {
                            let _ = self.control_url.set(url.to_owned());
                        }
                    }
                    _ => {
                        tracing::error!("the demo ended by itself");
                        break;
                    }
                },
            }
        }
        // Dropping its stdin tells it to end; the kill on drop is for one that does not.
        drop(child.stdin.take());
        let _ = tokio::time::timeout(TIMEOUT, child.wait()).await;
    }

    /// Passes a call on to the demo's switches.
    ///
    /// # Errors
    /// [`DemoError`] when the demo is not there.
    pub async fn call(&self, method: Method, body: Bytes) -> Result<(StatusCode, Bytes), DemoError> {
        let url = self.control_url.get().ok_or(DemoError::Starting)?;
        let unreachable = |error: &dyn std::fmt::Display| DemoError::Unreachable(error.to_string());
        let request = Request::builder()
            .method(method)
            .uri(format!("{url}/state"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| unreachable(&error))?;
        let call = async {
            let response = self.client.request(request).await.map_err(|error| unreachable(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES)
                .collect()
                .await
                .map_err(|error| unreachable(&error))?;
            Ok((status, body.to_bytes()))
        };
        tokio::time::timeout(TIMEOUT, call).await.map_err(|_| unreachable(&"it took too long"))?
    }
}

impl Default for Demo {
    fn default() -> Self {
        Self::new()
    }
}
