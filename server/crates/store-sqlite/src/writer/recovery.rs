//! Going on after a failure that leaves it unknown what is on the disk.
//!
//! When a sync fails, Linux counts the pages that it could not write as written: the next sync of the same file succeeds without them, and a read
//! shows them until they are evicted (<https://wiki.postgresql.org/wiki/Fsync_Errors>). So a file in which a commit failed takes no more
//! commits. Before anything is acknowledged again it is opened anew, blocks in it that were never acknowledged are deleted (their
//! senders send them again), and its write-ahead log is moved into it, which writes and syncs all of that once more; then the log goes on in a new file.
//!
//! Ending the process, so that a supervisor starts it again, would do the same, but takes the reads with it, and not everybody has a supervisor.

use std::{io::Write as _, path::Path, sync::Arc};

use spillway_store::StoreError;

use super::{SqliteWriter, active::Active};
use crate::{
    connect::{Purpose, WriterConnection},
    error,
    segment::{self, Segment, Totals},
};

/// What must fit onto the disk before it counts as writable again: room for some commits, not for a last one.
const PROBE_BYTES: usize = 1 << 20;

/// A file of the log in which something failed.
pub(super) struct Suspect {
    /// Its connection writes no more, but it is kept until another one has the file open: without any, the next reader would have to rebuild
    /// what readers share, and that is a write.
    active: Active,
    /// What failed.
    why: String,
}

impl SqliteWriter {
    /// Takes the file that is written out of use.
    pub(super) async fn distrust(&mut self, active: &mut Option<Active>, why: &StoreError) {
        let Some(mut active) = active.take() else { return };
        let segment = active.segment();
        tracing::error!(
            segment.file = segment.file(),
            "it is unknown what a failed commit left in a file: it takes no more, commits go on in another: {why}"
        );
        // SQLite did so by itself, nearly always; else its lock would be in the way.
        let _ = sqlx::query("ROLLBACK").execute(active.connection.statement()).await;
        self.suspect = Some(Suspect { active, why: why.to_string() });
    }

    /// Makes sure of the file that failed, if there is one.
    pub(super) async fn recover(&mut self) -> Result<(), StoreError> {
        let Some(suspect) = &self.suspect else { return Ok(()) };
        // Held, so that compaction does not delete the file meanwhile.
        let _active = self.inner.active.lock().await;
        let segment = Arc::clone(suspect.active.segment());
        let listed = self.inner.catalogue.fresh().iter().any(|fresh| fresh.name == segment.name);
        if listed {
            match self.clean(&segment).await {
                // It stays as it is: what can be read of it is served.
                Ok(()) | Err(StoreError::Corrupt { .. }) => {}
                Err(error) => {
                    let why = format!("{error}; it is checked because of an earlier failure: {}", suspect.why);
                    return match error {
                        StoreError::Full { what } => Err(StoreError::Full { what }),
                        _ => Err(StoreError::Io { action: format!("trust {}", segment.file()), source: why.into() }),
                    };
                }
            }
        }
        tracing::info!(
            segment.file = segment.file(),
            "the file that failed holds what was acknowledged: commits go on"
        );
        if let Some(suspect) = self.suspect.take() {
            suspect.active.discard().await;
        }
        Ok(())
    }

    async fn clean(&self, segment: &Segment) -> Result<(), StoreError> {
        let mut connection = WriterConnection::open(&segment.path, Purpose::Log, self.options.synchronous).await?;
        forget_after(&mut connection, &segment.totals()).await.map_err(segment.failed("delete what failed"))?;
        connection.close().await.map_err(segment.failed("write all pages once more"))
    }

    /// Shows that the disk takes writes: that of the last failure, and some more.
    pub(super) async fn try_disk(&self) -> Result<(), StoreError> {
        let path = self.inner.dir.join("probe");
        let probe = path.clone();
        let tried = tokio::task::spawn_blocking(move || write_and_delete(&probe));
        let tried =
            tried.await.map_err(|panic| StoreError::Io { action: "try the disk".into(), source: Box::new(panic) })?;
        tried.map_err(error::io(format!("write {}", path.display())))
    }
}

/// Deletes blocks behind the last one that counts. A failed commit can be whole in the write-ahead log all the same, and its sender was told to
/// send it again: the next start would find both. One that is not even visible now is written over by what this writes.
async fn forget_after(connection: &mut WriterConnection, totals: &Totals) -> Result<(), sqlx::Error> {
    let last = totals.last_block as i64;
    let mut tx = connection.begin().await?;
    for statement in [
        "INSERT OR REPLACE INTO damaged (fresh_file, fresh_block, why, data) VALUES (0, ?, '', X'')",
        "DELETE FROM damaged WHERE fresh_file = 0 AND fresh_block = ?",
        "DELETE FROM block_traces WHERE block > ?",
        "DELETE FROM block_data WHERE block > ?",
        "DELETE FROM block WHERE id > ?",
    ] {
        sqlx::query(statement).bind(last).execute(&mut *tx).await?;
    }
    segment::write_totals(&mut tx, totals).await?;
    tx.commit().await?;
    connection.committed();
    Ok(())
}

fn write_and_delete(path: &Path) -> std::io::Result<()> {
    let written = std::fs::File::create(path).and_then(|mut file| {
        file.write_all(&vec![0x5a; PROBE_BYTES])?;
        file.sync_all()
    });
    // Also when it was not written whole.
    let deleted = std::fs::remove_file(path);
    written.and(deleted)
}
