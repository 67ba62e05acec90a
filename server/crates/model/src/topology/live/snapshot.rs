//! Draws the map from what is known.

use std::{collections::BTreeMap, sync::Arc};

use hashbrown::HashMap;

use super::{LiveLimits, Sums, breakers, edge::LiveEdge, health, node::LiveNode};
use crate::{
    identity::{NodeKey, NodeKind, ServiceKey},
    observation::{EdgeKey, Protocol},
    topology::{
        Map, MapEdge, MapNode, Numbers, Pairer, ServiceHealth, ShedLoad, UsageSignals,
        pairer::{Seeded, host_of_url},
    },
};

pub(super) fn map(sums: &mut Sums, pairer: &Pairer, limits: &LiveLimits) -> Map {
    let now_ns = sums.now_ns;
    let span = sums.span;
    let mut edges: BTreeMap<EdgeKey, MapEdge> = BTreeMap::new();
    for (key, edge) in &mut sums.edges {
        edges.insert(key.clone(), draw_edge(key, edge, limits, now_ns, span));
    }
    let around = around(&sums.edges);
    let mut nodes: BTreeMap<NodeKey, MapNode> = BTreeMap::new();
    for (key, node) in &mut sums.nodes {
        node.window.slide(span);
        let around = around.get(key).copied().unwrap_or_default();
        nodes.insert(key.clone(), draw_node(key, node, &around, limits, now_ns));
    }
    hang_breakers(sums, pairer, limits, &mut nodes, &mut edges);
    let lag_ns = u64::from(limits.lag_s) * 1_000_000_000;
    Map {
        at_ns: now_ns.saturating_sub(lag_ns),
        window_s: limits.window_s,
        lag_ms: lag_ns / 1_000_000,
        nodes: nodes.into_values().collect(),
        edges: edges.into_values().collect(),
    }
}

/// What a node's neighbours say of it.
#[derive(Clone, Copy, Default)]
struct Around {
    /// Calls to it, as its callers measured them.
    calls: i64,
    failed: i64,
    /// When a call from or to it was last seen.
    last_seen_ns: u64,
}

fn around(edges: &HashMap<EdgeKey, LiveEdge, Seeded>) -> BTreeMap<&NodeKey, Around> {
    let mut all: BTreeMap<&NodeKey, Around> = BTreeMap::new();
    for (key, edge) in edges {
        let sum = edge.caller.sum();
        for end in [&key.source, &key.target] {
            let around = all.entry(end).or_default();
            around.last_seen_ns = around.last_seen_ns.max(edge.last_seen_ns);
        }
        let target = all.entry(&key.target).or_default();
        target.calls += sum.count;
        target.failed += sum.failed;
    }
    all
}

fn draw_node(key: &NodeKey, node: &LiveNode, around: &Around, limits: &LiveLimits, now_ns: u64) -> MapNode {
    // A service is heard of by itself only; whatever sends nothing is seen by its neighbours.
    let last_seen_ns = match key.kind {
        NodeKind::Service => node.last_seen_ns,
        _ => node.last_seen_ns.max(around.last_seen_ns),
    };
    let heard = now_ns.saturating_sub(last_seen_ns) <= limits.stale_ns;
    let since_ns = now_ns.saturating_sub(limits.stale_ns);
    let reports_since_ns = now_ns.saturating_sub(limits.health_ttl_ns);
    let usage = node.usage(now_ns.saturating_sub(limits.usage_ttl_ns));
    // Without requests of the enforced kind there may still be others, such as messages.
    let counted = usage.and_then(of_usage);
    let estimated = counted.is_none() && node.estimated(since_ns);
    let numbers = counted.or_else(|| Numbers::of(node.window.sum(), limits.window_s));
    // Enforcers see every request, and what they turn away looks like a failure to callers.
    let calls = if usage.is_none() {
        health::Calls { count: around.calls, failed: around.failed }
    } else {
        health::Calls::default()
    };
    let reports: Vec<_> = node.fresh_reports(reports_since_ns).collect();
    let (health, health_reason) = health::judge(&reports, numbers.as_ref(), calls, heard);
    MapNode {
        key: key.clone(),
        health,
        health_reason,
        reported_health: health::reported(&reports),
        numbers,
        estimated,
        instances: node.instance_count(since_ns, reports_since_ns, usage),
        version: node.version(since_ns),
        shedding: usage.and_then(shed_load),
        last_seen_ns,
        stale: !heard,
    }
}

/// Numbers by every request that was let in: a shed request is no error, and its quick rejection no latency.
fn of_usage(usage: &UsageSignals) -> Option<Numbers> {
    let done = usage.ok + usage.failed;
    if usage.offered == 0 && done == 0 || usage.window_ms == 0 {
        return None;
    }
    Some(Numbers {
        count: i64::try_from(usage.admitted).unwrap_or(i64::MAX),
        rate: usage.admitted as f64 * 1_000.0 / f64::from(usage.window_ms),
        error_ratio: if done == 0 { 0.0 } else { usage.failed as f64 / done as f64 },
        p50_ms: usage.latency.quantile_ms(0.5),
        p95_ms: usage.latency.quantile_ms(0.95),
        p99_ms: usage.latency.quantile_ms(0.99),
    })
}

fn shed_load(usage: &UsageSignals) -> Option<ShedLoad> {
    (usage.shed > 0 && usage.offered > 0).then(|| ShedLoad {
        ratio: (usage.shed as f64 / usage.offered as f64).min(1.0),
        instances_applied: usage.instances_applied,
        instances_enforcing: usage.instances_enforcing,
        reason: usage.reason.clone(),
    })
}

fn draw_edge(
    key: &EdgeKey,
    edge: &mut LiveEdge,
    limits: &LiveLimits,
    now_ns: u64,
    span: super::window::Span,
) -> MapEdge {
    MapEdge {
        key: key.clone(),
        provisional: edge.provisional(),
        estimated: edge.sampled_at_ns.is_some_and(|at_ns| now_ns.saturating_sub(at_ns) <= limits.stale_ns),
        caller: Numbers::of(edge.caller.slide(span), limits.window_s),
        callee: Numbers::of(edge.callee.slide(span), limits.window_s),
        breaker: None,
        last_seen_ns: edge.last_seen_ns,
    }
}

/// Puts breakers on their edges. Several protocols between the same two nodes share one breaker, shown on the first edge; without any edge,
/// one is drawn: an open breaker keeps calls away, and just then it must be seen.
fn hang_breakers(
    sums: &Sums,
    pairer: &Pairer,
    limits: &LiveLimits,
    nodes: &mut BTreeMap<NodeKey, MapNode>,
    edges: &mut BTreeMap<EdgeKey, MapEdge>,
) {
    let mut by_name: BTreeMap<Arc<str>, Vec<NodeKey>> = BTreeMap::new();
    let groups = sums.breakers.by_target();
    if groups.is_empty() {
        return;
    }
    for key in nodes.keys() {
        by_name.entry(key.service.name.clone()).or_default().push(key.clone());
    }
    let mut placed: BTreeMap<EdgeKey, Vec<_>> = BTreeMap::new();
    for ((service, target), reports) in groups {
        let source = NodeKey::service(service.clone());
        let target = resolve(service, target, pairer, &by_name);
        let first = EdgeKey { source: source.clone(), target: target.clone(), protocol: Protocol::ALL[0] };
        let existing =
            edges.range(first..).next().map(|(key, _)| key).filter(|key| key.source == source && key.target == target);
        let key = existing.cloned().unwrap_or(EdgeKey { source, target, protocol: Protocol::Unknown });
        placed.entry(key).or_default().extend(reports);
    }
    for (key, reports) in placed {
        let Some((breaker, seen_ns)) = breakers::merge(&reports, sums.now_ns, limits.breaker_ttl_ns) else { continue };
        for end in [&key.source, &key.target] {
            nodes.entry(end.clone()).or_insert_with(|| bare_node(end, seen_ns));
        }
        let edge = edges.entry(key.clone()).or_insert_with(|| MapEdge {
            key,
            provisional: false,
            estimated: false,
            caller: None,
            callee: None,
            breaker: None,
            last_seen_ns: seen_ns,
        });
        edge.breaker = Some(breaker);
        edge.last_seen_ns = edge.last_seen_ns.max(seen_ns);
    }
}

/// A node that is known only as a breaker's target.
fn bare_node(key: &NodeKey, seen_ns: u64) -> MapNode {
    MapNode {
        key: key.clone(),
        health: ServiceHealth::Unknown,
        health_reason: None,
        reported_health: None,
        numbers: None,
        estimated: false,
        instances: 0,
        version: None,
        shedding: None,
        last_seen_ns: seen_ns,
        stale: false,
    }
}

/// The node that a breaker's owner means: the service of that name beside it, else in its environment, else whatever answers to that
/// address, else a virtual node of that name, else a host outside.
fn resolve(owner: &ServiceKey, target: &str, pairer: &Pairer, by_name: &BTreeMap<Arc<str>, Vec<NodeKey>>) -> NodeKey {
    let named = |name: &str, service: bool| {
        let all =
            by_name.get(name).map_or(&[][..], Vec::as_slice).iter().filter(|key| {
                key.service.environment == owner.environment && (key.kind == NodeKind::Service) == service
            });
        let mut all: Vec<&NodeKey> = all.filter(|key| !matches!(key.kind, NodeKind::User | NodeKind::Other)).collect();
        all.sort_by_key(|key| (key.service.namespace != owner.namespace, (*key).clone()));
        all.first().map(|key| (*key).clone())
    };
    let host = host_of_url(target).map_or(target, |(host, _)| host);
    let bare = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(host, |(name, _)| name);
    named(target, true)
        .or_else(|| {
            pairer
                .service_behind(&owner.environment, &owner.namespace, target)
                .map(|service| NodeKey::service(service.clone()))
        })
        .or_else(|| named(target, false))
        .or_else(|| named(bare, true))
        .or_else(|| named(bare, false))
        .unwrap_or_else(|| NodeKey {
            kind: NodeKind::External,
            service: ServiceKey {
                environment: owner.environment.clone(),
                namespace: owner.namespace.clone(),
                name: target.into(),
            },
        })
}
