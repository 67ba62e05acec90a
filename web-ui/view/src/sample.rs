//! A small shop in trouble, for the tests of this crate.

use spillway_api::{
    Breaker, BreakerInstance, BreakerState, Edge, Node, NodeKind, Protocol, ServiceHealth, Timestamp, Topology,
};

/// A service node with a rate and an error share.
pub fn node(name: &str, rate: f64, error_ratio: f64) -> Node {
    let health = match error_ratio {
        ratio if ratio > 0.25 => ServiceHealth::Failing,
        ratio if ratio > 0.05 => ServiceHealth::Degraded,
        _ => ServiceHealth::Healthy,
    };
    Node {
        id: format!("service:production/shop/{name}"),
        environment: "production".into(),
        namespace: "shop".into(),
        name: name.into(),
        kind: NodeKind::Service,
        health,
        health_reason: None,
        reported_health: None,
        rate: Some(rate),
        error_ratio: Some(error_ratio),
        p50_ms: Some(12.0),
        p95_ms: Some(80.0),
        p99_ms: Some(310.0),
        estimated: false,
        instances: 3,
        version: None,
        shedding: None,
        last_seen_at: Timestamp::from_unix_ms(1_000_000),
        stale: false,
    }
}

/// An HTTP edge between two services.
pub fn edge(source: &str, target: &str, rate: f64, error_ratio: f64) -> Edge {
    Edge {
        source: format!("service:production/shop/{source}"),
        target: format!("service:production/shop/{target}"),
        protocol: Protocol::Http,
        asynchronous: false,
        provisional: false,
        estimated: false,
        rate: Some(rate),
        error_ratio: Some(error_ratio),
        p50_ms: Some(10.0),
        p95_ms: Some(70.0),
        p99_ms: Some(300.0),
        caller: None,
        callee: None,
        breaker: None,
        last_seen_at: Timestamp::from_unix_ms(1_000_000),
    }
}

/// A breaker with `open` of three instances open since `since_ms`.
pub fn breaker(open: u32, since_ms: i64) -> Breaker {
    let since = Timestamp::from_unix_ms(since_ms);
    let state = |index: u32| if index < open { BreakerState::Open } else { BreakerState::Closed };
    Breaker {
        state: state(0),
        open,
        total: 3,
        since,
        instances: (0..3)
            .map(|index| BreakerInstance {
                instance: format!("checkout-{}", index + 1),
                name: "payments".into(),
                state: state(index),
                since,
            })
            .collect(),
    }
}

/// gateway → checkout → payments → fraud, gateway → catalog, all well.
pub fn calm() -> Topology {
    let mut topology = Topology {
        seq: 1,
        at: Timestamp::from_unix_ms(1_000_000),
        window_s: 30,
        lag_ms: 2_000,
        nodes: vec![
            node("gateway", 1_840.0, 0.0),
            node("checkout", 402.0, 0.0),
            node("payments", 251.0, 0.0),
            node("fraud", 250.0, 0.0),
            node("catalog", 912.0, 0.0),
        ],
        edges: vec![
            edge("gateway", "checkout", 402.0, 0.0),
            edge("gateway", "catalog", 912.0, 0.0),
            edge("checkout", "payments", 251.0, 0.0),
            edge("payments", "fraud", 250.0, 0.0),
        ],
    };
    topology.nodes.sort_by(|a, b| a.id.cmp(&b.id));
    topology.edges.sort_by_key(Edge::key);
    topology
}

/// As [`calm`], but payments fails, and checkout and the gateway feel it.
pub fn sick() -> Topology {
    let mut topology = calm();
    for (name, ratio) in [("payments", 0.38), ("checkout", 0.3), ("gateway", 0.07)] {
        let id = format!("service:production/shop/{name}");
        let fresh = topology.nodes.iter().position(|node| node.id == id);
        if let Some(at) = fresh {
            let rate = topology.nodes[at].rate.unwrap_or_default();
            topology.nodes[at] = node(name, rate, ratio);
        }
        for edge in topology.edges.iter_mut().filter(|edge| edge.target == id) {
            edge.error_ratio = Some(ratio);
        }
    }
    topology
}
