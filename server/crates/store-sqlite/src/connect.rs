//! Connections, all with the same settings.

use std::{path::Path, time::Duration};

use spillway_store::StoreError;
use sqlx::{
    ConnectOptions, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{Synchronous, error};

/// Blocks are some 30 kB: larger pages mean fewer of them in a chain. Only new files take it.
const SEGMENT_PAGE_BYTES: u32 = 16_384;
/// The one writer never waits for another writer; a reader may wait for recovery of the log after a crash.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// A read that finds all connections busy fails after this, so that requests do not pile up.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection is a thread: those of segments that nobody reads are closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// After a checkpoint the log is cut back to this.
const WAL_BYTES_KEPT: &str = "67108864";

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        // Functions and virtual tables named in a crafted file must not run.
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        // Memory-mapped reads turn a disk error into a signal, and made the WAL bug of 3.51.2 worse.
        .pragma("mmap_size", "0")
        .disable_statement_logging()
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Rows,
    Blocks,
}

/// The one connection that writes a file; creates it.
pub(crate) async fn writer(
    path: &Path,
    purpose: Purpose,
    synchronous: Synchronous,
) -> Result<SqliteConnection, StoreError> {
    let synchronous = match synchronous {
        Synchronous::Full => SqliteSynchronous::Full,
        Synchronous::Off => SqliteSynchronous::Off,
    };
    let mut options = options(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .pragma("journal_size_limit", WAL_BYTES_KEPT);
    if purpose == Purpose::Blocks {
        options = options.page_size(SEGMENT_PAGE_BYTES);
    }
    options.connect().await.map_err(error::sql(format!("open {} for writing", path.display())))
}

/// Connections that only read; opened when one is needed.
pub(crate) fn readers(path: &Path, most: u32) -> SqlitePool {
    SqlitePoolOptions::new()
        .min_connections(0)
        .max_connections(most)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(IDLE_TIMEOUT)
        // It is a local file: nothing goes away between two uses.
        .test_before_acquire(false)
        .connect_lazy_with(options(path).create_if_missing(false).pragma("query_only", "ON"))
}
