//! What the guard remembers of a service between ticks.

use spillway_plugin_sdk::Signals;

/// The remembered capacity fades by this each tick: half of it is gone after a minute.
const PEAK_DECAY: f64 = 0.988;
/// The usual latency may creep up by this each tick, so that a release that is slower for good becomes the usual.
const BASE_CREEP: f64 = 1.002;
/// The known capacity is probed upwards by this share in the first tick without a queue ...
const FIRST_STEP: f64 = 0.01;
/// ... by this many times more in each further one, because a capacity that shows no queue for long was known wrongly ...
const STEP_GROWTH: f64 = 1.25;
/// ... and never by more than this: the queue that a step makes is seen four ticks later.
const LARGEST_STEP: f64 = 0.03;

/// How many numbers that are.
pub(crate) const NUMBERS: usize = 6;

/// All numbers are finite: they come from the host, which sends nothing else, or from here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Memory {
    /// The last decision on good data.
    pub(crate) admit: f64,
    /// When it was.
    pub(crate) decided_at_ms: f64,
    /// The most it answered, fading.
    pub(crate) peak_rps: f64,
    /// The median latency of a good day; 0 when unknown.
    pub(crate) base_ms: f64,
    /// What it answered when it last had more than it could do; 0 when it never had, or all is well again.
    ceiling_rps: f64,
    /// How far above that the next probe goes.
    step: f64,
}

impl Memory {
    const NOTHING: Self =
        Self { admit: 1.0, decided_at_ms: 0.0, peak_rps: 0.0, base_ms: 0.0, ceiling_rps: 0.0, step: FIRST_STEP };

    pub(crate) fn of(stored: Option<[f64; NUMBERS]>) -> Self {
        let Some([admit, decided_at_ms, peak_rps, base_ms, ceiling_rps, step]) = stored else { return Self::NOTHING };
        Self { admit, decided_at_ms, peak_rps, base_ms, ceiling_rps, step }
    }

    pub(crate) fn numbers(&self) -> [f64; NUMBERS] {
        [self.admit, self.decided_at_ms, self.peak_rps, self.base_ms, self.ceiling_rps, self.step]
    }

    pub(crate) fn observe(&mut self, signals: &Signals) {
        self.peak_rps = signals.goodput_rps.max(self.peak_rps * PEAK_DECAY);
        let p50_ms = signals.latency.p50_ms;
        if p50_ms > 0.0 {
            let healthy = self.admit >= 1.0 && signals.error_ratio < 0.02 && signals.timeout_ratio < 0.01;
            let ceiling = if self.base_ms == 0.0 {
                f64::INFINITY
            } else if healthy {
                self.base_ms * BASE_CREEP
            } else {
                self.base_ms
            };
            self.base_ms = p50_ms.min(ceiling);
        }
    }

    /// A little above the known capacity, so that more is found when there is more. No limit when it is not known.
    pub(crate) fn probe(&mut self) -> f64 {
        if self.ceiling_rps == 0.0 {
            return f64::INFINITY;
        }
        self.ceiling_rps *= 1.0 + self.step;
        self.step = (self.step * STEP_GROWTH).min(LARGEST_STEP);
        self.ceiling_rps
    }

    /// It has more than it can do: this is its capacity.
    pub(crate) fn saturated(&mut self, accepts_rps: f64) {
        self.ceiling_rps = accepts_rps;
        self.step = FIRST_STEP;
    }

    pub(crate) fn all_is_well(&mut self) {
        self.admit = 1.0;
        self.ceiling_rps = 0.0;
        self.step = FIRST_STEP;
    }
}
