//! A circuit breaker around each rule: one that keeps failing is left alone for a while, then tried again.

use std::collections::VecDeque;

/// Bad endings in a row that open it: one is chance, three are not.
const FAILURES: u32 = 3;
/// First pause.
const FIRST_PAUSE_MS: u64 = 1_000;
/// Longest pause.
const LONGEST_PAUSE_MS: u64 = 60_000;
/// Openings within [`HOUR_MS`] after which the rule is put back to shadow: it will not get better by itself.
const OPENINGS: usize = 5;
const HOUR_MS: u64 = 3_600_000;

/// What a bad ending led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Go on.
    Closed,
    /// It opened.
    Opened,
    /// It opened once too often: demote.
    Demote,
}

/// The state of one rule's breaker.
#[derive(Clone, Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    /// `Some` while it is open or trying.
    open: Option<Open>,
    openings: VecDeque<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    retry_at_ms: u64,
    pause_ms: u64,
    /// One evaluation is under way to see.
    trying: bool,
}

impl Breaker {
    /// Whether the rule may run now. An open breaker lets one evaluation through when its pause is over.
    pub(super) fn admit(&mut self, now_ms: u64) -> bool {
        match &mut self.open {
            None => true,
            Some(open) if !open.trying && now_ms >= open.retry_at_ms => {
                open.trying = true;
                true
            }
            Some(_) => false,
        }
    }

    /// An evaluation ended well.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.open = None;
    }

    /// An evaluation ended badly.
    pub(super) fn failed(&mut self, now_ms: u64) -> Verdict {
        self.failures = self.failures.saturating_add(1);
        let pause_ms = match self.open {
            // One that was already under way when it opened says nothing new.
            Some(open) if !open.trying => return Verdict::Closed,
            Some(open) => (open.pause_ms * 2).min(LONGEST_PAUSE_MS),
            None if self.failures < FAILURES => return Verdict::Closed,
            None => FIRST_PAUSE_MS,
        };
        self.open = Some(Open { retry_at_ms: now_ms + pause_ms, pause_ms, trying: false });
        while self.openings.front().is_some_and(|at| at + HOUR_MS <= now_ms) {
            self.openings.pop_front();
        }
        self.openings.push_back(now_ms);
        if self.openings.len() >= OPENINGS {
            self.openings.clear();
            return Verdict::Demote;
        }
        Verdict::Opened
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// When it will be tried again; `None` while it is closed.
    pub(super) fn retry_at_ms(&self) -> Option<u64> {
        self.open.map(|open| open.retry_at_ms)
    }

    pub(super) fn trying(&self) -> bool {
        self.open.is_some_and(|open| open.trying)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_open_it_and_pauses_double() {
        let mut breaker = Breaker::default();
        assert_eq!([0, 1, 2].map(|now| breaker.failed(now)), [Verdict::Closed, Verdict::Closed, Verdict::Opened]);

        assert!(!breaker.admit(1_001));
        assert!(breaker.admit(1_002));
        assert!(!breaker.admit(1_003), "one try at a time");
        assert_eq!(breaker.failed(1_010), Verdict::Opened);
        assert_eq!(breaker.retry_at_ms(), Some(3_010));
        assert!(breaker.admit(3_010));
        breaker.succeeded();

        assert_eq!((breaker.failures(), breaker.retry_at_ms()), (0, None));
        assert!(breaker.admit(3_011));
    }

    #[test]
    fn a_success_in_between_starts_the_count_over() {
        let mut breaker = Breaker::default();
        for now in 0..20 {
            assert_eq!(breaker.failed(now), Verdict::Closed);
            breaker.failed(now);
            breaker.succeeded();
        }
    }

    #[test]
    fn five_openings_within_an_hour_demote_but_not_over_days() {
        let open_at = |gap_ms: u64| {
            let mut breaker = Breaker::default();
            let mut verdicts = Vec::new();
            for opening in 0..5 {
                let now = opening * gap_ms;
                breaker.failed(now);
                breaker.failed(now);
                verdicts.push(breaker.failed(now));
                breaker.succeeded();
            }
            verdicts
        };

        assert_eq!(open_at(60_000).last(), Some(&Verdict::Demote));
        assert!(!open_at(HOUR_MS).contains(&Verdict::Demote));
    }
}
