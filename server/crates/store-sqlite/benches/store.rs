//! What the store costs: bytes and processor time a span, and how long reads take on a million spans.
//!
//! A plain program, since most figures are of one long run: `cargo bench -p spillway-store-sqlite [-- <part of a name>]`. Each part compares
//! what it read with what was written before it prints a figure.
#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::{
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use spillway_model::{
    batch::SpanBatch,
    identity::{NodeKey, NodeKind, ServiceKey, TraceId},
    observation::{EdgeKey, Measurement, Protocol, Side, Subject},
};
use spillway_store::{
    Projection, Projector, RequestDigest, RollupBounds, RollupReader, RollupRetention, SpanReader, TraceQuery,
    Watermark, Write, Writer,
    contract::{
        generate::{self, Dice, EPOCH_NS},
        plain,
    },
};
use spillway_store_sqlite::{
    OpenOptions, SqliteStore,
    block::{BlockReader, Encoder},
};

const SPANS_A_REQUEST: usize = 512;
const REQUESTS: usize = 2_000;
/// Requests that one commit takes: about what has queued while the one before was synced.
const REQUESTS_A_COMMIT: usize = 4;

fn main() {
    let filter: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wanted = |name: &str| filter.is_empty() || filter.iter().any(|part| name.contains(part.as_str()));
    if wanted("block") {
        block();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if wanted("commit") || wanted("trace") || wanted("search") {
        runtime.block_on(spans());
    }
    if wanted("rollup") {
        runtime.block_on(rollups());
    }
    if wanted("project") {
        runtime.block_on(project());
    }
}

/// Processor time of this process, all threads; wall time where the system does not say.
fn processor_time(since: Instant) -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // Fields 14 and 15 of proc(5), in ticks of 10 ms; the split began behind field 2.
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    match (ticks(11), ticks(12)) {
        (Some(user), Some(system)) => Duration::from_millis((user + system) * 10),
        _ => since.elapsed(),
    }
}

/// Runs `work` for about two seconds; returns how long one run took.
fn time(mut work: impl FnMut()) -> Duration {
    work();
    let begun = Instant::now();
    let mut runs = 0;
    while begun.elapsed() < Duration::from_secs(2) {
        work();
        runs += 1;
    }
    begun.elapsed() / runs
}

fn per_second(count: usize, time: Duration) -> String {
    format!("{:.0}k/s", count as f64 / time.as_secs_f64() / 1e3)
}

fn block() {
    let batches: Vec<SpanBatch> = (0..64).map(|seed| generate::realistic_batch(seed, SPANS_A_REQUEST)).collect();
    let spans = batches.len() * SPANS_A_REQUEST;
    let mut encoder = Encoder::new();
    let blocks: Vec<Vec<u8>> = batches.iter().map(|batch| encoder.encode(batch).unwrap()).collect();
    for (block, batch) in blocks.iter().zip(&batches) {
        assert_eq!(plain::spans(&BlockReader::open(block).unwrap().batch().unwrap()), plain::spans(batch));
    }
    println!("block: {:.1} bytes a span", blocks.iter().map(Vec::len).sum::<usize>() as f64 / spans as f64);
    for (section, bytes) in BlockReader::open(&blocks[0]).unwrap().section_sizes() {
        println!("block:   {section}: {:.1} bytes a span", bytes as f64 / SPANS_A_REQUEST as f64);
    }
    let encode = time(|| batches.iter().for_each(|batch| assert!(!encoder.encode(batch).unwrap().is_empty())));
    println!("block: encode {}", per_second(spans, encode));
    let decode = time(|| {
        for block in &blocks {
            assert_eq!(BlockReader::open(block).unwrap().batch().unwrap().len(), SPANS_A_REQUEST);
        }
    });
    println!("block: decode all {}", per_second(spans, decode));
    let head = time(|| {
        for block in &blocks {
            assert_eq!(BlockReader::open(block).unwrap().head().unwrap().len(), SPANS_A_REQUEST);
        }
    });
    println!("block: decode head {}", per_second(spans, head));
}

fn digest(number: usize) -> RequestDigest {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number.to_le_bytes());
    RequestDigest(digest)
}

async fn spans() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut writer) = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();
    let (mut wall, mut processor) = (Duration::ZERO, Duration::ZERO);
    let mut traces = Vec::new();
    let before_all = Instant::now();
    for commit in 0..REQUESTS / REQUESTS_A_COMMIT {
        let writes: Vec<Write> = (0..REQUESTS_A_COMMIT)
            .map(|place| {
                let number = commit * REQUESTS_A_COMMIT + place;
                let batch = Arc::new(generate::realistic_batch(number as u64, SPANS_A_REQUEST));
                traces.push(batch.spans.trace_id[SPANS_A_REQUEST / 2]);
                Write::Spans {
                    digest: digest(number),
                    batch,
                    received_at_ns: (EPOCH_NS + number as u64 * 1_000_000) as i64,
                }
            })
            .collect();
        let (begun, before) = (Instant::now(), processor_time(before_all));
        let outcomes = writer.commit(&writes).await;
        wall += begun.elapsed();
        processor += processor_time(before_all) - before;
        assert!(outcomes.iter().all(Result::is_ok));
    }
    let usage = store.usage().await.unwrap();
    let spans = REQUESTS * SPANS_A_REQUEST;
    assert_eq!(usage.spans, spans as u64);
    println!("commit: {} of wall time, {} of processor time", per_second(spans, wall), per_second(spans, processor));
    println!("commit: {:.1} bytes a span on disk, log included", usage.bytes as f64 / spans as f64);
    trace(&store, &traces).await;
    search(&store).await;

    drop((store, writer));
    let begun = Instant::now();
    let (store, _writer) = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();
    println!("commit: open again in {:.1} ms", begun.elapsed().as_secs_f64() * 1e3);
    assert!(store.trace(traces[7]).await.unwrap().is_some());
}

fn quantiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    format!("p50 {:.2} ms, p99 {:.2} ms", at(0.5), at(0.99))
}

async fn trace(store: &SqliteStore, traces: &[TraceId]) {
    let mut dice = Dice::new(1);
    let mut times = Vec::new();
    for _ in 0..1_000 {
        let id = traces[dice.below(traces.len() as u64) as usize];
        let begun = Instant::now();
        let found = store.trace(id).await.unwrap().unwrap();
        times.push(begun.elapsed());
        assert!(found.len() == 4 && found.spans.trace_id.iter().all(|found| *found == id));
    }
    println!("trace: by id {}", quantiles(times));
    let missing = async || {
        let begun = Instant::now();
        assert!(store.trace(TraceId([7; 16])).await.unwrap().is_none());
        begun.elapsed()
    };
    let mut times = Vec::new();
    for _ in 0..200 {
        times.push(missing().await);
    }
    println!("trace: one that is not there {}", quantiles(times));
}

async fn search(store: &SqliteStore) {
    let asked = |filter: &str| TraceQuery { filter: filter.parse().unwrap(), limit: 20, ..TraceQuery::default() };
    let queries = [
        ("newest", asked("")),
        ("of a service", asked("service=payments")),
        ("failed", asked("status=error")),
        ("of an operation, slow", asked("operation=\"GET /health\" duration>=30ms")),
        ("by a rare attribute", asked("user.id=u-004711")),
        ("by a number", asked("http.response.status_code>=500")),
        ("by text within", asked("url.path~/checkout service=cart")),
        ("by an attribute that none has", asked("user.id=nobody")),
        ("of no such service", asked("service=none")),
        ("oldest", asked(&format!("start<{}", EPOCH_NS + 1_000_000_000))),
    ];
    for (name, query) in queries {
        let mut times = Vec::new();
        let mut line = String::new();
        for _ in 0..20 {
            let begun = Instant::now();
            let page = store.search(&query).await.unwrap();
            times.push(begun.elapsed());
            line.clear();
            write!(
                line,
                "{} found, {} blocks read, {} skipped",
                page.traces.len(),
                page.blocks_read,
                page.blocks_skipped
            )
            .unwrap();
            for found in &page.traces {
                let trace = store.trace(found.trace_id).await.unwrap().unwrap();
                assert!(
                    trace.len() == found.spans as usize
                        && trace.iter().any(|span| query.filter.matches(&trace, span.index()))
                );
            }
        }
        println!("search: {name}: {} ({line})", quantiles(times));
    }
}

const NODES: usize = 200;
const EDGES: usize = 1_000;
const DAY_S: i64 = 86_400;
/// The last part of the day, in which everything is called each second; before it each ten seconds.
const DENSE_S: i64 = 3_600;

/// Three calls of each node and each side of each edge, again and again.
struct Steady {
    at_s: i64,
    subjects: Vec<Subject>,
}

impl Steady {
    fn step_s(&self) -> i64 {
        if self.at_s < DAY_S - DENSE_S { 10 } else { 1 }
    }
}

impl Projection for Steady {
    fn observe(
        &mut self,
        _: Watermark,
        _batch: &SpanBatch,
        _received_at_ns: i64,
        emit: &mut dyn FnMut(&Subject, &[Measurement]),
    ) {
        for subject in &self.subjects {
            let fact = |call: u64| Measurement {
                at_ns: EPOCH_NS + self.at_s as u64 * 1_000_000_000,
                duration_ns: 1_000_000 * (1 + (self.at_s as u64 / 10 * 7 + call * 13) % 50),
                failed: call == 0,
                provisional: false,
                times: 1,
            };
            emit(subject, &[0, 1, 2].map(fact));
        }
        self.at_s += self.step_s();
    }

    fn settle(&mut self, _now_ns: i64, _emit: &mut dyn FnMut(&Subject, &[Measurement])) {}
}

async fn rollups() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut writer) = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();
    let node = |number: usize| NodeKey {
        kind: NodeKind::Service,
        service: ServiceKey::new("production", "shop", &format!("service-{number}")),
    };
    let edge = |number: usize| EdgeKey {
        source: node(number % NODES),
        target: node(number * 7 % (NODES - 1) + 1),
        protocol: Protocol::ALL[number / NODES],
    };
    let nodes = (0..NODES).map(|number| Subject::Node(node(number)));
    let edges =
        (0..EDGES).flat_map(|number| [Side::Caller, Side::Callee].map(|side| Subject::Edge(edge(number), side)));
    let mut projection = Steady { at_s: 0, subjects: nodes.chain(edges).collect() };
    let batch = Arc::new(generate::realistic_batch(1, SPANS_A_REQUEST / 4));
    let mut project = Vec::new();
    let mut number = 0;
    while projection.at_s < DAY_S {
        let received_at_ns = EPOCH_NS as i64 + projection.at_s * 1_000_000_000;
        let write = Write::Spans { digest: digest(number), batch: Arc::clone(&batch), received_at_ns };
        assert!(writer.commit(&[write]).await.remove(0).is_ok());
        let begun = Instant::now();
        store.project(&mut projection, usize::MAX).await.unwrap();
        project.push(begun.elapsed());
        number += 1;
    }
    println!("rollup: a projector step of {NODES} nodes and {EDGES} edges, three calls each {}", quantiles(project));
    let begun = Instant::now();
    store.flush().await.unwrap();
    println!("rollup: writing what is held {:.1} ms", begun.elapsed().as_secs_f64() * 1e3);
    let size = || std::fs::metadata(dir.path().join("history.db")).unwrap().len() / 1_000_000;
    let epoch_s = (EPOCH_NS / 1_000_000_000) as i64;
    let end_s = epoch_s + DAY_S;
    println!("rollup: history.db of a day {} MB", size());
    let begun = Instant::now();
    let before = RollupBounds { seconds: end_s - 1_800, tens: end_s - 43_200, minutes: epoch_s };
    let rows = store.expire_rollups(before).await.unwrap();
    println!("rollup: forgetting {rows} rows {:.0} ms, history.db {} MB", begun.elapsed().as_secs_f64() * 1e3, size());
    let maps = [
        ("now", 0, 30),
        ("an hour ago", 3_600, 30),
        ("20 hours ago", 72_007, 30),
        ("an hour", 0, 3_600),
        ("the day", 0, DAY_S),
    ];
    for (name, ago, length) in maps {
        let mut times = Vec::new();
        let mut resolution_s = 0;
        for _ in 0..50 {
            let begun = Instant::now();
            let map = store.topology(end_s - ago - length, end_s - ago).await.unwrap();
            times.push(begun.elapsed());
            resolution_s = map.resolution_s;
            assert!(map.nodes.len() == NODES && map.edges.len() == EDGES);
            let calls: i64 = (map.from_s - epoch_s..map.to_s - epoch_s)
                .filter(|second| second % 10 == 0 || *second >= DAY_S - DENSE_S)
                .filter(|second| (0..DAY_S).contains(second))
                .count() as i64
                * 3;
            assert!(map.nodes.iter().all(|node| node.aggregate.count == calls), "{name}");
            assert!(map.edges.iter().all(|edge| edge.caller.count == calls && edge.callee.count == calls));
        }
        println!("rollup: map of {name} ({length} s in buckets of {resolution_s} s) {}", quantiles(times));
    }
    for (name, length, step_s) in
        [("half an hour", 1_800, 1), ("an hour", 3_600, 10), ("a day", DAY_S, 600), ("a day", DAY_S, 43)]
    {
        let mut times = Vec::new();
        for _ in 0..50 {
            let begun = Instant::now();
            let series = store.node_series(&node(3), end_s - length, end_s, step_s).await.unwrap();
            times.push(begun.elapsed());
            assert!(series.len() as i64 >= length / i64::from(step_s.max(60)));
        }
        println!("rollup: series of {name} in steps of {step_s} s {}", quantiles(times));
    }
}

/// The model's pairing, as the server calls it.
struct Paired(spillway_model::topology::Pairer);

impl Projection for Paired {
    fn observe(
        &mut self,
        _: Watermark,
        batch: &SpanBatch,
        received_at_ns: i64,
        emit: &mut dyn FnMut(&Subject, &[Measurement]),
    ) {
        self.0.observe(batch, received_at_ns as u64, emit);
    }

    fn settle(&mut self, now_ns: i64, emit: &mut dyn FnMut(&Subject, &[Measurement])) {
        self.0.expire(now_ns as u64, emit);
    }
}

async fn project() {
    const COMMITS: usize = 400;
    let dir = tempfile::tempdir().unwrap();
    let (store, mut writer) = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();
    let mut projection = Paired(spillway_model::topology::Pairer::new(Default::default()));
    let mut processor = Duration::ZERO;
    let before_all = Instant::now();
    for commit in 0..COMMITS {
        let writes: Vec<Write> = (0..20)
            .map(|place| {
                let number = commit * 20 + place;
                let batch = Arc::new(generate::realistic_batch(number as u64, SPANS_A_REQUEST));
                Write::Spans {
                    digest: digest(number),
                    batch,
                    received_at_ns: (EPOCH_NS + number as u64 * 200_000_000 + 1_600_000_000) as i64,
                }
            })
            .collect();
        assert!(writer.commit(&writes).await.iter().all(Result::is_ok));
        drop(writes);
        let before = processor_time(before_all);
        while !store.project(&mut projection, 50_000).await.unwrap().caught_up {}
        processor += processor_time(before_all) - before;
    }
    let spans = COMMITS * 20 * SPANS_A_REQUEST;
    println!("project: {:.2} us of processor time a span", processor.as_secs_f64() * 1e6 / spans as f64);
    let mut pairer = spillway_model::topology::Pairer::new(Default::default());
    let mut facts = 0;
    let mut alone = Duration::ZERO;
    for number in 0..2000 {
        let batch = generate::realistic_batch(number as u64, SPANS_A_REQUEST);
        let before = Instant::now();
        pairer.observe(&batch, EPOCH_NS + number as u64 * 200_000_000 + 1_600_000_000, &mut |_, said| {
            facts += said.len()
        });
        alone += before.elapsed();
    }
    println!(
        "project: pairing alone {:.2} us, {:.2} facts a span",
        alone.as_secs_f64() * 1e6 / (2000 * SPANS_A_REQUEST) as f64,
        facts as f64 / (2000 * SPANS_A_REQUEST) as f64
    );
    let bytes = std::fs::metadata(dir.path().join("history.db")).unwrap().len()
        + std::fs::metadata(dir.path().join("history.db-wal")).map_or(0, |m| m.len());
    println!("project: history.db {} kB", bytes / 1000);
}
