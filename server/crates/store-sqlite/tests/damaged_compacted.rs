//! Compacted files that are damaged: the rest is served, and compaction and commits go on.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::BTreeSet,
    fs::File,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use spillway_model::identity::TraceId;
use spillway_store::{
    Compaction, Projector, RequestDigest, SpanReader, TraceQuery, Write, Writer,
    contract::{generate, rollups::Silent},
};
use spillway_store_sqlite::{OpenOptions, SqliteStore, SqliteWriter};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

const PAGE: usize = 4_096;

/// Each step of compaction makes a file of its own.
fn options() -> OpenOptions {
    OpenOptions {
        compact_after: Duration::ZERO,
        compact_within: Duration::ZERO,
        segment_bytes: 1,
        ..OpenOptions::default()
    }
}

/// Stores a request of 6,000 spans and compacts it; returns its traces.
async fn store_and_compact(store: &SqliteStore, writer: &mut SqliteWriter, number: u8) -> BTreeSet<TraceId> {
    let batch = generate::realistic_batch(u64::from(number), 6_000);
    let traces = batch.spans.trace_id.iter().copied().collect();
    let received_at_ns = i64::from(number);
    let write = Write::Spans { digest: RequestDigest([number; 32]), batch: Arc::new(batch), received_at_ns };
    writer.commit(&[write]).await.remove(0).unwrap();
    while !store.project(&mut Silent, usize::MAX).await.unwrap().caught_up {}
    store.flush().await.unwrap();
    assert_eq!(store.compact(1_000_000_000).await.unwrap().spans, 6_000);
    traces
}

fn file(dir: &Path, number: u8) -> PathBuf {
    dir.join(format!("segments/{number:06}.db"))
}

/// A store with three compacted files, closed; the traces of each.
async fn three_files(dir: &Path) -> Vec<BTreeSet<TraceId>> {
    let (store, mut writer) = SqliteStore::open(dir, options()).await.unwrap();
    let mut traces = Vec::new();
    for number in 1..=3 {
        traces.push(store_and_compact(&store, &mut writer, number).await);
    }
    writer.close().await.unwrap();
    store.close().await;
    assert!(file(dir, 3).exists());
    traces
}

/// How many traces of a file are found, by id and by search.
async fn found(store: &SqliteStore, traces: &BTreeSet<TraceId>) -> (usize, usize) {
    let mut by_id = 0;
    for trace in traces {
        by_id += usize::from(matches!(store.trace(*trace).await, Ok(Some(_))));
    }
    let mut query = TraceQuery { limit: 1_000, ..TraceQuery::default() };
    let mut by_search = 0;
    loop {
        let page = store.search(&query).await.unwrap();
        by_search += page.traces.iter().filter(|found| traces.contains(&found.trace_id)).count();
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return (by_id, by_search),
        }
    }
}

/// Whole files are served, and more can be stored and compacted.
async fn assert_the_rest_works(store: &SqliteStore, writer: &mut SqliteWriter, whole: &[&BTreeSet<TraceId>]) {
    for traces in whole {
        assert_eq!(found(store, traces).await, (traces.len(), traces.len()));
    }
    let more = store_and_compact(store, writer, 9).await;
    assert_eq!(found(store, &more).await, (more.len(), more.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_block_of_a_compacted_file_hides_its_own_traces_only() {
    let dir = tempfile::tempdir().unwrap();
    let traces = three_files(dir.path()).await;
    let mut connection = SqliteConnectOptions::new().filename(file(dir.path(), 2)).connect().await.unwrap();
    let blocks: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM block").fetch_one(&mut connection).await.unwrap();
    assert!(blocks > 2);
    sqlx::query("UPDATE block_data SET data = ZEROBLOB(LENGTH(data)) WHERE block = 2")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();

    let (store, mut writer) = SqliteStore::open(dir.path(), options()).await.unwrap();

    let (by_id, by_search) = found(&store, &traces[1]).await;
    assert!(by_id == by_search && by_id < traces[1].len() && by_id > traces[1].len() / 4, "{by_id} and {by_search}");
    assert_the_rest_works(&store, &mut writer, &[&traces[0], &traces[2]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compacted_file_that_was_cut_off_takes_no_other_with_it() {
    for (number, kept) in [(2, 1), (3, 4)] {
        let dir = tempfile::tempdir().unwrap();
        let mut traces = three_files(dir.path()).await;
        let cut = File::options().write(true).open(file(dir.path(), number)).unwrap();
        cut.set_len(kept * PAGE as u64).unwrap();

        let (store, mut writer) = SqliteStore::open(dir.path(), options()).await.unwrap();

        let damaged = traces.remove(usize::from(number) - 1);
        assert_the_rest_works(&store, &mut writer, &[&traces[0], &traces[1]]).await;
        let (by_id, _) = found(&store, &damaged).await;
        assert!(by_id < damaged.len(), "file {number} cut to {kept} pages");
    }
}

/// The files of a closed store.
fn copied(from: &Path, to: &Path) {
    for folder in ["", "fresh", "segments"] {
        std::fs::create_dir_all(to.join(folder)).unwrap();
        for entry in std::fs::read_dir(from.join(folder)).unwrap().map(Result::unwrap) {
            if entry.path().extension().is_some_and(|extension| extension == "db") {
                std::fs::copy(entry.path(), to.join(folder).join(entry.file_name())).unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn zeroed_pages_of_a_compacted_file_take_no_other_file_with_them() {
    let sound = tempfile::tempdir().unwrap();
    let traces = three_files(sound.path()).await;
    let pages = std::fs::metadata(file(sound.path(), 2)).unwrap().len() / PAGE as u64;
    // The schema; roots of blocks, of their order by start, of the trace index, of the filters and of the digests; a page of spans.
    for page in [0, 1, 2, 7, 9, 12, pages / 2] {
        let dir = tempfile::tempdir().unwrap();
        copied(sound.path(), dir.path());
        let broken = File::options().write(true).open(file(dir.path(), 2)).unwrap();
        broken.write_all_at(&[0; PAGE], page * PAGE as u64).unwrap();

        let (store, mut writer) = SqliteStore::open(dir.path(), options()).await.unwrap();

        assert_the_rest_works(&store, &mut writer, &[&traces[0], &traces[2]]).await;
    }
}
