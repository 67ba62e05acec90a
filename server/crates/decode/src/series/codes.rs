//! Numbers for states, by library: the same number means open in one and half open in another.

use spillway_model::event::BreakerState;

/// Whose numbers they are.
///
/// | number | resilience4j, failsafe-go | gobreaker | pybreaker |
/// |---|---|---|---|
/// | 0 | closed | closed | closed |
/// | 1 | open | half open | open |
/// | 2 | half open | open | half open |
/// | 3, 4, 5 | disabled, forced open, metrics only (resilience4j alone) | | |
///
/// Sources: `CircuitBreaker.State` of resilience4j; `State` of sony/gobreaker v2 and of failsafe-go's `circuitbreaker`, both by `iota`.
/// pybreaker has words, not numbers: its order is that of the exporters that people write for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codes {
    /// resilience4j.
    Resilience4j,
    /// sony/gobreaker.
    Gobreaker,
    /// failsafe-go.
    FailsafeGo,
    /// pybreaker.
    Pybreaker,
}

impl Codes {
    /// The library that a series' name or a label names.
    pub fn of_library(name: &str) -> Option<Self> {
        Some(match &*crate::reading::plain(name) {
            "resilience4j" => Self::Resilience4j,
            "gobreaker" | "sonygobreaker" => Self::Gobreaker,
            "failsafe" | "failsafego" => Self::FailsafeGo,
            "pybreaker" => Self::Pybreaker,
            _ => return None,
        })
    }

    /// The state of a number.
    pub fn state(self, value: f64) -> Option<BreakerState> {
        use BreakerState::{Closed, Disabled, ForcedOpen, HalfOpen, MetricsOnly, Open};
        let states: &[BreakerState] = match self {
            Self::Resilience4j => &[Closed, Open, HalfOpen, Disabled, ForcedOpen, MetricsOnly],
            Self::Gobreaker => &[Closed, HalfOpen, Open],
            Self::FailsafeGo | Self::Pybreaker => &[Closed, Open, HalfOpen],
        };
        let whole = value.fract() == 0.0 && (0.0..6.0).contains(&value);
        if whole { states.get(value as usize).copied() } else { None }
    }
}
