//! Neutral values, so that a rule's test writes down only what it is about.
#![expect(
    clippy::derivable_impls,
    reason = "the types are generated, all with the same derives, and not all have a neutral value"
)]

use crate::{Breaker, Criticality, Edge, Latency, Origin, Rate, ServiceId, Signals, Snapshot, Target};

impl Default for ServiceId {
    fn default() -> Self {
        Self { environment: String::new(), namespace: String::new(), name: String::new() }
    }
}

impl Default for Target {
    fn default() -> Self {
        Self { service: ServiceId::default(), caller: None, route: String::new(), tenant: String::new() }
    }
}

impl Target {
    /// Everything that a service serves.
    #[must_use]
    pub fn service(environment: &str, namespace: &str, name: &str) -> Self {
        let service = ServiceId { environment: environment.into(), namespace: namespace.into(), name: name.into() };
        Self { service, ..Self::default() }
    }

    /// True when this is a service as a whole, not one of its routes, callers or tenants.
    #[must_use]
    pub fn whole_service(&self) -> bool {
        self.caller.is_none() && self.route.is_empty() && self.tenant.is_empty()
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self { p50_ms: 0.0, p95_ms: 0.0, p99_ms: 0.0, min_ms: 0.0, samples: 0 }
    }
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            target: Target::default(),
            origin: Origin::Span,
            age_ms: 0,
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

impl Default for Edge {
    fn default() -> Self {
        Self {
            caller: 0,
            callee: 0,
            offered_rps: 0.0,
            error_ratio: 0.0,
            latency: Latency::default(),
            breaker: Breaker::Unknown,
            open_share: 0.0,
            age_ms: 0,
        }
    }
}

impl Default for Snapshot {
    fn default() -> Self {
        Self { tick: 0, now_ms: 0, signals: Vec::new(), edges: Vec::new() }
    }
}

impl Default for Rate {
    fn default() -> Self {
        Self { per_second: 0.0, burst: 0 }
    }
}

impl Criticality {
    /// Every class, most important first.
    pub const ALL: [Self; 4] = [Self::CriticalPlus, Self::Critical, Self::SheddablePlus, Self::Sheddable];
}
