//! The contract suite, on this engine: with all blocks in one segment, whose trace index goes to sorted runs two blocks at a time, and with a
//! segment for nearly each commit.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use spillway_store::contract::Engine;
use spillway_store_sqlite::{OpenOptions, SqliteStore, SqliteWriter, Synchronous};

struct Directory {
    dir: tempfile::TempDir,
    options: OpenOptions,
}

impl Engine for Directory {
    type Store = SqliteStore;
    type Writer = SqliteWriter;

    async fn open(&self) -> (SqliteStore, SqliteWriter) {
        SqliteStore::open(self.dir.path(), self.options.clone()).await.unwrap()
    }

    async fn restart(&self, store: SqliteStore, writer: SqliteWriter) -> (SqliteStore, SqliteWriter) {
        drop((store, writer));
        self.open().await
    }
}

/// Thousands of commits do not need the disk to have them: what is tested here is not durability.
fn directory(segment_bytes: u64, blocks_a_run: usize) -> Directory {
    let options = OpenOptions { synchronous: Synchronous::Off, segment_bytes, blocks_a_run, ..OpenOptions::default() };
    Directory { dir: tempfile::tempdir().unwrap(), options }
}

spillway_store::contract_suite!(one_segment, || directory(1 << 30, 2));
spillway_store::contract_suite!(many_segments, || directory(1, 1_000));
