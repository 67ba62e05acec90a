//! One file of blocks, and what is known of it in memory.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::RwLock,
    time::Duration,
};

use rustc_hash::FxHashSet;
use spillway_store::{StoreError, Watermark};
use sqlx::{Sqlite, SqliteConnection, SqlitePool, pool::PoolConnection};

use crate::{
    Synchronous,
    block::HashSet32,
    connect::{self, Purpose, WriterConnection},
    error,
    migrate::{self, Schema},
};

pub(crate) mod bulk;
pub(crate) mod operations;
pub(crate) mod runs;

/// Reads of one segment at a time.
const READERS: u32 = 3;

/// Which of the two kinds of files it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// Part of the log of commits.
    Fresh,
    /// Made by compaction.
    Compacted,
}

impl Kind {
    /// How its files are opened.
    pub(crate) fn purpose(self) -> Purpose {
        match self {
            Self::Fresh => Purpose::Log,
            Self::Compacted => Purpose::Segment,
        }
    }

    /// The folder of its files.
    pub(crate) fn folder(self, dir: &Path) -> PathBuf {
        dir.join(match self {
            Self::Fresh => "fresh",
            Self::Compacted => "segments",
        })
    }
}

/// Names a file of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileName {
    pub(crate) kind: Kind,
    pub(crate) number: u32,
}

impl FileName {
    pub(crate) fn path(self, dir: &Path) -> PathBuf {
        dir.join(self.below())
    }

    /// Where it is below the data directory.
    pub(crate) fn below(self) -> String {
        let folder = match self.kind {
            Kind::Fresh => "fresh",
            Kind::Compacted => "segments",
        };
        format!("{folder}/{:06}.db", self.number)
    }
}

/// Sums over a segment's blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) blocks: u64,
    pub(crate) last_block: u64,
    pub(crate) spans: u64,
    pub(crate) first_received_at_ns: i64,
    pub(crate) last_received_at_ns: i64,
    pub(crate) start_max_ns: i64,
    /// Of a compacted one: how much of the log it and those before it hold.
    pub(crate) through: Watermark,
}

impl Totals {
    /// Counts one more block.
    pub(crate) fn add(&mut self, received_at_ns: i64, start_max_ns: i64, spans: u64) {
        if self.blocks == 0 {
            (self.first_received_at_ns, self.last_received_at_ns) = (received_at_ns, received_at_ns);
        }
        self.first_received_at_ns = self.first_received_at_ns.min(received_at_ns);
        self.last_received_at_ns = self.last_received_at_ns.max(received_at_ns);
        self.start_max_ns = self.start_max_ns.max(start_max_ns);
        self.blocks += 1;
        self.last_block += 1;
        self.spans += spans;
    }
}

/// What changes with every commit; readers see it only after the commit.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) totals: Totals,
    /// Hashes of the traces of those blocks that no run has taken over, by block.
    pub(crate) recent: Vec<(u64, HashSet32)>,
    /// Sorted runs in the file.
    pub(crate) runs: u64,
    /// Spans of a fresh one that a compacted one holds by now.
    pub(crate) compacted_spans: u64,
    /// True when the file was deleted.
    pub(crate) deleted: bool,
}

pub(crate) struct Segment {
    pub(crate) name: FileName,
    pub(crate) path: PathBuf,
    pub(crate) readers: SqlitePool,
    /// No await happens while it is held: a commit publishes into it, readers look at it.
    pub(crate) state: RwLock<State>,
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Segment {
    /// Opens a file that exists.
    pub(crate) async fn open(dir: &Path, name: FileName) -> Result<Self, StoreError> {
        let (segment, connection) = Self::open_for_writing(dir, name, Synchronous::Full).await?;
        connection.close().await.map_err(error::sql(format!("close {}", segment.path.display())))?;
        Ok(segment)
    }

    /// Opens a file, or creates it, and keeps the connection that may write it.
    pub(crate) async fn open_for_writing(
        dir: &Path,
        name: FileName,
        synchronous: Synchronous,
    ) -> Result<(Self, WriterConnection), StoreError> {
        let path = name.path(dir);
        let file = path.display().to_string();
        let mut connection = WriterConnection::open(&path, name.kind.purpose(), synchronous).await?;
        migrate::migrate(connection.statement(), Schema::Segment, &file).await?;
        let totals = read_totals(connection.statement(), &file).await?;
        let recent = read_recent(connection.statement(), &file).await?;
        let runs: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM trace_run")
            .fetch_one(connection.statement())
            .await
            .map_err(error::sql(format!("read the trace index of {file}")))?;
        let readers = connect::readers(&path, READERS);
        let state = RwLock::new(State { totals, recent, runs: runs as u64, ..State::default() });
        Ok((Self { name, path, readers, state }, connection))
    }

    pub(crate) fn file(&self) -> String {
        self.path.display().to_string()
    }

    pub(crate) fn number(&self) -> u32 {
        self.name.number
    }

    pub(crate) fn totals(&self) -> Totals {
        self.state.read().expect("no panic while it was held").totals
    }

    /// The last place of the log that a fresh one holds.
    pub(crate) fn end(&self) -> Watermark {
        Watermark { segment: self.name.number, block: self.totals().last_block }
    }

    /// Whether the next blocks go into another file, by its size or by the age of what came first.
    pub(crate) fn is_full(&self, size_bytes: u64, most_bytes: u64, longest: Duration, received_at_ns: i64) -> bool {
        let totals = self.totals();
        let age = received_at_ns.saturating_sub(totals.first_received_at_ns);
        totals.blocks > 0
            && (size_bytes >= most_bytes || u128::try_from(age).is_ok_and(|age| age >= longest.as_nanos()))
    }

    /// Spans that are read from here.
    pub(crate) fn spans(&self) -> u64 {
        let state = self.state.read().expect("no panic while it was held");
        state.totals.spans.saturating_sub(state.compacted_spans)
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.state.read().expect("no panic while it was held").deleted
    }

    /// `None` when the segment was deleted.
    pub(crate) async fn reader(&self) -> Result<Option<PoolConnection<Sqlite>>, StoreError> {
        match self.readers.acquire().await {
            Ok(connection) => Ok(Some(connection)),
            Err(_) if self.is_deleted() => Ok(None),
            Err(error) => Err(error::sql(format!("open {} for reading", self.path.display()))(error)),
        }
    }

    /// Blocks that may hold a trace of that hash, ascending.
    pub(crate) async fn blocks_with(&self, hash: u32) -> Result<Vec<u64>, StoreError> {
        // Memory first: what is written to a run meanwhile is then found twice, not missed.
        let (mut blocks, runs) = {
            let state = self.state.read().expect("no panic while it was held");
            let recent = state.recent.iter().filter(|(_, hashes)| hashes.contains(hash));
            (recent.map(|(block, _)| *block).collect::<FxHashSet<u64>>(), state.runs)
        };
        if runs > 0
            && let Some(mut connection) = self.reader().await?
        {
            runs::look_up(self, &mut connection, hash, &mut blocks).await?;
        }
        let mut blocks: Vec<u64> = blocks.into_iter().collect();
        blocks.sort_unstable();
        Ok(blocks)
    }

    /// `what` completes "cannot … in 000001.db".
    pub(crate) fn failed(&self, what: &str) -> impl FnOnce(sqlx::Error) -> StoreError + use<> {
        error::sql(format!("{what} in {}", self.path.display()))
    }
}

async fn read_totals(connection: &mut SqliteConnection, file: &str) -> Result<Totals, StoreError> {
    let row: (i64, i64, i64, i64, i64, i64, i64, i64) = sqlx::query_as(
        "SELECT blocks, last_block, spans, first_received_at_ns, last_received_at_ns, start_max_ns, through_file, through_block
         FROM total
         WHERE one = 1",
    )
    .fetch_one(connection)
    .await
    .map_err(error::sql(format!("read the totals of {file}")))?;
    let (blocks, last_block, spans, first_received_at_ns, last_received_at_ns, start_max_ns, file, block) = row;
    Ok(Totals {
        blocks: blocks as u64,
        last_block: last_block as u64,
        spans: spans as u64,
        first_received_at_ns,
        last_received_at_ns,
        start_max_ns,
        through: Watermark { segment: file as u32, block: block as u64 },
    })
}

/// Writes the sums with the blocks that they count.
pub(crate) async fn write_totals(connection: &mut SqliteConnection, totals: &Totals) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE total
         SET blocks = ?, last_block = ?, spans = ?, first_received_at_ns = ?, last_received_at_ns = ?, start_max_ns = ?,
             through_file = ?, through_block = ?
         WHERE one = 1",
    )
    .bind(totals.blocks as i64)
    .bind(totals.last_block as i64)
    .bind(totals.spans as i64)
    .bind(totals.first_received_at_ns)
    .bind(totals.last_received_at_ns)
    .bind(totals.start_max_ns)
    .bind(totals.through.segment)
    .bind(totals.through.block as i64)
    .execute(connection)
    .await?;
    Ok(())
}

async fn read_recent(connection: &mut SqliteConnection, file: &str) -> Result<Vec<(u64, HashSet32)>, StoreError> {
    // Bounded: a run takes blocks over long before there are many.
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as("SELECT block, hashes FROM block_traces ORDER BY block")
        .fetch_all(connection)
        .await
        .map_err(error::sql(format!("read the trace index of {file}")))?;
    rows.into_iter()
        .map(|(block, hashes)| {
            let hashes = HashSet32::from_bytes(&hashes).ok_or_else(|| StoreError::Corrupt {
                what: format!("the trace index of block {block} in {file}"),
                why: "its hashes are not sorted".into(),
            })?;
            Ok((block as u64, hashes))
        })
        .collect()
}
