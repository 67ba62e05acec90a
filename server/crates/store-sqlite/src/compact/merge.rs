//! Spans of many blocks to blocks of whole traces. Pure.

use rustc_hash::{FxHashMap, FxHashSet};
use spillway_model::{
    batch::{Copied, Distinct, SpanBatch, SpanBatchBuilder, SpanKind},
    identity::{SpanId, TraceId},
};

/// A block is closed at the end of the trace that reaches this. Larger ones compress a little better, and cost a read of a
/// single trace more: it unpacks the whole block.
const SPANS_A_BLOCK: usize = 1_024;
/// A trace longer than this is cut.
const MOST_SPANS_A_BLOCK: usize = 2 * SPANS_A_BLOCK;

/// Where a span stands, and what sorts it.
struct Row {
    batch: u32,
    span: u32,
}

/// What comes out.
pub(super) struct Merged {
    /// One batch a block, newest traces last.
    pub(super) blocks: Vec<SpanBatch>,
    /// Spans that were left out because they had come before.
    pub(super) repeats: u64,
}

/// Sorts by the first start of a trace, and within it by start: the order in which a person reads it, and in which times, parents and
/// attributes of neighbours are most alike.
pub(super) fn merge(batches: &[SpanBatch]) -> Merged {
    let mut firsts: FxHashMap<TraceId, u64> = FxHashMap::default();
    let mut seen: FxHashSet<(TraceId, SpanId, SpanKind)> = FxHashSet::default();
    let mut rows = Vec::with_capacity(batches.iter().map(SpanBatch::len).sum());
    let mut repeats = 0;
    for (batch, index) in batches.iter().zip(0..) {
        let columns = &batch.spans;
        for span in 0..batch.len() {
            let trace = columns.trace_id[span];
            if !seen.insert((trace, columns.span_id[span], columns.kind[span])) {
                repeats += 1;
                continue;
            }
            let first = firsts.entry(trace).or_insert(u64::MAX);
            *first = (*first).min(columns.start_ns[span]);
            rows.push(Row { batch: index, span: span as u32 });
        }
    }
    drop(seen);
    let trace = |row: &Row| batches[row.batch as usize].spans.trace_id[row.span as usize];
    rows.sort_by_cached_key(|row| {
        let columns = &batches[row.batch as usize].spans;
        let span = row.span as usize;
        let trace = columns.trace_id[span];
        (firsts[&trace], trace, columns.start_ns[span], columns.span_id[span], columns.kind[span])
    });
    drop(firsts);

    let mut blocks = Vec::new();
    let mut block = Block::new(batches.len());
    for (place, row) in rows.iter().enumerate() {
        let filled = block.builder.span_count();
        let begins_trace = place > 0 && trace(&rows[place - 1]) != trace(row);
        if filled >= MOST_SPANS_A_BLOCK || (filled >= SPANS_A_BLOCK && begins_trace) {
            blocks.push(std::mem::replace(&mut block, Block::new(batches.len())).builder.finish());
        }
        let copied = &mut block.copied[row.batch as usize];
        block.builder.copy_span(&batches[row.batch as usize], row.span as usize, copied, &mut block.distinct);
    }
    if block.builder.span_count() > 0 {
        blocks.push(block.builder.finish());
    }
    Merged { blocks, repeats }
}

/// A block that is being filled.
struct Block {
    builder: SpanBatchBuilder,
    copied: Vec<Copied>,
    distinct: Distinct,
}

impl Block {
    fn new(batches: usize) -> Self {
        let copied = std::iter::repeat_with(Copied::default).take(batches).collect();
        Self { builder: SpanBatchBuilder::new(), copied, distinct: Distinct::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use spillway_store::contract::{generate, plain};

    use super::*;

    fn ids(batch: &SpanBatch) -> Vec<(TraceId, SpanId, SpanKind)> {
        let columns = &batch.spans;
        (0..batch.len()).map(|span| (columns.trace_id[span], columns.span_id[span], columns.kind[span])).collect()
    }

    proptest! {
        /// Nothing is lost, nothing is there twice, and each span is as it was.
        #[test]
        fn every_span_is_there_once(batches in proptest::collection::vec(generate::wild_batch(30), 1..6)) {
            let merged = merge(&batches);

            let sorted = |mut spans: Vec<_>| { spans.sort_by_key(|span| format!("{span:?}")); spans };
            let mut seen = BTreeSet::new();
            let mut expected = Vec::new();
            for batch in &batches {
                for (span, id) in plain::spans(batch).into_iter().zip(ids(batch)) {
                    if seen.insert(id) {
                        expected.push(span);
                    }
                }
            }
            let found: Vec<_> = merged.blocks.iter().flat_map(plain::spans).collect();
            let all: usize = batches.iter().map(SpanBatch::len).sum();
            prop_assert_eq!(merged.repeats as usize, all - found.len());
            prop_assert_eq!(sorted(found), sorted(expected));
        }
    }

    #[test]
    fn a_trace_that_fits_is_in_one_block() {
        let batches: Vec<SpanBatch> = (0..20).map(|seed| generate::realistic_batch(seed % 4, 500)).collect();

        let merged = merge(&batches);

        assert!(merged.blocks.len() > 1 && merged.repeats > 0, "{} blocks", merged.blocks.len());
        let mut blocks_of: FxHashMap<TraceId, BTreeSet<usize>> = FxHashMap::default();
        let mut spans_of: FxHashMap<TraceId, usize> = FxHashMap::default();
        for (block, batch) in merged.blocks.iter().enumerate() {
            for &trace in &batch.spans.trace_id {
                blocks_of.entry(trace).or_default().insert(block);
                *spans_of.entry(trace).or_default() += 1;
            }
        }
        for (trace, blocks) in blocks_of {
            assert!(blocks.len() == 1 || spans_of[&trace] > SPANS_A_BLOCK, "{trace} is in {blocks:?}");
        }
    }

    #[test]
    fn a_trace_without_end_is_cut() {
        let batches = [generate::realistic_batch(1, 500)];
        let mut one = batches[0].clone();
        one.spans.trace_id.fill(TraceId([7; 16]));
        let many: Vec<SpanBatch> = (0..12)
            .map(|number: u8| {
                let mut batch = one.clone();
                batch.spans.span_id.iter_mut().for_each(|id| id.0[0] ^= number);
                batch
            })
            .collect();

        let merged = merge(&many);

        assert!(merged.blocks.len() >= 2);
        assert!(merged.blocks.iter().all(|block| block.len() <= MOST_SPANS_A_BLOCK));
    }
}
