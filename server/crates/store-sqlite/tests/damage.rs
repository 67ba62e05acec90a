//! Files that are damaged, too new, locked or old: the rest is served, and nothing is acknowledged that is not stored.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{path::Path, sync::Arc};

use spillway_model::identity::TraceId;
use spillway_store::{
    Projector, RequestDigest, Retention, SpanReader, StoreError, TraceQuery, Watermark, Write, WriteOutcome, Writer,
    contract::{generate, rollups::Silent},
};
use spillway_store_sqlite::{OpenOptions, SqliteStore, SqliteWriter};
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

/// Each commit in a segment of its own.
fn many_segments() -> OpenOptions {
    OpenOptions { fresh_bytes: 1, ..OpenOptions::default() }
}

fn spans(number: u8) -> (Write, TraceId) {
    let batch = generate::realistic_batch(u64::from(number), 100);
    let trace = batch.spans.trace_id[50];
    let received_at_ns = 1_000_000_000 * i64::from(number);
    (Write::Spans { digest: RequestDigest([number; 32]), batch: Arc::new(batch), received_at_ns }, trace)
}

async fn store_one(writer: &mut SqliteWriter, number: u8) -> (Watermark, TraceId) {
    let (write, trace) = spans(number);
    match writer.commit(&[write]).await.remove(0).unwrap() {
        WriteOutcome::Stored { at } => (at, trace),
        other => panic!("{other:?}"),
    }
}

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

async fn execute(path: &Path, statement: &'static str) {
    let mut connection = connect(path).await;
    sqlx::query(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Opens with everything written and closed.
async fn closed(dir: &Path, options: OpenOptions, commits: u8) -> Vec<(Watermark, TraceId)> {
    let (store, mut writer) = SqliteStore::open(dir, options).await.unwrap();
    let mut stored = Vec::new();
    for number in 1..=commits {
        stored.push(store_one(&mut writer, number).await);
    }
    writer.close().await.unwrap();
    store.close().await;
    stored
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_a_newer_program_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), OpenOptions::default(), 1).await;
    let control = dir.path().join("control.db");
    execute(&control, "PRAGMA user_version = 99").await;

    let refused = SqliteStore::open(dir.path(), OpenOptions::default()).await.err().unwrap();

    let named =
        matches!(&refused, StoreError::TooNew { file, found: 99, .. } if *file == control.display().to_string());
    assert!(named, "{refused}");
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut connect(&control).await).await.unwrap();
    assert_eq!(version, 99);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_that_is_no_database_takes_no_other_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let stored = closed(dir.path(), many_segments(), 3).await;
    for number in [2, 3] {
        std::fs::write(dir.path().join(format!("fresh/{number:06}.db")), vec![7; 8_192]).unwrap();
    }

    let (store, mut writer) = SqliteStore::open(dir.path(), many_segments()).await.unwrap();

    assert!(store.trace(stored[0].1).await.unwrap().is_some());
    assert!(store.trace(stored[1].1).await.unwrap().is_none());
    let (at, trace) = store_one(&mut writer, 4).await;
    assert_eq!(at, Watermark { segment: 4, block: 1 }, "the damaged files are not written over");
    assert!(store.trace(trace).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_block_is_left_out_and_the_others_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let stored = closed(dir.path(), OpenOptions::default(), 3).await;
    execute(&dir.path().join("fresh/000001.db"), "UPDATE block_data SET data = ZEROBLOB(LENGTH(data)) WHERE block = 2")
        .await;

    let (store, _writer) = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();

    for (index, (_, trace)) in stored.iter().enumerate() {
        assert_eq!(store.trace(*trace).await.unwrap().is_some(), index != 1);
    }
    let page = store.search(&TraceQuery { limit: 1_000, ..TraceQuery::default() }).await.unwrap();
    assert_eq!(page.traces.len(), 2 * 100 / 4);
    let places: Vec<u64> = store.replay(None, usize::MAX).await.unwrap().iter().map(|batch| batch.at.block).collect();
    assert_eq!(places, [1, 3]);
    let progress = store.project(&mut Silent, usize::MAX).await.unwrap();
    assert!(progress.caught_up && progress.batches == 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_is_forgotten_and_can_be_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut writer) = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();
    store_one(&mut writer, 1).await;
    let (write, trace) = spans(2);
    let mut other = connect(&dir.path().join("fresh/000001.db")).await;
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();

    // Waits for the lock as long as the writer may, some five seconds.
    let failed = writer.commit(&[write.clone(), write.clone()]).await;
    assert!(failed.iter().all(Result::is_err), "{failed:?}");
    assert!(store.trace(trace).await.unwrap().is_none());
    lock.rollback().await.unwrap();

    let outcomes = writer.commit(&[write.clone(), write]).await;
    let outcomes: Vec<WriteOutcome> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes, [WriteOutcome::Stored { at: Watermark { segment: 1, block: 2 } }, WriteOutcome::Repeated]);
    assert_eq!(store.usage().await.unwrap().spans, 200);
    assert_eq!(store.operations(100).await.unwrap().len(), operations_of(&[1, 2]));
}

/// Names that a transaction gave numbers to before it failed get them again.
fn operations_of(numbers: &[u64]) -> usize {
    let batches = numbers.iter().map(|&number| generate::realistic_batch(number, 100));
    let names = batches.flat_map(|batch| {
        batch.iter().map(|span| (batch.service(span.resource()), span.name().to_owned())).collect::<Vec<_>>()
    });
    names.collect::<std::collections::BTreeSet<_>>().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_deletes_whole_files_and_a_restart_sweeps_what_a_crash_left() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut writer) = SqliteStore::open(dir.path(), many_segments()).await.unwrap();
    let mut stored = Vec::new();
    for number in 1..=4 {
        stored.push(store_one(&mut writer, number).await);
    }
    let before = store.usage().await.unwrap();

    let report = store.expire(3_000_000_000, 0).await.unwrap();

    let after = store.usage().await.unwrap();
    assert_eq!((report.segments, report.bytes), (2, before.bytes - after.bytes));
    assert_eq!(after.spans, 200);
    let files = || {
        let entries = std::fs::read_dir(dir.path().join("fresh")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.starts_with("000003") && !name.starts_with("000004"));
        names
    };
    assert_eq!(files(), Vec::<String>::new());
    for (index, (_, trace)) in stored.iter().enumerate() {
        assert_eq!(store.trace(*trace).await.unwrap().is_some(), index >= 2);
    }
    // Even the newest is not deleted under the writer.
    assert_eq!(store.expire(i64::MAX, 0).await.unwrap().segments, 1);
    assert!(store.trace(stored[3].1).await.unwrap().is_some());
    drop((store, writer));

    std::fs::write(dir.path().join("fresh/000001.db-wal"), b"left by a crash").unwrap();
    let (store, _writer) = SqliteStore::open(dir.path(), many_segments()).await.unwrap();
    assert!(!dir.path().join("fresh/000001.db-wal").exists());
    assert!(store.trace(stored[3].1).await.unwrap().is_some());
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_may_look_into_the_data() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("new/data");
    closed(&dir, OpenOptions::default(), 1).await;

    for dir in [dir.clone(), dir.join("fresh"), dir.join("segments")] {
        assert_eq!(std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700, "{}", dir.display());
    }
}

/// Else what is stored after the loss would count as projected.
#[tokio::test(flavor = "multi_thread")]
async fn lost_segments_do_not_give_their_numbers_away() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut writer) = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();
    store_one(&mut writer, 1).await;
    store_one(&mut writer, 2).await;
    assert!(store.project(&mut Silent, usize::MAX).await.unwrap().caught_up);
    store.flush().await.unwrap();
    drop((store, writer));
    std::fs::remove_dir_all(dir.path().join("fresh")).unwrap();

    let (store, mut writer) = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();
    let (at, _) = store_one(&mut writer, 3).await;

    assert_eq!(at, Watermark { segment: 2, block: 1 });
    assert_eq!(store.project(&mut Silent, usize::MAX).await.unwrap().batches, 1);
}
