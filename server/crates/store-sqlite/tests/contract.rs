//! The contract suite, on this engine: with all blocks in one file of the log, whose trace index goes to sorted runs two blocks at a time, with a
//! file for nearly each commit, and with everything compacted between writes and reads.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use spillway_store::{
    Compaction, Projector,
    contract::{Engine, rollups::Silent},
};
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

    async fn settle(&self, store: &SqliteStore) {
        if self.options.compact_after.is_zero() {
            while !store.project(&mut Silent, usize::MAX).await.unwrap().caught_up {}
            store.flush().await.unwrap();
            while store.compact(i64::MAX).await.unwrap().spans > 0 {}
        }
    }

    async fn restart(&self, store: SqliteStore, writer: SqliteWriter) -> (SqliteStore, SqliteWriter) {
        drop((store, writer));
        self.open().await
    }
}

/// Compaction follows the projector; these tests read no rollups.
/// Everything is compacted as soon as it is there, in groups of few spans, into files of few groups.
fn compacted() -> Directory {
    let mut directory = directory(1 << 14, 1_000);
    directory.options.compact_after = Duration::ZERO;
    directory.options.compact_within = Duration::ZERO;
    directory.options.compact_spans = 50;
    directory
}

/// Thousands of commits do not need the disk to have them: what is tested here is not durability.
fn directory(segment_bytes: u64, blocks_a_run: usize) -> Directory {
    let options = OpenOptions {
        synchronous: Synchronous::Off,
        segment_bytes,
        fresh_bytes: segment_bytes,
        blocks_a_run,
        ..OpenOptions::default()
    };
    Directory { dir: tempfile::tempdir().unwrap(), options }
}

spillway_store::contract_suite!(one_segment, || directory(1 << 30, 2));
spillway_store::contract_suite!(many_segments, || directory(1, 1_000));
spillway_store::contract_suite!(compacted, compacted);
