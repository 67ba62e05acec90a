//! Erasing: what is to go is in no file any more, all else is as it was, and a crash at any point is finished by the next start.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{path::Path, pin::pin, sync::Arc, task::Poll, time::Duration};

use spillway_model::{
    batch::{Copied, Distinct, Scope, SpanBatch, SpanBatchBuilder, SpanKind, SpanRow, StrId, Value},
    identity::{SpanId, TraceId},
};
use spillway_query::Filter;
use spillway_store::{
    AuditEntry, Compaction, EraseExtent, EraseReport, Eraser, Erasure, Projector, RequestDigest, SpanReader,
    TraceQuery, Write, WriteOutcome, Writer,
    contract::{generate, plain, rollups::Silent},
};
use spillway_store_sqlite::{OpenOptions, SqliteStore, SqliteWriter, block::BlockReader};
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};

const SECOND: i64 = 1_000_000_000;
/// No packing makes these unreadable: nothing in them comes twice.
const SECRETS: [&str; 3] = ["Zq8#vK2!mX7@", "Wj4%hT9&bN1*", "pL6^cR3=yD5+"];

fn options() -> OpenOptions {
    OpenOptions {
        compact_after: Duration::from_secs(90),
        compact_spans: 2_000,
        segment_bytes: 1,
        ..OpenOptions::default()
    }
}

/// The spans of a realistic request, and one in a trace of its own of somebody whose name is its service, its operation and an attribute.
fn batch(number: u8) -> SpanBatch {
    let others = generate::realistic_batch(u64::from(number), 400);
    let mut builder = SpanBatchBuilder::new();
    let (mut copied, mut distinct) = (Copied::default(), Distinct::default());
    (0..others.len()).for_each(|span| builder.copy_span(&others, span, &mut copied, &mut distinct));
    let [service, operation, user] = SECRETS;
    let start = builder.attribute_count();
    let (key, value) = (builder.intern("service.name"), builder.intern(service));
    builder.attribute(key, Value::Str(value));
    let attributes = builder.attributes_since(start);
    let resource = builder.resource(attributes, 0, StrId::EMPTY);
    let scope = builder.scope(Scope { resource, ..Scope::default() });
    for (span, secret) in [(1, true), (2, false)] {
        let start = builder.attribute_count();
        let (key, value) = (builder.intern("user.id"), builder.intern(if secret { user } else { "nobody" }));
        builder.attribute(key, Value::Str(value));
        let attributes = builder.attributes_since(start);
        let name = builder.intern(if secret { operation } else { "POST" });
        let (trace_id, span_id) = (TraceId([number; 16]), SpanId([span; 8]));
        let start_ns = generate::EPOCH_NS + u64::from(number) * 1_000;
        let (end_ns, kind) = (start_ns + 7, SpanKind::Server);
        // The one that stays is of another service.
        let scope = if secret { scope } else { 0 };
        builder.span(&SpanRow {
            scope,
            trace_id,
            span_id,
            kind,
            name,
            start_ns,
            end_ns,
            attributes,
            ..SpanRow::default()
        });
    }
    builder.finish()
}

async fn commit(writer: &mut SqliteWriter, numbers: impl Iterator<Item = u8>) {
    for number in numbers {
        let write = Write::Spans {
            digest: RequestDigest([number; 32]),
            batch: Arc::new(batch(number)),
            received_at_ns: SECOND * i64::from(number),
        };
        assert!(matches!(writer.commit(&[write]).await.remove(0).unwrap(), WriteOutcome::Stored { .. }));
    }
}

async fn compact(store: &SqliteStore, now_s: i64) {
    while !store.project(&mut Silent, usize::MAX).await.unwrap().caught_up {}
    store.flush().await.unwrap();
    while store.compact(now_s * SECOND).await.unwrap().spans > 0 {}
}

/// Some in compacted files, some hidden in the log by them, some in the log.
async fn filled(dir: &Path) -> (SqliteStore, SqliteWriter) {
    let (store, mut writer) = SqliteStore::open(dir, options()).await.unwrap();
    commit(&mut writer, 1..=16).await;
    compact(&store, 90 + 12).await;
    assert!(store.uncompacted() > 0 && files(dir).iter().filter(|(name, _)| name.contains("segments")).count() > 1);
    (store, writer)
}

fn erasure(filter: &str, extent: EraseExtent) -> Erasure {
    Erasure { filter: spillway_query::parse(filter).unwrap(), extent }
}

fn secret() -> Erasure {
    erasure(&format!("user.id=\"{}\"", SECRETS[2]), EraseExtent::Spans)
}

fn audit() -> AuditEntry {
    AuditEntry {
        at_ns: 5,
        actor: "admin".into(),
        action: "erase".into(),
        object: "spans".into(),
        detail: String::new(),
    }
}

async fn erase(store: &SqliteStore, erasure: &Erasure) -> EraseReport {
    let id = store.begin_erasure(erasure, &audit()).await.unwrap();
    let state = store.run_erasure(id, 77).await.unwrap();
    assert_eq!((state.done_at_ns, state.failure.as_str()), (Some(77), ""));
    state.report
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    all
}

/// Which of these bytes stand in which file.
fn found(dir: &Path, wanted: &[&[u8]]) -> Vec<String> {
    let mut all = Vec::new();
    for (name, content) in files(dir) {
        for needle in wanted {
            if content.windows(needle.len()).any(|window| window == *needle) {
                all.push(format!("{:?} in {name}", String::from_utf8_lossy(needle)));
            }
        }
    }
    all
}

fn secrets() -> Vec<&'static [u8]> {
    SECRETS.iter().map(|secret| secret.as_bytes()).collect()
}

/// All spans, as text, sorted: a trace is summed up from what is left of it.
async fn everything(store: &SqliteStore) -> Vec<String> {
    let mut query = TraceQuery { limit: 1_000, ..TraceQuery::default() };
    let mut all = Vec::new();
    loop {
        let page = store.search(&query).await.unwrap();
        for found in &page.traces {
            let trace = store.trace(found.trace_id).await.unwrap().unwrap();
            all.extend(plain::spans(&trace).iter().map(|span| format!("{span:?}")));
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    all.sort();
    all
}

/// Every block that is stored, as bytes.
async fn blocks(dir: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for (name, _) in files(dir)
        .iter()
        .filter(|(name, _)| name.ends_with(".db") && !name.contains("control") && !name.contains("history"))
    {
        let mut connection = SqliteConnectOptions::new().filename(name).connect().await.unwrap();
        let stored: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT data FROM block_data").fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        all.extend(stored);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_stands_in_no_file_any_more_and_all_else_is_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut writer) = filled(dir.path()).await;
    let before = everything(&store).await;
    assert!(before.iter().filter(|span| span.contains(SECRETS[2])).count() == 16);
    assert!(!found(dir.path(), &secrets()).is_empty(), "the test can see them");
    let old_blocks = blocks(dir.path()).await;

    assert_eq!(store.count_erasable(&secret()).await.unwrap().spans, 16);
    let report = erase(&store, &secret()).await;

    assert_eq!((report.spans, report.traces, report.unreadable_blocks), (16, 16, 0));
    assert!(report.blocks > 0 && report.bytes_after < report.bytes_before, "{report:?}");
    assert_eq!(found(dir.path(), &secrets()), Vec::<String>::new());
    let rest: Vec<String> = before.into_iter().filter(|span| !span.contains(SECRETS[2])).collect();
    assert_eq!(everything(&store).await, rest);
    let names = store.operations(1_000).await.unwrap();
    assert!(names.iter().all(|row| row.name != SECRETS[1] && &*row.service.name != SECRETS[0]) && names.len() > 3);
    // Packed text shows in no search for it: so no piece of an old block may be left either.
    let new_blocks = blocks(dir.path()).await;
    let all: Vec<u8> = files(dir.path()).into_iter().flat_map(|(_, content)| content).collect();
    let mut pieces = 0;
    for old in &old_blocks {
        if BlockReader::open(old).unwrap().batch().unwrap().iter().all(|span| span.name() != SECRETS[1]) {
            continue;
        }
        for piece in old.windows(64).step_by(2_048) {
            if new_blocks.iter().any(|new| new.windows(64).any(|window| window == piece)) {
                continue;
            }
            pieces += 1;
            assert!(!all.windows(64).any(|window| window == piece), "a piece of an erased block is left");
        }
    }
    assert!(pieces > 20, "{pieces} pieces");

    // The digest is still known, the next request is stored, and the rest goes on to be compacted.
    let again = Write::Spans { digest: RequestDigest([3; 32]), batch: Arc::new(batch(3)), received_at_ns: 17 * SECOND };
    assert_eq!(writer.commit(&[again]).await.remove(0).unwrap(), WriteOutcome::Repeated);
    compact(&store, 10_000).await;
    assert_eq!(everything(&store).await, rest);
    assert_eq!(store.usage().await.unwrap().spans as usize, rest.len());
    writer.close().await.unwrap();
    store.close().await;
    let (store, mut writer) = SqliteStore::open(dir.path(), options()).await.unwrap();
    assert_eq!((everything(&store).await, store.usage().await.unwrap().spans as usize), (rest.clone(), rest.len()));
    commit(&mut writer, 20..=24).await;
    compact(&store, 20_000).await;
    assert_eq!(everything(&store).await.len(), rest.len() + 5 * 402);
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_traces_go_with_spans_that_do_not_match() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _writer) = filled(dir.path()).await;
    let mut wanted = secret();
    wanted.extent = EraseExtent::Traces;
    let before = everything(&store).await.len();

    assert_eq!(store.count_erasable(&wanted).await.unwrap().spans, 32);
    let report = erase(&store, &wanted).await;

    assert_eq!((report.spans, report.traces), (32, 16));
    assert_eq!(everything(&store).await.len(), before - 32);
    for number in 1..=16 {
        assert!(store.trace(TraceId([number; 16])).await.unwrap().is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_of_which_nothing_is_left_are_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut writer) = filled(dir.path()).await;

    let report = erase(&store, &erasure("duration>=0ns", EraseExtent::Spans)).await;

    assert_eq!(report.spans, 16 * 402);
    assert_eq!((everything(&store).await.len(), store.usage().await.unwrap().spans), (0, 0));
    assert_eq!(store.operations(10).await.unwrap(), []);
    assert_eq!(erase(&store, &erasure("duration>=0ns", EraseExtent::Spans)).await, EraseReport::default());
    commit(&mut writer, 17..=22).await;
    compact(&store, 10_000).await;
    assert_eq!((everything(&store).await.len(), store.uncompacted()), (6 * 402, 0));
}

/// Stopped at the n-th point where it waits, for many n; each time the next process does the rest.
#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_is_cut_off_is_finished_by_the_next_start() {
    for extent in [EraseExtent::Spans, EraseExtent::Traces] {
        let dir = tempfile::tempdir().unwrap();
        let (store, mut writer) = filled(dir.path()).await;
        let mut rest = everything(&store).await;
        rest.retain(|span| !span.contains(SECRETS[2]));
        if extent == EraseExtent::Traces {
            let whole = everything(&store).await.len() - 32;
            rest.retain(|span| !span.contains("\"nobody\""));
            assert_eq!(rest.len(), whole);
        }
        let wanted = Erasure { extent, ..secret() };
        let id = store.begin_erasure(&wanted, &audit()).await.unwrap();
        let (mut store, mut cut) = (Some(store), 0);
        for polls in (3..).step_by(17) {
            let open = store.take().unwrap();
            let unfinished = open.unfinished_erasure().await.unwrap();
            if unfinished.is_none() {
                // Cut off while it waited for the answer to its last statement, which the database's thread had been given.
                store = Some(open);
                break;
            }
            assert_eq!(unfinished, Some(id));
            let finished = {
                let mut run = pin!(open.run_erasure(id, 77));
                let mut left = polls;
                std::future::poll_fn(|context| {
                    left -= 1;
                    match run.as_mut().poll(context) {
                        Poll::Ready(state) => Poll::Ready(Some(state.unwrap())),
                        Poll::Pending if left <= 0 => Poll::Ready(None),
                        Poll::Pending => Poll::Pending,
                    }
                })
                .await
            };
            if finished.is_some() {
                store = Some(open);
                break;
            }
            cut += 1;
            drop((open, writer));
            let (opened, next) = reopened(dir.path()).await;
            (store, writer) = (Some(opened), next);
        }
        let store = store.unwrap();
        assert!(cut > 5, "cut off {cut} times");
        assert_eq!(store.unfinished_erasure().await.unwrap(), None);
        assert_eq!(found(dir.path(), &secrets()), Vec::<String>::new());
        assert_eq!(everything(&store).await, rest);
        drop(writer);
    }
}

/// What was cut off may hold the lock of the folder for a moment: its threads end by themselves.
async fn reopened(dir: &Path) -> (SqliteStore, SqliteWriter) {
    for _ in 0..200 {
        match SqliteStore::open(dir, options()).await {
            Ok(opened) => return opened,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    panic!("the folder stays locked");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_filter_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _writer) = SqliteStore::open(dir.path(), options()).await.unwrap();

    let all = Erasure { filter: Filter::default(), extent: EraseExtent::Spans };
    assert!(store.begin_erasure(&all, &audit()).await.is_err());
}
