//! A circuit breaker: closed → open when half of the last calls failed → half-open after a while → closed when the probes go well.
//!
//! Count-based sliding window as in resilience4j. Pure: time is an argument.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use spillway_api::BreakerState;

/// How a breaker judges.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Calls that are looked at.
    pub(crate) window: usize,
    /// Calls before it judges at all.
    pub(crate) minimum: usize,
    /// Failed share that opens it.
    pub(crate) threshold: f64,
    /// How long it stays open.
    pub(crate) open_for: Duration,
    /// Calls that it lets through to probe.
    pub(crate) probes: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { window: 40, minimum: 20, threshold: 0.5, open_for: Duration::from_secs(5), probes: 3 }
    }
}

#[derive(Debug)]
enum Phase {
    Closed { outcomes: VecDeque<bool> },
    Open { until: Instant },
    HalfOpen { admitted: u32, succeeded: u32 },
}

/// One breaker.
#[derive(Debug)]
pub(crate) struct Breaker {
    settings: Settings,
    phase: Phase,
}

impl Breaker {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, phase: Phase::Closed { outcomes: VecDeque::new() } }
    }

    pub(crate) fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Whether a call may be made now.
    pub(crate) fn admit(&mut self, now: Instant) -> bool {
        if let Phase::Open { until } = self.phase
            && now >= until
        {
            self.phase = Phase::HalfOpen { admitted: 0, succeeded: 0 };
        }
        match &mut self.phase {
            Phase::Closed { .. } => true,
            Phase::Open { .. } => false,
            Phase::HalfOpen { admitted, .. } if *admitted < self.settings.probes => {
                *admitted += 1;
                true
            }
            Phase::HalfOpen { .. } => false,
        }
    }

    /// Takes the outcome of a call that was admitted.
    pub(crate) fn record(&mut self, ok: bool, now: Instant) {
        match &mut self.phase {
            Phase::Closed { outcomes } => {
                outcomes.push_back(ok);
                if outcomes.len() > self.settings.window {
                    outcomes.pop_front();
                }
                let failed = outcomes.iter().filter(|ok| !**ok).count();
                if outcomes.len() >= self.settings.minimum
                    && failed as f64 >= self.settings.threshold * outcomes.len() as f64
                {
                    self.phase = Phase::Open { until: now + self.settings.open_for };
                }
            }
            // An answer to a call from before it opened.
            Phase::Open { .. } => {}
            Phase::HalfOpen { .. } if !ok => self.phase = Phase::Open { until: now + self.settings.open_for },
            Phase::HalfOpen { succeeded, .. } => {
                *succeeded += 1;
                if *succeeded >= self.settings.probes {
                    self.phase = Phase::Closed { outcomes: VecDeque::new() };
                }
            }
        }
    }

    /// A call that was admitted has no outcome (it was shed, or given up): a probe's place is free again.
    pub(crate) fn forget(&mut self) {
        if let Phase::HalfOpen { admitted, .. } = &mut self.phase {
            *admitted = admitted.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(Settings::default());
        for _ in 0..20 {
            assert!(breaker.admit(now));
            breaker.record(false, now);
        }
        breaker
    }

    #[test]
    fn it_opens_when_half_of_enough_calls_failed() {
        let now = Instant::now();
        let mut breaker = Breaker::new(Settings::default());
        for call in 0..19 {
            breaker.record(call % 2 == 0, now);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);

        breaker.record(false, now);

        assert_eq!(breaker.state(), BreakerState::Open);
        assert!(!breaker.admit(now));
    }

    #[test]
    fn it_probes_after_a_while_and_closes_when_all_go_well() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + Duration::from_secs(5);

        assert!(breaker.admit(later) && breaker.admit(later) && breaker.admit(later));
        assert!(!breaker.admit(later), "a fourth probe");
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        for _ in 0..3 {
            breaker.record(true, later);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn a_failed_probe_opens_it_again_and_a_shed_one_frees_its_place() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + Duration::from_secs(5);
        for _ in 0..3 {
            assert!(breaker.admit(later));
        }
        breaker.forget();
        assert!(breaker.admit(later));

        breaker.record(false, later);

        assert_eq!(breaker.state(), BreakerState::Open);
        assert!(!breaker.admit(later + Duration::from_secs(4)));
    }
}
