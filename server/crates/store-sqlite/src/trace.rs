//! A trace by its id.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use spillway_model::{
    batch::{Copied, Distinct, Selector, SpanBatch, SpanBatchBuilder, SpanKind},
    identity::{SpanId, TraceId},
};
use spillway_store::StoreError;

use crate::{
    block::{BlockError, BlockReader, trace_hash},
    catalogue::Part,
    error,
    segment::{FileName, Segment},
    store::Inner,
    unpacked::{Unpacked, Version},
};

/// Blocks in memory at a time: a sender that gives all spans one trace id must not make one read take all memory.
const BLOCKS_AT_A_TIME: usize = 32;
/// A trace longer than this is cut: nobody reads it, and it would not fit into an answer.
const MOST_SPANS: usize = 200_000;

/// All spans of a trace, each (span id, kind) once, sorted.
pub(crate) async fn read(inner: &Inner, id: TraceId) -> Result<Option<SpanBatch>, StoreError> {
    read_parts(inner, id, inner.catalogue.view(None)).await
}

/// Those of its spans that are in these parts.
pub(crate) async fn read_parts(inner: &Inner, id: TraceId, parts: Vec<Part>) -> Result<Option<SpanBatch>, StoreError> {
    let mut collector = Collector::new(id, Arc::clone(&inner.unpacked));
    for part in parts {
        let Some(mut blocks) = error::left_out(part.segment.blocks_with(trace_hash(id)).await)? else { continue };
        blocks.retain(|&block| part.contains(block));
        for blocks in blocks.chunks(BLOCKS_AT_A_TIME) {
            let Some(Some(data)) = error::left_out(read_blocks(&part.segment, blocks).await)? else { break };
            let segment = Arc::clone(&part.segment);
            collector = inner
                .decode(move || {
                    for (block, data) in &data {
                        collector.take(&segment, *block, data);
                    }
                    Ok(collector)
                })
                .await?;
        }
    }
    Ok(collector.finish())
}

/// `None` when retention deleted the segment meanwhile.
async fn read_blocks(segment: &Arc<Segment>, blocks: &[u64]) -> Result<Option<Vec<(u64, Vec<u8>)>>, StoreError> {
    let Some(mut connection) = segment.reader().await? else { return Ok(None) };
    let mut data = Vec::with_capacity(blocks.len());
    for &block in blocks {
        let bytes: Option<Vec<u8>> = sqlx::query_scalar("SELECT data FROM block_data WHERE block = ?")
            .bind(block as i64)
            .fetch_optional(&mut *connection)
            .await
            .map_err(segment.failed("read a block"))?;
        data.extend(bytes.map(|bytes| (block, bytes)));
    }
    Ok(Some(data))
}

/// Picks the spans of one trace out of blocks.
struct Collector {
    id: TraceId,
    unpacked: Arc<Unpacked>,
    found: SpanBatchBuilder,
    distinct: Distinct,
    seen: FxHashSet<(SpanId, SpanKind)>,
}

impl Collector {
    fn new(id: TraceId, unpacked: Arc<Unpacked>) -> Self {
        let (found, distinct, seen) = (SpanBatchBuilder::new(), Distinct::default(), FxHashSet::default());
        Self { id, unpacked, found, distinct, seen }
    }

    /// A block that does not decode is named in the log, and the others are served.
    fn take(&mut self, segment: &Segment, block: u64, data: &[u8]) {
        if let Err(error) = self.try_take(segment.name, block, data) {
            let file = segment.file();
            let error = error::corrupt(format!("block {block} of {file}"))(error);
            tracing::error!(segment.file = file, block, "a block is left out: {error}");
        }
    }

    fn try_take(&mut self, file: FileName, block: u64, data: &[u8]) -> Result<(), BlockError> {
        let version = Version::of(file, block, data);
        let batch = match self.unpacked.get(version) {
            Some(batch) => batch,
            None => {
                let reader = BlockReader::open(data)?;
                let head = reader.head()?;
                if !head.traces.contains(&self.id) {
                    return Ok(());
                }
                let batch = Arc::new(reader.batch_with(head)?);
                self.unpacked.put(version, &batch);
                batch
            }
        };
        let mut copied = Copied::default();
        for span in 0..batch.len() {
            let mine = batch.spans.trace_id[span] == self.id && self.found.span_count() < MOST_SPANS;
            if mine && self.seen.insert((batch.spans.span_id[span], batch.spans.kind[span])) {
                self.found.copy_span(&batch, span, &mut copied, &mut self.distinct);
            }
        }
        Ok(())
    }

    fn finish(self) -> Option<SpanBatch> {
        let found = self.found.finish();
        if found.is_empty() {
            return None;
        }
        let columns = &found.spans;
        let mut order: Vec<usize> = (0..found.len()).collect();
        order.sort_unstable_by_key(|&span| (columns.start_ns[span], columns.span_id[span], columns.kind[span]));
        Some(Selector::new(&found).select(order.into_iter()))
    }
}
