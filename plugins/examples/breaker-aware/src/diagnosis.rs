//! Which services fail their callers, and by how much. Looks at the edges only: what callers see is what counts.

use std::collections::BTreeMap;

use spillway_plugin_sdk::{Breaker, Edge, Snapshot};

use crate::config::Config;

/// A half-open breaker lets a few calls through and refuses the rest; half of its traffic is the honest guess.
const HALF_OPEN: f64 = 0.5;

/// A service that fails most of the calls to it.
#[derive(Debug, PartialEq)]
pub(crate) struct Sick<'a> {
    /// Index of its signals.
    pub(crate) service: u32,
    /// Failing share of all calls to it.
    pub(crate) share: f64,
    /// Callers with an open or half-open breaker.
    pub(crate) breakers: usize,
    /// Who calls it, with the failing share of each.
    pub(crate) callers: Vec<(&'a Edge, f64)>,
}

/// Failing services in the order of their signals.
pub(crate) fn sick_services<'a>(snapshot: &'a Snapshot, config: &Config) -> Vec<Sick<'a>> {
    let known = |index: u32| snapshot.signals.get(index as usize).is_some();
    let mut by_callee: BTreeMap<u32, Vec<(&Edge, f64)>> = BTreeMap::new();
    for edge in &snapshot.edges {
        // A service that calls itself would be shed for its own retries; indices are data and may be wrong.
        let usable = edge.age_ms <= config.max_age_ms
            && edge.caller != edge.callee
            && known(edge.caller)
            && known(edge.callee)
            && (edge.latency.samples >= config.min_calls || refusing(edge) > 0.0);
        if usable {
            by_callee.entry(edge.callee).or_default().push((edge, failing(edge)));
        }
    }
    let judge = |(service, callers): (u32, Vec<(&'a Edge, f64)>)| {
        // An open breaker stops the calls that would be its weight, so each caller weighs one call a second at least.
        let weight = |edge: &Edge| edge.offered_rps.max(1.0);
        let all: f64 = callers.iter().map(|(edge, _)| weight(edge)).sum();
        let failing: f64 = callers.iter().map(|(edge, failing)| weight(edge) * failing).sum();
        let share = failing / all;
        let breakers = callers.iter().filter(|(edge, _)| refusing(edge) > 0.0).count();
        // Many small callers with open breakers weigh as much as one large one without: most callers know better.
        let most_refuse = breakers * 2 > callers.len();
        (share >= config.sick_share || most_refuse).then_some(Sick { service, share, breakers, callers })
    };
    by_callee.into_iter().filter_map(judge).collect()
}

/// Share of the calls that the caller's breaker refuses.
fn refusing(edge: &Edge) -> f64 {
    match edge.breaker {
        // Reported open without a share: one instance, or a source that does not count them.
        Breaker::Open if edge.open_share <= 0.0 => 1.0,
        Breaker::Open => edge.open_share.min(1.0),
        Breaker::HalfOpen => HALF_OPEN,
        Breaker::Closed | Breaker::Unknown => 0.0,
    }
}

/// Share of the calls that come to nothing: refused, or let through and failed.
fn failing(edge: &Edge) -> f64 {
    let refused = refusing(edge);
    (refused + (1.0 - refused) * edge.error_ratio).clamp(0.0, 1.0)
}
