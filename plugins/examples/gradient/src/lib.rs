//! Finds how much each service can do at once, without being told, and keeps it at that.
//!
//! Latency is compared with what is usual for the service. While it is not much longer, the limit may grow a little
//! beyond what is in flight; when it is, the limit shrinks by as much. See `limit.rs` for the step.
//!
//! Its only memory is the limit and the usual latency of each service. On thin or old data both stay as they are, and a
//! directive is given only while the limit is close: a limit far above the traffic changes nothing and would be noise.

mod config;
mod limit;

use spillway_plugin_sdk::table::Table;
use spillway_plugin_sdk::{Action, Criticality, Directive, Manifest, ShedPolicy, Signals, Snapshot, metrics, text};

use crate::config::Config;
use crate::limit::State;

/// From this share of the limit on, the directive is given: early enough that the limit is there when it is needed.
const CLOSE: f64 = 0.5;
/// Outlives four missed ticks.
const TTL_MS: u32 = 5_000;

/// The rule.
#[derive(Debug)]
pub struct Gradient {
    config: Config,
}

impl ShedPolicy for Gradient {
    fn describe() -> Manifest {
        Manifest {
            name: "gradient".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            description: "Finds each service's concurrency limit by how much its latency rises above the usual.".into(),
            config_schema: include_str!("../config-schema.json").into(),
            tick_ms: 1_000,
        }
    }

    fn configure(config: &str) -> Result<Self, String> {
        Ok(Self { config: Config::parse(config)? })
    }

    fn evaluate(&mut self, snapshot: &Snapshot) -> Result<Vec<Directive>, String> {
        let mut directives = Vec::new();
        let mut states = Table::load("limits");
        for signals in &snapshot.signals {
            if signals.instances_enforcing == 0 || !signals.target.whole_service() {
                continue;
            }
            if let Some(inflight) = signals.inflight {
                directives.extend(self.limit(signals, inflight, &mut states));
            }
        }
        states.save().map_err(|error| format!("cannot remember the limits: {error}"))?;
        metrics::gauge("limits", directives.len() as f64);
        Ok(directives)
    }
}

impl Gradient {
    fn limit(&self, signals: &Signals, inflight: u32, states: &mut Table<2>) -> Option<Directive> {
        let short_ms = signals.latency.p50_ms;
        let fresh = signals.age_ms <= self.config.max_age_ms && signals.latency.samples >= self.config.min_samples;
        let state = match states.get(&signals.target).map(|[limit, long_ms]| State { limit, long_ms }) {
            Some(state) if fresh && short_ms > 0.0 => state.step(inflight, short_ms, &self.config),
            Some(state) => state,
            None if fresh && short_ms > 0.0 => State::new(inflight, short_ms, &self.config),
            None => return None,
        };
        states.set(&signals.target, [state.limit, state.long_ms]);
        // Rounded down: the limit is a promise to the service.
        let limit = state.limit.floor().max(1.0) as u32;
        if f64::from(inflight) < CLOSE * f64::from(limit) {
            return None;
        }
        let name = text::short(&signals.target.service.name);
        let (now_ms, usual_ms) = (text::whole(short_ms), text::whole(state.long_ms));
        let reason = if short_ms > self.config.tolerance * state.long_ms {
            format!(
                "{name} takes {now_ms} ms instead of the usual {usual_ms} with {inflight} requests in flight; letting it work on {limit} at once"
            )
        } else {
            format!(
                "{name} has {inflight} requests in flight at its usual {usual_ms} ms; letting it work on {limit} at once"
            )
        };
        Some(Directive {
            target: signals.target.clone(),
            class: Criticality::Critical,
            action: Action::ConcurrencyLimit(limit),
            ttl_ms: TTL_MS,
            retry_after_ms: Some(1_000),
            reason,
        })
    }
}

spillway_plugin_sdk::export_policy!(Gradient);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use spillway_plugin_sdk::{Latency, Origin, Target, kv};

    use super::*;

    fn service(inflight: u32, p50_ms: f64) -> Signals {
        Signals {
            target: Target::service("prod", "shop", "cart"),
            origin: Origin::Enforcer,
            age_ms: 1_000,
            instances: 2,
            instances_enforcing: 2,
            window_ms: 5_000,
            offered_rps: 500.0,
            goodput_rps: 500.0,
            inflight: Some(inflight),
            latency: Latency { p50_ms, samples: 2_500, ..Latency::default() },
            ..Signals::default()
        }
    }

    fn tick(signals: Signals) -> Vec<Directive> {
        let snapshot = Snapshot { tick: 1, now_ms: 1, signals: vec![signals], edges: Vec::new() };
        Gradient::configure("{}").unwrap().evaluate(&snapshot).unwrap()
    }

    fn limit(directives: &[Directive]) -> Option<u32> {
        match directives {
            [] => None,
            [Directive { action: Action::ConcurrencyLimit(limit), .. }] => Some(*limit),
            other => panic!("expected one concurrency limit, got {other:?}"),
        }
    }

    #[test]
    fn schema_and_defaults_agree() {
        let schema: serde_json::Value = serde_json::from_str(&Gradient::describe().config_schema).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        let defaults: serde_json::Map<_, _> =
            properties.iter().map(|(name, property)| (name.clone(), property["default"].clone())).collect();

        assert_eq!(Config::parse(&serde_json::Value::Object(defaults).to_string()), Ok(Config::default()));
    }

    #[test]
    fn a_limit_below_the_least_is_a_wrong_configuration() {
        let error = Gradient::configure(r#"{"min_limit":50,"max_limit":20}"#).unwrap_err();

        assert_eq!(error, "min_limit is 50, it must be between 1 and max_limit, which is 20");
    }

    #[test]
    fn a_rise_in_latency_lowers_the_limit_and_says_why() {
        for _ in 0..20 {
            tick(service(100, 20.0));
        }
        let before = limit(&tick(service(100, 20.0))).unwrap();

        let mut last = Vec::new();
        for _ in 0..20 {
            last = tick(service(200, 200.0));
        }

        assert!(limit(&last).unwrap() < before, "{before} then {last:?}");
        assert!(last[0].reason.starts_with("cart takes 200 ms instead of the usual "), "{}", last[0].reason);
    }

    #[test]
    fn a_service_far_below_its_limit_gets_no_directive() {
        tick(service(100, 20.0));

        assert_eq!(limit(&tick(service(5, 20.0))), None);
    }

    #[test]
    fn thin_or_old_data_keeps_the_limit() {
        let before = limit(&tick(service(100, 20.0)));
        let thin =
            Signals { latency: Latency { p50_ms: 900.0, samples: 3, ..Latency::default() }, ..service(100, 0.0) };
        let old = Signals { age_ms: 60_000, ..service(100, 900.0) };

        assert_eq!(limit(&tick(thin)), before);
        assert_eq!(limit(&tick(old)), before);
    }

    #[test]
    fn thin_data_alone_sets_no_limit() {
        let thin = Signals { latency: Latency::default(), ..service(100, 0.0) };

        assert_eq!(tick(thin), []);
        assert_eq!(kv::keys(""), Vec::<String>::new());
    }

    #[test]
    fn a_service_that_left_is_forgotten() {
        tick(service(100, 20.0));
        assert_eq!(kv::keys("").len(), 1);

        Gradient::configure("{}").unwrap().evaluate(&Snapshot::default()).unwrap();

        assert_eq!(kv::keys("").len(), 0);
    }
}
