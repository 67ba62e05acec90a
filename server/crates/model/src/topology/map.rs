//! The map of one instant, in the domain's own terms: what the wire view and the rules are made from.

use std::sync::Arc;

use crate::{
    event::BreakerState,
    identity::{NodeKey, ServiceKey},
    observation::{Aggregate, EdgeKey, Protocol},
};

/// How sick a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceHealth {
    /// Nothing wrong is known.
    Healthy,
    /// It answers, but with more errors than it should, or says so itself.
    Degraded,
    /// Much of what it is asked for fails, or its instances reported `down`.
    Failing,
    /// No fresh report and no traffic.
    #[default]
    Unknown,
}

/// What was measured over the window. Exists only with samples: no samples is `None`, never zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Numbers {
    /// Requests in the window.
    pub count: i64,
    /// Requests per second.
    pub rate: f64,
    /// Failed share, 0 to 1.
    pub error_ratio: f64,
    /// Median duration.
    pub p50_ms: Option<f64>,
    /// 95th percentile.
    pub p95_ms: Option<f64>,
    /// 99th percentile.
    pub p99_ms: Option<f64>,
}

impl Numbers {
    /// Those of a sum over `window_s` seconds; `None` without samples.
    pub fn of(sum: &Aggregate, window_s: u32) -> Option<Self> {
        Some(Self {
            error_ratio: sum.error_ratio()?,
            count: sum.count,
            rate: sum.count as f64 / f64::from(window_s.max(1)),
            p50_ms: sum.histogram.quantile_ms(0.5),
            p95_ms: sum.histogram.quantile_ms(0.95),
            p99_ms: sum.histogram.quantile_ms(0.99),
        })
    }
}

/// Load that is turned away at a node.
#[derive(Clone, Debug, PartialEq)]
pub struct ShedLoad {
    /// Share of the offered requests that was rejected.
    pub ratio: f64,
    /// Instances that applied the newest directives.
    pub instances_applied: u32,
    /// Instances that can enforce.
    pub instances_enforcing: u32,
    /// The reason that the binding rule gave.
    pub reason: Option<Arc<str>>,
}

/// A node of the map.
#[derive(Clone, Debug, PartialEq)]
pub struct MapNode {
    /// Who it is.
    pub key: NodeKey,
    /// How it is.
    pub health: ServiceHealth,
    /// One sentence that says why it is not healthy.
    pub health_reason: Option<String>,
    /// What its instances say of themselves, worst first.
    pub reported_health: Option<String>,
    /// What it served; from usage reports where it has enforcers, else from spans.
    pub numbers: Option<Numbers>,
    /// True when they are scaled up from sampled spans.
    pub estimated: bool,
    /// Instances seen lately.
    pub instances: u32,
    /// Newest version seen lately.
    pub version: Option<Arc<str>>,
    /// Load that is turned away; `None` when nothing is.
    pub shedding: Option<ShedLoad>,
    /// When telemetry or a report last came.
    pub last_seen_ns: u64,
    /// True when that is longer ago than the time to live.
    pub stale: bool,
}

/// State of a breaker as it is seen from here: silence makes it unknown. In the order of how bad it is: of many, the last one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SeenBreakerState {
    /// No fresh report.
    Unknown,
    /// Switched off: calls pass.
    Disabled,
    /// It only counts: calls pass.
    MetricsOnly,
    /// Calls pass.
    Closed,
    /// A few calls pass, to probe.
    HalfOpen,
    /// Calls are refused because somebody wants it so.
    ForcedOpen,
    /// Calls are refused because they failed, which is the worse news.
    Open,
}

impl SeenBreakerState {
    /// Whether calls are refused.
    pub const fn refuses(self) -> bool {
        matches!(self, Self::Open | Self::ForcedOpen)
    }
}

impl From<BreakerState> for SeenBreakerState {
    fn from(state: BreakerState) -> Self {
        match state {
            BreakerState::Closed => Self::Closed,
            BreakerState::HalfOpen => Self::HalfOpen,
            BreakerState::Open => Self::Open,
            BreakerState::ForcedOpen => Self::ForcedOpen,
            BreakerState::Disabled => Self::Disabled,
            BreakerState::MetricsOnly => Self::MetricsOnly,
        }
    }
}

/// One instance's breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerReport {
    /// `service.instance.id` of the caller.
    pub instance: Arc<str>,
    /// The breaker's own name.
    pub name: Arc<str>,
    /// Its state.
    pub state: SeenBreakerState,
    /// When it entered that state.
    pub since_ns: i64,
}

/// The breakers of all the caller's instances towards one callee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedBreaker {
    /// The worst among the fresh ones, else unknown.
    pub state: SeenBreakerState,
    /// How many refuse calls.
    pub open: u32,
    /// How many are known.
    pub total: u32,
    /// When the merged state began.
    pub since_ns: i64,
    /// Each one, sorted by instance and name.
    pub instances: Vec<BreakerReport>,
}

/// An edge of the map.
#[derive(Clone, Debug, PartialEq)]
pub struct MapEdge {
    /// Who calls whom, and how.
    pub key: EdgeKey,
    /// True while only one half of the calls was seen.
    pub provisional: bool,
    /// True when the numbers are scaled up from sampled spans.
    pub estimated: bool,
    /// As the caller measured it.
    pub caller: Option<Numbers>,
    /// As the callee measured it.
    pub callee: Option<Numbers>,
    /// Circuit breakers of the caller towards the callee; `None` when none reports.
    pub breaker: Option<MergedBreaker>,
    /// When a call or a breaker report was last seen.
    pub last_seen_ns: u64,
}

impl MapEdge {
    /// The figures to show when there is room for one set: the caller's, since what the caller sees is what users feel (it includes
    /// the network and the time-outs). Out of a queue it is the consumer's: what a poll measures is the wait for a message.
    pub fn numbers(&self) -> Option<Numbers> {
        match self.key.source.kind {
            crate::identity::NodeKind::Queue => self.callee.or(self.caller),
            _ => self.caller.or(self.callee),
        }
    }

    /// True when nobody waits for the answer.
    pub fn asynchronous(&self) -> bool {
        self.key.protocol == Protocol::Messaging
    }
}

/// The whole map at one instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map {
    /// The instant that it describes.
    pub at_ns: u64,
    /// Length of the window behind the numbers.
    pub window_s: u32,
    /// How far `at_ns` is behind the present.
    pub lag_ms: u64,
    /// Sorted by key.
    pub nodes: Vec<MapNode>,
    /// Sorted by key.
    pub edges: Vec<MapEdge>,
}

impl Map {
    /// The node of a service.
    pub fn service(&self, service: &ServiceKey) -> Option<&MapNode> {
        let key = NodeKey::service(service.clone());
        self.nodes.binary_search_by(|node| node.key.cmp(&key)).ok().map(|at| &self.nodes[at])
    }
}
