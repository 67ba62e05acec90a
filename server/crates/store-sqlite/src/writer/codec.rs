//! Batches to sealed blocks, on a thread that may take its time.

use spillway_model::batch::{Copied, Distinct, SpanBatch, SpanBatchBuilder};
use spillway_store::StoreError;

use super::plan::Source;
use crate::{
    block::{BlockError, Encoder, HashSet32, summarise},
    segment::operations::OperationNumbers,
};

/// What encoding needs and keeps from block to block.
#[derive(Default)]
pub(super) struct Codec {
    encoder: Encoder,
    pub(super) operations: OperationNumbers,
}

/// A block ready to be inserted.
pub(super) struct SealedBlock {
    pub(super) received_at_ns: i64,
    pub(super) start_min_ns: i64,
    pub(super) start_max_ns: i64,
    pub(super) span_count: usize,
    pub(super) digests: Vec<u8>,
    pub(super) summary: Vec<u8>,
    pub(super) hashes: HashSet32,
    pub(super) data: Vec<u8>,
}

impl Codec {
    pub(super) fn new(operations: OperationNumbers) -> Self {
        Self { encoder: Encoder::new(), operations }
    }

    /// One result a source: a batch that cannot be encoded does not take others with it.
    pub(super) fn seal(&mut self, sources: &[Source]) -> Vec<Result<SealedBlock, StoreError>> {
        let failed = |error: BlockError| StoreError::Io { action: "encode a batch".into(), source: Box::new(error) };
        sources.iter().map(|source| self.seal_one(source).map_err(failed)).collect()
    }

    fn seal_one(&mut self, source: &Source) -> Result<SealedBlock, BlockError> {
        let joined;
        let batch: &SpanBatch = match source.batches.as_slice() {
            [one] => one,
            many => {
                let (mut builder, mut distinct) = (SpanBatchBuilder::new(), Distinct::default());
                for batch in many {
                    let mut copied = Copied::default();
                    (0..batch.len()).for_each(|span| builder.copy_span(batch, span, &mut copied, &mut distinct));
                }
                joined = builder.finish();
                &joined
            }
        };
        let data = self.encoder.encode(batch)?;
        let summary = summarise(batch, &mut self.operations);
        let capped = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
        Ok(SealedBlock {
            received_at_ns: source.received_at_ns,
            start_min_ns: capped(summary.start_min_ns),
            start_max_ns: capped(summary.start_max_ns),
            span_count: batch.len(),
            digests: source.digests.iter().flat_map(|digest| digest.0).collect(),
            summary: summary.to_bytes(),
            hashes: HashSet32::of(self.encoder.traces()),
            data,
        })
    }
}
