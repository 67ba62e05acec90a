//! From the map to the wire.

use spillway_api as api;
use spillway_model::{
    identity::NodeKind,
    observation::{Protocol, Side, Subject},
    topology::{
        Live, LiveLimits, Map, MapEdge, MapNode, MergedBreaker, Numbers, SeenBreakerState, ServiceHealth, ShedLoad,
    },
};
use spillway_store::{LatestStates, TopologyRollup};

/// "Last seen" is shown in steps of this: at every call it would make every node new in every delta.
const LAST_SEEN_STEP_NS: u64 = 10_000_000_000;

/// The whole map.
pub fn topology(map: &Map, seq: u64) -> api::Topology {
    let mut nodes: Vec<api::Node> = map.nodes.iter().map(node).collect();
    nodes.sort_by(|a, b| a.id.cmp(&b.id));
    let mut edges: Vec<api::Edge> = map.edges.iter().map(edge).collect();
    edges.sort_by(|a, b| (&a.source, &a.target, a.protocol).cmp(&(&b.source, &b.target, b.protocol)));
    api::Topology { seq, at: timestamp(map.at_ns), window_s: map.window_s, lag_ms: map.lag_ms, nodes, edges }
}

/// The map of the past, from what was summed up then. `window_s` is the length of the sums that it rests on, `lag_ms` how coarse their steps are.
pub fn past(rollup: &TopologyRollup, states: &LatestStates, at_ns: i64) -> api::Topology {
    let second = |s: i64| u64::try_from(s).unwrap_or(0);
    let (from_s, to_s) = (second(rollup.from_s), second(rollup.to_s));
    let window_s = u32::try_from(to_s.saturating_sub(from_s)).unwrap_or(u32::MAX).max(1);
    let mut limits = LiveLimits { window_s, lag_s: 0, ..LiveLimits::default() };
    // What counts is the state at that instant, and the end of the sums may lie a little behind it.
    limits.breaker_ttl_ns += u64::from(window_s) * 1_000_000_000;
    limits.health_ttl_ns += u64::from(window_s) * 1_000_000_000;
    let mut live = Live::new(limits);
    for event in &states.events {
        live.observe_event(event, u64::try_from(event.at_ns.min(at_ns)).unwrap_or(0));
    }
    let last_s = to_s.saturating_sub(1);
    for node in &rollup.nodes {
        live.load(&Subject::Node(node.node.clone()), &node.aggregate, last_s);
    }
    for edge in &rollup.edges {
        for (side, sum) in [(Side::Caller, &edge.caller), (Side::Callee, &edge.callee)] {
            if !sum.is_empty() {
                live.load(&Subject::Edge(edge.edge.clone(), side), sum, last_s);
            }
        }
    }
    let mut topology = topology(&live.snapshot(to_s.saturating_mul(1_000_000_000)), 0);
    topology.at = api::Timestamp::from_unix_ns(at_ns);
    topology.lag_ms = u64::from(rollup.resolution_s) * 1_000;
    topology
}

fn node(node: &MapNode) -> api::Node {
    let service = &node.key.service;
    let numbers = node.numbers.as_ref();
    api::Node {
        id: node.key.id(),
        environment: service.environment.to_string(),
        namespace: service.namespace.to_string(),
        name: service.name.to_string(),
        kind: kind(node.key.kind),
        health: health(node.health),
        health_reason: node.health_reason.clone(),
        reported_health: node.reported_health.clone(),
        rate: numbers.map(|numbers| round(numbers.rate)),
        error_ratio: numbers.map(|numbers| round(numbers.error_ratio)),
        p50_ms: numbers.and_then(|numbers| numbers.p50_ms).map(round),
        p95_ms: numbers.and_then(|numbers| numbers.p95_ms).map(round),
        p99_ms: numbers.and_then(|numbers| numbers.p99_ms).map(round),
        estimated: node.estimated,
        instances: node.instances,
        version: node.version.as_deref().map(str::to_owned),
        shedding: node.shedding.as_ref().map(shedding),
        last_seen_at: last_seen(node.last_seen_ns),
        stale: node.stale,
    }
}

fn edge(edge: &MapEdge) -> api::Edge {
    let numbers = edge.numbers();
    let numbers = numbers.as_ref();
    api::Edge {
        source: edge.key.source.id(),
        target: edge.key.target.id(),
        protocol: protocol(edge.key.protocol),
        asynchronous: edge.asynchronous(),
        provisional: edge.provisional,
        estimated: edge.estimated,
        rate: numbers.map(|numbers| round(numbers.rate)),
        error_ratio: numbers.map(|numbers| round(numbers.error_ratio)),
        p50_ms: numbers.and_then(|numbers| numbers.p50_ms).map(round),
        p95_ms: numbers.and_then(|numbers| numbers.p95_ms).map(round),
        p99_ms: numbers.and_then(|numbers| numbers.p99_ms).map(round),
        caller: edge.caller.as_ref().map(side),
        callee: edge.callee.as_ref().map(side),
        breaker: edge.breaker.as_ref().map(breaker),
        last_seen_at: last_seen(edge.last_seen_ns),
    }
}

fn side(numbers: &Numbers) -> api::EdgeSide {
    api::EdgeSide {
        rate: round(numbers.rate),
        error_ratio: round(numbers.error_ratio),
        p50_ms: numbers.p50_ms.map(round),
        p95_ms: numbers.p95_ms.map(round),
        p99_ms: numbers.p99_ms.map(round),
    }
}

fn shedding(shed: &ShedLoad) -> api::Shedding {
    api::Shedding {
        ratio: round(shed.ratio),
        instances_applied: shed.instances_applied,
        instances_enforcing: shed.instances_enforcing,
        reason: shed.reason.as_deref().map(str::to_owned),
    }
}

fn breaker(breaker: &MergedBreaker) -> api::Breaker {
    let instances = breaker.instances.iter().map(|report| api::BreakerInstance {
        instance: report.instance.to_string(),
        name: report.name.to_string(),
        state: breaker_state(report.state),
        since: api::Timestamp::from_unix_ns(report.since_ns),
    });
    api::Breaker {
        state: breaker_state(breaker.state),
        open: breaker.open,
        total: breaker.total,
        since: api::Timestamp::from_unix_ns(breaker.since_ns),
        instances: instances.collect(),
    }
}

fn breaker_state(state: SeenBreakerState) -> api::BreakerState {
    match state {
        SeenBreakerState::Unknown => api::BreakerState::Unknown,
        SeenBreakerState::Closed => api::BreakerState::Closed,
        SeenBreakerState::HalfOpen => api::BreakerState::HalfOpen,
        SeenBreakerState::Open => api::BreakerState::Open,
        SeenBreakerState::ForcedOpen => api::BreakerState::ForcedOpen,
        SeenBreakerState::Disabled => api::BreakerState::Disabled,
        SeenBreakerState::MetricsOnly => api::BreakerState::MetricsOnly,
    }
}

fn kind(kind: NodeKind) -> api::NodeKind {
    match kind {
        NodeKind::Service => api::NodeKind::Service,
        NodeKind::Database => api::NodeKind::Database,
        NodeKind::Queue => api::NodeKind::Queue,
        NodeKind::External => api::NodeKind::External,
        NodeKind::User => api::NodeKind::User,
        NodeKind::Other => api::NodeKind::Other,
    }
}

fn health(health: ServiceHealth) -> api::ServiceHealth {
    match health {
        ServiceHealth::Healthy => api::ServiceHealth::Healthy,
        ServiceHealth::Degraded => api::ServiceHealth::Degraded,
        ServiceHealth::Failing => api::ServiceHealth::Failing,
        ServiceHealth::Unknown => api::ServiceHealth::Unknown,
    }
}

fn protocol(protocol: Protocol) -> api::Protocol {
    match protocol {
        Protocol::Http => api::Protocol::Http,
        Protocol::Grpc => api::Protocol::Grpc,
        Protocol::Graphql => api::Protocol::Graphql,
        Protocol::Websocket => api::Protocol::Websocket,
        Protocol::Rpc => api::Protocol::Rpc,
        Protocol::Messaging => api::Protocol::Messaging,
        Protocol::Database => api::Protocol::Database,
        Protocol::Unknown => api::Protocol::Unknown,
    }
}

fn timestamp(ns: u64) -> api::Timestamp {
    api::Timestamp::from_unix_ns(i64::try_from(ns).unwrap_or(i64::MAX))
}

fn last_seen(ns: u64) -> api::Timestamp {
    timestamp(ns - ns % LAST_SEEN_STEP_NS)
}

/// Three significant digits: what is shown. A value that jitters below that is the same value.
fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let digits = 2 - value.abs().log10().floor() as i32;
    // Dividing by a power of ten that is exact gives the number that prints short; multiplying by 0.001 does not.
    if digits >= 0 {
        let scale = 10f64.powi(digits);
        (value * scale).round() / scale
    } else {
        let scale = 10f64.powi(-digits);
        (value / scale).round() * scale
    }
}

#[cfg(test)]
mod tests;
