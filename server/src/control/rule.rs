//! What can be evaluated: an uploaded rule in its sandbox, or a built-in one. The loop does not tell them apart.

use std::{future::Future, sync::Arc, time::Instant};

use spillway_model::{
    builtin::Builtin,
    rule::{Manifest, Outcome, Snapshot},
};
use spillway_plugin_host::{CompileError, CompileWorker, Evaluation, Host, HostError, Kv, Limits, Plugin, UploadError};

/// A rule that is ready to run.
pub trait Rule: Send + Sync + 'static {
    /// One tick. Blocks, for a quarter of a second at most.
    fn evaluate(&self, snapshot: &Snapshot, configuration: &str, kv: &Kv) -> Evaluation;

    /// Whether it accepts a configuration. Blocks, for two seconds at most.
    ///
    /// # Errors
    /// Its own words when it does not.
    fn check(&self, configuration: &str) -> Result<(), String>;
}

/// A rule that passed all gates.
pub struct Loaded {
    /// Ready to run.
    pub rule: Arc<dyn Rule>,
    /// What it says of itself.
    pub manifest: Manifest,
    /// The configuration to start with.
    pub configuration: String,
}

/// Why an upload did not become a rule.
#[derive(Debug, thiserror::Error)]
pub enum LoadFailure {
    /// It is not one, or not one that may run: whose fault is in the text.
    #[error("{0}")]
    Rejected(String),
    /// It is too large.
    #[error("{0}")]
    TooLarge(String),
    /// Too many are being compiled.
    #[error("{0}")]
    Busy(String),
    /// Our own fault.
    #[error("{0}")]
    Broken(String),
}

/// Makes rules out of uploads.
pub trait Loader: Send + Sync + 'static {
    /// Validates, compiles and tests an upload.
    fn load(&self, wasm: &[u8]) -> impl Future<Output = Result<Loaded, LoadFailure>> + Send;
}

/// The real one: a compiler in a child process, and wasmtime.
pub struct WasmLoader {
    host: Arc<Host>,
    worker: CompileWorker,
}

impl WasmLoader {
    /// Starts the engine. The compiler is this program, started anew.
    ///
    /// # Errors
    /// [`HostError`] when this machine cannot run WebAssembly.
    pub fn new() -> Result<Self, HostError> {
        // Where the path cannot be told, every upload says that the worker did not start: the rest of the server works.
        let program = std::env::current_exe().unwrap_or_else(|_| "spillway".into());
        Ok(Self { host: Arc::new(Host::new()?), worker: CompileWorker::new(program, ["compile-worker"]) })
    }
}

impl Loader for WasmLoader {
    async fn load(&self, wasm: &[u8]) -> Result<Loaded, LoadFailure> {
        let artefact = self.worker.compile(wasm).await.map_err(compile_failure)?;
        let host = Arc::clone(&self.host);
        // The compiler runs one at a time, so no more than a handful of these wait.
        let tested = tokio::task::spawn_blocking(move || {
            let plugin = host.load(&artefact).map_err(|error| LoadFailure::Rejected(error.to_string()))?;
            let test = host.self_test(&plugin).map_err(|error| LoadFailure::Rejected(error.to_string()))?;
            let rule = Arc::new(WasmRule { host, plugin });
            Ok(Loaded { rule, manifest: test.manifest, configuration: test.configuration })
        });
        tested.await.map_err(|error| LoadFailure::Broken(format!("the self-test of the rule ended early: {error}")))?
    }
}

fn compile_failure(error: CompileError) -> LoadFailure {
    let text = error.to_string();
    match error {
        CompileError::Upload(UploadError::TooLarge { .. }) => LoadFailure::TooLarge(text),
        CompileError::Upload(_)
        | CompileError::Rejected { .. }
        | CompileError::TimedOut { .. }
        | CompileError::Died { .. } => LoadFailure::Rejected(text),
        CompileError::Busy => LoadFailure::Busy(text),
        CompileError::Spawn { source, .. } => LoadFailure::Broken(format!("{text}: {source}")),
        CompileError::Pipe(source) => LoadFailure::Broken(format!("cannot talk to the compile worker: {source}")),
        CompileError::Protocol { .. } => LoadFailure::Broken(text),
    }
}

struct WasmRule {
    host: Arc<Host>,
    plugin: Plugin,
}

impl Rule for WasmRule {
    fn evaluate(&self, snapshot: &Snapshot, configuration: &str, kv: &Kv) -> Evaluation {
        self.host.evaluate(&self.plugin, snapshot, configuration, kv, &Limits::default())
    }

    fn check(&self, configuration: &str) -> Result<(), String> {
        self.host.check_configuration(&self.plugin, configuration).map_err(|outcome| match outcome.message() {
            Some(message) => message.to_owned(),
            None => format!("configure ended with {}", outcome.as_str()),
        })
    }
}

/// A rule that is part of the program.
pub struct NativeRule(pub Builtin);

impl Rule for NativeRule {
    fn evaluate(&self, snapshot: &Snapshot, configuration: &str, kv: &Kv) -> Evaluation {
        let started = Instant::now();
        let mut evaluation = Evaluation {
            outcome: Outcome::Proposed { directives: Vec::new() },
            fuel: 0,
            elapsed: started.elapsed(),
            logs: Vec::new(),
            logs_dropped: 0,
            metrics: Vec::new(),
            metrics_dropped: 0,
            kv_after: None,
        };
        match self.0.configure(&mut serde_json::Deserializer::from_str(configuration)) {
            Ok(rule) => {
                let mut memory = kv.to_entries().into_iter().collect();
                evaluation.outcome = Outcome::Proposed { directives: rule.evaluate(snapshot, &mut memory) };
                // The rules bound their memory themselves; what does not fit is forgotten, not an error.
                evaluation.kv_after = Kv::from_entries(memory).ok().filter(|after| after != kv);
            }
            Err(error) => evaluation.outcome = Outcome::Refused { message: format!("configuration refused: {error}") },
        }
        evaluation.elapsed = started.elapsed();
        evaluation
    }

    fn check(&self, configuration: &str) -> Result<(), String> {
        let checked = self.0.configure(&mut serde_json::Deserializer::from_str(configuration));
        checked.map(drop).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn built_in_rules_accept_their_own_defaults_and_say_why_not_others() {
        for builtin in Builtin::ALL {
            let schema = builtin.manifest().config_schema;
            let defaults = spillway_plugin_host::default_configuration(&schema).unwrap();

            assert_eq!(NativeRule(builtin).check(&defaults), Ok(()));
            assert!(NativeRule(builtin).check("{\"x\": 1}").unwrap_err().contains("unknown field `x`"));
            let evaluation = NativeRule(builtin).evaluate(&Snapshot::default(), "[", &Kv::default());
            assert!(matches!(evaluation.outcome, Outcome::Refused { .. }), "{:?}", evaluation.outcome);
        }
    }
}
