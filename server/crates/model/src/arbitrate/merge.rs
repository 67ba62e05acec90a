//! Several wishes for the same thing become one: the strictest value of each field.
//!
//! Minimum, maximum and set union are associative, commutative and idempotent, so the result depends on neither the order
//! of the rules nor on how often one of them says the same.

use std::{cmp::Ordering, collections::BTreeSet};

use super::{Mode, RuleRef};
use crate::rule::{Action, Criticality, Rate, Target};

/// Kind of an action: kinds do not replace each other, so each has a decision of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A share to admit.
    AdmitRatio,
    /// A level from which on to reject.
    LevelThreshold,
    /// Requests at once.
    ConcurrencyLimit,
    /// Requests a second.
    RateLimit,
    /// A degraded variant.
    Degrade,
}

impl Kind {
    /// The kind of an action.
    #[must_use]
    pub const fn of(action: &Action) -> Self {
        match action {
            Action::AdmitRatio(_) => Self::AdmitRatio,
            Action::LevelThreshold(_) => Self::LevelThreshold,
            Action::ConcurrencyLimit(_) => Self::ConcurrencyLimit,
            Action::RateLimit(_) => Self::RateLimit,
            Action::Degrade(_) => Self::Degrade,
        }
    }
}

/// What a decision is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Whose requests.
    pub target: Target,
    /// This class and the less important ones.
    pub class: Criticality,
    /// What is done.
    pub kind: Kind,
}

/// One rule's part.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// Who.
    pub rule: RuleRef,
    /// Whether it is obeyed.
    pub mode: Mode,
    /// What it asked for, before the rails.
    pub action: Action,
    /// Why.
    pub reason: String,
    /// True for the one that decided.
    pub binding: bool,
}

impl Contribution {
    /// Those that are obeyed first, then by strictness; a total order, so that the first one is the same in any order.
    fn order(&self, other: &Self) -> Ordering {
        let rest = |this: &Self| (this.rule.clone(), this.reason.clone());
        other
            .mode
            .cmp(&self.mode)
            .then_with(|| strictness(&self.action, &other.action))
            .then_with(|| rest(self).cmp(&rest(other)))
    }
}

/// Less is stricter. Only actions of one kind are ever compared; the rest makes the order total.
pub(super) fn strictness(a: &Action, b: &Action) -> Ordering {
    match (a, b) {
        (Action::AdmitRatio(a), Action::AdmitRatio(b)) => a.total_cmp(b),
        (Action::LevelThreshold(a), Action::LevelThreshold(b)) => a.cmp(b),
        (Action::ConcurrencyLimit(a), Action::ConcurrencyLimit(b)) => a.cmp(b),
        (Action::RateLimit(a), Action::RateLimit(b)) => {
            a.per_second.total_cmp(&b.per_second).then(a.burst.cmp(&b.burst))
        }
        (Action::Degrade(a), Action::Degrade(b)) => a.cmp(b),
        _ => Kind::of(a).cmp(&Kind::of(b)),
    }
}

/// The strictest of both, field by field. Variants of degrading have no order of their own; the first by name is as good
/// as any, as long as it is always the same.
fn strictest(a: Action, b: Action) -> Action {
    match (a, b) {
        (Action::RateLimit(a), Action::RateLimit(b)) => {
            Action::RateLimit(Rate { per_second: a.per_second.min(b.per_second), burst: a.burst.min(b.burst) })
        }
        (a, b) => std::cmp::min_by(a, b, strictness),
    }
}

/// Everything that is asked for under one key.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The strictest.
    pub action: Action,
    /// The shortest lease.
    pub ttl_ms: u32,
    /// The longest wait.
    pub retry_after_ms: Option<u32>,
    /// Who asked, the binding one first.
    pub contributions: Vec<Contribution>,
    /// What was changed on the way here.
    pub rails: BTreeSet<String>,
}

impl Merged {
    /// Both wishes.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let mut contributions = self.contributions;
        contributions.extend(other.contributions);
        let mut rails = self.rails;
        rails.extend(other.rails);
        let mut merged = Self {
            action: strictest(self.action, other.action),
            ttl_ms: self.ttl_ms.min(other.ttl_ms),
            retry_after_ms: self.retry_after_ms.max(other.retry_after_ms),
            contributions,
            rails,
        };
        merged.tidy();
        merged
    }

    /// Lists shadow rules beside the ones that are obeyed. They change nothing else.
    pub(super) fn watch(&mut self, shadow: &Self) {
        self.contributions.extend(shadow.contributions.iter().cloned());
        self.tidy();
    }

    fn tidy(&mut self) {
        self.contributions.sort_by(Contribution::order);
        self.contributions.dedup_by(|a, b| a.order(b) == Ordering::Equal);
        for (position, contribution) in self.contributions.iter_mut().enumerate() {
            contribution.binding = position == 0;
        }
    }
}
