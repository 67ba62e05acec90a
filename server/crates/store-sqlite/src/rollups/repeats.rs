//! Spans that come again, minutes after they were committed, count once.
//!
//! The pairing knows what came within the last half minute. A collector that was cut off sends what it held when it is back, and what it had
//! sent already but saw no answer to with it, in other requests than before. So a span that arrives long after it ended is looked up among what
//! was committed before it. What is stored twice is told apart by readers and by compaction anyhow; here it is about the sums.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use rustc_hash::FxHashSet;
use spillway_model::{
    batch::{Selector, SpanBatch, SpanKind},
    identity::{SpanId, TraceId},
};
use spillway_store::{StoreError, Watermark};

use crate::{store::Inner, trace};

/// A span that arrives so long after its end may have come before, and be forgotten by the pairing: less than its memory, for clocks differ.
const LATE_NS: u64 = 20_000_000_000;
/// Traces looked up, by the clock of arrival: each costs a millisecond or two. What is beyond is counted as it comes: all spans of a service whose
/// clock is behind are late, and so is an import.
const A_SECOND: f64 = 50.0;
const AT_ONCE: f64 = 500.0;

/// How many traces may be looked up.
#[derive(Default)]
pub(super) struct Budget(Mutex<Option<Bucket>>);

struct Bucket {
    left: f64,
    at_ns: i64,
}

impl Budget {
    /// By the time of arrival: a replay finds the same, but for where it begins.
    fn take(&self, now_ns: i64) -> bool {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = bucket.get_or_insert(Bucket { left: AT_ONCE, at_ns: now_ns });
        let passed_s = now_ns.saturating_sub(bucket.at_ns).max(0) as f64 / 1e9;
        bucket.left = (bucket.left + passed_s * A_SECOND).min(AT_ONCE);
        bucket.at_ns = bucket.at_ns.max(now_ns);
        let enough = bucket.left >= 1.0;
        bucket.left -= f64::from(u8::from(enough));
        enough
    }
}

/// The batch without what was committed before the block `at`; `None` when it is complete.
pub(super) async fn without(
    inner: &Inner,
    budget: &Budget,
    at: Watermark,
    batch: &SpanBatch,
    received_at_ns: i64,
) -> Result<Option<SpanBatch>, StoreError> {
    let bound = u64::try_from(received_at_ns).unwrap_or(0).saturating_sub(LATE_NS);
    let ends_ns = &batch.spans.end_ns;
    if ends_ns.iter().all(|&end_ns| end_ns >= bound) {
        return Ok(None);
    }
    let mut late: BTreeMap<TraceId, Vec<usize>> = BTreeMap::new();
    for span in (0..batch.len()).filter(|&span| ends_ns[span] < bound) {
        late.entry(batch.spans.trace_id[span]).or_default().push(span);
    }
    let before = inner.catalogue.view(Some(Watermark { block: at.block.saturating_sub(1), ..at }));
    let mut repeated = vec![false; batch.len()];
    for (id, spans) in late {
        if !budget.take(received_at_ns) {
            break;
        }
        let Some(known) = trace::read_parts(inner, id, before.clone()).await? else { continue };
        let known: FxHashSet<(SpanId, SpanKind)> = known.iter().map(|span| (span.span_id(), span.kind())).collect();
        for span in spans {
            repeated[span] = known.contains(&(batch.spans.span_id[span], batch.spans.kind[span]));
        }
    }
    if !repeated.contains(&true) {
        return Ok(None);
    }
    let kept: Vec<usize> = (0..batch.len()).filter(|&span| !repeated[span]).collect();
    Ok(Some(Selector::new(batch).select(kept.into_iter())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookups_are_bounded_and_come_back_with_time() {
        let budget = Budget::default();
        let second = 1_000_000_000;

        assert_eq!((0..600).filter(|_| budget.take(second)).count(), AT_ONCE as usize);
        assert_eq!((0..600).filter(|_| budget.take(2 * second)).count(), A_SECOND as usize);
        // A clock that jumps back gives nothing.
        assert!(!budget.take(second));
    }
}
