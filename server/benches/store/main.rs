//! The store at its limit, beside its peers, all in one run.
//!
//! `cargo xtask bench store` runs it; alone: `cargo bench -p spillway --bench store -- --spans 2M`. Every answer is compared
//! with an oracle, and a mismatch fails the run. Wall-clock figures are noisy on shared machines, so costs are CPU seconds of the
//! process concerned, as the kernel counts them. How each figure comes about stands in docs/PERFORMANCE.md.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot be made must fail")]

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Parser as _;

mod dice;
mod disk;
mod duel;
mod figures;
mod live;
mod oracle;
mod peers;
mod process;
mod progress;
mod queries;
mod report;
mod runs;
mod sender;
mod server;
mod settle;
mod shop;
mod stream;
mod traces;
mod wire;

use duel::Duel;
use peers::{CLICKHOUSE, DUCKDB, Stored, Venv};
use progress::Progress;
use queries::Cache;
use report::Report;
use runs::{Bench, Ingested};
use sender::Encoding;
use server::Server;
use stream::{Plan, Stream};

/// Spans that are sent first, to learn the rate.
const TRIAL: u64 = 200_000;
/// How densely they lie on the clock: about as fast as a machine can send them.
const TRIAL_PER_S: f64 = 300_000.0;
/// Spans of the runs beside the main one, at most: their figures do not depend on the amount.
const SIDE: u64 = 1_000_000;
/// Spans of which the stream's own figures are taken, at most.
const SAMPLED: u64 = 2_000_000;
/// How long requests are sent at half of the top rate.
const PACED_S: f64 = 6.0;
/// Writes that are synced to learn what a sync costs, half of them before the acknowledgements and half after.
const SYNCS: usize = 1_000;
/// Breaker events that are followed to the screen.
const EVENTS: usize = 100;

#[derive(clap::Parser)]
struct Args {
    /// How many spans, such as 500k or 20M
    #[arg(long, default_value = "2M", value_parser = count)]
    spans: u64,
    /// Without ClickHouse, DuckDB and rotel
    #[arg(long)]
    no_peers: bool,
    /// Measure this program instead of the one that was just built
    #[arg(long)]
    server: Option<PathBuf>,
    /// Other traces of the same kind
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn count(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1_000),
        None => text.strip_suffix(['m', 'M']).map_or((text, 1), |digits| (digits, 1_000_000)),
    };
    let number: u64 = digits.parse().map_err(|_| "a number such as 500k or 20M".to_owned())?;
    let spans = number.saturating_mul(unit);
    if (10_000..=1_000_000_000).contains(&spans) { Ok(spans) } else { Err("10k to 1000M spans".to_owned()) }
}

pub(crate) fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap()
}

/// What the stream is by itself.
pub(crate) struct Content {
    pub wire: f64,
    pub entropy: f64,
    pub zstd3: f64,
    pub spans_per_trace: f64,
}

/// All that was measured.
pub(crate) struct Measured {
    pub content: Content,
    pub small_content: Content,
    pub events_ms: Vec<f64>,
    pub top: Ingested,
    pub hot: queries::Times,
    pub cold: queries::Times,
    pub slow_search: queries::Times,
    pub attribute: Result<queries::Times, String>,
    pub syncs_ms: Vec<f64>,
    pub paced: sender::Sent,
    pub gzip: Ingested,
    pub small: Ingested,
}

/// Figures of the peers, or why there are none.
pub(crate) struct Beside {
    pub clickhouse: Result<Stored, String>,
    pub duckdb: Result<Stored, String>,
    pub clickhouse_small: Result<Stored, String>,
    pub duckdb_small: Result<Stored, String>,
    pub rotel: Result<Duel, String>,
    pub rotel_gzip: Result<Duel, String>,
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    // Below cargo's target folder: on a disk, which the system's folder for temporary files need not be.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("bench");
    std::fs::create_dir_all(&folder).unwrap();
    // Of this run alone, gone with it.
    let work = tempfile::tempdir_in(&folder).unwrap();
    let binary = args.server.clone().unwrap_or_else(|| env!("CARGO_BIN_EXE_spillway").into());
    let bench = Bench { binary, work: work.path().to_owned(), seed: args.seed };
    let mut progress = Progress::new();

    let measured = measure(&bench, args.spans, &mut progress).await;
    let beside = if args.no_peers {
        Beside::none("left out by --no-peers")
    } else {
        match Venv::open(&folder) {
            Ok(venv) => beside(&venv, &bench, &measured, &mut progress).await,
            Err(reason) => Beside::none(&reason),
        }
    };
    drop(progress);
    let mut report = Report::default();
    figures::all(&measured, &beside, &mut report);
    let text = report.markdown();
    let file = folder.join("store.md");
    std::fs::write(&file, &text).unwrap();
    let mut out = std::io::stdout().lock();
    // A closed pipe is no reason to fail what was measured.
    let _ = writeln!(out, "\n{text}\nwritten to {}", file.display());
}

/// Generator alone: bytes on the wire, entropy by construction, and what a compressor makes of it.
fn content(plan: Plan) -> Content {
    let mut stream = Stream::new(Plan { spans: plan.spans.min(SAMPLED), ..plan });
    let mut zstd = zstd::Encoder::new(Counting(0), 3).unwrap();
    let mut wire = 0;
    for request in &mut stream {
        wire += request.body.len();
        zstd.write_all(&request.body).unwrap();
    }
    let compressed = zstd.finish().unwrap().0;
    let spans = stream.oracle.spans as f64;
    Content {
        wire: wire as f64 / spans,
        entropy: stream.bits() / 8.0 / spans,
        zstd3: compressed as f64 / spans,
        spans_per_trace: spans / stream.oracle.traces as f64,
    }
}

/// Keeps nothing but the length.
struct Counting(u64);

impl std::io::Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn measure(bench: &Bench, spans: u64, progress: &mut Progress) -> Measured {
    progress.step("a trial");
    let server = Server::start(&bench.binary, &bench.work);
    let plan = bench.top_plan(TRIAL.min(spans), TRIAL_PER_S);
    let (sent, _) = bench.flat_out(&server, Encoding::Plain).stream(Stream::new(plan)).await;
    let rate = sent.spans as f64 / sent.wall.as_secs_f64();
    let events_ms = live::event_to_frame(&server, EVENTS).await;
    drop(server);
    progress.step("the stream alone");
    let top_content = content(bench.top_plan(spans, rate));

    let (server, top) = bench.ingest(bench.top_plan(spans, rate), Encoding::Plain, progress).await;
    progress.step("questions");
    queries::counts(&server, &top.oracle).await;
    let hot = queries::traces_by_id(&server, top.oracle.newest(), Cache::AsItIs).await;
    let cold = queries::traces_by_id(&server, top.oracle.oldest().iter(), Cache::Forgotten).await;
    let slow_search = queries::slow_of_service(&server, &top.oracle).await;
    let attribute = queries::by_attribute(&server, &top.oracle).await;

    let pace = top.sent.spans as f64 / top.sent.wall.as_secs_f64() / 2.0;
    let mut syncs_ms = disk::sync_ms(&bench.work, SYNCS / 2);
    let paced = bench.at_pace(&server, (pace * PACED_S) as u64, pace, progress).await;
    syncs_ms.extend(disk::sync_ms(&bench.work, SYNCS / 2));
    syncs_ms.sort_by(f64::total_cmp);
    let (status, _) = server.json("/api/v1/status").await;
    assert_eq!(status["spans_stored"], top.oracle.spans + paced.spans, "the store disagrees with what was sent");
    drop(server);

    let side = spans.min(SIDE);
    let (server, gzip) = bench.ingest(bench.top_plan(side, rate), Encoding::Gzip, progress).await;
    queries::counts(&server, &gzip.oracle).await;
    drop(server);
    let (server, small) =
        bench.ingest(bench.slow_plan((spans / 8).clamp(50_000, SIDE)), Encoding::Plain, progress).await;
    queries::counts(&server, &small.oracle).await;
    drop(server);
    progress.step("the stream of few spans alone");
    let small_content = content(small.plan);
    Measured {
        content: top_content,
        small_content,
        events_ms,
        top,
        hot,
        cold,
        slow_search,
        attribute,
        syncs_ms,
        paced,
        gzip,
        small,
    }
}

impl Beside {
    fn none(reason: &str) -> Self {
        let none = || Err(reason.to_owned());
        Self {
            clickhouse: none(),
            duckdb: none(),
            clickhouse_small: none(),
            duckdb_small: none(),
            rotel: Err(reason.to_owned()),
            rotel_gzip: Err(reason.to_owned()),
        }
    }
}

async fn beside(venv: &Venv, bench: &Bench, measured: &Measured, progress: &mut Progress) -> Beside {
    let rate = measured.top.plan.spans_per_s;
    let rotel = Duel::play(venv, bench, rate, Encoding::Plain, progress).await;
    let rotel_gzip = Duel::play(venv, bench, rate, Encoding::Gzip, progress).await;
    let mut store =
        |engine: peers::Engine, run: &Ingested| engine.store(venv, &bench.work, run.plan, &run.oracle, progress);
    Beside {
        clickhouse: store(CLICKHOUSE, &measured.top),
        duckdb: store(DUCKDB, &measured.top),
        clickhouse_small: store(CLICKHOUSE, &measured.small),
        duckdb_small: store(DUCKDB, &measured.small),
        rotel,
        rotel_gzip,
    }
}
