//! What the host makes of the rules' proposals. A rule proposes; this decides.
//!
//! Three steps. *Screen*: each proposal alone, refused or clamped by the rails that no rule can override. *Merge*: per
//! (target, class, kind of action) the strictest of all, so that neither the order of the rules nor a repetition matters
//! ([`Merged::merge`] is associative, commutative and idempotent). *Move*: from what is in force towards what is asked
//! for, no faster than a person could follow, and back to admitting everything when nobody asks any more.
//!
//! Everything the rails change is said in a sentence of the decision, because a decision that cannot be explained will be
//! switched off.

use std::{collections::BTreeMap, sync::Arc};

use crate::rule::{Action, Criticality, Directive, ServiceId, Snapshot, Target};

mod facts;
mod merge;
mod motion;
mod screen;
mod share;

pub use merge::{Contribution, Key, Kind, Merged};
pub use share::share;

use facts::Facts;

/// Share of the requests that always passes, whatever the rules say: without probes nobody would see the recovery
/// (Google's client throttle and failsafe-go stop at 10 %; a twentieth is enough at the rates where shedding matters).
pub const ADMIT_FLOOR: f64 = 0.05;
/// Most that an admitted share falls in a second: a wrong rule takes more than two seconds to the floor, and is seen.
pub const FALL_PER_SECOND: f64 = 0.40;
/// Most that it rises: slower than it falls, so that a service that just recovered is not thrown back.
pub const RISE_PER_SECOND: f64 = 0.20;
/// Lowest level that may be rejected: all of critical-plus, and a twentieth of the critical cohorts.
pub const LEVEL_FLOOR: u16 = 128 + 7;
/// A threshold of this rejects nothing.
pub const LEVEL_OPEN: u16 = 512;
/// Shortest lease: below it would end before the next tick renews it.
pub const TTL_MIN_MS: u32 = 1_000;
/// Longest lease: what a rule that fell silent can still do.
pub const TTL_MAX_MS: u32 = 60_000;
/// Directives in force at once, and as many in shadow: what an enforcer compiles and a person reads is bounded.
pub const DIRECTIVES: usize = 1_000;
/// Proposals that one rule may make at a tick (the contract's limit, for native rules too).
pub const PROPOSALS: usize = 1_000;
/// Fewer requests in the window are thin: half of them failing may be one.
pub const THIN_REQUESTS: f64 = 10.0;
/// Reports of enforcers older than this are stale: five were missed.
pub const STALE_REPORT_MS: u32 = 5_000;
/// Spans and metrics older than this are stale: they come in batches, every five to ten seconds.
pub const STALE_TELEMETRY_MS: u32 = 20_000;
/// Longest time that one step of the motion covers: after a stall the rails must not allow one great leap.
const LONGEST_STEP_S: f64 = 2.0;

/// Which rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleRef {
    /// SHA-256 of the upload, or `builtin:<name>`.
    pub id: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
}

/// Whether a rule is obeyed or only watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// It runs and is recorded; nothing of it is enforced.
    Shadow,
    /// It is obeyed, within the rails.
    Active,
}

/// What one rule asks for now.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Who asks.
    pub rule: RuleRef,
    /// Whether it is obeyed.
    pub mode: Mode,
    /// What it asks for, with the time that is left of each.
    pub directives: Vec<Directive>,
}

/// The switch that a person throws when nothing may be enforced any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enforcement {
    /// Decisions are enforced.
    #[default]
    On,
    /// All decisions end at once and new ones are shadows.
    Killed,
}

/// What a tick has to decide.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Now, in milliseconds since 1970.
    pub now_ms: u64,
    /// What the rules saw.
    pub snapshot: &'a Snapshot,
    /// What they ask for.
    pub proposals: &'a [Proposal],
    /// Whether anything may be enforced.
    pub enforcement: Enforcement,
}

/// What became of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Enforced.
    InForce,
    /// Only shadow rules ask for it.
    Shadow,
    /// Over: nobody asks for it any more, and the last of it has been released.
    Ended,
}

/// One decision of this tick.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The same for as long as it lasts.
    pub id: Arc<str>,
    /// Whether it is enforced.
    pub state: State,
    /// True when it began as a shadow; an ended one remembers.
    pub shadow: bool,
    /// When it began.
    pub began_ms: u64,
    /// Whose requests.
    pub target: Target,
    /// This class and the less important ones.
    pub class: Criticality,
    /// For the whole service.
    pub action: Action,
    /// Lease from now.
    pub ttl_ms: u32,
    /// What a rejected caller is told to wait.
    pub retry_after_ms: Option<u32>,
    /// The binding rule's reason.
    pub reason: String,
    /// All that asked for it; the first is the one that binds. Empty while it is being released.
    pub contributions: Vec<Contribution>,
    /// What the rails changed, one sentence each.
    pub rails: Vec<String>,
}

/// A directive that a rule asked for and that is not considered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// Who asked.
    pub rule: RuleRef,
    /// Why not, in a sentence.
    pub reason: String,
}

/// What a tick decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// In force, in shadow, and those that ended at this tick; by key, in-force ones first.
    pub decisions: Vec<Decision>,
    /// What was not considered.
    pub refused: Vec<Refusal>,
}

/// What is in force between two ticks.
#[derive(Clone, Debug, PartialEq)]
struct Standing {
    id: Arc<str>,
    began_ms: u64,
    action: Action,
    ttl_ms: u32,
    retry_after_ms: Option<u32>,
    reason: String,
}

/// The memory from tick to tick. Everything else is an argument.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arbiter {
    in_force: BTreeMap<Key, Standing>,
    shadow: BTreeMap<Key, Standing>,
    last_ms: Option<u64>,
}

impl Arbiter {
    /// Decides. Called once a tick.
    pub fn arbitrate(&mut self, question: &Question<'_>) -> Answer {
        let facts = Facts::of(question.snapshot);
        let mut refused = Vec::new();
        let mut active = BTreeMap::new();
        let mut shadow = BTreeMap::new();
        for proposal in question.proposals {
            let obeyed = proposal.mode == Mode::Active && question.enforcement == Enforcement::On;
            let merged = if obeyed { &mut active } else { &mut shadow };
            let killed = proposal.mode == Mode::Active && question.enforcement == Enforcement::Killed;
            screen_all(proposal, killed, &facts, merged, &mut refused);
        }
        let step_s = self
            .last_ms
            .map_or(1.0, |last| (question.now_ms.saturating_sub(last) as f64 / 1_000.0).min(LONGEST_STEP_S));
        self.last_ms = Some(question.now_ms);
        let step = motion::Step { now_ms: question.now_ms, step_s, facts: &facts };

        // A key that is enforced shows what the shadows would have done as contributions to it.
        for (key, watched) in &shadow {
            if let Some(enforced) = active.get_mut(key) {
                Merged::watch(enforced, watched);
            }
        }
        shadow.retain(|key, _| !active.contains_key(key));
        let release =
            if question.enforcement == Enforcement::On { motion::Release::Slowly } else { motion::Release::Now };
        let mut decisions = step.advance(&mut self.in_force, active, State::InForce, release, &mut refused);
        decisions.extend(step.advance(&mut self.shadow, shadow, State::Shadow, motion::Release::Now, &mut refused));
        refused.sort();
        refused.dedup();
        Answer { decisions, refused }
    }

    /// Puts a decision back in force that was so before a restart: it goes on from there, under its own name.
    pub fn restore(&mut self, id: &str, began_ms: u64, directive: &Directive) {
        let key = Key { target: directive.target.clone(), class: directive.class, kind: Kind::of(&directive.action) };
        let standing = Standing {
            id: id.into(),
            began_ms,
            action: directive.action.clone(),
            ttl_ms: directive.ttl_ms,
            retry_after_ms: directive.retry_after_ms,
            reason: directive.reason.clone(),
        };
        self.in_force.insert(key, standing);
    }

    /// What is in force on a service, for the whole of it.
    #[must_use]
    pub fn applied(&self, service: &ServiceId) -> Vec<Directive> {
        let of_service = self.in_force.iter().filter(|(key, _)| key.target.service == *service);
        let directive = |(key, standing): (&Key, &Standing)| Directive {
            target: key.target.clone(),
            class: key.class,
            action: standing.action.clone(),
            ttl_ms: standing.ttl_ms,
            retry_after_ms: standing.retry_after_ms,
            reason: standing.reason.clone(),
        };
        of_service.map(directive).collect()
    }
}

/// Screens what one rule asks for and merges it with what is there.
fn screen_all(
    proposal: &Proposal,
    killed: bool,
    facts: &Facts<'_>,
    merged: &mut BTreeMap<Key, Merged>,
    refused: &mut Vec<Refusal>,
) {
    let refuse = |reason| Refusal { rule: proposal.rule.clone(), reason };
    if let Some(more) = proposal.directives.len().checked_sub(PROPOSALS).filter(|more| *more > 0) {
        refused.push(refuse(format!("it proposed {more} directives more than the {PROPOSALS} that are read")));
    }
    for directive in proposal.directives.iter().take(PROPOSALS) {
        match screen::screen(directive, &proposal.rule, proposal.mode, killed, facts) {
            Ok((key, screened)) => match merged.remove(&key) {
                Some(other) => drop(merged.insert(key, other.merge(screened))),
                None => drop(merged.insert(key, screened)),
            },
            Err(reason) => refused.push(refuse(reason)),
        }
    }
}

#[cfg(test)]
mod tests;
