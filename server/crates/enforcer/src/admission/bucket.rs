//! A token bucket in one atomic: the generic cell rate algorithm (ITU-T I.371).
//!
//! Instead of tokens it keeps the instant at which the bucket will be full again; taking a token moves that instant on.
//! One number, one compare-and-swap, no timer that refills.

use std::sync::atomic::{AtomicU64, Ordering};

/// Rate and depth. The state lives elsewhere, so that it survives a change of the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Time between two tokens.
    interval_ns: u64,
    /// Time to fill the empty bucket.
    depth_ns: u64,
}

impl Bucket {
    /// `None` when the rate is not a positive number. A burst of 0 is one of 1: a bucket without room admits nothing ever.
    pub(super) fn new(per_second: f64, burst: u32) -> Option<Self> {
        if !per_second.is_finite() || per_second <= 0.0 {
            return None;
        }
        // Below one token an hour the instant would run away from the clock; at that rate it makes no difference.
        let interval_ns = (1e9 / per_second).clamp(1.0, 3.6e12) as u64;
        Some(Self { interval_ns, depth_ns: interval_ns.saturating_mul(u64::from(burst.max(1))) })
    }

    /// Takes a token, if there is one.
    pub(super) fn take(self, full_at_ns: &AtomicU64, now_ns: u64) -> bool {
        full_at_ns
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |full_at| {
                let next = full_at.max(now_ns).saturating_add(self.interval_ns);
                (next - now_ns <= self.depth_ns).then_some(next)
            })
            .is_ok()
    }

    /// Puts a token back.
    pub(super) fn give_back(self, full_at_ns: &AtomicU64) {
        // Never below zero; below `now` is the same as full.
        let back = |full_at: u64| Some(full_at.saturating_sub(self.interval_ns));
        full_at_ns.fetch_update(Ordering::AcqRel, Ordering::Acquire, back).ok();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_burst_passes_and_then_one_token_an_interval() {
        let bucket = Bucket::new(10.0, 3).unwrap();
        let state = AtomicU64::new(0);

        assert_eq!((0..5).filter(|_| bucket.take(&state, SECOND)).count(), 3);
        assert!(!bucket.take(&state, SECOND + SECOND / 10 - 1));
        assert!(bucket.take(&state, SECOND + SECOND / 10));
        assert!(!bucket.take(&state, SECOND + SECOND / 10));
    }

    #[test]
    fn a_token_given_back_can_be_taken_again() {
        let bucket = Bucket::new(1.0, 1).unwrap();
        let state = AtomicU64::new(0);

        assert!(bucket.take(&state, SECOND));
        assert!(!bucket.take(&state, SECOND));
        bucket.give_back(&state);
        assert!(bucket.take(&state, SECOND));
    }

    #[test]
    fn what_is_not_a_rate_is_no_bucket() {
        assert!([0.0, -1.0, f64::NAN, f64::INFINITY].into_iter().all(|rate| Bucket::new(rate, 1).is_none()));
    }

    proptest! {
        /// Over any time, at most burst + rate × time.
        #[test]
        fn no_pattern_of_arrivals_gets_more(
            gaps in proptest::collection::vec(0u64..SECOND / 5, 1..300), per_second in 1.0f64..100.0, burst in 1u32..20,
        ) {
            let bucket = Bucket::new(per_second, burst).unwrap();
            let state = AtomicU64::new(0);
            let (mut now, mut taken) = (0, 0u32);
            for gap in gaps {
                now += gap;
                taken += u32::from(bucket.take(&state, now));
            }

            let most = f64::from(burst) + now as f64 / 1e9 * per_second * 1.000_001 + 1.0;
            prop_assert!(f64::from(taken) <= most, "{taken} > {most}");
        }
    }
}
