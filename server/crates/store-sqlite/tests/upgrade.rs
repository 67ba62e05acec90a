//! Files of an older release are migrated, and were copied before.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use spillway_store::PinStore;
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
