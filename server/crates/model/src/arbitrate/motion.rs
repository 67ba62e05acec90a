//! From what is in force to what is asked for, step by step.

use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
    sync::Arc,
};

use super::{
    Decision, FALL_PER_SECOND, Key, LEVEL_OPEN, Merged, RISE_PER_SECOND, Refusal, Standing, State, facts::Facts,
    merge::strictness,
};
use crate::rule::{Action, Rate};

/// How a decision ends that nobody asks for any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Release {
    /// Share by share, as fast as the rails allow.
    Slowly,
    /// At once: it was never enforced, or a person wants it gone.
    Now,
}

/// One tick.
pub(super) struct Step<'a> {
    pub(super) now_ms: u64,
    pub(super) step_s: f64,
    pub(super) facts: &'a Facts<'a>,
}

impl Step<'_> {
    /// Moves everything in `standing` one step towards `wanted`, and says what came of it.
    pub(super) fn advance(
        &self,
        standing: &mut BTreeMap<Key, Standing>,
        wanted: BTreeMap<Key, Merged>,
        state: State,
        release: Release,
        refused: &mut Vec<Refusal>,
    ) -> Vec<Decision> {
        let mut decisions = Vec::new();
        let mut next = BTreeMap::new();
        let mut last = std::mem::take(standing);
        for (key, mut merged) in wanted {
            let before = last.remove(&key);
            if before.is_none() && next.len() >= super::DIRECTIVES {
                refused.extend(full(&merged));
                continue;
            }
            let (action, why_nothing) = self.towards(&key, &mut merged, before.as_ref());
            let Some(action) = action else {
                match before {
                    Some(before) => decisions.push(ended(key, before, state)),
                    None => refused.extend(why_nothing.iter().flat_map(|why| not_begun(&merged, why))),
                }
                continue;
            };
            let now = self.stand(&key, action, &merged, before, state);
            decisions.push(decision(&key, &now, state, merged));
            next.insert(key, now);
        }
        for (key, before) in last {
            match self.let_go(before, release) {
                Ok((now, sentence)) => {
                    let merged = Merged {
                        action: now.action.clone(),
                        ttl_ms: now.ttl_ms,
                        retry_after_ms: now.retry_after_ms,
                        contributions: Vec::new(),
                        rails: [sentence].into(),
                    };
                    decisions.push(decision(&key, &now, state, merged));
                    next.insert(key, now);
                }
                Err(before) => decisions.push(ended(key, before, state)),
            }
        }
        *standing = next;
        decisions
    }

    /// The value for this tick; `None` when that is no restriction at all, with a sentence where something else was asked
    /// for.
    fn towards(&self, key: &Key, merged: &mut Merged, before: Option<&Standing>) -> (Option<Action>, Option<String>) {
        let from = before.map(|before| before.action.clone()).or_else(|| self.observed(key));
        let mut wanted = merged.action.clone();
        let doubt = self.facts.doubt(&key.target);
        // On doubt nothing is tightened: what is in force stays, and what is not does not begin.
        let tightens = before.is_none_or(|before| strictness(&wanted, &before.action).is_lt());
        if let Some(doubt) = doubt.filter(|_| tightens && !open(&wanted)) {
            match before {
                Some(before) => {
                    merged.rails.insert(format!("held at {}: {doubt}", say(&before.action)));
                    wanted = before.action.clone();
                }
                None => return (None, Some(format!("{} was not begun: {doubt}", say(&wanted)))),
            }
        }
        let reached = from.map_or_else(|| wanted.clone(), |from| self.slew(&from, &wanted));
        if strictness(&reached, &wanted).is_ne() {
            merged.rails.insert(format!(
                "{} now, on the way to {}: an admitted share falls by at most {:.0} points a second and rises by {:.0}",
                say(&reached),
                say(&wanted),
                FALL_PER_SECOND * 100.0,
                RISE_PER_SECOND * 100.0
            ));
        }
        (Some(reached).filter(|reached| !open(reached)), None)
    }

    /// What an unrestricted service does now, as the place where the motion of a limit starts. Unknown load has no such
    /// place.
    fn observed(&self, key: &Key) -> Option<Action> {
        let signals = self.facts.signals(&key.target);
        match key.kind {
            super::Kind::AdmitRatio => Some(Action::AdmitRatio(1.0)),
            super::Kind::LevelThreshold => Some(Action::LevelThreshold(LEVEL_OPEN)),
            super::Kind::ConcurrencyLimit => signals?.inflight.map(Action::ConcurrencyLimit),
            super::Kind::RateLimit => {
                let per_second = signals?.offered_rps;
                Some(Action::RateLimit(Rate { per_second, burst: u32::MAX }))
            }
            super::Kind::Degrade => None,
        }
    }

    fn slew(&self, from: &Action, wanted: &Action) -> Action {
        let (fall, rise) = (FALL_PER_SECOND * self.step_s, RISE_PER_SECOND * self.step_s);
        match (from, wanted) {
            (Action::AdmitRatio(from), Action::AdmitRatio(to)) => {
                Action::AdmitRatio((between(*to, from - fall, from + rise) * 1e3).round() / 1e3)
            }
            (Action::LevelThreshold(from), Action::LevelThreshold(to)) => {
                let (from, all) = (f64::from(*from), f64::from(LEVEL_OPEN));
                let level = between(f64::from(*to), from - fall * all, from + rise * all);
                Action::LevelThreshold(level.round() as u16)
            }
            // A limit only falls in steps. Upwards it is the rule's own motion, and the service's room to breathe.
            (Action::ConcurrencyLimit(from), Action::ConcurrencyLimit(to)) => {
                let least = (f64::from(*from) * (1.0 - fall)).floor() as u32;
                Action::ConcurrencyLimit((*to).max(least.max(1)))
            }
            (Action::RateLimit(from), Action::RateLimit(to)) => {
                let per_second = to.per_second.max(from.per_second * (1.0 - fall));
                Action::RateLimit(Rate { per_second, burst: to.burst })
            }
            _ => wanted.clone(),
        }
    }

    fn stand(&self, key: &Key, action: Action, merged: &Merged, before: Option<Standing>, state: State) -> Standing {
        let (id, began_ms) = match before {
            Some(before) => (before.id, before.began_ms),
            None => (name(key, self.now_ms, state), self.now_ms),
        };
        let reason = merged.contributions.first().map(|binding| binding.reason.clone()).unwrap_or_default();
        Standing { id, began_ms, action, ttl_ms: merged.ttl_ms, retry_after_ms: merged.retry_after_ms, reason }
    }

    /// One step back to admitting everything, or the end. Limits end at once: there is no telling which larger number
    /// would be the next one.
    fn let_go(&self, before: Standing, release: Release) -> Result<(Standing, String), Standing> {
        let target = match (release, &before.action) {
            (Release::Slowly, Action::AdmitRatio(_)) => Action::AdmitRatio(1.0),
            (Release::Slowly, Action::LevelThreshold(_)) => Action::LevelThreshold(LEVEL_OPEN),
            _ => return Err(before),
        };
        let action = self.slew(&before.action, &target);
        if open(&action) {
            return Err(before);
        }
        let sentence = format!(
            "no rule asks for it any more: {} now, and {:.0} points a second more",
            say(&action),
            RISE_PER_SECOND * 100.0
        );
        Ok((Standing { action, ..before }, sentence))
    }
}

/// Like `clamp`, for bounds that rounding may have turned around.
fn between(value: f64, low: f64, high: f64) -> f64 {
    value.max(low).min(high)
}

/// True when it restricts nothing.
fn open(action: &Action) -> bool {
    match action {
        Action::AdmitRatio(ratio) => *ratio >= 1.0,
        Action::LevelThreshold(level) => *level >= LEVEL_OPEN,
        Action::ConcurrencyLimit(_) | Action::RateLimit(_) | Action::Degrade(_) => false,
    }
}

fn say(action: &Action) -> String {
    match action {
        Action::AdmitRatio(ratio) => format!("admit {:.0} %", ratio * 100.0),
        Action::LevelThreshold(level) => format!("reject from level {level}"),
        Action::ConcurrencyLimit(limit) => format!("at most {limit} at once"),
        Action::RateLimit(rate) => format!("at most {:.0} a second", rate.per_second),
        Action::Degrade(variant) => format!("serve `{variant}`"),
    }
}

fn decision(key: &Key, standing: &Standing, state: State, merged: Merged) -> Decision {
    Decision {
        id: Arc::clone(&standing.id),
        state,
        shadow: state == State::Shadow,
        began_ms: standing.began_ms,
        target: key.target.clone(),
        class: key.class,
        action: standing.action.clone(),
        ttl_ms: standing.ttl_ms,
        retry_after_ms: standing.retry_after_ms,
        reason: standing.reason.clone(),
        contributions: merged.contributions,
        rails: merged.rails.into_iter().collect(),
    }
}

fn ended(key: Key, before: Standing, state: State) -> Decision {
    Decision {
        id: before.id,
        state: State::Ended,
        shadow: state == State::Shadow,
        began_ms: before.began_ms,
        target: key.target,
        class: key.class,
        action: before.action,
        ttl_ms: before.ttl_ms,
        retry_after_ms: before.retry_after_ms,
        reason: before.reason,
        contributions: Vec::new(),
        rails: Vec::new(),
    }
}

fn not_begun<'a>(merged: &'a Merged, why: &'a str) -> impl Iterator<Item = Refusal> + 'a {
    merged.contributions.iter().map(move |one| Refusal { rule: one.rule.clone(), reason: why.to_owned() })
}

fn full(merged: &Merged) -> Vec<Refusal> {
    not_begun(merged, &format!("{} directives are in force already", super::DIRECTIVES)).collect()
}

/// Short, stable while the decision lasts, the same in a replay: a hash of what it is about and when it began.
fn name(key: &Key, began_ms: u64, state: State) -> Arc<str> {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    (key, began_ms).hash(&mut hasher);
    let hash = hasher.finish();
    let letters = (0..8).map(|letter| char::from(ALPHABET[(hash >> (5 * letter)) as usize & 31]));
    // A prefix keeps shadows apart: their ids never reach a request.
    let prefix = if state == State::Shadow { "s-" } else { "d-" };
    prefix.chars().chain(letters).collect::<String>().into()
}

/// FNV-1a, because the standard library's hasher may change from version to version.
struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        // Its low bits are its weakest: fold the high ones in.
        self.0 ^ (self.0 >> 29)
    }
}
