//! The real binary on free ports with a data folder of its own.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use super::{
    alone::{Place, among_others},
    process::Process,
};

/// From start to the last `listening` line. The aim is 2 s; this only ends a test that hangs.
const READY: Duration = Duration::from_secs(30);
/// From the signal to the exit, with everything drained.
const DRAINED: Duration = Duration::from_secs(20);

/// Its listeners, as it calls them.
const LISTENERS: [&str; 4] = ["http", "otlp-http", "otlp-grpc", "zipkin"];

pub struct Server {
    /// Address of the main listener, without a slash at the end.
    pub http: String,
    /// Address for OTLP over HTTP.
    pub otlp_http: String,
    /// Address for OTLP over gRPC.
    pub otlp_grpc: String,
    /// Address for Zipkin's spans.
    pub zipkin: String,
    process: Process,
    data: TempDir,
    _place: Option<Place>,
}

impl Server {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts it with more arguments for `spillway serve`.
    pub async fn start_with(args: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), args).await
    }

    /// Starts it with more environment variables.
    pub async fn start_with_variables(variables: &[(&str, &str)]) -> Self {
        Self::launch(tempfile::tempdir().unwrap(), &[], variables).await
    }

    /// Starts it as somebody does who never heard of Zipkin; its port is taken.
    pub async fn start_without_zipkin() -> Self {
        Self::launch_with(&LISTENERS[..3], tempfile::tempdir().unwrap(), &[], &[]).await
    }

    /// Starts it on a folder that another one left, as after an upgrade or a crash.
    pub async fn start_in(data: TempDir, args: &[&str]) -> Self {
        Self::launch(data, args, &[]).await
    }

    /// Both at once.
    pub async fn start_in_with_variables(data: TempDir, variables: &[(&str, &str)]) -> Self {
        Self::launch(data, &[], variables).await
    }

    async fn launch(data: TempDir, args: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::launch_with(&LISTENERS, data, args, variables).await
    }

    async fn launch_with(listeners: &[&str], data: TempDir, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let place = among_others().await;
        let mut command = Command::new(env!("CARGO_BIN_EXE_spillway"));
        // The settings of whoever runs the tests must not decide how they end.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SPILLWAY_")) {
            command.env_remove(name);
        }
        command.current_dir(data.path()).arg("serve").arg("--data-dir").arg(data.path());
        for listener in listeners {
            let flag = if *listener == "http" { "--listen".to_owned() } else { format!("--{listener}") };
            command.args([&flag, "127.0.0.1:0"]);
        }
        command.envs(variables.iter().copied());
        let mut process = Process::spawn("spillway serve", command.args(args));

        let mut addresses = [None, None, None, None];
        process
            .line("all its listeners", READY, |line| {
                let (kind, url) = line.strip_prefix("listening ")?.split_once(' ')?;
                let place = LISTENERS.iter().position(|known| *known == kind)?;
                addresses[place] = Some(url.trim_end_matches('/').to_owned());
                (addresses.iter().flatten().count() == listeners.len()).then_some(())
            })
            .await;
        let [http, otlp_http, otlp_grpc, zipkin] = addresses.map(Option::unwrap_or_default);
        Self { http, otlp_http, otlp_grpc, zipkin, process, data, _place: place }
    }

    /// The address of a path on the main listener.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.http)
    }

    /// Where it keeps its files.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Asks it to end as an operator does, and returns its exit code and its folder.
    pub async fn stop(mut self) -> (Option<i32>, TempDir) {
        self.signal("TERM").await;
        let code = self.process.ended(DRAINED).await;
        (code, self.data)
    }

    /// Ends it as a crash does, and returns its folder.
    pub async fn kill(mut self) -> TempDir {
        self.signal("KILL").await;
        self.process.ended(DRAINED).await;
        self.data
    }

    /// What it said last, for the message of a failure.
    pub fn last_words(&self) -> String {
        self.process.last_words()
    }

    async fn signal(&self, name: &str) {
        // A program for it, because a call would be unsafe code and a dependency.
        let status =
            Command::new("kill").args([format!("-{name}"), self.process.id().to_string()]).status().await.unwrap();
        assert!(status.success(), "cannot send {name} to the server");
    }
}

/// Runs the binary to its end: its code, standard output and standard error.
pub async fn outcome(args: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_spillway"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SPILLWAY_")) {
        command.env_remove(name);
    }
    command.current_dir(folder.path()).args(args).envs(variables.iter().copied()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(20), command.output()).await.expect("it goes on").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The files below a folder in which a text stands as it is.
pub fn holds(dir: &Path, text: &str) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(holds(&path, text));
            continue;
        }
        match std::fs::read(&path) {
            Ok(bytes) => {
                if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                    files.push(path.display().to_string());
                }
            }
            // Compaction takes files away at any time; what stood in one that is gone is gone.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => panic!("{}: {error}", path.display()),
        }
    }
    files
}
