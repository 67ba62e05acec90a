//! Space really returns, and what is pinned stays.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use spillway_model::{
    batch::{SpanBatch, SpanKind, SpanStatus},
    identity::{NodeKey, TraceId},
    observation::{Measurement, Subject},
};
use spillway_store::{
    AuditEntry, Compaction, MOST_PINS, Pin, PinStore, Projection, Projector, RequestDigest, Retention, SpanReader,
    StoreError, TraceQuery, Watermark, Write, WriteOutcome, Writer,
    contract::{generate, plain, rollups::Silent},
};
use spillway_store_sqlite::{
    KeepShare, OpenOptions, SqliteStore, SqliteWriter,
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
    filled_with(dir, options()).await
}

async fn filled_with(dir: &Path, options: OpenOptions) -> (SqliteStore, SqliteWriter, TraceId) {
    let (store, mut writer) = SqliteStore::open(dir, options).await.unwrap();
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

/// What is left when everything but the last file was too old.
async fn left(dir: &Path, keep: Option<KeepShare>) -> (SqliteStore, SqliteWriter, BTreeSet<TraceId>) {
    let (store, writer, _) = filled_with(dir, OpenOptions { keep, ..options() }).await;
    assert!(store.expire(1_000 * SECOND, 0).await.unwrap().segments > 1);
    let left = all(&store).await;
    (store, writer, left)
}

#[tokio::test(flavor = "multi_thread")]
async fn notable_traces_outlive_the_retention_by_age_within_their_share() {
    const SHARE: f64 = 0.05;
    let keep = Some(KeepShare { share: SHARE, longer: Duration::from_secs(3_600) });
    let [before_dir, without_dir, dir, again_dir] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let (before, _writer, _) = filled(before_dir.path()).await;
    let (_store, _writer, without) = left(without_dir.path(), None).await;

    let (store, _writer, with) = left(dir.path(), keep).await;

    assert!(without.is_subset(&with));
    let kept: Vec<TraceId> = with.difference(&without).copied().collect();
    assert!(kept.len() > 3, "{} are kept", kept.len());
    let mut spans_kept = 0;
    for &trace in &kept {
        // Whole, as it was, and for a reason.
        assert_eq!(spans(&store, trace).await, spans(&before, trace).await);
        let batch = store.trace(trace).await.unwrap().unwrap();
        assert!(batch.spans.status.contains(&SpanStatus::Error), "{trace} did not fail");
        spans_kept += batch.len() as u64;
    }
    let usage = before.usage().await.unwrap();
    assert!(spans_kept as f64 <= SHARE * usage.spans as f64, "{spans_kept} of {}", usage.spans);
    check(dir.path(), &mut Sound).await.unwrap();

    // The same data, the same choice.
    let (_store, _writer, again) = left(again_dir.path(), keep).await;
    assert_eq!(again, with);
}

/// What each server span says of its service.
struct Served;

impl Projection for Served {
    fn observe(&mut self, _: Watermark, batch: &SpanBatch, _: i64, emit: &mut dyn FnMut(&Subject, &[Measurement])) {
        for span in batch.iter().filter(|span| span.kind() == SpanKind::Server) {
            let subject = Subject::Node(NodeKey::service(batch.service(span.resource())));
            let (at_ns, duration_ns) = (span.end_ns(), span.duration_ns());
            emit(&subject, &[Measurement { at_ns, duration_ns, failed: false, provisional: false, times: 1 }]);
        }
    }

    fn settle(&mut self, _now_ns: i64, _emit: &mut dyn FnMut(&Subject, &[Measurement])) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_slower_than_its_service_mostly_is_outlives_the_retention_by_age() {
    let dir = tempfile::tempdir().unwrap();
    let keep = Some(KeepShare { share: 0.25, longer: Duration::from_secs(86_400) });
    let (store, mut writer) = SqliteStore::open(dir.path(), OpenOptions { keep, ..options() }).await.unwrap();
    // One service, in which a call in two hundred takes a second and all others some milliseconds; nothing fails.
    let arrival = |number: u64| (generate::EPOCH_NS + number * 1_000_000_000) as i64;
    let (mut slow, mut others) = (BTreeSet::new(), BTreeSet::new());
    for number in 0..40_u64 {
        let mut batch = generate::realistic_batch(5, 400);
        for span in 0..batch.len() {
            let call = number * 400 + span as u64;
            let (is_slow, columns) = (call % 200 == 7, &mut batch.spans);
            columns.trace_id[span] = TraceId([&call.to_be_bytes()[..], &[1; 8]].concat().try_into().unwrap());
            (columns.kind[span], columns.status[span]) = (SpanKind::Server, SpanStatus::Unset);
            columns.start_ns[span] = arrival(number) as u64 - 2_000_000_000;
            let took_ns = if is_slow { 1_000_000_000 } else { 2_000_000 + call % 1_000 };
            columns.end_ns[span] = columns.start_ns[span] + took_ns;
            if is_slow { &mut slow } else { &mut others }.insert(columns.trace_id[span]);
        }
        let digest = RequestDigest([number as u8; 32]);
        let write = Write::Spans { digest, batch: Arc::new(batch), received_at_ns: arrival(number) };
        writer.commit(&[write]).await.remove(0).unwrap();
    }
    while !store.project(&mut Served, usize::MAX).await.unwrap().caught_up {}
    store.flush().await.unwrap();
    while store.compact(arrival(10_000)).await.unwrap().spans > 0 {}
    let before = all(&store).await;
    assert_eq!(before.len(), slow.len() + others.len());

    assert!(store.expire(arrival(10_000), 0).await.unwrap().segments > 1);

    let after = all(&store).await;
    assert!(others.iter().filter(|trace| after.contains(trace)).count() < others.len() / 2);
    assert!(slow.is_subset(&after), "{} of {}", slow.intersection(&after).count(), slow.len());
}
