//! Space really returns, and what is pinned stays.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{collections::BTreeSet, path::Path, sync::Arc};

use spillway_model::identity::TraceId;
use spillway_store::{
    AuditEntry, Compaction, MOST_PINS, Pin, PinStore, Projector, RequestDigest, Retention, SpanReader, StoreError,
    TraceQuery, Write, WriteOutcome, Writer,
    contract::{generate, plain, rollups::Silent},
};
use spillway_store_sqlite::{
    OpenOptions, SqliteStore, SqliteWriter,
    check::{Finding, Listener, check},
};

const SECOND: i64 = 1_000_000_000;

struct Sound;

impl Listener for Sound {
    fn found(&mut self, finding: Finding) {
        panic!("{finding:?}");
    }

    fn file(&mut self, _: &str, _: usize, _: usize) {}
}

fn options() -> OpenOptions {
    OpenOptions { compact_spans: 1_000, segment_bytes: 100_000, ..OpenOptions::default() }
}

async fn compact(store: &SqliteStore) {
    while !store.project(&mut Silent, usize::MAX).await.unwrap().caught_up {}
    store.flush().await.unwrap();
    while store.compact(10_000 * SECOND).await.unwrap().spans > 0 {}
}

/// Several compacted files; a trace of the first request.
async fn filled(dir: &Path) -> (SqliteStore, SqliteWriter, TraceId) {
    let (store, mut writer) = SqliteStore::open(dir, options()).await.unwrap();
    let mut first = None;
    for number in 1..=40 {
        let batch = generate::realistic_batch(u64::from(number), 400);
        first = first.or(Some(batch.spans.trace_id[200]));
        let received_at_ns = SECOND * i64::from(number);
        let write = Write::Spans { digest: RequestDigest([number; 32]), batch: Arc::new(batch), received_at_ns };
        assert!(matches!(writer.commit(&[write]).await.remove(0).unwrap(), WriteOutcome::Stored { .. }));
    }
    compact(&store).await;
    (store, writer, first.unwrap())
}

fn audit(action: &str) -> AuditEntry {
    AuditEntry { at_ns: 1, actor: "admin".into(), action: action.into(), object: String::new(), detail: String::new() }
}

fn pin(trace_id: TraceId) -> Pin {
    Pin { trace_id, pinned_at_ns: 5, actor: "admin".into(), note: "why".into() }
}

/// As `du` counts.
fn on_disk(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries
        .map(|entry| match entry.file_type().unwrap().is_dir() {
            true => on_disk(&entry.path()),
            false => std::os::unix::fs::MetadataExt::blocks(&entry.metadata().unwrap()) * 512,
        })
        .sum()
}

async fn all(store: &SqliteStore) -> BTreeSet<TraceId> {
    let mut query = TraceQuery { limit: 1_000, ..TraceQuery::default() };
    let mut all = BTreeSet::new();
    loop {
        let page = store.search(&query).await.unwrap();
        all.extend(page.traces.iter().map(|trace| trace.trace_id));
        query.cursor = page.next;
        if query.cursor.is_none() {
            return all;
        }
    }
}

async fn spans(store: &SqliteStore, trace: TraceId) -> String {
    format!("{:?}", plain::spans(&store.trace(trace).await.unwrap().unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_files_go_until_the_rest_fits_and_their_space_returns() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _writer, old) = filled(dir.path()).await;
    let (before, disk_before) = (store.usage().await.unwrap(), on_disk(dir.path()));
    let limit = before.bytes - 250_000;

    assert_eq!(store.shrink(before.bytes).await.unwrap().segments, 0);
    let report = store.shrink(limit).await.unwrap();

    assert!(report.segments >= 1 && report.bytes >= 200_000, "{report:?}");
    let (after, disk_after) = (store.usage().await.unwrap(), on_disk(dir.path()));
    assert!(after.bytes <= limit && after.spans > 0, "{after:?}");
    assert!(disk_before - disk_after >= 200_000, "{disk_before} to {disk_after}");
    assert!(store.trace(old).await.unwrap().is_none());
    // The newest stays, however small the limit.
    store.shrink(0).await.unwrap();
    assert!(store.usage().await.unwrap().spans > 0);
    check(dir.path(), &mut Sound).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_trace_outlives_its_file_by_age_and_by_size_until_it_is_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let (store, writer, kept) = filled(dir.path()).await;
    let expected = spans(&store, kept).await;
    store.pin(&pin(kept), &audit("trace.pin")).await.unwrap();
    let before = all(&store).await;

    assert!(store.expire(20 * SECOND, 0).await.unwrap().segments > 1);
    assert_eq!(spans(&store, kept).await, expected);
    let found = all(&store).await;
    assert!(found.contains(&kept) && found.len() < before.len() && found.is_subset(&before));
    store.shrink(0).await.unwrap();
    assert_eq!(spans(&store, kept).await, expected);
    assert!(all(&store).await.contains(&kept));
    check(dir.path(), &mut Sound).await.unwrap();

    // Also after a restart.
    writer.close().await.unwrap();
    store.close().await;
    let (store, _writer) = SqliteStore::open(dir.path(), options()).await.unwrap();
    assert_eq!(spans(&store, kept).await, expected);

    assert!(store.unpin(kept, &audit("trace.unpin")).await.unwrap());
    assert!(!store.unpin(kept, &audit("trace.unpin")).await.unwrap());
    assert_eq!(store.pins().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_are_listed_newest_first_and_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _writer) = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();
    let id = |number: usize| TraceId([&[7; 8][..], &number.to_be_bytes()].concat().try_into().unwrap());
    for number in 0..MOST_PINS {
        let pin = Pin { pinned_at_ns: number as i64, ..pin(id(number)) };
        store.pin(&pin, &audit("trace.pin")).await.unwrap();
    }

    let refused = store.pin(&pin(id(MOST_PINS)), &audit("trace.pin")).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    let again = Pin { note: "other".into(), ..pin(id(3)) };
    store.pin(&again, &audit("trace.pin")).await.unwrap();
    let pins = store.pins().await.unwrap();
    assert_eq!((pins.len(), pins[0].trace_id), (MOST_PINS, id(MOST_PINS - 1)));
    assert!(pins.iter().any(|pin| pin.trace_id == id(3) && pin.note == "other" && pin.pinned_at_ns == 3));
}
