//! What holds deletions up while a backup copies: a file lock, since the backup is another process, and a lock that ends with whoever holds
//! it, since that process may be killed.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use spillway_store::StoreError;

use crate::error;

/// One of the locks.
pub(crate) struct Gate {
    path: PathBuf,
}

/// Held while something is done that the gate may hold up, or while it is closed.
pub(crate) struct Pass {
    /// Kept for its lock.
    _file: File,
}

impl Gate {
    /// Held up: files of the log are not deleted, since nothing is compacted, and the newest compacted file does not change.
    pub(crate) fn of_compaction(dir: &Path) -> Self {
        Self { path: dir.join("lock.compaction") }
    }

    /// Held up: compacted files are not deleted, and nothing is moved out of them.
    pub(crate) fn of_retention(dir: &Path) -> Self {
        Self { path: dir.join("lock.retention") }
    }

    /// `None` while it is closed: come back later.
    pub(crate) fn pass(&self) -> Result<Option<Pass>, StoreError> {
        let file = self.open()?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Pass { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(self.failed()(source)),
        }
    }

    /// Closes it until the pass is dropped; waits for whoever is passing.
    pub(crate) async fn close(&self) -> Result<Pass, StoreError> {
        let file = self.open()?;
        let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| Pass { _file: file })).await;
        locked
            .map_err(|panic| StoreError::Io { action: "wait for a lock".into(), source: Box::new(panic) })?
            .map_err(self.failed())
    }

    fn open(&self) -> Result<File, StoreError> {
        // Whoever may read the data may back it up: nothing is ever written to it.
        File::options().create(true).append(true).open(&self.path).map_err(self.failed())
    }

    fn failed(&self) -> impl FnOnce(std::io::Error) -> StoreError + use<> {
        error::io(format!("lock {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[tokio::test]
    async fn nobody_passes_a_closed_gate_and_closing_waits_for_whoever_passes() {
        let dir = tempfile::tempdir().unwrap();
        let (server, backup) = (Gate::of_compaction(dir.path()), Gate::of_compaction(dir.path()));

        let closed = backup.close().await.unwrap();
        assert!(server.pass().unwrap().is_none());
        assert!(Gate::of_retention(dir.path()).pass().unwrap().is_some());
        drop(closed);

        let passing = server.pass().unwrap().unwrap();
        let closing = tokio::spawn(async move { backup.close().await.map(drop) });
        tokio::task::yield_now().await;
        assert!(!closing.is_finished());
        drop(passing);
        closing.await.unwrap().unwrap();
    }
}
