//! A limit on requests in flight that follows latency, after Netflix's `Gradient2Limit`: while requests take as long as they
//! used to, the limit grows; when they take longer, they wait somewhere, and the limit shrinks in proportion.
//!
//! limit' = limit × clamp(tolerance × usual / now, 0.5, 1) + √limit, smoothed. It does not grow while less than half of it is
//! used, because then it was not what held anybody back.

use serde::{Deserialize, Deserializer, de::Error as _};

use super::{Memory, protected};
use crate::rule::{Action, Criticality, Directive, Signals, Snapshot};

pub(super) const DESCRIPTION: &str = "Limits requests in flight by how much slower they became (Netflix's Gradient2). Needs enforcers; remembers the usual latency of each service.";

pub(super) const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "tolerance": {"type": "number", "minimum": 1, "maximum": 5, "default": 1.5, "description": "How much slower than usual is still fine."},
    "min_limit": {"type": "integer", "minimum": 1, "maximum": 100000, "default": 10, "description": "The limit never goes below."},
    "max_limit": {"type": "integer", "minimum": 1, "maximum": 1000000, "default": 10000, "description": "The limit never goes above; there it is not enforced at all."},
    "min_samples": {"type": "integer", "minimum": 1, "maximum": 100000, "default": 20, "description": "Fewer answers in the window say nothing: hold."}
  }
}"#;

/// Lease: four ticks may be missed.
const TTL_MS: u32 = 5_000;
/// Part of the newest value in the smoothed limit (Netflix's default).
const SMOOTHING: f64 = 0.2;
/// Part of the newest value in the usual latency: it follows in minutes, not in seconds.
const USUAL_SMOOTHING: f64 = 1.0 / 60.0;
/// Where the usual latency is more than twice the present one it was learnt in bad times: let it fall faster.
const DRIFT: f64 = 0.95;
/// Services that are remembered; each takes one entry of the rule's memory.
const SERVICES: usize = 200;

/// Its configuration.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Gradient {
    tolerance: f64,
    min_limit: u32,
    max_limit: u32,
    min_samples: u32,
}

impl Default for Gradient {
    fn default() -> Self {
        Self { tolerance: 1.5, min_limit: 10, max_limit: 10_000, min_samples: 20 }
    }
}

/// What it remembers of a service.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Learnt {
    limit: f64,
    usual_ms: f64,
}

impl Learnt {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (limit, usual_ms) = bytes.split_first_chunk()?;
        let this = Self { limit: f64::from_le_bytes(*limit), usual_ms: f64::from_le_bytes(usual_ms.try_into().ok()?) };
        (this.limit.is_finite() && this.usual_ms.is_finite() && this.usual_ms > 0.0).then_some(this)
    }

    fn write(self) -> Vec<u8> {
        [self.limit.to_le_bytes(), self.usual_ms.to_le_bytes()].concat()
    }
}

impl Gradient {
    pub(super) fn read<'de, D: Deserializer<'de>>(configuration: D) -> Result<Self, D::Error> {
        let this = Self::deserialize(configuration)?;
        if !(1.0..=5.0).contains(&this.tolerance) {
            return Err(D::Error::custom(format!("tolerance is {}, it must be 1 to 5", this.tolerance)));
        }
        if this.min_limit == 0 || this.min_limit > this.max_limit {
            return Err(D::Error::custom(format!(
                "min_limit is {} and max_limit {}: 1 ≤ min_limit ≤ max_limit",
                this.min_limit, this.max_limit
            )));
        }
        Ok(this)
    }

    pub(super) fn evaluate(&self, snapshot: &Snapshot, memory: &mut Memory) -> Vec<Directive> {
        let mut directives = Vec::new();
        let mut next = Memory::new();
        for signals in protected(snapshot).take(SERVICES) {
            let service = &signals.target.service;
            let key = format!("{}/{}/{}", service.environment, service.namespace, service.name);
            let before = memory.get(&key).and_then(|bytes| Learnt::read(bytes));
            let Some(learnt) = self.learn(before, signals) else { continue };
            next.insert(key, learnt.write());
            directives.extend(self.limit(learnt, signals));
        }
        // What is no longer there is forgotten, so the memory stays as small as the system.
        *memory = next;
        directives
    }

    /// `None` before anything is known.
    fn learn(&self, before: Option<Learnt>, signals: &Signals) -> Option<Learnt> {
        let now_ms = signals.latency.p50_ms;
        let in_flight = f64::from(signals.inflight?);
        if signals.latency.samples < self.min_samples || now_ms <= 0.0 {
            return before;
        }
        let Some(before) = before else {
            // Nobody is held back before the usual latency is known.
            return Some(Learnt { limit: f64::from(self.max_limit), usual_ms: now_ms });
        };
        let mut usual_ms = before.usual_ms + (now_ms - before.usual_ms) * USUAL_SMOOTHING;
        if usual_ms > 2.0 * now_ms {
            usual_ms *= DRIFT;
        }
        let gradient = (self.tolerance * before.usual_ms / now_ms).clamp(0.5, 1.0);
        // It starts from what is there: from ten thousand down it would take too long to bind.
        let limit = before.limit.min(in_flight.mul_add(2.0, f64::from(self.min_limit)));
        let wanted = limit.mul_add(gradient, limit.sqrt());
        let grown_unused = wanted > before.limit && in_flight < before.limit / 2.0;
        let limit = if gradient >= 1.0 {
            if grown_unused { before.limit } else { before.limit + (before.limit.sqrt()) * SMOOTHING }
        } else {
            limit + (wanted - limit) * SMOOTHING
        };
        Some(Learnt { limit: limit.clamp(f64::from(self.min_limit), f64::from(self.max_limit)), usual_ms })
    }

    /// A limit at its upper end, or half as high again as what is in flight, holds nobody back and is not worth a
    /// directive.
    fn limit(&self, learnt: Learnt, signals: &Signals) -> Option<Directive> {
        let in_flight = f64::from(signals.inflight?);
        let limit = learnt.limit.round() as u32;
        (limit < self.max_limit && learnt.limit < 1.5 * in_flight.max(f64::from(self.min_limit))).then(|| Directive {
            target: signals.target.clone(),
            class: Criticality::Critical,
            action: Action::ConcurrencyLimit(limit),
            ttl_ms: TTL_MS,
            retry_after_ms: Some(1_000),
            reason: format!(
                "{} takes {:.0} ms where {:.0} ms is usual",
                signals.target.service.name, signals.latency.p50_ms, learnt.usual_ms
            ),
        })
    }
}
