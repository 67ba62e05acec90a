//! ChromeDriver as a process and its wire protocol (W3C WebDriver, JSON over HTTP). Ours, because the client crates each
//! bring a second HTTP stack.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::http::Client;
use super::process::Process;

/// A cold Chromium on a busy machine.
const STARTED: Duration = Duration::from_secs(60);
/// For closing the browser when a test ends.
const CLOSED: Duration = Duration::from_secs(10);

const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"];

/// A browser session; the browser is closed when it is dropped.
pub struct Driver {
    client: Client,
    process: Process,
    port: u16,
    session: String,
    // Dropped last: the browser writes into it until it has gone.
    _profile: TempDir,
}

/// An error answer of the driver.
#[derive(Debug)]
pub struct Refusal {
    /// The protocol's name for it, such as `no such element`.
    pub error: String,
    pub message: String,
}

impl Driver {
    pub async fn start() -> Self {
        let program = program_for("CHROMEDRIVER", &["chromedriver"]);
        let mut process = Process::spawn("chromedriver", Command::new(program).arg("--port=0"));
        let port = process
            .line("its port", STARTED, |line| {
                line.rsplit_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
            })
            .await;
        let profile = tempfile::tempdir().unwrap();
        let mut driver = Self { client: Client::new(), process, port, session: String::new(), _profile: profile };
        let options = json!({
            "binary": program_for("CHROME", BROWSERS),
            "args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync", "--force-color-profile=srgb",
                format!("--user-data-dir={}", driver._profile.path().display()),
            ],
        });
        let wanted = json!({ "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "script": 20_000, "pageLoad": 30_000, "implicit": 0 } });
        let made =
            driver.exchange(Method::POST, "/session", &json!({ "capabilities": { "alwaysMatch": wanted } })).await;
        let made =
            made.unwrap_or_else(|refusal| panic!("no browser session: {refusal:?}{}", driver.process.last_words()));
        driver.session = made["sessionId"].as_str().unwrap().to_owned();
        driver
    }

    /// A command of the session.
    pub async fn ask(&self, method: Method, path: &str, body: Value) -> Result<Value, Refusal> {
        self.exchange(method, &format!("/session/{}{path}", self.session), &body).await
    }

    /// A command that has no reason to fail.
    pub async fn demand(&self, method: Method, path: &str, body: Value) -> Value {
        self.ask(method, path, body)
            .await
            .unwrap_or_else(|refusal| panic!("{path}: {}: {}", refusal.error, refusal.message))
    }

    /// A command of the browser's own debugging protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.demand(Method::POST, "/goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    async fn exchange(&self, method: Method, path: &str, body: &Value) -> Result<Value, Refusal> {
        let answer = self.client.json(method, &format!("http://127.0.0.1:{}{path}", self.port), body).await;
        let mut document = answer.value();
        let value = document["value"].take();
        if answer.status.is_success() {
            return Ok(value);
        }
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        Err(Refusal { error: text("error"), message: text("message") })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Killing the driver alone would leave the browser running. There is no async here, hence the plain socket; when
        // it fails there is nothing better to do, and the message of the test itself must not be hidden.
        let close = || -> std::io::Result<()> {
            let mut socket = TcpStream::connect(("127.0.0.1", self.port))?;
            socket.set_read_timeout(Some(CLOSED))?;
            write!(
                socket,
                "DELETE /session/{} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
                self.session, self.port
            )?;
            socket.read(&mut [0; 64]).map(drop)
        };
        _ = close();
    }
}

/// The program that a variable names, or the first of these names on `PATH`.
fn program_for(variable: &str, names: &[&str]) -> PathBuf {
    if let Some(chosen) = std::env::var_os(variable) {
        return chosen.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    names
        .iter()
        .flat_map(|name| std::env::split_paths(&path).map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
        .unwrap_or_else(|| {
            panic!(
                "the browser test needs {} on PATH, or its path in {variable}; `cargo xtask test` installs it",
                names[0]
            )
        })
}
