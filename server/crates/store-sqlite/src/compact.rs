//! Compaction: fresh blocks, in the order of commits, become blocks of whole traces in another file.
//!
//! The log of commits and what is made of it are different files, so that an acknowledgement never waits for a compaction, files that
//! retention keeps are written once, from front to back, and the log gives its space back by being deleted. No transaction spans two files:
//! a compacted file says how far in the log it goes, and that mark, committed with the blocks, is what hides the fresh ones. A crash
//! before the commit leaves the fresh blocks as they were; a crash after it leaves fresh files that nobody reads, and the
//! next start deletes them.

use std::sync::Arc;

use spillway_store::{CompactProgress, Compaction, StoreError, Watermark};

use crate::{
    SqliteStore,
    block::{BlockError, BlockReader, filter::FilterGroup},
    rollups,
    segment::{Kind, Segment},
    store::Inner,
};

pub(crate) mod keep;
mod merge;
mod target;

use merge::Merger;
pub(crate) use target::Target;
use target::{Codec, Damaged, Group, Sealed};

/// The file that the last compaction wrote; opened when it is needed.
pub(crate) type Compactor = Option<Target>;

/// Blocks that one step takes at most, however small they are.
const MOST_BLOCKS: i64 = 8_192;
/// Bytes of blocks, packed as they are, that one step takes: of ordinary spans it takes [`crate::OpenOptions::compact_spans`] before, of large ones fewer.
const MOST_BYTES: usize = 16 << 20;
/// With nothing more arriving, fewer spans than this wait on for others: they would make a poor block.
const WORTH_IT: u64 = 4_096;
/// What the clock says of an arrival in the future: it was set back, and the arrival is old.
const FUTURE_NS: i64 = 3_600 * 1_000_000_000;

/// Primary keys.
pub(crate) const HEADS: &str = "SELECT id, received_at_ns, span_count, length(data)
     FROM block
     CROSS JOIN block_data ON block_data.block = block.id
     WHERE id > ? AND id <= ?
     ORDER BY id
     LIMIT ?";

/// Fresh blocks of one file, in order.
struct Taken {
    segment: Arc<Segment>,
    blocks: Vec<u64>,
    spans: u64,
}

/// What a step takes.
#[derive(Default)]
struct Batch {
    taken: Vec<Taken>,
    spans: u64,
    blocks: i64,
    bytes: usize,
    received_at_ns: i64,
    through: Watermark,
}

impl Compaction for SqliteStore {
    #[tracing::instrument(name = "db.compact", skip_all, err)]
    async fn compact(&self, now_ns: i64) -> Result<CompactProgress, StoreError> {
        let mut target = self.inner.compactor.lock().await;
        let inner = &self.inner;
        // A backup is copying: the log keeps what it has for some seconds more.
        let Some(_pass) = inner.compaction.pass()? else { return Ok(CompactProgress::default()) };
        let result = match gather(inner, now_ns).await? {
            Some(batch) => compact(inner, &mut target, batch).await,
            None => {
                tidy(inner, &mut target).await;
                Ok(CompactProgress::default())
            }
        };
        if result.is_err() {
            // What the connection has open is unknown; the file is opened anew.
            *target = None;
        }
        retire(inner).await?;
        inner.catalogue.sweep().await?;
        result
    }

    fn uncompacted(&self) -> u64 {
        self.inner.catalogue.fresh().iter().map(|segment| segment.spans()).sum()
    }
}

/// With nothing left to do, the log of the file that was written goes into it, and the projector's likewise: else an idle store takes the
/// space of two logs more than it needs. A reader in the way costs nothing but the space: it is tried again after the next group.
async fn tidy(inner: &Inner, target: &mut Compactor) {
    let Some(written) = target.as_mut().filter(|target| target.has_log()) else { return };
    let history = &inner.history;
    let tidied = match written.checkpoint().await {
        Ok(()) => history.checkpoint().await,
        failed => failed,
    };
    if let Err(error) = tidied {
        tracing::debug!("a log is not checkpointed yet: {error}");
    }
}

/// Spans of a file of the log up to a block.
pub(crate) async fn spans_through(segment: &Segment, block: u64) -> Result<u64, StoreError> {
    let Some(mut connection) = segment.reader().await? else { return Ok(0) };
    let spans: i64 = sqlx::query_scalar("SELECT COALESCE(SUM(span_count), 0) FROM block WHERE id <= ?")
        .bind(block as i64)
        .fetch_one(&mut *connection)
        .await
        .map_err(segment.failed("count spans"))?;
    Ok(spans as u64)
}

/// What is next in the log, projected and old enough; `None` when it should wait for more.
async fn gather(inner: &Inner, now_ns: i64) -> Result<Option<Batch>, StoreError> {
    // What was not projected is read from the log once more.
    let Some(projected) = rollups::projected(&inner.history).await? else { return Ok(None) };
    let through = inner.catalogue.through();
    let options = &inner.options;
    let age = |received_at_ns: i64| match now_ns.saturating_sub(received_at_ns) {
        age if age < -FUTURE_NS => i64::MAX,
        age => age,
    };
    let old = |received_at_ns: i64, than: std::time::Duration| {
        u128::try_from(age(received_at_ns)).is_ok_and(|age| age >= than.as_nanos())
    };
    let mut batch = Batch { through, ..Batch::default() };
    let mut oldest = None;
    let mut full = false;
    let mut waits = false;
    for segment in inner.catalogue.fresh() {
        let number = segment.number();
        if number < through.segment || number > projected.segment {
            continue;
        }
        let after = if number == through.segment { through.block } else { 0 };
        let last = if number == projected.segment { projected.block } else { u64::MAX };
        let Some(mut connection) = segment.reader().await? else { continue };
        let heads: Vec<(i64, i64, i64, i64)> = sqlx::query_as(HEADS)
            .bind(after as i64)
            .bind(i64::try_from(last).unwrap_or(i64::MAX))
            .bind(MOST_BLOCKS - batch.blocks)
            .fetch_all(&mut *connection)
            .await
            .map_err(segment.failed("read the log of blocks"))?;
        drop(connection);
        let mut taken = Taken { segment: Arc::clone(&segment), blocks: Vec::new(), spans: 0 };
        for (id, received_at_ns, span_count, size_bytes) in heads {
            if !old(received_at_ns, options.compact_after) {
                waits = true;
                break;
            }
            oldest = oldest.or(Some(received_at_ns));
            batch.received_at_ns =
                if batch.blocks == 0 { received_at_ns } else { batch.received_at_ns.max(received_at_ns) };
            batch.blocks += 1;
            batch.spans += span_count as u64;
            batch.bytes += size_bytes as usize;
            batch.through = Watermark { segment: number, block: id as u64 };
            taken.blocks.push(id as u64);
            taken.spans += span_count as u64;
            let spans_are_enough = batch.spans >= options.compact_spans as u64;
            if spans_are_enough || batch.blocks == MOST_BLOCKS || batch.bytes >= MOST_BYTES {
                full = true;
                break;
            }
        }
        if !taken.blocks.is_empty() {
            batch.taken.push(taken);
        }
        if full || waits {
            break;
        }
    }
    let Some(oldest) = oldest else { return Ok(None) };
    let idle = !waits && batch.through == inner.catalogue.end() && batch.spans >= WORTH_IT;
    let due = full || idle || old(oldest, options.compact_within);
    Ok(due.then_some(batch))
}

async fn compact(inner: &Inner, target: &mut Compactor, batch: Batch) -> Result<CompactProgress, StoreError> {
    let mut stored = Vec::with_capacity(batch.blocks as usize);
    let mut digests = Vec::new();
    for taken in &batch.taken {
        read_blocks(taken, &mut stored, &mut digests).await?;
    }
    let open = open_target(inner, target, batch.received_at_ns).await?;
    if inner.catalogue.through() >= batch.through {
        return Ok(CompactProgress::default());
    }
    let Some(mut codec) = open.lend() else {
        return Err(StoreError::Io { action: "compact".into(), source: "the encoder was lost".into() });
    };
    let (received_at_ns, through) = (batch.received_at_ns, batch.through);
    let (codec, rewritten) = inner
        .decode(move || {
            let rewritten = rewrite(&mut codec, stored)?;
            Ok((codec, rewritten))
        })
        .await?;
    open.take_back(codec);
    let Rewritten { blocks, filters, damaged, repeats } = rewritten;
    let group = Group { blocks, filters, damaged, digests, received_at_ns, through };
    let totals = open.insert(&group).await?;
    let taken: Vec<(Arc<Segment>, u64)> =
        batch.taken.iter().map(|taken| (Arc::clone(&taken.segment), taken.spans)).collect();
    inner.catalogue.compacted_to(open.segment(), totals, &taken);
    open.merge_index().await;
    let damaged = group.damaged.len() as u64;
    tracing::debug!(span.count = batch.spans, block.count = group.blocks.len(), repeats, damaged, "spans compacted");
    Ok(CompactProgress { spans: batch.spans, repeats, damaged })
}

/// The file that takes the next blocks; a new one when the last is full or old.
async fn open_target<'a>(
    inner: &Inner,
    target: &'a mut Compactor,
    received_at_ns: i64,
) -> Result<&'a mut Target, StoreError> {
    if target.is_none()
        && let Some(last) = inner.catalogue.compacted().pop()
    {
        let (reopened, stored) = Target::reopen(&inner.dir, last, inner.options.synchronous).await?;
        if stored.through > inner.catalogue.through() {
            // A commit that was reported as failed is on the disk after all.
            inner.catalogue.compacted_to(reopened.segment(), stored, &[]);
        }
        *target = Some(reopened);
    }
    if target.as_ref().is_none_or(|target| target.is_full(&inner.options, received_at_ns)) {
        let name = inner.catalogue.next(Kind::Compacted);
        let next = Target::create(&inner.dir, name, inner.options.synchronous).await?;
        inner.catalogue.insert(Arc::clone(next.segment()));
        if let Some(old) = target.replace(next) {
            let file = old.segment().file();
            // The spans are safe in its log.
            if let Err(error) = old.close().await {
                tracing::warn!(segment.file = file, "cannot finish a full file of spans: {error}");
            }
        }
    }
    Ok(target.as_mut().expect("it was opened above"))
}

/// A fresh block as it stands in its file.
struct Stored {
    file: u32,
    block: u64,
    data: Vec<u8>,
}

async fn read_blocks(taken: &Taken, stored: &mut Vec<Stored>, digests: &mut Vec<u8>) -> Result<(), StoreError> {
    let segment = &taken.segment;
    let Some(mut connection) = segment.reader().await? else { return Ok(()) };
    for &block in &taken.blocks {
        let (data, requests): (Vec<u8>, Vec<u8>) = sqlx::query_as(
            "SELECT data, digests
             FROM block_data
             JOIN block ON block.id = block_data.block
             WHERE block_data.block = ?",
        )
        .bind(block as i64)
        .fetch_one(&mut *connection)
        .await
        .map_err(segment.failed("read a block"))?;
        stored.push(Stored { file: segment.number(), block, data });
        digests.extend(requests);
    }
    Ok(())
}

/// What becomes of some blocks.
struct Rewritten {
    blocks: Vec<Sealed>,
    filters: FilterGroup,
    damaged: Vec<Damaged>,
    repeats: u64,
}

/// Decodes, merges and encodes.
fn rewrite(codec: &mut Codec, stored: Vec<Stored>) -> Result<Rewritten, StoreError> {
    let mut merger = Merger::default();
    let mut damaged = Vec::new();
    for Stored { file, block, data } in stored {
        match BlockReader::open(&data).and_then(|reader| reader.batch()) {
            Ok(batch) => merger.add(&batch),
            Err(error) => {
                tracing::error!(file, block, "a block does not decode and is set aside: {error}");
                damaged.push(Damaged { file, block, why: error.to_string(), data });
            }
        }
    }
    let merge = merger.finish();
    let failed = |error: BlockError| StoreError::Io { action: "encode a block".into(), source: Box::new(error) };
    let blocks: Result<Vec<_>, _> = merge.blocks().map(|batch| codec.seal(&batch).map_err(failed)).collect();
    let mut blocks = blocks?;
    let filters = Codec::filters(&mut blocks);
    Ok(Rewritten { blocks, filters, damaged, repeats: merge.repeats })
}

/// Deletes files of the log that compaction has taken over, also the one that is written when nothing is left in it: its space returns,
/// and the next commit begins another.
async fn retire(inner: &Inner) -> Result<(), StoreError> {
    let through = inner.catalogue.through();
    for segment in inner.catalogue.fresh() {
        if segment.number() < through.segment {
            inner.catalogue.remove(&segment);
        } else if segment.end() <= through && segment.totals().blocks > 0 {
            let mut active = inner.active.lock().await;
            // A commit may have come between.
            if segment.end() <= through {
                if let Some(written) = active.take_if(|active| active.segment().name == segment.name) {
                    written.close().await?;
                }
                inner.catalogue.remove(&segment);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use spillway_store::{
        Projector as _, RequestDigest, SpanReader as _, Write, Writer as _,
        contract::{generate, rollups::Silent},
    };

    use super::*;
    use crate::OpenOptions;

    /// As after an I/O error that came when the commit was already on the disk: the file knows more than the program.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_commit_that_was_reported_as_failed_is_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let options = OpenOptions { compact_spans: 1_000, ..OpenOptions::default() };
        let (store, mut writer) = SqliteStore::open(dir.path(), options).await.unwrap();
        for number in 1..=3_u8 {
            let batch = Arc::new(generate::realistic_batch(u64::from(number), 500));
            let write = Write::Spans { digest: RequestDigest([number; 32]), batch, received_at_ns: i64::from(number) };
            writer.commit(&[write]).await.remove(0).unwrap();
        }
        while !store.project(&mut Silent, usize::MAX).await.unwrap().caught_up {}
        store.flush().await.unwrap();
        let now_ns = 200_000_000_000;
        assert_eq!(store.compact(now_ns).await.unwrap().spans, 1_000);
        let segment = store.inner.catalogue.compacted().pop().unwrap();
        let before = segment.totals();
        store.inner.catalogue.compacted_to(&segment, crate::segment::Totals::default(), &[]);
        *store.inner.compactor.lock().await = None;

        assert_eq!(store.compact(now_ns).await.unwrap(), CompactProgress::default());

        assert_eq!(segment.totals(), before);
        assert_eq!(store.usage().await.unwrap().spans, 1_500);
    }
}
