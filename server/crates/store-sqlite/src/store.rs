//! The handle that readers share.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use spillway_store::StoreError;
use sqlx::{Sqlite, SqlitePool, pool::PoolConnection};
use tokio::sync::{Mutex, Semaphore};

use crate::{
    OpenOptions, catalogue::Catalogue, compact::Compactor, connect::WriterConnection, error, gate::Gate,
    rollups::Rollups, tail::Tail, unpacked::Unpacked, writer::Active,
};

/// Blocks are decoded on threads for blocking work; more at a time than this only takes the processor from ingest.
const DECODERS: usize = 4;

/// A store in a directory. Cheap to clone; reads never wait for writes.
#[derive(Clone)]
pub struct SqliteStore {
    pub(crate) inner: Arc<Inner>,
}

/// A file of plain rows.
pub(crate) struct Database {
    pub(crate) path: PathBuf,
    /// The one connection that writes. Held across awaits on purpose: it is the queue of those who write this file, and each holds it for
    /// one transaction.
    pub(crate) writer: Mutex<WriterConnection>,
    pub(crate) readers: SqlitePool,
}

impl Database {
    pub(crate) async fn reader(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        self.readers.acquire().await.map_err(error::sql(format!("open {} for reading", self.path.display())))
    }

    /// Moves the log into the file.
    pub(crate) async fn checkpoint(&self) -> Result<(), StoreError> {
        self.writer.lock().await.checkpoint().await.map_err(self.failed("checkpoint"))
    }

    /// `what` completes "cannot … in history.db".
    pub(crate) fn failed(&self, what: &str) -> impl FnOnce(sqlx::Error) -> StoreError {
        error::sql(format!("{what} in {}", self.path.display()))
    }
}

pub(crate) struct Inner {
    pub(crate) dir: PathBuf,
    pub(crate) control: Database,
    pub(crate) history: Database,
    pub(crate) catalogue: Catalogue,
    pub(crate) decoders: Semaphore,
    pub(crate) rollups: Rollups,
    pub(crate) tail: Tail,
    pub(crate) unpacked: Arc<Unpacked>,
    pub(crate) options: OpenOptions,
    /// The file of the log that takes commits. Held across awaits on purpose, for one commit, and while compaction deletes the file.
    pub(crate) active: Mutex<Option<Active>>,
    /// Held for a step of compaction: there is one at a time.
    pub(crate) compactor: Mutex<Compactor>,
    /// Closed to compaction while a backup copies what compaction would delete. Taken after `compactor`.
    pub(crate) compaction: Gate,
    /// Closed to the deletion of compacted files while a backup copies them.
    pub(crate) retention: Gate,
    /// Held for an erasure: there is one at a time, before [`Self::compactor`].
    pub(crate) eraser: Mutex<()>,
    /// Kept for its lock.
    _lock: File,
}

impl Inner {
    pub(crate) fn new(
        dir: PathBuf,
        options: OpenOptions,
        lock: File,
        control: Database,
        history: Database,
        catalogue: Catalogue,
    ) -> Self {
        Self {
            compaction: Gate::of_compaction(&dir),
            retention: Gate::of_retention(&dir),
            dir,
            options,
            active: Mutex::default(),
            compactor: Mutex::default(),
            eraser: Mutex::default(),
            control,
            history,
            catalogue,
            decoders: Semaphore::new(DECODERS),
            rollups: Rollups::default(),
            tail: Tail::default(),
            unpacked: Arc::default(),
            _lock: lock,
        }
    }

    /// Runs work of more than some 500 µs off the async threads, a few at a time.
    pub(crate) async fn decode<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _permit = self.decoders.acquire().await.expect("the semaphore is never closed");
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|panic| Err(StoreError::Io { action: "decode blocks".into(), source: Box::new(panic) }))
    }
}

impl SqliteStore {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// When the newest spans arrived; 0 when there are none.
    pub fn newest_arrival_ns(&self) -> i64 {
        self.inner.catalogue.all().iter().map(|segment| segment.totals().last_received_at_ns).max().unwrap_or_default()
    }

    /// Closes all files after a checkpoint, so that the next start has nothing to recover. Without it nothing is lost either.
    pub async fn close(self) {
        if let Some(target) = self.inner.compactor.lock().await.take() {
            let file = target.segment().file();
            if let Err(error) = target.close().await {
                tracing::warn!(segment.file = file, "cannot finish a file of spans: {error}");
            }
        }
        for segment in self.inner.catalogue.all() {
            segment.readers.close().await;
        }
        for database in [&self.inner.control, &self.inner.history] {
            database.readers.close().await;
            // A failed checkpoint leaves the log for the next start.
            let _ =
                sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(database.writer.lock().await.statement()).await;
        }
    }
}
