//! Committed batches in the order of commits. Only what is fresh: compaction takes what was projected and is older than any replay asks for.

use std::sync::Arc;

use spillway_store::{ReplayedBatch, StoreError, Watermark};

use crate::{block::BlockReader, error, segment::Segment, store::Inner};

/// Rows that one statement reads.
const BLOCKS_AT_A_TIME: i64 = 64;

/// Primary key, forwards.
pub(crate) const LOG: &str = "SELECT id, received_at_ns, span_count
     FROM block
     WHERE id > ?
     ORDER BY id
     LIMIT ?";

/// Index: block_by_arrival. The plus keeps SQLite from walking the log from its begin because it is asked for a smallest id.
pub(crate) const ARRIVED: &str = "SELECT MIN(+id) FROM block INDEXED BY block_by_arrival WHERE received_at_ns >= ?";

/// A block as it stands in its file.
struct Stored {
    at: Watermark,
    received_at_ns: i64,
    data: Vec<u8>,
}

pub(crate) async fn read(
    inner: &Inner,
    after: Option<Watermark>,
    span_limit: usize,
) -> Result<Vec<ReplayedBatch>, StoreError> {
    let after = after.unwrap_or_default();
    let mut batches = Vec::new();
    let mut spans = 0;
    let after = after.max(inner.catalogue.through());
    for segment in inner.catalogue.fresh().into_iter().filter(|segment| segment.number() >= after.segment) {
        let mut last = if segment.number() == after.segment { after.block } else { 0 };
        while spans < span_limit || batches.is_empty() {
            let stored = read_blocks(&segment, last, span_limit.saturating_sub(spans)).await?;
            let Some(newest) = stored.last() else { break };
            last = newest.at.block;
            let file = segment.file();
            let decoded = inner
                .decode(move || Ok(stored.into_iter().filter_map(|block| decode(&file, block)).collect::<Vec<_>>()))
                .await?;
            spans += decoded.iter().map(|batch| batch.batch.len()).sum::<usize>();
            batches.extend(decoded);
        }
        if spans >= span_limit && !batches.is_empty() {
            break;
        }
    }
    Ok(batches)
}

/// At least one block if there is one, then until their spans reach the limit.
async fn read_blocks(segment: &Arc<Segment>, after: u64, span_limit: usize) -> Result<Vec<Stored>, StoreError> {
    let Some(mut connection) = segment.reader().await? else { return Ok(Vec::new()) };
    let heads: Vec<(i64, i64, i64)> = sqlx::query_as(LOG)
        .bind(after as i64)
        .bind(BLOCKS_AT_A_TIME)
        .fetch_all(&mut *connection)
        .await
        .map_err(segment.failed("read the log of blocks"))?;
    let mut spans = 0_usize;
    let mut stored = Vec::new();
    for (id, received_at_ns, span_count) in heads {
        let data: Vec<u8> = sqlx::query_scalar("SELECT data FROM block_data WHERE block = ?")
            .bind(id)
            .fetch_one(&mut *connection)
            .await
            .map_err(segment.failed("read a block"))?;
        stored.push(Stored { at: Watermark { segment: segment.number(), block: id as u64 }, received_at_ns, data });
        spans = spans.saturating_add(span_count as usize);
        if spans >= span_limit {
            break;
        }
    }
    Ok(stored)
}

/// A block that does not decode is named in the log, and the others are replayed.
fn decode(file: &str, block: Stored) -> Option<ReplayedBatch> {
    let batch = BlockReader::open(&block.data)
        .and_then(|reader| reader.batch())
        .map_err(error::corrupt(format!("block {} of {file}", block.at.block)));
    match batch {
        Ok(batch) => Some(ReplayedBatch { at: block.at, received_at_ns: block.received_at_ns, batch }),
        Err(error) => {
            tracing::error!(segment.file = file, block = block.at.block, "a block is left out: {error}");
            None
        }
    }
}

pub(crate) async fn watermark_before(inner: &Inner, received_at_ns: i64) -> Result<Option<Watermark>, StoreError> {
    let mut before = None;
    for segment in inner.catalogue.fresh() {
        let totals = segment.totals();
        if totals.blocks == 0 {
            continue;
        }
        if totals.last_received_at_ns >= received_at_ns {
            let Some(mut connection) = segment.reader().await? else { continue };
            let first: Option<i64> = sqlx::query_scalar(ARRIVED)
                .bind(received_at_ns)
                .fetch_one(&mut *connection)
                .await
                .map_err(segment.failed("find a time of arrival"))?;
            if let Some(first) = first {
                return Ok(Some(Watermark { segment: segment.number(), block: first as u64 - 1 }));
            }
        }
        before = Some(Watermark { segment: segment.number(), block: totals.last_block });
    }
    Ok(before)
}

/// When the newest block at or before that place arrived; `None` when retention has deleted all of them.
pub(crate) async fn arrival(inner: &Inner, at: Watermark) -> Result<Option<i64>, StoreError> {
    for segment in inner.catalogue.fresh().into_iter().rev().filter(|segment| segment.number() <= at.segment) {
        let last = if segment.number() == at.segment { at.block } else { u64::MAX };
        let Some(mut connection) = segment.reader().await? else { continue };
        let arrival: Option<i64> =
            sqlx::query_scalar("SELECT received_at_ns FROM block WHERE id <= ? ORDER BY id DESC LIMIT 1")
                .bind(i64::try_from(last).unwrap_or(i64::MAX))
                .fetch_optional(&mut *connection)
                .await
                .map_err(segment.failed("read a time of arrival"))?;
        if arrival.is_some() {
            return Ok(arrival);
        }
    }
    Ok(None)
}
