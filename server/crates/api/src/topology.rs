//! The service map: a snapshot, and numbered deltas that rebuild the next one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{BreakerState, Timestamp};

/// What a node of the map is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// A service that sends telemetry, health or breaker state.
    Service,
    /// A store seen from its callers only.
    Database,
    /// A queue or topic.
    Queue,
    /// A host outside, seen from its callers only.
    External,
    /// Whoever calls without telemetry: browsers, probes, uninstrumented clients.
    User,
    /// Where nodes beyond the cardinality cap are counted.
    Other,
}

/// How sick a node is, from its health events and what its callers and itself measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ServiceHealth {
    /// Nothing wrong is known.
    Healthy,
    /// It answers, but slower or with more errors than it should, or says so itself.
    Degraded,
    /// Much of what it is asked for fails, or it reported `down`.
    Failing,
    /// No fresh report and no traffic.
    Unknown,
}

/// How two nodes talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP request and response.
    Http,
    /// gRPC.
    Grpc,
    /// GraphQL over HTTP.
    Graphql,
    /// A WebSocket connection.
    Websocket,
    /// Another RPC system.
    Rpc,
    /// A queue or topic: asynchronous.
    Messaging,
    /// A database call.
    Database,
    /// Not said by the spans.
    Unknown,
}

/// The load that is being turned away at a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Shedding {
    /// Share of the offered requests that was rejected in the window.
    pub ratio: f64,
    /// Instances that have applied the newest directives.
    pub instances_applied: u32,
    /// Instances that reported usage lately, so can enforce.
    pub instances_enforcing: u32,
    /// The reason that the binding rule gave.
    pub reason: Option<String>,
}

/// A node of the map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Node {
    /// Stable key: `<kind>:<environment>/<namespace>/<name>`, each part percent-encoded where it holds `%` or `/`.
    pub id: String,
    /// `deployment.environment.name`; empty when not said.
    pub environment: String,
    /// `service.namespace`; empty when not said.
    pub namespace: String,
    /// `service.name`, or the name of the virtual node.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
    /// How it is.
    pub health: ServiceHealth,
    /// One sentence that says why it is not healthy.
    pub health_reason: Option<String>,
    /// What its instances say of themselves, worst first; only fresh reports.
    pub reported_health: Option<String>,
    /// Requests served per second; null without samples.
    pub rate: Option<f64>,
    /// Failed share of the requests served.
    pub error_ratio: Option<f64>,
    /// Median of the time to serve.
    pub p50_ms: Option<f64>,
    /// 95th percentile of the time to serve.
    pub p95_ms: Option<f64>,
    /// 99th percentile of the time to serve.
    pub p99_ms: Option<f64>,
    /// True when these numbers are scaled up from sampled spans.
    #[serde(default)]
    pub estimated: bool,
    /// Instances seen within the window, from telemetry, health and usage reports.
    pub instances: u32,
    /// Newest `service.version` seen.
    pub version: Option<String>,
    /// Load that is turned away here; null when nothing is.
    pub shedding: Option<Shedding>,
    /// When telemetry or a report last came from it.
    pub last_seen_at: Timestamp,
    /// True when its numbers are older than its time to live.
    pub stale: bool,
}

/// One instance's breaker on an edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BreakerInstance {
    /// `service.instance.id` of the caller.
    pub instance: String,
    /// The breaker's own name.
    pub name: String,
    /// Its state; `unknown` when the last report is older than the time to live.
    pub state: BreakerState,
    /// When it entered this state.
    pub since: Timestamp,
}

/// The breakers of all the caller's instances, merged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Breaker {
    /// The worst state among the fresh ones (`open` > `half_open` > `closed`), else `unknown`.
    pub state: BreakerState,
    /// Instances whose breaker is open.
    pub open: u32,
    /// Instances that report one.
    pub total: u32,
    /// When the merged state began.
    pub since: Timestamp,
    /// Each instance.
    pub instances: Vec<BreakerInstance>,
}

/// What one side of an edge measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EdgeSide {
    /// Calls per second.
    pub rate: f64,
    /// Failed share.
    pub error_ratio: f64,
    /// Median.
    pub p50_ms: Option<f64>,
    /// 95th percentile.
    pub p95_ms: Option<f64>,
    /// 99th percentile.
    pub p99_ms: Option<f64>,
}

/// A directed edge: `source` calls (or feeds) `target`.
///
/// The flat figures are the caller's view where the caller is instrumented, else the callee's: what the caller sees is
/// what users feel (it includes the network and the caller's time-outs).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Edge {
    /// Node id of the caller or producer.
    pub source: String,
    /// Node id of the callee or consumer.
    pub target: String,
    /// How they talk.
    pub protocol: Protocol,
    /// True for messaging: nobody waits for the answer.
    pub asynchronous: bool,
    /// True while only one half of the calls was seen.
    pub provisional: bool,
    /// True when the rate is scaled up from sampled spans.
    pub estimated: bool,
    /// Calls per second; null without samples.
    pub rate: Option<f64>,
    /// Failed share of the calls.
    pub error_ratio: Option<f64>,
    /// Median of the call's duration.
    pub p50_ms: Option<f64>,
    /// 95th percentile of the call's duration.
    pub p95_ms: Option<f64>,
    /// 99th percentile of the call's duration.
    pub p99_ms: Option<f64>,
    /// The caller's own measurement.
    pub caller: Option<EdgeSide>,
    /// The callee's own measurement: when the two disagree, the network or a queue between them is to blame.
    pub callee: Option<EdgeSide>,
    /// Circuit breakers on this edge; null when none reports.
    pub breaker: Option<Breaker>,
    /// When a call was last seen.
    pub last_seen_at: Timestamp,
}

/// What identifies an edge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EdgeKey {
    /// Node id of the caller.
    pub source: String,
    /// Node id of the callee.
    pub target: String,
    /// How they talk.
    pub protocol: Protocol,
}

impl Edge {
    /// What identifies this edge.
    pub fn key(&self) -> EdgeKey {
        EdgeKey { source: self.source.clone(), target: self.target.clone(), protocol: self.protocol }
    }
}

/// The whole map at one instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Topology {
    /// Changes with every delta; meaningful within one boot of the server.
    pub seq: u64,
    /// The instant it describes.
    pub at: Timestamp,
    /// Length of the window behind the rates.
    pub window_s: u32,
    /// How far `at` is behind the present: time that late spans are given. Of a map of the past its resolution: the length of one step of
    /// the sums that it rests on, 1,000 in the last hour, 10,000 in the last day, then 60,000.
    pub lag_ms: u64,
    /// Sorted by id.
    pub nodes: Vec<Node>,
    /// Sorted by key.
    pub edges: Vec<Edge>,
}

/// What changed since the delta or snapshot numbered `seq - 1`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TopologyDelta {
    /// The number of the topology that results.
    pub seq: u64,
    /// The instant it describes.
    pub at: Timestamp,
    /// Length of the window behind the rates.
    pub window_s: u32,
    /// How far `at` is behind the present.
    pub lag_ms: u64,
    /// New or changed nodes, whole.
    pub nodes: Vec<Node>,
    /// New or changed edges, whole.
    pub edges: Vec<Edge>,
    /// Ids of nodes that went.
    pub removed_nodes: Vec<String>,
    /// Keys of edges that went.
    pub removed_edges: Vec<EdgeKey>,
}

/// A delta does not follow what the client has: it needs a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("delta {delta} does not follow topology {have}")]
pub struct Gap {
    /// Number of the topology at hand.
    pub have: u64,
    /// Number of the delta.
    pub delta: u64,
}

/// What [`Topology::apply`] changed, so that a layout knows whether it must move anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Only values of known nodes and edges.
    Values,
    /// Nodes or edges came or went.
    Shape,
}

impl Topology {
    /// The delta that turns `self` into `next`; its number is `next.seq`.
    pub fn diff(&self, next: &Topology) -> TopologyDelta {
        let old_nodes: BTreeMap<&str, &Node> = self.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let new_nodes: BTreeMap<&str, &Node> = next.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let old_edges: BTreeMap<EdgeKey, &Edge> = self.edges.iter().map(|edge| (edge.key(), edge)).collect();
        let new_edges: BTreeMap<EdgeKey, &Edge> = next.edges.iter().map(|edge| (edge.key(), edge)).collect();
        TopologyDelta {
            seq: next.seq,
            at: next.at,
            window_s: next.window_s,
            lag_ms: next.lag_ms,
            nodes: new_nodes
                .iter()
                .filter(|(id, node)| old_nodes.get(*id) != Some(node))
                .map(|(_, node)| (*node).clone())
                .collect(),
            edges: new_edges
                .iter()
                .filter(|(key, edge)| old_edges.get(*key) != Some(edge))
                .map(|(_, edge)| (*edge).clone())
                .collect(),
            removed_nodes: old_nodes
                .keys()
                .filter(|id| !new_nodes.contains_key(*id))
                .map(|id| (*id).to_owned())
                .collect(),
            removed_edges: old_edges.keys().filter(|key| !new_edges.contains_key(*key)).cloned().collect(),
        }
    }

    /// Folds one delta in.
    ///
    /// # Errors
    /// [`Gap`] when the delta does not directly follow; `self` is then unchanged.
    pub fn apply(&mut self, delta: &TopologyDelta) -> Result<Applied, Gap> {
        if delta.seq != self.seq.wrapping_add(1) {
            return Err(Gap { have: self.seq, delta: delta.seq });
        }
        let before = (self.nodes.len(), self.edges.len());
        let removed = !delta.removed_nodes.is_empty() || !delta.removed_edges.is_empty();
        self.nodes.retain(|node| !delta.removed_nodes.contains(&node.id));
        self.edges.retain(|edge| {
            !delta
                .removed_edges
                .iter()
                .any(|key| key.source == edge.source && key.target == edge.target && key.protocol == edge.protocol)
        });
        for node in &delta.nodes {
            match self.nodes.binary_search_by(|have| have.id.cmp(&node.id)) {
                Ok(at) => self.nodes[at] = node.clone(),
                Err(at) => self.nodes.insert(at, node.clone()),
            }
        }
        for edge in &delta.edges {
            let order = |have: &Edge| {
                (&have.source, &have.target, have.protocol).cmp(&(&edge.source, &edge.target, edge.protocol))
            };
            match self.edges.binary_search_by(order) {
                Ok(at) => self.edges[at] = edge.clone(),
                Err(at) => self.edges.insert(at, edge.clone()),
            }
        }
        self.seq = delta.seq;
        self.at = delta.at;
        self.window_s = delta.window_s;
        self.lag_ms = delta.lag_ms;
        let same_shape = !removed && before == (self.nodes.len(), self.edges.len());
        Ok(if same_shape { Applied::Values } else { Applied::Shape })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;

    use super::*;

    fn node(name: u8, rate: u8) -> Node {
        Node {
            id: format!("service:prod/shop/{name}"),
            environment: "prod".into(),
            namespace: "shop".into(),
            name: name.to_string(),
            kind: NodeKind::Service,
            health: ServiceHealth::Healthy,
            health_reason: None,
            reported_health: None,
            rate: Some(f64::from(rate)),
            error_ratio: None,
            p50_ms: None,
            p95_ms: None,
            p99_ms: None,
            estimated: false,
            instances: 1,
            version: None,
            shedding: None,
            last_seen_at: Timestamp::default(),
            stale: false,
        }
    }

    fn edge(source: u8, target: u8, rate: u8) -> Edge {
        Edge {
            source: format!("service:prod/shop/{source}"),
            target: format!("service:prod/shop/{target}"),
            protocol: Protocol::Http,
            asynchronous: false,
            provisional: false,
            estimated: false,
            rate: Some(f64::from(rate)),
            error_ratio: Some(0.0),
            p50_ms: None,
            p95_ms: None,
            p99_ms: None,
            caller: None,
            callee: None,
            breaker: None,
            last_seen_at: Timestamp::default(),
        }
    }

    fn arb_history() -> impl Strategy<Value = Vec<Topology>> {
        let nodes = proptest::collection::btree_map(0u8..8, 0u8..4, 0..8);
        let edges = proptest::collection::btree_map((0u8..8, 0u8..8), 0u8..4, 0..12);
        proptest::collection::vec((nodes, edges), 1..8).prop_map(|history| {
            history
                .into_iter()
                .enumerate()
                .map(|(seq, (nodes, edges))| Topology {
                    seq: seq as u64,
                    window_s: 30,
                    nodes: nodes.into_iter().map(|(name, rate)| node(name, rate)).collect(),
                    edges: edges.into_iter().map(|((source, target), rate)| edge(source, target, rate)).collect(),
                    ..Topology::default()
                })
                .collect()
        })
    }

    proptest! {
        /// A client that applies every delta sees exactly what the server sees.
        #[test]
        fn deltas_rebuild_the_snapshot(history in arb_history()) {
            let mut client = history[0].clone();
            for pair in history.windows(2) {
                client.apply(&pair[0].diff(&pair[1])).unwrap();
            }
            prop_assert_eq!(Some(&client), history.last());
        }
    }

    #[test]
    fn a_delta_after_a_gap_is_refused_and_changes_nothing() {
        let mut client = Topology { seq: 4, nodes: vec![node(1, 1)], ..Topology::default() };
        let before = client.clone();

        let refused = client.apply(&TopologyDelta { seq: 6, ..TopologyDelta::default() });

        assert_eq!(refused, Err(Gap { have: 4, delta: 6 }));
        assert_eq!(client, before);
    }
}
