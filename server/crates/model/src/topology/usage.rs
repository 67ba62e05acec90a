//! What enforcers counted, summed up over a service's instances by whoever collects their reports.

use std::sync::Arc;

use crate::histogram::Histogram;

/// Every request of a service over a short window, as its enforcers counted them. Better than spans: complete, and a second old.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UsageSignals {
    /// Length of the window, in milliseconds.
    pub window_ms: u32,
    /// Arrived.
    pub offered: u64,
    /// Let through.
    pub admitted: u64,
    /// Turned away: never an error.
    pub shed: u64,
    /// Answered well.
    pub ok: u64,
    /// Failed or timed out.
    pub failed: u64,
    /// Being served now.
    pub in_flight: u32,
    /// Time to serve of what was admitted.
    pub latency: Histogram,
    /// Instances known.
    pub instances: u32,
    /// Instances that reported lately, so can enforce.
    pub instances_enforcing: u32,
    /// Instances that applied the newest directives.
    pub instances_applied: u32,
    /// The reason that the binding rule gave, while something is in force.
    pub reason: Option<Arc<str>>,
}
