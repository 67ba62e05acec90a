//! A block without some of its spans. Pure.

use std::collections::BTreeSet;

use spillway_model::{
    batch::{Copied, Distinct, SpanBatch, SpanBatchBuilder},
    identity::{ServiceKey, TraceId},
};

use super::Wanted;
use crate::{
    block::{BlockError, BlockReader, Encoder, Operations, filter, summarise},
    segment::Kind,
};

/// What stands in the file instead.
pub(super) struct Rewritten {
    pub(super) block: u64,
    pub(super) start_min_ns: i64,
    pub(super) start_max_ns: i64,
    pub(super) span_count: usize,
    pub(super) summary: Vec<u8>,
    /// Compacted: of its filter.
    pub(super) tokens: Vec<u64>,
    pub(super) data: Vec<u8>,
    /// How long it was.
    pub(super) bytes_before: usize,
    /// Spans that went.
    pub(super) erased: usize,
    /// Begin of the earliest of them.
    pub(super) first_start_ns: u64,
    /// Their traces.
    pub(super) traces: Vec<TraceId>,
    /// Operations that no span of the block has any more.
    pub(super) lost: BTreeSet<(ServiceKey, String)>,
}

/// `None` when nothing in it is to go.
pub(super) fn rewrite(
    kind: Kind,
    block: u64,
    data: &[u8],
    wanted: &Wanted,
    numbers: &mut impl Operations,
) -> Result<Option<Rewritten>, BlockError> {
    let batch = BlockReader::open(data)?.batch()?;
    let goes: Vec<bool> = (0..batch.len()).map(|span| wanted.takes(&batch, span)).collect();
    if !goes.contains(&true) {
        return Ok(None);
    }
    let (mut builder, mut copied, mut distinct) = (SpanBatchBuilder::new(), Copied::default(), Distinct::default());
    for span in (0..batch.len()).filter(|&span| !goes[span]) {
        builder.copy_span(&batch, span, &mut copied, &mut distinct);
    }
    let rest = builder.finish();
    let starts = batch.spans.start_ns.iter().zip(&goes).filter(|(_, goes)| **goes).map(|(start, _)| *start);
    let first_start_ns = starts.min().unwrap_or_default();
    let mut traces: Vec<TraceId> = (0..batch.len()).filter(|&s| goes[s]).map(|s| batch.spans.trace_id[s]).collect();
    traces.sort_unstable();
    traces.dedup();
    let stays = operations(&rest);
    let lost = operations(&batch).into_iter().filter(|operation| !stays.contains(operation)).collect();
    let encoded = Encoder::new().encode(&rest)?;
    let summary = summarise(&rest, numbers);
    let capped = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
    Ok(Some(Rewritten {
        block,
        start_min_ns: capped(summary.start_min_ns),
        start_max_ns: capped(summary.start_max_ns),
        span_count: rest.len(),
        summary: summary.to_bytes(),
        tokens: if kind == Kind::Compacted { filter::tokens(&rest) } else { Vec::new() },
        data: encoded,
        bytes_before: data.len(),
        erased: batch.len() - rest.len(),
        first_start_ns,
        traces,
        lost,
    }))
}

fn operations(batch: &SpanBatch) -> BTreeSet<(ServiceKey, String)> {
    batch.iter().map(|span| (batch.service(span.resource()), span.name().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;
    use spillway_model::batch::StrId;
    use spillway_store::contract::{generate, plain};

    use super::*;

    struct One;

    impl Operations for One {
        fn number(&mut self, _: &SpanBatch, _: u32, _: StrId) -> u32 {
            1
        }
    }

    proptest! {
        /// What matches is gone, what does not is as it was, in its order.
        #[test]
        fn all_others_stay_as_they_were(origins in generate::origins(1, 30), query in generate::query()) {
            let (batch, filter) = (generate::batch_of(&origins), query.filter);
            let data = Encoder::new().encode(&batch).unwrap();
            let stays = (0..batch.len()).filter(|&span| !filter.matches(&batch, span));
            let expected: Vec<_> = stays.map(|span| plain::span(&batch, span)).collect();

            let rewritten = rewrite(Kind::Compacted, 7, &data, &Wanted::Matching(filter), &mut One).unwrap();

            match rewritten {
                None => prop_assert_eq!(expected.len(), batch.len()),
                Some(rewritten) => {
                    let rest = BlockReader::open(&rewritten.data).unwrap().batch().unwrap();
                    prop_assert_eq!(plain::spans(&rest), expected);
                    prop_assert_eq!(rewritten.erased + rest.len(), batch.len());
                }
            }
        }
    }
}
