//! Connections, all with the same settings.

use std::{path::Path, time::Duration};

use spillway_store::StoreError;
use sqlx::{
    ConnectOptions, Connection, Sqlite, SqliteConnection, SqlitePool, Transaction,
    sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{Synchronous, error};

/// Blocks of a commit are some 20 kB: larger pages mean fewer of them in a chain, and less to do for a commit. Only new files take it.
const LOG_PAGE_BYTES: u32 = 16_384;
/// The last page of each block is half empty. These files are kept, and written when nobody waits: small pages waste a byte a span, those
/// of the log would waste four.
const SEGMENT_PAGE_BYTES: u32 = 4_096;
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
    /// The log of commits.
    Log,
    /// Compacted spans.
    Segment,
}

/// The one connection that writes a file.
pub(crate) struct WriterConnection {
    connection: SqliteConnection,
    options: SqliteConnectOptions,
    /// A transaction was begun, and nobody has said that it was committed.
    open: bool,
    /// A sync failed on this connection's files.
    distrusted: bool,
}

impl WriterConnection {
    /// Creates the file when there is none.
    pub(crate) async fn open(path: &Path, purpose: Purpose, synchronous: Synchronous) -> Result<Self, StoreError> {
        let synchronous = match synchronous {
            Synchronous::Full => SqliteSynchronous::Full,
            Synchronous::Off => SqliteSynchronous::Off,
        };
        let mut options = options(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .pragma("journal_size_limit", WAL_BYTES_KEPT);
        match purpose {
            // Takes hold before the first table only.
            Purpose::Rows => options = options.auto_vacuum(SqliteAutoVacuum::Incremental),
            Purpose::Log => options = options.page_size(LOG_PAGE_BYTES),
            Purpose::Segment => options = options.page_size(SEGMENT_PAGE_BYTES),
        }
        let failed = error::sql(format!("open {} for writing", path.display()));
        let connection = options.connect().await.map_err(failed)?;
        Ok(Self { connection, options, open: false, distrusted: false })
    }

    /// Begins a transaction; call [`Self::committed`] after its commit.
    ///
    /// SQLite rolls back by itself when the disk is full. The driver then believes that the transaction is still open, and would refuse to
    /// begin another one for ever: such a connection is replaced.
    pub(crate) async fn begin(&mut self) -> Result<Transaction<'_, Sqlite>, sqlx::Error> {
        if self.distrusted {
            let mut anew = self.options.connect().await?;
            // Writes and syncs once more what was committed, see `writer/recovery.rs`: a page of the log that only seems to be
            // on the disk is in the file then.
            sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut anew).await?;
            self.connection = anew;
            (self.open, self.distrusted) = (false, false);
        } else if self.open && self.connection.begin_with(BEGIN).await.is_err() {
            self.connection = self.options.connect().await?;
        }
        self.open = true;
        self.connection.begin_with(BEGIN).await
    }

    /// Says that the last transaction was committed.
    pub(crate) fn committed(&mut self) {
        self.open = false;
    }

    /// Says that it is unknown what a failure left on the disk: nothing is written by this connection any more, but by a new one.
    pub(crate) fn distrust(&mut self) {
        self.distrusted = true;
    }

    /// For statements that are a transaction of their own.
    pub(crate) fn statement(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Moves the log into the file and empties it, as far as readers let it.
    pub(crate) async fn checkpoint(&mut self) -> Result<(), sqlx::Error> {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut self.connection).await?;
        Ok(())
    }

    /// Closes it as it is.
    pub(crate) async fn discard(self) {
        // It is let go of whatever the answer: nothing that was acknowledged is in this connection only.
        let _ = self.connection.close().await;
    }

    /// Moves the log into the file and closes it.
    pub(crate) async fn close(mut self) -> Result<(), sqlx::Error> {
        self.checkpoint().await?;
        self.connection.close().await
    }
}

/// Takes the lock at once: a transaction that first reads and then writes could not wait for it.
const BEGIN: &str = "BEGIN IMMEDIATE";

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

/// One connection that only reads, also while another process writes the file. It leaves the file and its log as they are.
pub(crate) async fn read_alone(path: &Path) -> Result<SqliteConnection, StoreError> {
    let failed = error::sql(format!("open {} for reading", path.display()));
    options(path).create_if_missing(false).read_only(true).connect().await.map_err(failed)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[tokio::test]
    async fn a_transaction_that_sqlite_ended_by_itself_does_not_stop_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let mut writer = WriterConnection::open(&path, Purpose::Rows, Synchronous::Full).await.unwrap();
        sqlx::query("CREATE TABLE a (b INTEGER) STRICT").execute(writer.statement()).await.unwrap();

        let mut tx = writer.begin().await.unwrap();
        sqlx::query("INSERT INTO a VALUES (1)").execute(&mut *tx).await.unwrap();
        sqlx::query("ROLLBACK").execute(&mut *tx).await.unwrap();
        assert!(tx.rollback().await.is_err());

        for value in [2, 3] {
            let mut tx = writer.begin().await.unwrap();
            sqlx::query("INSERT INTO a VALUES (?)").bind(value).execute(&mut *tx).await.unwrap();
            tx.commit().await.unwrap();
            writer.committed();
        }
        let sum: i64 = sqlx::query_scalar("SELECT SUM(b) FROM a").fetch_one(writer.statement()).await.unwrap();
        assert_eq!(sum, 5);
    }

    #[tokio::test]
    async fn a_transaction_that_was_dropped_is_rolled_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let mut writer = WriterConnection::open(&path, Purpose::Rows, Synchronous::Full).await.unwrap();
        sqlx::query("CREATE TABLE a (b INTEGER) STRICT").execute(writer.statement()).await.unwrap();

        let mut tx = writer.begin().await.unwrap();
        sqlx::query("INSERT INTO a VALUES (1)").execute(&mut *tx).await.unwrap();
        drop(tx);

        let mut tx = writer.begin().await.unwrap();
        let rows: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM a").fetch_one(&mut *tx).await.unwrap();
        assert_eq!(rows, 0);
    }
}
