//! The last gate of an upload: the rule describes itself and evaluates made-up systems, each of them twice.

use spillway_model::rule::{
    BreakerState, ClassCounts, Criticality, Edge, Latency, Manifest, Origin, Outcome, ServiceId, Signals, Snapshot,
    Target,
};
use thiserror::Error;

use crate::{Host, Kv, Limits, ManifestError, Plugin, default_configuration, limits, manifest};

/// What a rule showed of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct SelfTest {
    /// Its description, checked.
    pub manifest: Manifest,
    /// Its schema's defaults, accepted by the rule itself: the configuration to start with.
    pub configuration: String,
    /// Fuel for a system of 200 services.
    pub fuel: u64,
}

/// Why a rule failed its self-test. Each text completes "the upload was rejected: ".
#[derive(Clone, Debug, PartialEq, Error)]
pub enum SelfTestError {
    /// `describe` did not answer.
    #[error("describe ended with {}{}", .outcome.as_str(), detail(.outcome))]
    Describe {
        /// How it ended.
        outcome: Outcome,
    },
    /// What it says about itself is not acceptable.
    #[error("its manifest is not acceptable: {0}")]
    Manifest(#[from] ManifestError),
    /// It does not accept its own defaults.
    #[error("it does not accept the defaults of its own config-schema, {configuration}: {}{}", .outcome.as_str(), detail(.outcome))]
    Configuration {
        /// The defaults.
        configuration: String,
        /// How `configure` ended.
        outcome: Outcome,
    },
    /// It fails on a system that is nothing special.
    #[error("evaluating a made-up system of {services} services ended with {}{}", .outcome.as_str(), detail(.outcome))]
    Evaluate {
        /// How many services.
        services: u32,
        /// How it ended.
        outcome: Outcome,
    },
    /// The same input gave two answers, so no replay could be trusted.
    #[error(
        "it is not deterministic: the same system of {services} services gave different {difference} the second time"
    )]
    NotDeterministic {
        /// How many services.
        services: u32,
        /// What differed.
        difference: &'static str,
    },
}

fn detail(outcome: &Outcome) -> String {
    outcome.message().map_or_else(String::new, |message| format!(": {message}"))
}

/// Sizes of the made-up systems: nothing, the least, and a large one.
const SERVICES: [u32; 3] = [0, 1, 200];

impl Host {
    /// Describes, configures and evaluates a freshly loaded rule. Takes some milliseconds; blocks.
    ///
    /// # Errors
    /// [`SelfTestError`] with one sentence for the person who uploaded it.
    pub fn self_test(&self, plugin: &Plugin) -> Result<SelfTest, SelfTestError> {
        let manifest = self.describe(plugin).map_err(|outcome| SelfTestError::Describe { outcome })?;
        manifest::check(&manifest)?;
        let configuration = default_configuration(&manifest.config_schema)?;
        self.check_configuration(plugin, &configuration)
            .map_err(|outcome| SelfTestError::Configuration { configuration: configuration.clone(), outcome })?;
        let mut fuel = 0;
        for services in SERVICES {
            fuel = self.evaluate_twice(plugin, services, &configuration)?;
        }
        Ok(SelfTest { manifest, configuration, fuel })
    }

    fn evaluate_twice(&self, plugin: &Plugin, services: u32, configuration: &str) -> Result<u64, SelfTestError> {
        let snapshot = made_up(services);
        // Fuel is the limit here: a busy machine must not make a good rule look bad.
        let limits = Limits { deadline: limits::DESCRIBE_DEADLINE, ..Limits::default() };
        let run = || self.evaluate(plugin, &snapshot, configuration, &Kv::default(), &limits);
        let (first, second) = (run(), run());
        for evaluation in [&first, &second] {
            // A refusal is a fault here: the configuration is its own and the system is nothing special.
            if !matches!(evaluation.outcome, Outcome::Proposed { .. }) {
                return Err(SelfTestError::Evaluate { services, outcome: evaluation.outcome.clone() });
            }
        }
        let differs = |difference| SelfTestError::NotDeterministic { services, difference };
        if first.outcome != second.outcome {
            return Err(differs("directives"));
        }
        if first.kv_after != second.kv_after {
            return Err(differs("kv entries"));
        }
        if first.fuel != second.fuel {
            return Err(differs("fuel"));
        }
        Ok(first.fuel)
    }
}

/// A system with healthy, slow, failing and overloaded services, and breakers in every state. The same each time.
fn made_up(services: u32) -> Snapshot {
    let signals = (0..services).map(|at| {
        let overloaded = at % 7 == 0;
        let offered_rps = 20.0 + f64::from(at % 50) * 10.0;
        let goodput_rps = if overloaded { offered_rps / 8.0 } else { offered_rps };
        let window_ms = 5_000;
        let offered = (offered_rps * 5.0) as u64;
        Signals {
            target: Target::service(ServiceId {
                environment: "self-test".into(),
                namespace: "made-up".into(),
                name: format!("service-{at}"),
            }),
            origin: [Origin::Enforcer, Origin::Metric, Origin::Span][at as usize % 3],
            age_ms: 1_000 + (at % 5) * 2_000,
            instances: 1 + at % 4,
            instances_enforcing: at % 3,
            window_ms,
            offered_rps,
            goodput_rps,
            error_ratio: if overloaded { 0.4 } else { 0.0 },
            timeout_ratio: if overloaded { 0.3 } else { 0.0 },
            inflight: Some(10 + at % 100),
            inflight_limit: (at % 2 == 0).then_some(64),
            queue_wait_ms: (at % 2 == 0).then_some(if overloaded { 400.0 } else { 0.5 }),
            latency: latency(at, overloaded),
            by_class: Criticality::ALL
                .map(|class| ClassCounts { class, offered: offered / 4, admitted: offered / 4, shed: 0 })
                .into(),
            ..Signals::default()
        }
    });
    // A ring with one chord each, so that there are cycles and every service is both caller and callee.
    let edges = (0..services).flat_map(|at| [1, 3].map(|step| (at, (at + step) % services))).map(|(caller, callee)| {
        let state = [BreakerState::Closed, BreakerState::HalfOpen, BreakerState::Open, BreakerState::Unknown];
        let breaker = state[callee as usize % 4];
        Edge {
            caller,
            callee,
            offered_rps: 10.0,
            error_ratio: if breaker == BreakerState::Open { 0.9 } else { 0.0 },
            latency: latency(callee, false),
            breaker,
            open_share: if breaker == BreakerState::Open { 1.0 } else { 0.0 },
            age_ms: 1_000,
        }
    });
    Snapshot { tick: 1, now_ms: 1_750_000_000_000, signals: signals.collect(), edges: edges.collect() }
}

fn latency(seed: u32, slow: bool) -> Latency {
    let min_ms = 1.0 + f64::from(seed % 20);
    let p50_ms = min_ms * if slow { 40.0 } else { 2.0 };
    Latency { p50_ms, p95_ms: p50_ms * 2.0, p99_ms: p50_ms * 4.0, min_ms, samples: 50 + seed * 3 }
}
