//! The compacted file that takes more blocks.

use std::{path::Path, sync::Arc};

use spillway_model::batch::{SpanBatch, StrId};
use spillway_store::{StoreError, Watermark};
use sqlx::SqliteConnection;

use crate::{
    OpenOptions, Synchronous,
    block::{
        BlockError, Encoder, HashSet32, Operations,
        filter::{self, FilterGroup},
        summarise,
    },
    connect::WriterConnection,
    error, open,
    segment::{
        self, FileName, Segment, Totals, bulk,
        operations::{OperationNumbers, Table},
        runs,
    },
    writer::digests,
};

/// A file, the one connection that writes it, and what encoding keeps.
pub(crate) struct Target {
    segment: Arc<Segment>,
    connection: WriterConnection,
    /// On a blocking thread while blocks are encoded.
    codec: Option<Box<Codec>>,
    size_bytes: u64,
    /// Something was written since the last checkpoint.
    has_log: bool,
}

/// What encoding needs and keeps from block to block.
pub(super) struct Codec {
    encoder: Encoder,
    names: Names,
}

/// Blocks of whole traces have nearly every operation, so a summary by operation would rule nothing out and take as much space as an id a span:
/// it is by service here, and operations are in the filter. All of them are listed in the file all the same.
struct Names {
    operations: OperationNumbers,
    services: OperationNumbers,
}

impl Operations for Names {
    fn number(&mut self, batch: &SpanBatch, resource: u32, name: StrId) -> u32 {
        self.operations.number(batch, resource, name);
        self.services.number(batch, resource, name)
    }
}

/// A block ready to be inserted.
pub(super) struct Sealed {
    start_min_ns: i64,
    start_max_ns: i64,
    span_count: usize,
    summary: Vec<u8>,
    hashes: HashSet32,
    tokens: Vec<u64>,
    data: Vec<u8>,
}

/// A block of the log that does not decode.
pub(super) struct Damaged {
    pub(super) file: u32,
    pub(super) block: u64,
    pub(super) why: String,
    pub(super) data: Vec<u8>,
}

/// What one compaction writes.
pub(super) struct Group {
    pub(super) blocks: Vec<Sealed>,
    pub(super) filters: FilterGroup,
    pub(super) damaged: Vec<Damaged>,
    pub(super) digests: Vec<u8>,
    pub(super) received_at_ns: i64,
    pub(super) through: Watermark,
}

impl Codec {
    /// The filters of some blocks.
    pub(super) fn filters(blocks: &mut [Sealed]) -> FilterGroup {
        let tokens: Vec<Vec<u64>> = blocks.iter_mut().map(|block| std::mem::take(&mut block.tokens)).collect();
        FilterGroup::of(&tokens)
    }

    pub(super) fn seal(&mut self, batch: &SpanBatch) -> Result<Sealed, BlockError> {
        let data = self.encoder.encode(batch)?;
        let summary = summarise(batch, &mut self.names);
        let capped = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
        Ok(Sealed {
            start_min_ns: capped(summary.start_min_ns),
            start_max_ns: capped(summary.start_max_ns),
            span_count: batch.len(),
            summary: summary.to_bytes(),
            hashes: HashSet32::of(self.encoder.traces()),
            tokens: filter::tokens(batch),
            data,
        })
    }
}

impl Target {
    pub(super) async fn create(dir: &Path, name: FileName, synchronous: Synchronous) -> Result<Self, StoreError> {
        let target = Self::open(dir, name, synchronous).await?;
        // The name of the file must be as durable as the commits in it.
        open::sync_dir(&name.kind.folder(dir))?;
        Ok(target)
    }

    async fn open(dir: &Path, name: FileName, synchronous: Synchronous) -> Result<Self, StoreError> {
        let (segment, connection) = Segment::open_for_writing(dir, name, synchronous).await?;
        Self::with(Arc::new(segment), connection).await
    }

    /// Goes on with the last file; the totals are those that stand in it.
    pub(super) async fn reopen(
        dir: &Path,
        segment: Arc<Segment>,
        synchronous: Synchronous,
    ) -> Result<(Self, Totals), StoreError> {
        let (stored, connection) = Segment::open_for_writing(dir, segment.name, synchronous).await?;
        Ok((Self::with(segment, connection).await?, stored.totals()))
    }

    async fn with(segment: Arc<Segment>, mut connection: WriterConnection) -> Result<Self, StoreError> {
        let size_bytes =
            std::fs::metadata(&segment.path).map_err(error::io(format!("read the size of {}", segment.file())))?.len();
        let file = segment.file();
        let operations = OperationNumbers::load(connection.statement(), Table::Operation, &file).await?;
        let services = OperationNumbers::load(connection.statement(), Table::Service, &file).await?;
        let codec = Some(Box::new(Codec { encoder: Encoder::new(), names: Names { operations, services } }));
        Ok(Self { segment, connection, codec, size_bytes, has_log: true })
    }

    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    pub(super) fn is_full(&self, options: &OpenOptions, received_at_ns: i64) -> bool {
        self.segment.is_full(self.size_bytes, options.segment_bytes, options.segment_age, received_at_ns)
    }

    /// Lent to the thread that encodes; `None` when the last one was lost in a panic: this file cannot go on then.
    pub(super) fn lend(&mut self) -> Option<Box<Codec>> {
        self.codec.take()
    }

    pub(super) fn take_back(&mut self, codec: Box<Codec>) {
        self.codec = Some(codec);
    }

    /// Commits a group in one transaction. Readers see it when the catalogue shows the totals that this returns.
    pub(super) async fn insert(&mut self, group: &Group) -> Result<Totals, StoreError> {
        let file = self.segment.file();
        let first = self.segment.totals().last_block + 1;
        let mut totals = self.segment.totals();
        for block in &group.blocks {
            totals.add(group.received_at_ns, block.start_max_ns, block.span_count as u64);
        }
        // Also when all of its spans were repeats: its digests are looked for by this time.
        totals.last_received_at_ns = totals.last_received_at_ns.max(group.received_at_ns);
        totals.through = group.through;
        let Some(codec) = &mut self.codec else {
            return Err(StoreError::Io { action: format!("write to {file}"), source: "its encoder was lost".into() });
        };
        let written = write(&mut self.connection, &codec.names, group, first, &totals).await;
        for numbers in [&mut codec.names.operations, &mut codec.names.services] {
            match &written {
                Ok(()) => numbers.committed(),
                Err(_) => numbers.rolled_back(),
            }
        }
        written.map_err(error::sql(format!("commit compacted spans to {file}")))?;
        self.has_log = true;
        self.size_bytes +=
            group.blocks.iter().map(|block| (block.data.len() + block.summary.len()) as u64).sum::<u64>();
        Ok(totals)
    }

    /// Keeps the trace index short. A failure costs time on reads, nothing else: the next group tries again.
    pub(super) async fn merge_index(&mut self) {
        loop {
            match runs::merge(&self.segment, &mut self.connection).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(segment.file = self.segment.file(), "the trace index is not merged: {error}");
                    return;
                }
            }
        }
    }

    pub(super) fn has_log(&self) -> bool {
        self.has_log
    }

    /// Moves the log into the file.
    pub(super) async fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.has_log = false;
        let failed = error::sql(format!("checkpoint {}", self.segment.path.display()));
        self.connection.checkpoint().await.map_err(failed)
    }

    pub(crate) async fn close(self) -> Result<(), StoreError> {
        self.connection.close().await.map_err(error::sql(format!("checkpoint {}", self.segment.path.display())))
    }
}

async fn write(
    connection: &mut WriterConnection,
    names: &Names,
    group: &Group,
    first: u64,
    totals: &Totals,
) -> Result<(), sqlx::Error> {
    let mut tx = connection.begin().await?;
    names.operations.write_added(&mut tx).await?;
    names.services.write_added(&mut tx).await?;
    for (block, id) in group.blocks.iter().zip(first as i64..) {
        sqlx::query(
            "INSERT INTO block (id, received_at_ns, start_min_ns, start_max_ns, span_count, digests, summary)
             VALUES (?, ?, ?, ?, ?, X'', ?);
             INSERT INTO block_data (block, data) VALUES (?, ?)",
        )
        .bind(id)
        .bind(group.received_at_ns)
        .bind(block.start_min_ns)
        .bind(block.start_max_ns)
        .bind(block.span_count as i64)
        .bind(block.summary.as_slice())
        .bind(id)
        .bind(block.data.as_slice())
        .execute(&mut *tx)
        .await?;
    }
    if !group.blocks.is_empty() {
        let pairs = group.blocks.iter().zip(first..);
        let pairs = pairs.flat_map(|(block, id)| block.hashes.as_slice().iter().map(move |&hash| (hash, id)));
        runs::write(&mut tx, 0, &runs::pages(pairs, first), first, totals.last_block).await?;
        write_filters(&mut tx, &group.filters, first, totals.last_block).await?;
    }
    for damaged in &group.damaged {
        sqlx::query("INSERT OR IGNORE INTO damaged (fresh_file, fresh_block, why, data) VALUES (?, ?, ?, ?)")
            .bind(damaged.file)
            .bind(damaged.block as i64)
            .bind(damaged.why.as_str())
            .bind(damaged.data.as_slice())
            .execute(&mut *tx)
            .await?;
    }
    // Two groups may have the same last arrival. What `||` gives is text, which the column does not take.
    sqlx::query(
        "INSERT INTO request (received_at_ns, digests) VALUES (?, ?)
         ON CONFLICT (received_at_ns) DO UPDATE SET digests = CAST(digests || excluded.digests AS BLOB)",
    )
    .bind(group.received_at_ns)
    .bind(group.digests.as_slice())
    .execute(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM request WHERE received_at_ns < ?")
        .bind(totals.last_received_at_ns.saturating_sub(digests::KEPT_NS))
        .execute(&mut *tx)
        .await?;
    segment::write_totals(&mut tx, totals).await?;
    tx.commit().await?;
    connection.committed();
    Ok(())
}

async fn write_filters(
    tx: &mut SqliteConnection,
    filters: &FilterGroup,
    first: u64,
    last: u64,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO filter_group (first_block, last_block, slots) VALUES (?, ?, ?)")
        .bind(first as i64)
        .bind(last as i64)
        .bind(filters.slots.len() as i64)
        .execute(&mut *tx)
        .await?;
    let slots =
        std::iter::once((filter::MARK_SLOT, filter::MARK)).chain((0..).zip(filters.slots.iter().map(Vec::as_slice)));
    bulk::insert(tx, bulk::FILTER_SLOTS, first as i64, slots).await
}
