//! The time that retention goes by.
//!
//! A clock that jumps ten years ahead for a moment must not make everything look old: what is deleted does not come back. So a jump of more than a day is
//! believed only when it has lasted for an hour. Time that goes on as a steady clock says needs no second opinion; at the start, when there is no
//! steady clock to compare with, the newest arrival in the store gives it. A clock that is behind deletes less, which does no harm.
//! What this cannot tell: spans that arrived under a wrong clock, and a restart before the clock was mended.

use std::time::Duration;

/// Leap seconds, corrections and a night of standby are less.
const JUMP_NS: i64 = 24 * 3_600 * 1_000_000_000;
/// Whoever sets a clock wrong by more than a day has noticed by then.
const LASTS: Duration = Duration::from_secs(3_600);

/// What is believed of the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Believed {
    /// A time that was believed, and what the steady clock said then.
    at: (i64, Duration),
    /// Since when, on the steady clock, the wall clock has been ahead.
    ahead_since: Option<Duration>,
}

impl Believed {
    /// `newest_ns` is the newest arrival in the store; 0 when it is empty, and then there is nothing to lose.
    pub fn new(wall_ns: i64, newest_ns: i64, steady: Duration) -> Self {
        let start_ns = if newest_ns > 0 { newest_ns.min(wall_ns) } else { wall_ns };
        Self { at: (start_ns, steady), ahead_since: None }
    }

    /// The time to go by, never later than the wall clock.
    pub fn now_ns(&mut self, wall_ns: i64, steady: Duration) -> i64 {
        let (then_ns, then) = self.at;
        let passed = i64::try_from(steady.saturating_sub(then).as_nanos()).unwrap_or(i64::MAX);
        let expected_ns = then_ns.saturating_add(passed);
        if wall_ns.saturating_sub(expected_ns) > JUMP_NS {
            let since = *self.ahead_since.get_or_insert(steady);
            if steady.saturating_sub(since) < LASTS {
                return expected_ns;
            }
        }
        (self.at, self.ahead_since) = ((wall_ns, steady), None);
        wall_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_NS: i64 = 3_600 * 1_000_000_000;
    const YEARS_NS: i64 = 10 * 365 * 24 * HOUR_NS;
    const NOW_NS: i64 = 1_790_000_000_000_000_000;

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    #[test]
    fn a_clock_that_jumps_ahead_for_a_moment_is_not_believed() {
        let mut believed = Believed::new(NOW_NS, NOW_NS - HOUR_NS, minutes(0));

        assert_eq!(believed.now_ns(NOW_NS, minutes(0)), NOW_NS);
        assert_eq!(believed.now_ns(NOW_NS + YEARS_NS, minutes(30)), NOW_NS + HOUR_NS / 2);
        assert_eq!(believed.now_ns(NOW_NS + YEARS_NS, minutes(60)), NOW_NS + HOUR_NS);
        assert_eq!(believed.now_ns(NOW_NS + 2 * HOUR_NS, minutes(120)), NOW_NS + 2 * HOUR_NS);
        // The next jump has its own hour.
        assert_eq!(believed.now_ns(NOW_NS + YEARS_NS, minutes(180)), NOW_NS + 3 * HOUR_NS);
    }

    #[test]
    fn a_clock_that_stays_ahead_for_an_hour_is_right() {
        let mut believed = Believed::new(NOW_NS, NOW_NS, minutes(0));

        assert_eq!(believed.now_ns(NOW_NS + YEARS_NS, minutes(1)), NOW_NS + HOUR_NS / 60);
        assert_eq!(believed.now_ns(NOW_NS + YEARS_NS, minutes(60)), NOW_NS + HOUR_NS);
        assert_eq!(believed.now_ns(NOW_NS + YEARS_NS, minutes(61)), NOW_NS + YEARS_NS);
    }

    /// It may have been off for a year, or its clock may be wrong: an hour tells.
    #[test]
    fn after_a_start_the_newest_arrival_is_the_second_opinion() {
        let mut believed = Believed::new(NOW_NS + YEARS_NS, NOW_NS, minutes(0));
        assert_eq!(believed.now_ns(NOW_NS + YEARS_NS, minutes(0)), NOW_NS);

        let mut empty = Believed::new(NOW_NS + YEARS_NS, 0, minutes(0));
        assert_eq!(empty.now_ns(NOW_NS + YEARS_NS, minutes(0)), NOW_NS + YEARS_NS);
    }

    #[test]
    fn a_clock_that_is_set_back_is_followed() {
        let mut believed = Believed::new(NOW_NS, NOW_NS, minutes(0));

        assert_eq!(believed.now_ns(NOW_NS - YEARS_NS, minutes(5)), NOW_NS - YEARS_NS);
        assert_eq!(believed.now_ns(NOW_NS, minutes(10)), NOW_NS - YEARS_NS + HOUR_NS / 12);
        assert_eq!(believed.now_ns(NOW_NS, minutes(70)), NOW_NS);
    }
}
