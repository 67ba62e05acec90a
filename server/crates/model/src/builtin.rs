//! Rules in native Rust, so that shedding works before the first upload.
//!
//! They see what uploaded rules see, propose in the same words, are clamped by the same rails, and are off until somebody
//! switches them on. They are meant to be understood first and to be clever second: whoever wants more writes a rule.

use std::collections::BTreeMap;

use serde::Deserializer;

use crate::rule::{Directive, Manifest, Signals, Snapshot};

mod gradient;
mod throttle;

use gradient::Gradient;
use throttle::Throttle;

/// What a rule remembers between ticks, by key.
pub type Memory = BTreeMap<String, Vec<u8>>;

/// Which built-in rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Builtin {
    /// Admits about as much as is answered well.
    AdaptiveThrottle,
    /// Limits requests in flight by how much slower they became.
    ConcurrencyGradient,
}

/// A built-in rule with its configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Configured(Rule);

#[derive(Clone, Debug, PartialEq)]
enum Rule {
    Throttle(Throttle),
    Gradient(Gradient),
}

impl Builtin {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::AdaptiveThrottle, Self::ConcurrencyGradient];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AdaptiveThrottle => "adaptive-throttle",
            Self::ConcurrencyGradient => "concurrency-gradient",
        }
    }

    /// Its id in the store and the API.
    #[must_use]
    pub fn id(self) -> String {
        format!("builtin:{}", self.name())
    }

    /// What it says about itself, as an uploaded rule would.
    #[must_use]
    pub fn manifest(self) -> Manifest {
        let (description, config_schema) = match self {
            Self::AdaptiveThrottle => (throttle::DESCRIPTION, throttle::SCHEMA),
            Self::ConcurrencyGradient => (gradient::DESCRIPTION, gradient::SCHEMA),
        };
        Manifest {
            name: self.name().into(),
            version: "1.0.0".into(),
            description: description.into(),
            config_schema: config_schema.into(),
            tick_ms: 1_000,
        }
    }

    /// Reads its configuration.
    ///
    /// # Errors
    /// When a value is unknown, of the wrong type or out of range.
    pub fn configure<'de, D: Deserializer<'de>>(self, configuration: D) -> Result<Configured, D::Error> {
        Ok(Configured(match self {
            Self::AdaptiveThrottle => Rule::Throttle(Throttle::read(configuration)?),
            Self::ConcurrencyGradient => Rule::Gradient(Gradient::read(configuration)?),
        }))
    }
}

impl Configured {
    /// One tick.
    pub fn evaluate(&self, snapshot: &Snapshot, memory: &mut Memory) -> Vec<Directive> {
        match &self.0 {
            Rule::Throttle(throttle) => throttle.evaluate(snapshot),
            Rule::Gradient(gradient) => gradient.evaluate(snapshot, memory),
        }
    }
}

/// Services that somebody can protect: their enforcers report every request.
fn protected(snapshot: &Snapshot) -> impl Iterator<Item = &Signals> {
    snapshot.signals.iter().filter(|signals| {
        signals.instances_enforcing > 0 && signals.target.route.is_empty() && signals.target.caller.is_none()
    })
}

#[cfg(test)]
mod tests;
