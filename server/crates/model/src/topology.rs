//! The live topology: what spans, events and usage reports say about who calls whom, and how that goes.
//!
//! [`Pairer`] turns spans into signed facts ([`crate::observation::Measurement`]): the same function for the live map and for
//! the stored rollups. [`Live`] sums the facts over a sliding window, adds health, breakers and usage, and gives a [`Map`].
//! Neither has a clock: the time is an argument, so a replay gives the same map.

mod live;
mod map;
mod pairer;
#[cfg(test)]
mod sample;
mod usage;

pub use live::{Live, LiveLimits, LiveStats};
pub use map::{
    BreakerReport, Map, MapEdge, MapNode, MergedBreaker, Numbers, SeenBreakerState, ServiceHealth, ShedLoad,
};
pub use pairer::{Pairer, PairerLimits, PairerStats, Sampled, Sampling};
pub use usage::UsageSignals;
