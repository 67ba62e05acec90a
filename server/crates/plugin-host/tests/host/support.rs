//! What the tests of this crate share: compiled guests, a host, a live-looking system.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use spillway_model::rule::{ClassCounts, Criticality, Latency, Origin, ServiceId, Signals, Snapshot, Target};
use spillway_plugin_host::{Artefact, CompileError, CompileWorker, Evaluation, Host, Kv, Limits, Plugin};

/// A minute instead of a quarter of a second: these tests are about what a guest does, not about how busy the machine
/// is that they run on. The time-out has its own test.
pub fn patient() -> Limits {
    Limits { deadline: Duration::from_secs(60), ..Limits::default() }
}

pub fn wasm(guest: &str) -> Vec<u8> {
    let guests: PathBuf = std::env::var_os("SPILLWAY_GUESTS")
        .expect("set SPILLWAY_GUESTS: run `cargo xtask test`, or `cargo xtask guests`")
        .into();
    let path = guests.join(format!("{guest}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

pub fn worker() -> CompileWorker {
    CompileWorker::new(env!("CARGO_BIN_EXE_spillway-compile-worker"), [""; 0])
}

pub fn compile(wasm: &[u8]) -> Result<Artefact, CompileError> {
    compile_with(&worker(), wasm)
}

pub fn compile_with(worker: &CompileWorker, wasm: &[u8]) -> Result<Artefact, CompileError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(worker.compile(wasm))
}

/// Compiled once for all tests, which takes most of their time otherwise.
pub fn load(host: &Host, guest: &str) -> Plugin {
    static COMPILED: Mutex<BTreeMap<String, Artefact>> = Mutex::new(BTreeMap::new());

    // Held while it compiles, so that nobody else compiles the same guest; the worker takes one at a time anyway.
    let mut compiled = COMPILED.lock().unwrap();
    let artefact = compiled.entry(guest.to_owned()).or_insert_with(|| compile(&wasm(guest)).unwrap());
    host.load(artefact).unwrap()
}

/// One overloaded service that enforces: every example has an opinion on it.
pub fn overloaded() -> Snapshot {
    let service = ServiceId { environment: "production".into(), namespace: "shop".into(), name: "checkout".into() };
    let signals = Signals {
        target: Target::service(service),
        origin: Origin::Enforcer,
        age_ms: 1_000,
        instances: 2,
        instances_enforcing: 2,
        window_ms: 5_000,
        offered_rps: 1_000.0,
        goodput_rps: 100.0,
        error_ratio: 0.9,
        inflight: Some(200),
        queue_wait_ms: Some(2_000.0),
        latency: Latency { p50_ms: 900.0, p95_ms: 1_800.0, p99_ms: 2_000.0, min_ms: 40.0, samples: 500 },
        by_class: vec![ClassCounts { class: Criticality::Critical, offered: 5_000, admitted: 5_000, shed: 0 }],
        ..Signals::default()
    };
    Snapshot { tick: 7, now_ms: 1_750_000_000_000, signals: vec![signals], edges: Vec::new() }
}

pub fn evaluate(host: &Host, plugin: &Plugin, configuration: &str) -> Evaluation {
    host.evaluate(plugin, &overloaded(), configuration, &Kv::default(), &patient())
}
