//! How long to wait after a failure: doubling, capped, with full jitter.

use std::time::Duration;

/// After the first failure, at most.
const FIRST: Duration = Duration::from_millis(250);
/// Long enough not to trouble a Spillway that starts, short enough to be back with it soon.
const LONGEST: Duration = Duration::from_secs(5);

/// Failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// True before the first failure.
    pub(super) fn is_fresh(&self) -> bool {
        self.failures == 0
    }

    /// Starts over. True when something had failed.
    pub(super) fn reset(&mut self) -> bool {
        std::mem::take(&mut self.failures) > 0
    }

    /// The next wait, `random` being within `0.0..1.0`: anything up to the cap, so that a thousand enforcers that lost the
    /// same Spillway do not come back in one moment.
    pub(super) fn next(&mut self, random: f64) -> Duration {
        let cap = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        cap.mul_f64(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_start_over_after_success() {
        let mut backoff = Backoff::default();

        let waits: Vec<u128> = (0..8).map(|_| backoff.next(1.0).as_millis()).collect();

        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000]);
        assert!(backoff.reset());
        assert_eq!(backoff.next(0.5), FIRST / 2);
    }
}
