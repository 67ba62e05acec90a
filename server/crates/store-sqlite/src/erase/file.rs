//! One file that is rewritten in place, and the connection that does it.

use std::{path::Path, sync::Arc};

use rustc_hash::FxHashMap;
use spillway_model::identity::TraceId;
use spillway_store::{EraseReport, StoreError};
use sqlx::SqliteConnection;

use super::{
    Wanted, earlier, names,
    rewrite::{Rewritten, rewrite},
};
use crate::{
    Synchronous,
    block::filter::FilterGroup,
    connect::WriterConnection,
    error,
    segment::{
        Kind, Segment,
        operations::{OperationNumbers, Table},
    },
    store::Inner,
};

/// Blocks that one transaction rewrites at most.
pub(super) const BLOCKS_A_STEP: usize = 16;

/// Something was deleted, and may still stand somewhere in the file. A number in its header, which a transaction covers.
const MARK: &str = "PRAGMA application_id = 1";
const UNMARK: &str = "PRAGMA application_id = 0";

/// What one step did.
#[derive(Default)]
pub(super) struct Step {
    pub(super) report: EraseReport,
    pub(super) traces: Vec<TraceId>,
}

pub(super) struct OpenFile {
    segment: Arc<Segment>,
    connection: WriterConnection,
    /// What the summaries name: operations in the log, services in compacted files. On a blocking thread while blocks are rewritten.
    numbers: Option<OperationNumbers>,
    unreadable: u64,
}

impl OpenFile {
    /// Nobody else may write this file meanwhile.
    pub(super) async fn open(segment: Arc<Segment>, synchronous: Synchronous) -> Result<Self, StoreError> {
        let mut connection = WriterConnection::open(&segment.path, segment.name.kind.purpose(), synchronous).await?;
        let table = match segment.name.kind {
            Kind::Fresh => Table::Operation,
            Kind::Compacted => Table::Service,
        };
        let numbers = OperationNumbers::load(connection.statement(), table, &segment.file()).await?;
        Ok(Self { segment, connection, numbers: Some(numbers), unreadable: 0 })
    }

    /// Rewrites some blocks in one transaction; those up to `hidden` are not read any more, and do not count.
    pub(super) async fn step(
        &mut self,
        inner: &Inner,
        blocks: &[u64],
        wanted: &Arc<Wanted>,
        hidden: u64,
    ) -> Result<Step, StoreError> {
        let stored = self.read(blocks).await?;
        let Some(mut numbers) = self.numbers.take() else {
            return Err(StoreError::Io { action: "erase spans".into(), source: "the encoder was lost".into() });
        };
        let (kind, wanted) = (self.segment.name.kind, Arc::clone(wanted));
        let (numbers, results) = inner
            .decode(move || {
                let one = |(block, data): &(u64, Vec<u8>)| (*block, rewrite(kind, *block, data, &wanted, &mut numbers));
                let results: Vec<_> = stored.iter().map(one).collect();
                Ok((numbers, results))
            })
            .await?;
        self.numbers = Some(numbers);
        let mut rewritten = Vec::new();
        for (block, result) in results {
            match result {
                Ok(changed) => rewritten.extend(changed),
                Err(failed) => {
                    tracing::error!(
                        segment.file = self.segment.file(),
                        block,
                        "a block cannot be looked into: {failed}"
                    );
                    self.unreadable += 1;
                }
            }
        }
        if rewritten.is_empty() {
            return Ok(Step::default());
        }
        self.write(&rewritten).await?;
        Ok(self.publish(rewritten, hidden))
    }

    async fn read(&mut self, blocks: &[u64]) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let mut stored = Vec::with_capacity(blocks.len());
        for &block in blocks {
            let data: Option<Vec<u8>> = sqlx::query_scalar("SELECT data FROM block_data WHERE block = ?")
                .bind(block as i64)
                .fetch_optional(self.connection.statement())
                .await
                .map_err(self.segment.failed("read a block"))?;
            stored.extend(data.map(|data| (block, data)));
        }
        Ok(stored)
    }

    async fn write(&mut self, rewritten: &[Rewritten]) -> Result<(), StoreError> {
        let failed = || self.segment.failed("erase spans");
        let mut tx = self.connection.begin().await.map_err(failed())?;
        for block in rewritten {
            sqlx::query(
                "UPDATE block SET start_min_ns = ?, start_max_ns = ?, span_count = ?, summary = ? WHERE id = ?;
                 UPDATE block_data SET data = ? WHERE block = ?",
            )
            .bind(block.start_min_ns)
            .bind(block.start_max_ns)
            .bind(block.span_count as i64)
            .bind(block.summary.as_slice())
            .bind(block.block as i64)
            .bind(block.data.as_slice())
            .bind(block.block as i64)
            .execute(&mut *tx)
            .await
            .map_err(failed())?;
        }
        let erased: usize = rewritten.iter().map(|block| block.erased).sum();
        sqlx::query("UPDATE total SET spans = spans - ? WHERE one = 1")
            .bind(erased as i64)
            .execute(&mut *tx)
            .await
            .map_err(failed())?;
        if self.segment.name.kind == Kind::Compacted {
            replace_filters(&mut tx, rewritten).await.map_err(failed())?;
            names::drop_operations(&mut tx, rewritten).await.map_err(failed())?;
        }
        sqlx::query(MARK).execute(&mut *tx).await.map_err(failed())?;
        tx.commit().await.map_err(failed())?;
        self.connection.committed();
        Ok(())
    }

    /// Tells readers, and counts.
    fn publish(&self, rewritten: Vec<Rewritten>, hidden: u64) -> Step {
        let mut step = Step::default();
        let mut state = self.segment.state.write().expect("no panic while it was held");
        for block in rewritten {
            let erased = block.erased as u64;
            step.report.first_start_ns = earlier(step.report.first_start_ns, Some(block.first_start_ns));
            state.totals.spans = state.totals.spans.saturating_sub(erased);
            if block.block <= hidden {
                state.compacted_spans = state.compacted_spans.saturating_sub(erased);
                continue;
            }
            step.report.spans += erased;
            step.report.blocks += 1;
            step.report.bytes_before += block.bytes_before as u64;
            step.report.bytes_after += block.data.len() as u64;
            step.traces.extend(block.traces);
        }
        step
    }

    /// Drops names that nothing has any more, and writes the file anew if something was deleted from it. Returns how many blocks nobody could look into.
    pub(super) async fn finish(mut self) -> Result<u64, StoreError> {
        let failed = || self.segment.failed("drop names");
        let mut tx = self.connection.begin().await.map_err(failed())?;
        if names::drop_unmentioned(&mut tx, self.segment.name.kind, &self.segment.file()).await? {
            sqlx::query(MARK).execute(&mut *tx).await.map_err(failed())?;
        }
        tx.commit().await.map_err(failed())?;
        self.connection.committed();
        let damaged: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM damaged")
            .fetch_one(self.connection.statement())
            .await
            .map_err(self.segment.failed("count damaged blocks"))?;
        let mark: i64 = sqlx::query_scalar("PRAGMA application_id")
            .fetch_one(self.connection.statement())
            .await
            .map_err(self.segment.failed("read the mark"))?;
        if mark != 0 {
            for statement in ["VACUUM", UNMARK] {
                sqlx::query(statement)
                    .execute(self.connection.statement())
                    .await
                    .map_err(self.segment.failed("overwrite what was erased"))?;
            }
        }
        checkpoint(&mut self.connection, &self.segment.path).await?;
        self.connection.close().await.map_err(self.segment.failed("end an erasure"))?;
        Ok(self.unreadable + damaged as u64)
    }
}

/// Moves the log into the file and empties it: until then both hold what was deleted.
pub(super) async fn checkpoint(connection: &mut WriterConnection, path: &Path) -> Result<(), StoreError> {
    /// Each waits some seconds for readers.
    const TRIES: usize = 6;
    for _ in 0..TRIES {
        let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(connection.statement())
            .await
            .map_err(error::sql(format!("overwrite what was erased in {}", path.display())))?;
        if busy == 0 {
            return Ok(());
        }
    }
    Err(StoreError::Conflict(format!(
        "{} is being read all the time: erased text may still stand in it",
        path.display()
    )))
}

/// A filter says which values may be in a block, so those of rewritten blocks are made anew; others of the group stay as they are.
async fn replace_filters(tx: &mut SqliteConnection, rewritten: &[Rewritten]) -> Result<(), sqlx::Error> {
    let mut groups: FxHashMap<i64, Vec<&Rewritten>> = FxHashMap::default();
    for block in rewritten {
        let first: Option<i64> = sqlx::query_scalar(
            "SELECT first_block FROM filter_group
             WHERE first_block <= ?1 AND last_block >= ?1
             ORDER BY first_block DESC
             LIMIT 1",
        )
        .bind(block.block as i64)
        .fetch_optional(&mut *tx)
        .await?;
        groups.entry(first.unwrap_or_default()).or_default().push(block);
    }
    for (first, blocks) in groups {
        let slots: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT bits FROM filter_slot WHERE first_block = ? AND slot >= 0 ORDER BY slot")
                .bind(first)
                .fetch_all(&mut *tx)
                .await?;
        if slots.is_empty() {
            continue;
        }
        let before = FilterGroup { slots };
        let mut group = before.clone();
        for block in blocks {
            group.replace((block.block - first as u64) as usize, &block.tokens);
        }
        for (slot, (bits, before)) in (0_i64..).zip(group.slots.iter().zip(&before.slots)) {
            if bits != before {
                sqlx::query("UPDATE filter_slot SET bits = ? WHERE first_block = ? AND slot = ?")
                    .bind(bits.as_slice())
                    .bind(first)
                    .bind(slot)
                    .execute(&mut *tx)
                    .await?;
            }
        }
    }
    Ok(())
}
