//! When a service fails its callers, the callers shed: requests that will fail anyway cost the most when they are let in.
//!
//! An open circuit breaker already says that a call is useless, but only after the request has come through the gateway
//! and taken a place in every service on the way. This rule moves the refusal to where the request comes in, least
//! important traffic first, and by no more than what fails: what can succeed is admitted.
//!
//! A caller that can enforce sheds in proportion to how much it depends on the failing service. When none of the callers
//! can, the failing service itself sheds, which at least relieves it.

mod config;
mod diagnosis;

use std::collections::BTreeMap;

use spillway_plugin_sdk::{Action, Directive, Manifest, ShedPolicy, Signals, Snapshot, class, metrics, text};

use crate::config::Config;
use crate::diagnosis::{Sick, sick_services};

/// Outlives four missed ticks.
const TTL_MS: u32 = 5_000;
/// A share above this is not worth a directive.
const AS_GOOD_AS_ALL: f64 = 0.99;
/// Callers are told to wait as long as a breaker usually stays open at least.
const RETRY_AFTER_MS: u32 = 5_000;

/// The rule.
#[derive(Debug)]
pub struct BreakerAware {
    config: Config,
}

impl ShedPolicy for BreakerAware {
    fn describe() -> Manifest {
        Manifest {
            name: "breaker-aware".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            description: "Sheds requests whose calls would fail at an open breaker, where they come in and least important first."
                .into(),
            config_schema: include_str!("../config-schema.json").into(),
            tick_ms: 1_000,
        }
    }

    fn configure(config: &str) -> Result<Self, String> {
        Ok(Self { config: Config::parse(config)? })
    }

    fn evaluate(&mut self, snapshot: &Snapshot) -> Result<Vec<Directive>, String> {
        let sick = sick_services(snapshot, &self.config);
        metrics::gauge("failing_services", sick.len() as f64);
        let mut decisions: BTreeMap<u32, Decision> = BTreeMap::new();
        for sick in &sick {
            for (service, decision) in self.decide(sick, snapshot) {
                // Two failing dependencies: the worse one decides, and its reason is the one to read.
                let known = decisions.entry(service).or_insert_with(|| Decision { admit: 1.0, reason: String::new() });
                if decision.admit < known.admit {
                    *known = decision;
                }
            }
        }
        let each = decisions.into_iter().flat_map(|(service, decision)| {
            let signals = &snapshot.signals[service as usize];
            class::shares(signals, decision.admit).into_iter().map(move |(class, share)| Directive {
                target: signals.target.clone(),
                class,
                action: Action::AdmitRatio(share),
                ttl_ms: TTL_MS,
                retry_after_ms: Some(RETRY_AFTER_MS),
                reason: decision.reason.clone(),
            })
        });
        Ok(each.collect())
    }
}

struct Decision {
    admit: f64,
    reason: String,
}

impl BreakerAware {
    fn decide(&self, sick: &Sick<'_>, snapshot: &Snapshot) -> Vec<(u32, Decision)> {
        let callee = &snapshot.signals[sick.service as usize];
        let by_callers: Vec<_> = sick
            .callers
            .iter()
            .filter_map(|(edge, failing)| {
                let caller = &snapshot.signals[edge.caller as usize];
                if !enforces(caller) {
                    return None;
                }
                let dependence = dependence(edge.offered_rps, caller);
                if dependence < self.config.min_dependence {
                    return None;
                }
                let admit = (1.0 - failing * dependence).max(self.config.min_admit);
                (admit < AS_GOOD_AS_ALL)
                    .then(|| (edge.caller, Decision { admit, reason: reason(caller, callee, sick, *failing, admit) }))
            })
            .collect();
        let callers_can = sick.callers.iter().any(|(edge, _)| enforces(&snapshot.signals[edge.caller as usize]));
        if callers_can || !enforces(callee) {
            return by_callers;
        }
        let admit = (1.0 - sick.share).max(self.config.min_admit);
        let name = short(callee);
        let reason = format!(
            "{} % of the calls to {name} fail and none of its callers can shed; admitting {} % to relieve it",
            text::percent(sick.share),
            text::percent(admit)
        );
        vec![(sick.service, Decision { admit, reason })]
    }
}

/// Calls to the failing service for each request of the caller, at most one. A caller whose traffic is not known is
/// taken to depend on all it calls.
fn dependence(calls_rps: f64, caller: &Signals) -> f64 {
    if caller.offered_rps <= 0.0 { 1.0 } else { (calls_rps / caller.offered_rps).min(1.0) }
}

fn reason(caller: &Signals, callee: &Signals, sick: &Sick<'_>, failing: f64, admit: f64) -> String {
    let (caller, callee) = (short(caller), short(callee));
    let (failing, admit) = (text::percent(failing), text::percent(admit));
    if sick.breakers == 0 {
        format!("{failing} % of the calls from {caller} to {callee} fail; admitting {admit} %, which can succeed")
    } else {
        format!(
            "breakers of {} of {} callers refuse {callee}, {failing} % of the calls from {caller} come to nothing; admitting {admit} %",
            sick.breakers,
            sick.callers.len()
        )
    }
}

fn enforces(signals: &Signals) -> bool {
    signals.instances_enforcing > 0 && signals.target.whole_service()
}

fn short(signals: &Signals) -> &str {
    text::short(&signals.target.service.name)
}

spillway_plugin_sdk::export_policy!(BreakerAware);

#[cfg(test)]
mod tests;
