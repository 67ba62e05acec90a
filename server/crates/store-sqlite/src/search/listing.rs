//! The blocks that were stored last, for completion: what people ask for is mostly what is going on now.

use std::time::{Duration, Instant};

use spillway_model::batch::SpanBatch;
use spillway_store::StoreError;

use crate::{block::BlockReader, error, store::Inner};

/// Blocks that are looked at, at most.
const MOST_BLOCKS: i64 = 32;
/// A list that comes later than this comes too late for who is typing.
const DEADLINE: Duration = Duration::from_millis(200);

/// Primary key, backwards.
pub(crate) const NEWEST: &str = "SELECT block, data
     FROM block_data
     WHERE block > ?
       AND block <= ?
     ORDER BY block DESC
     LIMIT ?";

/// Shows blocks, newest first, until there were enough or it took too long; at least one.
pub(crate) async fn newest(inner: &Inner, mut each: impl FnMut(&SpanBatch)) -> Result<(), StoreError> {
    let until = Instant::now() + DEADLINE;
    let mut left = MOST_BLOCKS;
    for part in inner.catalogue.view(None).into_iter().rev() {
        let Some(mut connection) = part.segment.reader().await? else { continue };
        let mut last = part.last;
        while left > 0 && last > part.after {
            // One by one: a block may be large, and the deadline is asked in between.
            let row: Option<(i64, Vec<u8>)> = sqlx::query_as(NEWEST)
                .bind(part.after as i64)
                .bind(last as i64)
                .bind(1)
                .fetch_optional(&mut *connection)
                .await
                .map_err(part.segment.failed("read a block"))?;
            let Some((block, data)) = row else { break };
            last = (block as u64).saturating_sub(1);
            left -= 1;
            match inner.decode(move || Ok(BlockReader::open(&data).and_then(|reader| reader.batch()))).await? {
                Ok(batch) => each(&batch),
                Err(failed) => {
                    let failed = error::corrupt(format!("block {block} of {}", part.segment.file()))(failed);
                    tracing::error!(segment.file = part.segment.file(), block, "a block is left out: {failed}");
                }
            }
            if Instant::now() >= until {
                return Ok(());
            }
        }
        if left == 0 {
            return Ok(());
        }
    }
    Ok(())
}
