//! How an evaluation ended: every end a guest can have, so that none is handled by accident.

use serde::{Deserialize, Serialize};

use super::Directive;

/// The end of one evaluation. Only [`Outcome::Proposed`] leads to directives and keeps what the rule stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The rule answered; nothing is in force before the host has clamped and merged it.
    Proposed {
        /// What it asks for; empty means "all is well".
        directives: Vec<Directive>,
    },
    /// The rule itself said no: its configuration or the snapshot does not suit it.
    Refused {
        /// Its words.
        message: String,
    },
    /// It crashed (unreachable, out-of-bounds access, stack overflow).
    Trapped {
        /// What the sandbox reports.
        message: String,
    },
    /// It used up the instructions it may execute: the same input always ends here.
    OutOfFuel,
    /// It was stopped by the clock.
    TimedOut,
    /// It asked for more memory than it may have.
    OutOfMemory,
    /// It answered something the contract does not allow (too many directives, a ratio of 7, an endless reason).
    Malformed {
        /// Which directive, and why.
        message: String,
    },
}

impl Outcome {
    /// The word for logs, metrics and the API.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Proposed { .. } => "proposed",
            Self::Refused { .. } => "refused",
            Self::Trapped { .. } => "trapped",
            Self::OutOfFuel => "out_of_fuel",
            Self::TimedOut => "timed_out",
            Self::OutOfMemory => "out_of_memory",
            Self::Malformed { .. } => "malformed",
        }
    }

    /// What the rule or the sandbox said, where it said something.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        match self {
            Self::Refused { message } | Self::Trapped { message } | Self::Malformed { message } => Some(message),
            Self::Proposed { .. } | Self::OutOfFuel | Self::TimedOut | Self::OutOfMemory => None,
        }
    }

    /// The directives of a good end, nothing otherwise.
    #[must_use]
    pub fn directives(&self) -> &[Directive] {
        match self {
            Self::Proposed { directives } => directives,
            _ => &[],
        }
    }

    /// True when the guest misbehaved: this is what opens a plugin's breaker. A refusal is an answer, not a fault.
    #[must_use]
    pub const fn faulty(&self) -> bool {
        !matches!(self, Self::Proposed { .. } | Self::Refused { .. })
    }
}
