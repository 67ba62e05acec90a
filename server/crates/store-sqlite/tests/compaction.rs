//! What compaction does to files: space returns, a crash in the middle changes nothing, and what is damaged is set aside.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{path::Path, sync::Arc, time::Duration};

use spillway_model::identity::TraceId;
use spillway_store::{
    CompactProgress, Compaction, Projector, RequestDigest, SpanReader, TraceQuery, Write, WriteOutcome, Writer,
    contract::{generate, plain, rollups::Silent},
};
use spillway_store_sqlite::{OpenOptions, SqliteStore, SqliteWriter};
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};

/// A second in the unit of arrivals.
const SECOND: i64 = 1_000_000_000;

fn options() -> OpenOptions {
    OpenOptions { compact_after: Duration::from_secs(90), compact_spans: 2_000, ..OpenOptions::default() }
}

/// A request a second.
fn write(number: u8) -> Write {
    Write::Spans {
        digest: RequestDigest([number; 32]),
        batch: Arc::new(generate::realistic_batch(u64::from(number), 500)),
        received_at_ns: SECOND * i64::from(number),
    }
}

async fn commit(writer: &mut SqliteWriter, numbers: impl Iterator<Item = u8>) {
    for number in numbers {
        assert!(matches!(writer.commit(&[write(number)]).await.remove(0).unwrap(), WriteOutcome::Stored { .. }));
    }
}

async fn compact(store: &SqliteStore, now_s: i64) -> CompactProgress {
    while !store.project(&mut Silent, usize::MAX).await.unwrap().caught_up {}
    store.flush().await.unwrap();
    let mut all = CompactProgress::default();
    loop {
        let step = store.compact(now_s * SECOND).await.unwrap();
        if step.spans == 0 {
            return all;
        }
        all.spans += step.spans;
        all.repeats += step.repeats;
        all.damaged += step.damaged;
    }
}

fn files(dir: &Path, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(dir.join(folder)).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".db"));
    names.sort();
    names
}

/// All traces of the store, as text.
async fn everything(store: &SqliteStore) -> Vec<String> {
    let mut query = TraceQuery { limit: 1_000, ..TraceQuery::default() };
    let mut all = Vec::new();
    loop {
        let page = store.search(&query).await.unwrap();
        for found in &page.traces {
            let trace = store.trace(found.trace_id).await.unwrap().unwrap();
            all.push(format!("{found:?} {:?}", plain::spans(&trace)));
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return all,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_old_and_projected_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut writer) = SqliteStore::open(dir.path(), options()).await.unwrap();
    commit(&mut writer, 1..=20).await;

    assert_eq!(store.compact(1_000 * SECOND).await.unwrap().spans, 0, "nothing is projected");
    assert_eq!(compact(&store, 95).await.spans, 2_000, "one full group arrived 90 s ago, the fifth waits for others");
    assert_eq!(compact(&store, 500).await.spans, 8_000, "four full groups");

    assert_eq!(store.uncompacted(), 0);
    assert_eq!(store.usage().await.unwrap().spans, 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_spans_wait_for_others_but_not_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut writer) = SqliteStore::open(dir.path(), options()).await.unwrap();
    commit(&mut writer, 1..=3).await;

    assert_eq!(compact(&store, 300).await.spans, 0);
    assert_eq!(compact(&store, 602).await.spans, 1_500);
}

/// Set back by a day: what is stored seems to have arrived tomorrow.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_set_back_does_not_stop_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut writer) = SqliteStore::open(dir.path(), options()).await.unwrap();
    commit(&mut writer, 1..=4).await;

    assert_eq!(compact(&store, -86_400).await.spans, 2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_gives_its_space_back_and_answers_stay_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut writer) = SqliteStore::open(dir.path(), options()).await.unwrap();
    commit(&mut writer, 1..=40).await;
    let (before, bytes) = (everything(&store).await, store.usage().await.unwrap().bytes);

    compact(&store, 1_000).await;

    assert_eq!(everything(&store).await, before);
    assert_eq!(files(dir.path(), "fresh"), Vec::<String>::new());
    let after = store.usage().await.unwrap();
    assert!(after.bytes < bytes, "{} bytes, {bytes} before", after.bytes);
    commit(&mut writer, 41..=41).await;
    assert_eq!(files(dir.path(), "fresh"), ["000002.db"]);
    assert!(everything(&store).await.len() > before.len());
    drop((store, writer));

    let (store, mut writer) = SqliteStore::open(dir.path(), options()).await.unwrap();
    assert_eq!(store.usage().await.unwrap().spans, 41 * 500);
    assert_eq!(writer.commit(&[write(7)]).await.remove(0).unwrap(), WriteOutcome::Repeated, "its digest was kept");
}

/// The compacted file has them, and the log still has them too: as after a crash between the two.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_the_log_is_deleted_shows_no_span_twice() {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, mut writer) = SqliteStore::open(dir.path(), options()).await.unwrap();
    commit(&mut writer, 1..=10).await;
    let before = everything(&store).await;
    writer.close().await.unwrap();
    store.close().await;
    std::fs::copy(dir.path().join("fresh/000001.db"), copy.path().join("000001.db")).unwrap();

    // Two groups of four requests; the last two requests stay in the log.
    let (store, writer) = SqliteStore::open(dir.path(), options()).await.unwrap();
    assert_eq!(compact(&store, 190).await.spans, 4_000);
    writer.close().await.unwrap();
    store.close().await;
    std::fs::copy(copy.path().join("000001.db"), dir.path().join("fresh/000001.db")).unwrap();
    let (store, writer) = SqliteStore::open(dir.path(), options()).await.unwrap();
    assert_eq!(everything(&store).await, before);
    assert_eq!((store.usage().await.unwrap().spans, store.uncompacted()), (5_000, 1_000));

    // All of it; then the log comes back once more.
    assert_eq!(compact(&store, 10_000).await.spans, 1_000);
    drop((store, writer));
    std::fs::copy(copy.path().join("000001.db"), dir.path().join("fresh/000001.db")).unwrap();
    let (store, mut writer) = SqliteStore::open(dir.path(), options()).await.unwrap();
    assert_eq!(everything(&store).await, before);
    assert_eq!(files(dir.path(), "fresh"), Vec::<String>::new());
    commit(&mut writer, 11..=11).await;
    assert_eq!(files(dir.path(), "fresh"), ["000002.db"], "a number is not given twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_began_before_a_compaction_goes_on_as_it_began() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut writer) = SqliteStore::open(dir.path(), options()).await.unwrap();
    commit(&mut writer, 1..=12).await;
    let all = everything(&store).await;

    let mut query = TraceQuery { limit: 7, ..TraceQuery::default() };
    let mut found = Vec::new();
    loop {
        let page = store.search(&query).await.unwrap();
        found.extend(page.traces.iter().map(|trace| trace.trace_id));
        compact(&store, 10_000).await;
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }

    let unique: std::collections::BTreeSet<TraceId> = found.iter().copied().collect();
    assert_eq!((found.len(), unique.len()), (all.len(), all.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_block_is_set_aside_and_the_rest_is_compacted() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut writer) = SqliteStore::open(dir.path(), options()).await.unwrap();
    commit(&mut writer, 1..=4).await;
    while !store.project(&mut Silent, usize::MAX).await.unwrap().caught_up {}
    store.flush().await.unwrap();
    writer.close().await.unwrap();
    store.close().await;
    let mut connection =
        SqliteConnectOptions::new().filename(dir.path().join("fresh/000001.db")).connect().await.unwrap();
    sqlx::query("UPDATE block_data SET data = X'00112233' WHERE block = 2").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();

    let (store, _writer) = SqliteStore::open(dir.path(), options()).await.unwrap();
    let done = compact(&store, 10_000).await;

    assert_eq!((done.spans, done.damaged), (2_000, 1));
    assert_eq!(store.usage().await.unwrap().spans, 1_500);
    let mut connection =
        SqliteConnectOptions::new().filename(dir.path().join("segments/000001.db")).connect().await.unwrap();
    let (file, block, data): (i64, i64, Vec<u8>) =
        sqlx::query_as("SELECT fresh_file, fresh_block, data FROM damaged").fetch_one(&mut connection).await.unwrap();
    assert_eq!((file, block, data), (1, 2, vec![0x00, 0x11, 0x22, 0x33]));
}
