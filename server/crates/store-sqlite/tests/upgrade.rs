//! Files of an older release are migrated, and were copied before.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{path::Path, sync::Arc};

use spillway_store::{
    Compaction, PinStore, Projector, RequestDigest, SpanReader, TraceQuery, Write, Writer,
    contract::{generate, rollups::Silent},
};
use spillway_store_sqlite::{OpenOptions, SqliteStore};
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};

async fn opened_and_closed(dir: &Path) {
    let (store, writer) = SqliteStore::open(dir, OpenOptions::default()).await.unwrap();
    assert_eq!(store.pins().await.unwrap(), []);
    writer.close().await.unwrap();
    store.close().await;
}

async fn version(path: &Path) -> i64 {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut connection).await.unwrap()
}

fn copies(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir.join("backups")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_file_of_the_release_before_is_copied_and_then_migrated() {
    let dir = tempfile::tempdir().unwrap();
    opened_and_closed(dir.path()).await;
    assert!(copies(dir.path()).is_empty(), "a new directory has nothing to keep");
    let control = dir.path().join("control.db");
    let newest = version(&control).await;
    let mut connection = SqliteConnectOptions::new().filename(&control).connect().await.unwrap();
    let undo = "DROP TABLE pin;
                DROP TABLE target;
                DROP TABLE backup;
                ALTER TABLE erasure DROP COLUMN first_start_ns;
                PRAGMA user_version = 2";
    sqlx::raw_sql(undo).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();

    opened_and_closed(dir.path()).await;

    assert_eq!(copies(dir.path()), ["control-schema-2.db"]);
    assert_eq!(version(&dir.path().join("backups/control-schema-2.db")).await, 2);
    assert_eq!(version(&control).await, newest);
}

/// How many traces have a long span, by a search that asks the filters of a compacted file.
async fn slow_traces(dir: &Path) -> usize {
    let (store, writer) = SqliteStore::open(dir, OpenOptions::default()).await.unwrap();
    let query = TraceQuery { filter: "duration >= 70ms".parse().unwrap(), limit: 1_000, ..TraceQuery::default() };
    let page = store.search(&query).await.unwrap();
    writer.close().await.unwrap();
    store.close().await;
    page.traces.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_of_a_release_that_knew_no_lengths_are_not_asked_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut writer) = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();
    let mut batch = generate::realistic_batch(1, 5_000);
    batch.spans.end_ns.iter_mut().step_by(50).for_each(|end_ns| *end_ns += 100_000_000);
    let write = Write::Spans { digest: RequestDigest([1; 32]), batch: Arc::new(batch), received_at_ns: 1 };
    assert!(writer.commit(&[write]).await.remove(0).is_ok());
    while !store.project(&mut Silent, usize::MAX).await.unwrap().caught_up {}
    store.flush().await.unwrap();
    assert_eq!(store.compact(1_000_000_000_000).await.unwrap().spans, 5_000);
    writer.close().await.unwrap();
    store.close().await;
    let slow = slow_traces(dir.path()).await;
    assert!(slow > 10, "{slow} traces");
    let file = dir.path().join("segments/000001.db");
    let execute = async |statement: &'static str| {
        let mut connection = SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    };

    execute("UPDATE filter_slot SET bits = zeroblob(length(bits)) WHERE slot >= 0").await;
    assert_eq!(slow_traces(dir.path()).await, 0, "the filters are asked");
    execute("DELETE FROM filter_slot WHERE slot = -1").await;
    assert_eq!(slow_traces(dir.path()).await, slow);
}
