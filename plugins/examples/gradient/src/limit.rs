//! One step of the limit: numbers in, numbers out.
//!
//! The published algorithm is Gradient2 of Netflix's concurrency-limits, which compares each request with a long average.
//! A rule sees a window instead of requests, so one step is one tick, and the smoothing is the same per step.

use crate::config::Config;

/// Weight of the newest window in the usual latency: ten minutes of ticks are most of it.
const LONG_WEIGHT: f64 = 1.0 / 200.0;
/// The same while the service has as much as it may have. Its latency is then partly our own queue, and learning that as
/// usual would let the limit creep up through a long incident.
const BUSY_WEIGHT: f64 = LONG_WEIGHT / 20.0;
/// A usual latency this many times the present one is the memory of a bad time and fades faster.
const DRIFTED: f64 = 2.0;
const DRIFT_DECAY: f64 = 0.95;
/// The limit never halves in one step, because one window is no proof.
const STEEPEST: f64 = 0.5;
/// Weight of the newest limit.
const SMOOTHING: f64 = 0.2;

/// What is known of a service.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct State {
    pub(crate) limit: f64,
    /// The usual latency.
    pub(crate) long_ms: f64,
}

impl State {
    /// Before anything is known: what is in flight is fine as long as the latency stays what it is.
    pub(crate) fn new(inflight: u32, short_ms: f64, config: &Config) -> Self {
        let limit = f64::from(inflight).clamp(f64::from(config.min_limit), f64::from(config.max_limit));
        Self { limit, long_ms: short_ms }
    }

    /// One window later.
    pub(crate) fn step(self, inflight: u32, short_ms: f64, config: &Config) -> Self {
        let inflight = f64::from(inflight);
        let idle = inflight < self.limit / 2.0;
        let weight = if idle || short_ms < self.long_ms { LONG_WEIGHT } else { BUSY_WEIGHT };
        let mut long_ms = self.long_ms + (short_ms - self.long_ms) * weight;
        if long_ms / short_ms > DRIFTED {
            long_ms *= DRIFT_DECAY;
        }
        let gradient = (config.tolerance * long_ms / short_ms).clamp(STEEPEST, 1.0);
        // A limit that nobody comes near says nothing; growing it would only make it useless when it is needed.
        if gradient >= 1.0 && idle {
            return Self { long_ms, ..self };
        }
        // Room for bursts: without it the limit could never be found to be too small.
        let headroom = self.limit.sqrt();
        let wanted = self.limit * gradient + headroom;
        let limit = self.limit * (1.0 - SMOOTHING) + wanted * SMOOTHING;
        let limit = limit.clamp(f64::from(config.min_limit), f64::from(config.max_limit));
        Self { limit, long_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_falls_while_latency_is_far_above_the_usual() {
        let config = Config::default();
        let mut state = State { limit: 400.0, long_ms: 50.0 };

        for _ in 0..30 {
            state = state.step(400, 500.0, &config);
        }

        assert!(state.limit < 50.0, "{state:?}");
        assert!(state.limit >= f64::from(config.min_limit));
    }

    #[test]
    fn the_limit_grows_only_when_it_is_used() {
        let config = Config::default();
        let state = State { limit: 100.0, long_ms: 50.0 };

        assert_eq!(state.step(20, 50.0, &config).limit, 100.0);
        assert!(state.step(95, 50.0, &config).limit > 100.0);
    }

    #[test]
    fn one_step_never_takes_more_than_a_tenth() {
        let config = Config::default();
        let state = State { limit: 1_000.0, long_ms: 1.0 };

        assert!(state.step(1_000, 1e9, &config).limit > 900.0);
    }

    #[test]
    fn a_bad_time_is_forgotten_faster_than_it_was_learnt() {
        let config = Config::default();
        let mut state = State { limit: 100.0, long_ms: 500.0 };

        for _ in 0..40 {
            state = state.step(100, 50.0, &config);
        }

        assert!(state.long_ms < 110.0, "{state:?}");
    }

    /// Slots and a queue: latency is the service time as long as there are slots, and grows with what is in flight.
    #[test]
    fn it_finds_the_slots_of_a_service() {
        let (slots, service_ms) = (40.0, 50.0);
        let config = Config::default();
        let mut state = State::new(10, service_ms, &config);

        for _ in 0..300 {
            let inflight = state.limit.floor();
            let latency_ms = service_ms * (inflight / slots).max(1.0);
            state = state.step(inflight as u32, latency_ms, &config);
        }

        assert!((slots..slots * 2.5).contains(&state.limit), "{state:?}");
    }
}
