//! Others beside it: the same spans, the same machine, the same minutes. One that is missing or fails says why in its row.

use std::{
    io::{BufWriter, Read as _},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use super::{
    oracle::{AT_LEAST_MS, Oracle, PAGE},
    progress::Progress,
    queries::hex,
    report::grouped,
    shop::service_name,
    stream::{Plan, Stream},
    traces::{CUSTOMER, MARKER},
};

mod columns;
mod rotel;
mod venv;

pub use rotel::decode_and_drop;
pub use venv::Venv;

/// What a storage engine did with the spans.
#[derive(Deserialize)]
pub struct Stored {
    pub version: String,
    pub spans: u64,
    /// CPU of its own work until the last batch was in, and until it was merged as far as it goes.
    pub insert_cpu_s: f64,
    pub settled_cpu_s: f64,
    /// Space on the disk before and after merging.
    pub bytes_inserted: u64,
    pub bytes_settled: u64,
    /// Sorted milliseconds.
    pub trace_ms: Vec<f64>,
    pub search_ms: Vec<f64>,
    pub attribute_ms: Vec<f64>,
    /// Answers that differ from the oracle's.
    pub mismatches: Vec<String>,
}

impl Stored {
    pub fn bytes_per_span(&self) -> f64 {
        self.bytes_settled as f64 / self.spans as f64
    }
}

/// An engine that runs within Python.
#[derive(Clone, Copy)]
pub struct Engine {
    pub name: &'static str,
    pub packages: &'static [&'static str],
    pub script: &'static str,
}

/// ClickHouse in process.
pub const CLICKHOUSE: Engine =
    Engine { name: "ClickHouse", packages: &["pyarrow==26.0.1", "chdb-core==26.9.0"], script: "clickhouse.py" };
/// DuckDB in process.
pub const DUCKDB: Engine =
    Engine { name: "DuckDB", packages: &["pyarrow==26.0.1", "duckdb==2.0.0"], script: "duckdb_table.py" };

impl Engine {
    /// Gives the engine the spans of a plan and asks it what the server was asked.
    ///
    /// # Errors
    /// Why there are no figures.
    pub fn store(
        &self,
        venv: &Venv,
        work: &Path,
        plan: Plan,
        oracle: &Oracle,
        progress: &mut Progress,
    ) -> Result<Stored, String> {
        progress.step(&format!("peer: {}", self.name));
        venv.install(self.packages)?;
        let folder = tempfile::tempdir_in(work).map_err(|error| error.to_string())?;
        let questions = folder.path().join("questions.json");
        std::fs::write(&questions, questions_of(oracle).to_string()).map_err(|error| error.to_string())?;
        let complaints = folder.path().join("stderr");
        let mut child = Command::new(venv.python())
            .arg("-B")
            .arg(scripts().join(self.script))
            .arg(folder.path().join("data"))
            .arg(&questions)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&complaints).map_err(|error| error.to_string())?)
            .spawn()
            .map_err(|error| format!("cannot start python: {error}"))?;
        let longest = Duration::from_secs(300 + plan.spans / 15_000);
        let _deadline = Deadline::new(child.id(), longest);
        let input = BufWriter::with_capacity(1 << 20, child.stdin.take().expect("it was asked for"));
        let fed = columns::feed(Stream::new(plan), input, |spans| {
            progress.at(&format!("{} of {} spans", grouped(spans as f64), grouped(plan.spans as f64)));
        });
        let mut answer = String::new();
        child
            .stdout
            .take()
            .expect("it was asked for")
            .read_to_string(&mut answer)
            .map_err(|error| error.to_string())?;
        let status = child.wait().map_err(|error| error.to_string())?;
        if status.signal() == Some(Signal::KILL.as_raw()) {
            return Err(format!("killed: it took longer than {} s, or memory ran out", longest.as_secs()));
        }
        if !status.success() {
            let complaints = std::fs::read_to_string(complaints).unwrap_or_default();
            return Err(format!("{status}: {}", complaints.lines().last().unwrap_or("it said nothing")));
        }
        fed.map_err(|error| format!("it did not take the spans: {error}"))?;
        let stored: Stored =
            serde_json::from_str(&answer).map_err(|error| format!("its answer is no JSON: {error}"))?;
        if stored.spans != oracle.spans {
            return Err(format!("it has {} spans instead of {}", stored.spans, oracle.spans));
        }
        match stored.mismatches.first() {
            Some(first) => Err(format!("{} wrong answers, the first: {first}", stored.mismatches.len())),
            None => Ok(stored),
        }
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers")
}

fn questions_of(oracle: &Oracle) -> serde_json::Value {
    let ids = |traces: Vec<[u8; 16]>| traces.iter().map(|id| hex(id)).collect::<Vec<_>>();
    let trace = |whole: &super::oracle::Whole| serde_json::json!({ "id": hex(&whole.trace_id), "spans": whole.spans });
    let markers = oracle.marked.iter().map(|(value, newest)| (MARKER, value.clone(), newest));
    let customers = oracle.customers.iter().map(|(customer, newest)| (CUSTOMER, format!("c-{customer:05}"), newest));
    let searches = oracle.slow.iter().enumerate().flat_map(|(service, slow)| {
        AT_LEAST_MS.iter().zip(slow).map(move |(least, newest)| {
            serde_json::json!({ "service": service_name(service), "least_ns": least * 1_000_000, "traces": ids(newest.page()) })
        })
    });
    serde_json::json!({
        "page": PAGE,
        "traces": oracle.oldest().iter().chain(oracle.newest()).step_by(4).map(trace).collect::<Vec<_>>(),
        "searches": searches.collect::<Vec<_>>(),
        "attributes": markers.chain(customers).map(|(key, value, newest)| {
            serde_json::json!({ "key": key, "value": value, "traces": ids(newest.page()) })
        }).collect::<Vec<_>>(),
    })
}

/// Kills a process that takes too long; called off when dropped.
struct Deadline {
    _done: std::sync::mpsc::Sender<()>,
}

impl Deadline {
    fn new(pid: u32, longest: Duration) -> Self {
        let (done, wait) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            let over = wait.recv_timeout(longest) == Err(std::sync::mpsc::RecvTimeoutError::Timeout);
            if over && let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        Self { _done: done }
    }
}
