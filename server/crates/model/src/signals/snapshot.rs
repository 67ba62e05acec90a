//! The system as one tick sees it.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{UsageBook, latency_of, service_id};
use crate::{
    identity::{NodeKind, ServiceKey},
    rule::{BreakerState, Directive, Edge, Latency, Origin, ServiceId, Signals, Snapshot, Target},
    topology::{Map, MapEdge, MapNode, MergedBreaker, Numbers, SeenBreakerState},
};

/// Most signals: bounds what is copied into a rule each tick. The busiest stay.
pub const SIGNALS: usize = 2_000;
/// Most edges.
pub const EDGES: usize = 10_000;

/// Puts a snapshot together: reports of enforcers where there are any, else the map. `applied` says what is in force on a
/// service.
pub fn build_snapshot(
    now_ns: u64,
    tick: u64,
    usage: &UsageBook,
    map: &Map,
    applied: &dyn Fn(&ServiceId) -> Vec<Directive>,
) -> Snapshot {
    let mut all: BTreeMap<ServiceKey, Signals> = BTreeMap::new();
    for service in usage.services() {
        let in_force = applied(&service_id(service));
        all.extend(usage.signals(service, in_force, now_ns).map(|signals| (service.clone(), signals)));
    }
    for node in map.nodes.iter().filter(|node| node.key.kind == NodeKind::Service) {
        let service = &node.key.service;
        if !all.contains_key(service)
            && let Some(signals) = of_node(node, map, now_ns, applied)
        {
            all.insert(service.clone(), signals);
        }
    }
    let mut all: Vec<(ServiceKey, Signals)> = all.into_iter().collect();
    if all.len() > SIGNALS {
        // The sort is stable, so services with the same load are cut by name: the same ones each tick.
        all.sort_by_key(|(_, signals)| Reverse(signals.offered_rps.max(0.0).to_bits()));
        all.truncate(SIGNALS);
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
    }
    let place: BTreeMap<&ServiceKey, u32> = all.iter().map(|(service, _)| service).zip(0..).collect();
    let mut edges: Vec<Edge> = map.edges.iter().filter_map(|edge| of_edge(edge, &place, now_ns)).collect();
    edges.sort_by_key(|edge| Reverse(edge.offered_rps.max(0.0).to_bits()));
    edges.truncate(EDGES);
    edges.sort_by_key(|edge| (edge.caller, edge.callee));
    let signals = all.into_iter().map(|(_, signals)| signals).collect();
    let mut snapshot = Snapshot { tick, now_ms: now_ns / 1_000_000, signals, edges };
    snapshot.round();
    snapshot
}

fn age_ms(seen_ns: u64, now_ns: u64) -> u32 {
    u32::try_from(now_ns.saturating_sub(seen_ns) / 1_000_000).unwrap_or(u32::MAX)
}

/// A service without enforcers, as its spans show it.
fn of_node(node: &MapNode, map: &Map, now_ns: u64, applied: &dyn Fn(&ServiceId) -> Vec<Directive>) -> Option<Signals> {
    let numbers = node.numbers?;
    let service = service_id(&node.key.service);
    Some(Signals {
        origin: Origin::Span,
        age_ms: age_ms(node.last_seen_ns, now_ns),
        instances: node.instances,
        window_ms: map.window_s.saturating_mul(1_000),
        offered_rps: numbers.rate,
        goodput_rps: numbers.rate * (1.0 - numbers.error_ratio),
        error_ratio: numbers.error_ratio,
        latency: latency(&numbers),
        applied: applied(&service),
        target: Target::service(service),
        ..Signals::default()
    })
}

fn latency(numbers: &Numbers) -> Latency {
    latency_of(numbers.p50_ms, numbers.p95_ms, numbers.p99_ms, numbers.count)
}

fn of_edge(edge: &MapEdge, place: &BTreeMap<&ServiceKey, u32>, now_ns: u64) -> Option<Edge> {
    let at = |node: &crate::identity::NodeKey| {
        (node.kind == NodeKind::Service).then(|| place.get(&node.service).copied()).flatten()
    };
    let (caller, callee) = (at(&edge.key.source)?, at(&edge.key.target)?);
    let numbers = edge.numbers();
    let open_share = |breaker: &MergedBreaker| f64::from(breaker.open) / f64::from(breaker.total.max(1));
    Some(Edge {
        caller,
        callee,
        offered_rps: numbers.map_or(0.0, |numbers| numbers.rate),
        error_ratio: numbers.map_or(0.0, |numbers| numbers.error_ratio),
        latency: numbers.as_ref().map(latency).unwrap_or_default(),
        breaker: edge.breaker.as_ref().map_or(BreakerState::Unknown, |breaker| match breaker.state {
            SeenBreakerState::Unknown => BreakerState::Unknown,
            // A rule wants to know whether calls pass, not who decided it.
            SeenBreakerState::Closed | SeenBreakerState::Disabled | SeenBreakerState::MetricsOnly => {
                BreakerState::Closed
            }
            SeenBreakerState::HalfOpen => BreakerState::HalfOpen,
            SeenBreakerState::Open | SeenBreakerState::ForcedOpen => BreakerState::Open,
        }),
        open_share: edge.breaker.as_ref().map_or(0.0, open_share),
        age_ms: age_ms(edge.last_seen_ns, now_ns),
    })
}
