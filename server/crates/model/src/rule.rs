//! What a load-shedding rule sees and says: the mirror of `plugins/wit/0.1/rule.wit` without WebAssembly.
//!
//! The control loop, the native rules, the recorder and the arbitration all speak these types, so none of them knows
//! whether a rule is a sandboxed component or a Rust function. Times are milliseconds, rates are per second, ratios are
//! 0.0 to 1.0. Field names and JSON follow the contract word for word.

use serde::{Deserialize, Serialize};

mod bound;
mod outcome;
pub mod record;
mod round;
mod wire;

pub use outcome::Outcome;

/// How much a request matters: the four classes of Google's SRE book, most important first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Criticality {
    /// Never shed unless an operator allows it.
    CriticalPlus,
    /// What an unmarked request is: a person waits for it.
    #[default]
    Critical,
    /// Partial unavailability is expected; a retry later does.
    SheddablePlus,
    /// First to go: batch work, prefetching, crawlers.
    Sheddable,
}

impl Criticality {
    /// Every class, most important first.
    pub const ALL: [Self; 4] = [Self::CriticalPlus, Self::Critical, Self::SheddablePlus, Self::Sheddable];

    /// The word the contract, the API and the logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CriticalPlus => "critical-plus",
            Self::Critical => "critical",
            Self::SheddablePlus => "sheddable-plus",
            Self::Sheddable => "sheddable",
        }
    }

    /// 0 for the most important class, 3 for the least.
    #[must_use]
    pub const fn rank(self) -> u8 {
        self as u8
    }
}

/// State of a circuit breaker as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// A few calls pass to see whether the callee has recovered.
    HalfOpen,
    /// Calls are refused by the caller itself.
    Open,
    /// Nothing was reported, or the last report is too old to believe.
    #[default]
    Unknown,
}

/// Where a number comes from, best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Reports of enforcers: every request, about one second old.
    Enforcer,
    /// Metrics that the service exports.
    Metric,
    /// Spans: perhaps sampled, some seconds old.
    #[default]
    Span,
}

/// deployment.environment.name, service.namespace, service.name. No directive crosses environments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServiceId {
    /// `deployment.environment.name`.
    pub environment: String,
    /// `service.namespace`.
    pub namespace: String,
    /// `service.name`.
    pub name: String,
}

/// What a signal describes and what a directive applies to. Empty strings match everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Target {
    /// The service that enforces.
    pub service: ServiceId,
    /// Only requests of this caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<ServiceId>,
    /// The normalised route, never a raw path.
    #[serde(default)]
    pub route: String,
    /// The tenant.
    #[serde(default)]
    pub tenant: String,
}

impl Target {
    /// Everything that `service` serves.
    #[must_use]
    pub fn service(service: ServiceId) -> Self {
        Self { service, ..Self::default() }
    }
}

/// Latency of the requests that were served; shed requests are not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Latency {
    /// Median.
    pub p50_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// Fastest of the window.
    pub min_ms: f64,
    /// How many requests the numbers rest on.
    pub samples: u32,
}

/// Requests of one class over the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ClassCounts {
    /// The class.
    pub class: Criticality,
    /// Asked for.
    pub offered: u64,
    /// Let in.
    pub admitted: u64,
    /// Turned away by a directive.
    pub shed: u64,
}

/// One service or one of its routes over the window. Shed requests are in `by_class` only, never in errors or latency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Signals {
    /// What the numbers describe.
    pub target: Target,
    /// Where they come from.
    pub origin: Origin,
    /// Age of the newest data in here; a rule should hold, not shed, on old or thin data.
    pub age_ms: u32,
    /// Share of the requests that was seen (1.0 = all of them).
    pub sampled_share: f64,
    /// Instances seen in the window.
    pub instances: u32,
    /// How many of them can enforce a directive now.
    pub instances_enforcing: u32,
    /// Length of the window.
    pub window_ms: u32,
    /// Requests asked for, shed ones included.
    pub offered_rps: f64,
    /// Requests answered well and in time.
    pub goodput_rps: f64,
    /// Failed share of the requests that were served.
    pub error_ratio: f64,
    /// Timed-out share of the requests that were served.
    pub timeout_ratio: f64,
    /// Requests being served now.
    pub inflight: Option<u32>,
    /// Most requests the service will serve at once.
    pub inflight_limit: Option<u32>,
    /// How long a request waits before work on it starts.
    pub queue_wait_ms: Option<f64>,
    /// Used share of the CPU.
    pub cpu: Option<f64>,
    /// Used share of the memory.
    pub mem: Option<f64>,
    /// Latency of what was served.
    pub latency: Latency,
    /// Counts by class.
    pub by_class: Vec<ClassCounts>,
    /// Directives in force here, so that a rule needs no memory of its own to see its effect.
    pub applied: Vec<Directive>,
    /// Numbers a service adds of its own.
    pub custom: Vec<(String, f64)>,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            target: Target::default(),
            origin: Origin::default(),
            age_ms: 0,
            // All seen is the neutral value: 0 would read as "nothing of this is known".
            sampled_share: 1.0,
            instances: 0,
            instances_enforcing: 0,
            window_ms: 0,
            offered_rps: 0.0,
            goodput_rps: 0.0,
            error_ratio: 0.0,
            timeout_ratio: 0.0,
            inflight: None,
            inflight_limit: None,
            queue_wait_ms: None,
            cpu: None,
            mem: None,
            latency: Latency::default(),
            by_class: Vec::new(),
            applied: Vec::new(),
            custom: Vec::new(),
        }
    }
}

/// One caller-callee pair; `caller` and `callee` index into [`Snapshot::signals`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Edge {
    /// Index of the caller's signals.
    pub caller: u32,
    /// Index of the callee's signals.
    pub callee: u32,
    /// Calls asked for.
    pub offered_rps: f64,
    /// Failed share of them, as the caller saw it.
    pub error_ratio: f64,
    /// Latency as the caller saw it.
    pub latency: Latency,
    /// The breaker that guards this call.
    pub breaker: BreakerState,
    /// Share of the caller's instances whose breaker is open.
    pub open_share: f64,
    /// Age of the newest data in here.
    pub age_ms: u32,
}

/// The system as one tick sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Snapshot {
    /// Number of the tick.
    pub tick: u64,
    /// The only clock a rule has.
    pub now_ms: u64,
    /// Services and routes.
    pub signals: Vec<Signals>,
    /// Who calls whom.
    pub edges: Vec<Edge>,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Rate {
    /// Tokens a second.
    pub per_second: f64,
    /// Bucket size.
    pub burst: u32,
}

/// What a directive does to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Admit this share of the requests in or below the directive's class.
    AdmitRatio(f64),
    /// Reject every request whose level (class * 128 + cohort, 0 to 511) is at or above this.
    LevelThreshold(u16),
    /// For the whole service; the host divides by the instances that enforce.
    ConcurrencyLimit(u32),
    /// For the whole service; the host divides by the instances that enforce.
    RateLimit(Rate),
    /// Let it run, but tell the service to serve its degraded variant.
    Degrade(String),
}

/// What a rule proposes for one target. It ends by itself after `ttl_ms`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Directive {
    /// Whose requests.
    pub target: Target,
    /// This class and the less important ones.
    pub class: Criticality,
    /// What happens to them.
    pub action: Action,
    /// For how long, counted from receipt.
    pub ttl_ms: u32,
    /// What a rejected caller is told to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u32>,
    /// One sentence that a person on call understands.
    pub reason: String,
}

/// What a rule says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    /// Short name, unique among the plugins of one author.
    pub name: String,
    /// The author's version; Spillway itself goes by the sha256.
    pub version: String,
    /// What the rule does, for the person who activates it.
    pub description: String,
    /// JSON Schema (2020-12) of the configuration.
    pub config_schema: String,
    /// How often it wants to be called.
    pub tick_ms: u32,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn json_uses_the_words_of_the_contract() {
        let directive = Directive {
            target: Target::service(ServiceId {
                environment: "prod".into(),
                namespace: "shop".into(),
                name: "checkout".into(),
            }),
            class: Criticality::SheddablePlus,
            action: Action::RateLimit(Rate { per_second: 12.5, burst: 3 }),
            ttl_ms: 5_000,
            retry_after_ms: Some(1_000),
            reason: "payments is out of capacity".into(),
        };

        let json = serde_json::to_value(&directive).unwrap();

        assert_eq!(
            json,
            serde_json::json!({
                "target": {"service": {"environment": "prod", "namespace": "shop", "name": "checkout"}, "route": "", "tenant": ""},
                "class": "sheddable-plus",
                "action": {"rate-limit": {"per-second": 12.5, "burst": 3}},
                "ttl-ms": 5000,
                "retry-after-ms": 1000,
                "reason": "payments is out of capacity",
            })
        );
        assert_eq!(serde_json::from_value::<Directive>(json).unwrap(), directive);
    }

    #[test]
    fn classes_order_from_most_to_least_important() {
        assert!(Criticality::ALL.windows(2).all(|pair| pair[0] < pair[1] && pair[0].rank() + 1 == pair[1].rank()));
        for class in Criticality::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
        }
    }
}
