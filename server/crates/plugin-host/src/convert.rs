//! Between the contract's generated types and the model's. What comes out of a guest is judged here, field by field.

use spillway_model::rule as model;
use thiserror::Error;

use crate::bindings::spillway::rule::types as wit;
use crate::{guest, limits};

/// What a guest said that the contract does not allow.
#[derive(Clone, Debug, PartialEq, Error)]
pub(crate) enum Malformed {
    #[error("{count} directives, at most {} are allowed", limits::DIRECTIVES)]
    TooMany { count: usize },
    #[error("directive {index}: {field} has {length} bytes, at most {limit} are allowed")]
    TooLong { index: usize, field: &'static str, length: usize, limit: usize },
    #[error("directive {index}: {field} holds control characters")]
    Control { index: usize, field: &'static str },
    #[error("directive {index}: the target has no service name")]
    NoService { index: usize },
    #[error("directive {index}: the reason is empty; say in one sentence why")]
    NoReason { index: usize },
    #[error("directive {index}: {field} is {value}, it must be {expected}")]
    OutOfRange { index: usize, field: &'static str, value: f64, expected: &'static str },
}

pub(crate) fn snapshot(snapshot: &model::Snapshot) -> wit::Snapshot {
    wit::Snapshot {
        tick: snapshot.tick,
        now_ms: snapshot.now_ms,
        signals: snapshot.signals.iter().map(signals).collect(),
        edges: snapshot.edges.iter().map(edge).collect(),
    }
}

fn signals(signals: &model::Signals) -> wit::Signals {
    wit::Signals {
        target: target(&signals.target),
        origin: match signals.origin {
            model::Origin::Enforcer => wit::Origin::Enforcer,
            model::Origin::Metric => wit::Origin::Metric,
            model::Origin::Span => wit::Origin::Span,
        },
        age_ms: signals.age_ms,
        sampled_share: signals.sampled_share,
        instances: signals.instances,
        instances_enforcing: signals.instances_enforcing,
        window_ms: signals.window_ms,
        offered_rps: signals.offered_rps,
        goodput_rps: signals.goodput_rps,
        error_ratio: signals.error_ratio,
        timeout_ratio: signals.timeout_ratio,
        inflight: signals.inflight,
        inflight_limit: signals.inflight_limit,
        queue_wait_ms: signals.queue_wait_ms,
        cpu: signals.cpu,
        mem: signals.mem,
        latency: latency(&signals.latency),
        by_class: signals.by_class.iter().map(counts).collect(),
        applied: signals.applied.iter().map(directive).collect(),
        custom: signals.custom.clone(),
    }
}

fn counts(counts: &model::ClassCounts) -> wit::ClassCounts {
    wit::ClassCounts {
        class: class(counts.class),
        offered: counts.offered,
        admitted: counts.admitted,
        shed: counts.shed,
    }
}

fn edge(edge: &model::Edge) -> wit::Edge {
    wit::Edge {
        caller: edge.caller,
        callee: edge.callee,
        offered_rps: edge.offered_rps,
        error_ratio: edge.error_ratio,
        latency: latency(&edge.latency),
        breaker: match edge.breaker {
            model::BreakerState::Closed => wit::Breaker::Closed,
            model::BreakerState::HalfOpen => wit::Breaker::HalfOpen,
            model::BreakerState::Open => wit::Breaker::Open,
            model::BreakerState::Unknown => wit::Breaker::Unknown,
        },
        open_share: edge.open_share,
        age_ms: edge.age_ms,
    }
}

const fn latency(latency: &model::Latency) -> wit::Latency {
    wit::Latency {
        p50_ms: latency.p50_ms,
        p95_ms: latency.p95_ms,
        p99_ms: latency.p99_ms,
        min_ms: latency.min_ms,
        samples: latency.samples,
    }
}

const fn class(class: model::Criticality) -> wit::Criticality {
    match class {
        model::Criticality::CriticalPlus => wit::Criticality::CriticalPlus,
        model::Criticality::Critical => wit::Criticality::Critical,
        model::Criticality::SheddablePlus => wit::Criticality::SheddablePlus,
        model::Criticality::Sheddable => wit::Criticality::Sheddable,
    }
}

fn service(service: &model::ServiceId) -> wit::ServiceId {
    wit::ServiceId {
        environment: service.environment.clone(),
        namespace: service.namespace.clone(),
        name: service.name.clone(),
    }
}

fn target(target: &model::Target) -> wit::Target {
    wit::Target {
        service: service(&target.service),
        caller: target.caller.as_ref().map(service),
        route: target.route.clone(),
        tenant: target.tenant.clone(),
    }
}

fn directive(directive: &model::Directive) -> wit::Directive {
    wit::Directive {
        target: target(&directive.target),
        class: class(directive.class),
        action: match &directive.action {
            model::Action::AdmitRatio(ratio) => wit::Action::AdmitRatio(*ratio),
            model::Action::LevelThreshold(level) => wit::Action::LevelThreshold(*level),
            model::Action::ConcurrencyLimit(limit) => wit::Action::ConcurrencyLimit(*limit),
            model::Action::RateLimit(rate) => {
                wit::Action::RateLimit(wit::Rate { per_second: rate.per_second, burst: rate.burst })
            }
            model::Action::Degrade(variant) => wit::Action::Degrade(variant.clone()),
        },
        ttl_ms: directive.ttl_ms,
        retry_after_ms: directive.retry_after_ms,
        reason: directive.reason.clone(),
    }
}

/// Directives of a guest. Only the lease is repaired; every other fault is the author's to see.
pub(crate) fn directives(given: Vec<wit::Directive>) -> Result<Vec<model::Directive>, Malformed> {
    if given.len() > limits::DIRECTIVES {
        return Err(Malformed::TooMany { count: given.len() });
    }
    given.into_iter().enumerate().map(|(index, directive)| Checked { index }.directive(directive)).collect()
}

/// Manifest of a guest; [`crate::manifest::check`] judges it.
pub(crate) fn manifest(given: wit::Manifest) -> model::Manifest {
    model::Manifest {
        name: given.name,
        version: given.version,
        description: given.description,
        config_schema: given.config_schema,
        tick_ms: given.tick_ms,
    }
}

/// What a guest says when it refuses, cut to its limit.
pub(crate) fn refusal(message: String) -> model::Outcome {
    model::Outcome::Refused { message: guest::cut(message, limits::MESSAGE_BYTES) }
}

/// Knows which directive it is judging, so that each error can say so.
struct Checked {
    index: usize,
}

impl Checked {
    fn directive(&self, given: wit::Directive) -> Result<model::Directive, Malformed> {
        let target = self.target(given.target)?;
        if target.service.name.is_empty() {
            return Err(Malformed::NoService { index: self.index });
        }
        let reason = self.text("reason", given.reason, limits::REASON_BYTES)?;
        if reason.trim().is_empty() {
            return Err(Malformed::NoReason { index: self.index });
        }
        Ok(model::Directive {
            target,
            class: match given.class {
                wit::Criticality::CriticalPlus => model::Criticality::CriticalPlus,
                wit::Criticality::Critical => model::Criticality::Critical,
                wit::Criticality::SheddablePlus => model::Criticality::SheddablePlus,
                wit::Criticality::Sheddable => model::Criticality::Sheddable,
            },
            action: self.action(given.action)?,
            ttl_ms: match given.ttl_ms {
                0 => limits::TTL_DEFAULT_MS,
                ttl_ms => ttl_ms.clamp(limits::TTL_MIN_MS, limits::TTL_MAX_MS),
            },
            retry_after_ms: given.retry_after_ms,
            reason,
        })
    }

    fn action(&self, given: wit::Action) -> Result<model::Action, Malformed> {
        // NaN fails every range check, so there is no second case to forget.
        let range = |field, value: f64, good: bool, expected| {
            if good { Ok(value) } else { Err(Malformed::OutOfRange { index: self.index, field, value, expected }) }
        };
        Ok(match given {
            wit::Action::AdmitRatio(ratio) => {
                let good = (0.0..=1.0).contains(&ratio);
                model::Action::AdmitRatio(range("admit-ratio", ratio, good, "between 0 and 1")?)
            }
            wit::Action::LevelThreshold(level) => {
                range("level-threshold", f64::from(level), level <= 512, "between 0 and 512")?;
                model::Action::LevelThreshold(level)
            }
            wit::Action::ConcurrencyLimit(limit) => model::Action::ConcurrencyLimit(limit),
            wit::Action::RateLimit(rate) => {
                let good = rate.per_second.is_finite() && rate.per_second >= 0.0;
                let per_second = range("rate-limit per-second", rate.per_second, good, "a finite number of 0 or more")?;
                model::Action::RateLimit(model::Rate { per_second, burst: rate.burst })
            }
            wit::Action::Degrade(variant) => {
                model::Action::Degrade(self.text("degrade", variant, limits::NAME_BYTES)?)
            }
        })
    }

    fn target(&self, given: wit::Target) -> Result<model::Target, Malformed> {
        Ok(model::Target {
            service: self.service(given.service)?,
            caller: given.caller.map(|caller| self.service(caller)).transpose()?,
            route: self.text("route", given.route, limits::NAME_BYTES)?,
            tenant: self.text("tenant", given.tenant, limits::NAME_BYTES)?,
        })
    }

    fn service(&self, given: wit::ServiceId) -> Result<model::ServiceId, Malformed> {
        Ok(model::ServiceId {
            environment: self.text("environment", given.environment, limits::NAME_BYTES)?,
            namespace: self.text("namespace", given.namespace, limits::NAME_BYTES)?,
            name: self.text("service name", given.name, limits::NAME_BYTES)?,
        })
    }

    fn text(&self, field: &'static str, text: String, limit: usize) -> Result<String, Malformed> {
        let index = self.index;
        if text.len() > limit {
            return Err(Malformed::TooLong { index, field, length: text.len(), limit });
        }
        if text.chars().any(char::is_control) {
            return Err(Malformed::Control { index, field });
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn good() -> wit::Directive {
        directive(&model::Directive {
            target: model::Target::service(model::ServiceId { name: "checkout".into(), ..Default::default() }),
            class: model::Criticality::Critical,
            action: model::Action::AdmitRatio(0.5),
            ttl_ms: 5_000,
            retry_after_ms: None,
            reason: "checkout is out of capacity".into(),
        })
    }

    #[test]
    fn a_fault_is_located() {
        let no_service = wit::ServiceId { environment: String::new(), namespace: String::new(), name: String::new() };
        for (fault, text) in [
            (
                wit::Directive { action: wit::Action::AdmitRatio(7.0), ..good() },
                "admit-ratio is 7, it must be between 0 and 1",
            ),
            (
                wit::Directive { action: wit::Action::AdmitRatio(f64::NAN), ..good() },
                "admit-ratio is NaN, it must be between 0 and 1",
            ),
            (
                wit::Directive { action: wit::Action::LevelThreshold(513), ..good() },
                "level-threshold is 513, it must be between 0 and 512",
            ),
            (
                wit::Directive {
                    action: wit::Action::RateLimit(wit::Rate { per_second: f64::INFINITY, burst: 1 }),
                    ..good()
                },
                "rate-limit per-second is inf, it must be a finite number of 0 or more",
            ),
            (wit::Directive { reason: "x".repeat(201), ..good() }, "reason has 201 bytes, at most 200 are allowed"),
            (wit::Directive { reason: "a\nb".into(), ..good() }, "reason holds control characters"),
            (wit::Directive { reason: " ".into(), ..good() }, "the reason is empty; say in one sentence why"),
            (
                wit::Directive { target: wit::Target { service: no_service, ..good().target }, ..good() },
                "the target has no service name",
            ),
        ] {
            let error = directives(vec![good(), fault]).unwrap_err();

            assert_eq!(error.to_string(), format!("directive 1: {text}"));
        }
    }

    #[test]
    fn leases_are_kept_within_their_limits() {
        for (given, kept) in [(0, 5_000), (1, 1_000), (5_000, 5_000), (u32::MAX, 60_000)] {
            let directives = directives(vec![wit::Directive { ttl_ms: given, ..good() }]).unwrap();

            assert_eq!(directives[0].ttl_ms, kept);
        }
    }

    #[test]
    fn too_many_directives_are_refused_as_a_whole() {
        assert!(directives(vec![good(); limits::DIRECTIVES]).is_ok());
        assert_eq!(directives(vec![good(); limits::DIRECTIVES + 1]), Err(Malformed::TooMany { count: 1_001 }));
    }
}
