//! Several samples that together say how one breaker or limiter is.

use std::{collections::BTreeMap, sync::Arc};

use rustc_hash::FxHashMap;
use spillway_model::event::{BreakerState, Guard, LimitState};

use super::{LimitPart, Meaning, Sample, meaning};
use crate::reading::{MAX_READINGS, Reading, Readings, Says};

/// Breakers whose counters are remembered for one source.
const MAX_TURNS: usize = 3 * MAX_READINGS;

/// The order in which a breaker goes through its states; opening is where a round begins.
const ROUND: [BreakerState; 3] = [BreakerState::Open, BreakerState::HalfOpen, BreakerState::Closed];

type Key = (Arc<str>, Arc<str>);

/// What one scrape or one request of a source says.
#[derive(Debug, Default)]
pub struct Fold {
    readings: Readings,
    turned: BTreeMap<Key, Turned>,
    limits: BTreeMap<(Guard, Key), Numbers>,
}

/// How often a breaker went into each state of [`ROUND`], and when that was said.
#[derive(Clone, Copy, Debug, Default)]
struct Turned {
    totals: [Option<f64>; ROUND.len()],
    at_ns: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    free: Option<f64>,
    limit: Option<f64>,
    waiting: Option<f64>,
    exhausted: Option<bool>,
    at_ns: Option<i64>,
}

/// Counters of the last time, for one source: what has grown since then has happened.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    totals: FxHashMap<Key, [Option<f64>; ROUND.len()]>,
    /// True once the source was heard: then a breaker that appears has turned since.
    heard: bool,
}

impl Fold {
    /// Takes one sample, and says what it meant.
    pub fn take<'a>(&mut self, sample: &Sample<'a>) -> Meaning<'a> {
        let meaning = meaning(sample);
        match meaning {
            Meaning::Breaker { target, name, state } => {
                self.readings.push(Reading { at_ns: sample.at_ns, ..Reading::breaker(target, name, state) });
            }
            Meaning::Turned { target, name, to, total } => {
                let key = (target.into(), name.into());
                if self.turned.len() < MAX_READINGS || self.turned.contains_key(&key) {
                    let turned = self.turned.entry(key).or_default();
                    if let Some(place) = ROUND.iter().position(|state| *state == to) {
                        // The same event with other labels (instances of a pipeline, kinds of exception) is one series each.
                        *turned.totals[place].get_or_insert(0.0) += total;
                    }
                    turned.at_ns = turned.at_ns.max(sample.at_ns);
                }
            }
            Meaning::Limit { guard, target, name, part, value } => {
                let key = (guard, (target.into(), name.into()));
                if self.limits.len() < MAX_READINGS || self.limits.contains_key(&key) {
                    self.limits.entry(key).or_default().take(part, value, sample.at_ns);
                }
            }
            Meaning::Ignored { why } => self.readings.ignored.count(sample.name, why),
            Meaning::Retry { .. } | Meaning::Timeout { .. } | Meaning::Saturation { .. } | Meaning::Request { .. } => {
                self.readings.ignored.count(sample.name, "understood, but not used yet");
            }
            Meaning::Nothing => {}
        }
        meaning
    }

    /// What all of it says, given the counters of the last time, which become those of this time.
    ///
    /// A counter only says *that* a breaker turned. When it turned several times in between, the turns are told in the order in which
    /// breakers make them: open, half open, closed.
    pub fn finish(mut self, turns: &mut Turns) -> Readings {
        for ((guard, (target, name)), numbers) in self.limits {
            let says = numbers.says(guard);
            self.readings.push(Reading { target, name, instance: None, says, at_ns: numbers.at_ns });
        }
        for (key, turned) in self.turned {
            let grown = turns.grown(&key, turned.totals);
            for (place, state) in happened(grown, turned.totals) {
                // A nanosecond apart, so that their order is that of time.
                let at_ns = turned.at_ns.map(|at| at.saturating_sub(place));
                self.readings.push(Reading { at_ns, ..Reading::breaker(&key.0, &key.1, state) });
            }
        }
        turns.heard = true;
        self.readings
    }
}

impl Turns {
    /// Of a source whose counters began at zero just before: one that reports differences.
    pub fn from_zero() -> Self {
        Self { totals: FxHashMap::default(), heard: true }
    }

    /// How many breakers are remembered.
    pub fn breakers(&self) -> usize {
        self.totals.len()
    }

    /// Which counters have grown since the last time; at the first time none, since nobody knows when they did.
    fn grown(&mut self, key: &Key, totals: [Option<f64>; ROUND.len()]) -> [bool; ROUND.len()] {
        if !self.totals.contains_key(key) && self.totals.len() >= MAX_TURNS {
            return [false; ROUND.len()];
        }
        let before = match self.totals.insert(key.clone(), totals) {
            Some(before) => before,
            // A breaker's series appear with its first event.
            None if self.heard => [None; ROUND.len()],
            None => return [false; ROUND.len()],
        };
        std::array::from_fn(|place| match (before[place], totals[place]) {
            // Smaller than before: the process began anew, and counted from zero.
            (Some(before), Some(now)) => now > before || now < before && now > 0.0,
            // A series appears with its first event.
            (None, Some(now)) => now > 0.0,
            (_, None) => false,
        })
    }
}

/// What happened since the last time, oldest first, each with the number of turns behind it.
fn happened(
    grown: [bool; ROUND.len()],
    totals: [Option<f64>; ROUND.len()],
) -> impl Iterator<Item = (i64, BreakerState)> {
    let [opened, probed, closed] = totals.map(Option::unwrap_or_default);
    // From half open it either closes or opens again, so it was opened once more than probed exactly while it is open.
    let reopened = grown[..2] == [true, true] && opened > probed;
    // Without a count of probes (a breaker that people control by hand has none) closing is what comes last.
    let closed_last = grown == [true, false, true] && opened <= closed;
    let mut order: Vec<BreakerState> =
        ROUND.iter().zip(grown).filter(|(_, grown)| *grown).map(|(state, _)| *state).collect();
    if reopened || grown == [true, false, true] && !closed_last {
        order.rotate_left(1);
    }
    let last = order.len();
    order.into_iter().enumerate().map(move |(place, state)| ((last - 1 - place) as i64, state))
}

impl Numbers {
    fn take(&mut self, part: LimitPart, value: f64, at_ns: Option<i64>) {
        match part {
            LimitPart::Free => self.free = Some(value),
            LimitPart::Limit => self.limit = Some(value),
            LimitPart::Waiting => self.waiting = Some(value),
            LimitPart::Exhausted => self.exhausted = Some(value > 0.0),
        }
        self.at_ns = self.at_ns.max(at_ns);
    }

    fn says(&self, guard: Guard) -> Says {
        // A rate limiter's permissions go below zero when calls have reserved those of the next period.
        let full = self.exhausted.unwrap_or_else(|| self.free.is_some_and(|free| free <= 0.0));
        let in_use = self.limit.zip(self.free).map(|(limit, free)| limit - free);
        Says::Limit {
            guard,
            state: if full { LimitState::Exhausted } else { LimitState::Free },
            in_use: in_use.and_then(count),
            limit: self.limit.and_then(count),
            waiting: self.waiting.and_then(count),
        }
    }
}

/// A number of calls; what is none (negative, or larger than any) is left out.
fn count(value: f64) -> Option<u32> {
    (0.0..=f64::from(u32::MAX)).contains(&value).then_some(value as u32)
}
