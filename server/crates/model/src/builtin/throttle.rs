//! Google's client throttle (SRE book, "Handling Overload"), at the server: of what is offered, about as much is admitted as
//! lately was answered well.
//!
//! rejected share = max(0, (offered - k × good) / (offered + 1)). `k` above 1 admits a little more than what succeeds, which
//! is how the rule finds out that the service can do more. Where the service says how long requests wait for their turn, the
//! rule stops pushing as soon as they wait: goodput tells of an overload only when callers already give up.

use serde::{Deserialize, Deserializer, de::Error as _};

use super::protected;
use crate::{
    arbitrate::Kind,
    rule::{Action, Criticality, Directive, Signals, Snapshot},
};

pub(super) const DESCRIPTION: &str = "Admits about as much as is answered well (Google's adaptive throttle). Needs enforcers; holds on old or thin numbers.";

pub(super) const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "k": {"type": "number", "minimum": 1.05, "maximum": 10, "default": 1.3, "description": "How much more is admitted than was answered well. Larger finds recovery faster and protects less."},
    "max_wait_ms": {"type": "number", "minimum": 1, "maximum": 60000, "default": 50, "description": "Longest wait for a turn that is still fine. Beyond it a little less is admitted than was answered well, so that the queue empties."},
    "min_requests": {"type": "integer", "minimum": 1, "maximum": 100000, "default": 20, "description": "Fewer requests in the window say nothing: hold."},
    "max_age_ms": {"type": "integer", "minimum": 1000, "maximum": 60000, "default": 3000, "description": "Older numbers say nothing: hold."}
  }
}"#;

/// Lease: four ticks may be missed.
const TTL_MS: u32 = 5_000;

/// What is admitted of what was answered well while a queue has to empty.
const DRAIN: f64 = 0.9;

/// Its configuration.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Throttle {
    k: f64,
    max_wait_ms: f64,
    min_requests: u32,
    max_age_ms: u32,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { k: 1.3, max_wait_ms: 50.0, min_requests: 20, max_age_ms: 3_000 }
    }
}

impl Throttle {
    pub(super) fn read<'de, D: Deserializer<'de>>(configuration: D) -> Result<Self, D::Error> {
        let this = Self::deserialize(configuration)?;
        if !(1.05..=10.0).contains(&this.k) {
            return Err(D::Error::custom(format!("k is {}, it must be 1.05 to 10", this.k)));
        }
        if !(1.0..=60_000.0).contains(&this.max_wait_ms) {
            return Err(D::Error::custom(format!("max_wait_ms is {}, it must be 1 to 60000", this.max_wait_ms)));
        }
        Ok(this)
    }

    pub(super) fn evaluate(&self, snapshot: &Snapshot) -> Vec<Directive> {
        protected(snapshot).filter_map(|signals| self.of(signals)).collect()
    }

    fn of(&self, signals: &Signals) -> Option<Directive> {
        let requests = signals.offered_rps * f64::from(signals.window_ms) / 1_000.0;
        if signals.age_ms > self.max_age_ms || requests < f64::from(self.min_requests) {
            return hold(signals);
        }
        let (offered, good) = (signals.offered_rps, signals.goodput_rps);
        let queueing = signals.queue_wait_ms.is_some_and(|wait| wait > self.max_wait_ms);
        let k = if queueing { DRAIN } else { self.k };
        let rejected = (offered - k * good) / (offered + 1.0);
        (rejected > 0.0).then(|| Directive {
            target: signals.target.clone(),
            class: Criticality::Critical,
            action: Action::AdmitRatio((1.0 - rejected).clamp(0.0, 1.0)),
            ttl_ms: TTL_MS,
            retry_after_ms: Some(1_000),
            reason: format!("{} answers {good:.0} of {offered:.0} requests a second well", signals.target.service.name),
        })
    }
}

/// Asks for what is in force, when there is no reason to know better.
fn hold(signals: &Signals) -> Option<Directive> {
    let mine = |directive: &&Directive| {
        Kind::of(&directive.action) == Kind::AdmitRatio
            && directive.target == signals.target
            && directive.class == Criticality::Critical
    };
    signals.applied.iter().find(mine).cloned()
}
