//! A latency histogram that many threads count into without a lock. The buckets are those of the model.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use spillway_api::HistogramWire;
use spillway_model::histogram::{Histogram, SCALE};

/// 2^-10 ms, about a microsecond: what is faster counts as that fast.
const FIRST: i16 = -160;
/// 480 buckets reach to 2^20 ms, 17 minutes: what is slower counts as that slow.
const BUCKETS: usize = 480;

/// Counts by bucket.
#[derive(Debug)]
pub(super) struct Latencies {
    buckets: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS], sum_ns: AtomicU64::new(0) }
    }
}

impl Latencies {
    pub(super) fn observe(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let index = Histogram::index(ns).unwrap_or(FIRST);
        let bucket = usize::try_from(index - FIRST).unwrap_or(0).min(BUCKETS - 1);
        self.sum_ns.fetch_add(ns, Ordering::Relaxed);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn to_wire(&self) -> HistogramWire {
        let counts =
            (i32::from(FIRST)..).zip(&self.buckets).map(|(index, count)| (index, count.load(Ordering::Relaxed)));
        let buckets: Vec<(i32, u64)> = counts.filter(|(_, count)| *count > 0).collect();
        HistogramWire {
            scale: SCALE,
            count: buckets.iter().map(|(_, count)| count).sum(),
            sum_ms: self.sum_ns.load(Ordering::Relaxed) as f64 / 1e6,
            zero: 0,
            buckets,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn it_counts_into_the_buckets_of_the_model() {
        let (ours, mut models) = (Latencies::default(), Histogram::default());
        for ms in [1, 3, 3, 250, 4_000] {
            ours.observe(Duration::from_millis(ms));
            models.observe(ms * 1_000_000);
        }

        let wire = ours.to_wire();

        let expected: Vec<(i32, u64)> =
            models.buckets().map(|(index, count)| (i32::from(index), u64::try_from(count).unwrap())).collect();
        assert_eq!(wire.buckets, expected);
        assert_eq!((wire.count, wire.sum_ms), (5, 4_257.0));
    }

    #[test]
    fn the_fastest_and_the_slowest_are_counted_at_the_ends() {
        let latencies = Latencies::default();
        latencies.observe(Duration::ZERO);
        latencies.observe(Duration::MAX);

        let wire = latencies.to_wire();

        assert_eq!(wire.buckets, [(i32::from(FIRST), 1), (i32::from(FIRST) + 479, 1)]);
    }
}
