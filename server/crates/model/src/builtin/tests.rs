#![expect(clippy::unwrap_used, reason = "a test may panic")]
use super::*;
use crate::rule::{Action, Criticality, Latency, Origin, ServiceId, Target};

fn configured(builtin: Builtin, json: &str) -> Result<Configured, serde_json::Error> {
    builtin.configure(&mut serde_json::Deserializer::from_str(json))
}

fn signals(offered_rps: f64, goodput_rps: f64) -> Signals {
    let service = ServiceId { environment: "prod".into(), namespace: "shop".into(), name: "checkout".into() };
    Signals {
        target: Target::service(service),
        origin: Origin::Enforcer,
        instances: 1,
        instances_enforcing: 1,
        window_ms: 5_000,
        offered_rps,
        goodput_rps,
        inflight: Some(100),
        latency: Latency { p50_ms: 20.0, p95_ms: 30.0, p99_ms: 40.0, min_ms: 10.0, samples: 1_000 },
        ..Signals::default()
    }
}

fn evaluate(rule: &Configured, memory: &mut Memory, signals: Signals) -> Vec<Directive> {
    rule.evaluate(&Snapshot { signals: vec![signals], ..Snapshot::default() }, memory)
}

#[test]
fn schemas_and_defaults_agree() {
    for builtin in Builtin::ALL {
        let manifest = builtin.manifest();
        let schema: serde_json::Value = serde_json::from_str(&manifest.config_schema).unwrap();
        let defaults: serde_json::Map<_, _> = schema["properties"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, property)| (name.clone(), property["default"].clone()))
            .collect();
        let explicit = serde_json::Value::Object(defaults).to_string();

        assert_eq!(configured(builtin, &explicit).unwrap(), configured(builtin, "{}").unwrap());
        let refused = configured(builtin, r#"{"nonsense": 1}"#).unwrap_err().to_string();
        assert!(refused.contains("nonsense"), "{refused}");
    }
    assert!(configured(Builtin::AdaptiveThrottle, r#"{"k": 0.5}"#).unwrap_err().to_string().contains("k is 0.5"));
    assert!(configured(Builtin::ConcurrencyGradient, r#"{"min_limit": 9, "max_limit": 3}"#).is_err());
}

#[test]
fn the_throttle_admits_about_what_succeeds() {
    let rule = configured(Builtin::AdaptiveThrottle, r#"{"k": 1.3}"#).unwrap();
    let mut memory = Memory::new();

    assert_eq!(evaluate(&rule, &mut memory, signals(1_000.0, 990.0)), []);
    let directives = evaluate(&rule, &mut memory, signals(1_000.0, 100.0));

    let Action::AdmitRatio(ratio) = directives[0].action else { panic!("{directives:?}") };
    assert!((ratio - 0.13).abs() < 0.002, "{ratio}");
    assert_eq!(directives[0].reason, "checkout answers 100 of 1000 requests a second well");
}

#[test]
fn the_throttle_stops_pushing_while_requests_wait() {
    let rule = configured(Builtin::AdaptiveThrottle, "{}").unwrap();
    let waiting = Signals { queue_wait_ms: Some(80.0), ..signals(1_000.0, 500.0) };

    let directives = evaluate(&rule, &mut Memory::new(), waiting);

    let Action::AdmitRatio(ratio) = directives[0].action else { panic!("{directives:?}") };
    assert!((ratio - 0.45).abs() < 0.002, "{ratio}");
}

#[test]
fn the_throttle_holds_on_old_or_thin_numbers() {
    let rule = configured(Builtin::AdaptiveThrottle, "{}").unwrap();
    let in_force = Directive {
        target: signals(0.0, 0.0).target,
        class: Criticality::Critical,
        action: Action::AdmitRatio(0.4),
        ttl_ms: 5_000,
        retry_after_ms: None,
        reason: "earlier".into(),
    };
    for doubtful in [Signals { age_ms: 10_000, ..signals(1_000.0, 1.0) }, signals(1.0, 0.0)] {
        assert_eq!(evaluate(&rule, &mut Memory::new(), doubtful.clone()), []);
        let held = Signals { applied: vec![in_force.clone()], ..doubtful };
        assert_eq!(evaluate(&rule, &mut Memory::new(), held), std::slice::from_ref(&in_force));
    }
}

/// A service of fixed capacity at ten times its load: the throttle finds the capacity.
#[test]
fn the_throttle_settles_near_the_capacity() {
    let rule = configured(Builtin::AdaptiveThrottle, "{}").unwrap();
    let (offered, capacity) = (1_000.0, 100.0);
    let mut ratio: f64 = 1.0;
    let mut seen = Vec::new();
    for _ in 0..60 {
        let admitted = offered * ratio;
        // Beyond its capacity everybody waits too long: goodput falls with the overload, as it does in real services.
        let good = if admitted <= capacity { admitted } else { capacity * capacity / admitted };
        let directives = evaluate(&rule, &mut Memory::new(), signals(offered, good));
        let wanted = directives.first().map_or(1.0, |directive| match directive.action {
            Action::AdmitRatio(ratio) => ratio,
            _ => 1.0,
        });
        ratio = wanted.clamp((ratio - 0.4).max(0.05), ratio + 0.2);
        seen.push(good);
    }

    let settled = seen[20..].iter().sum::<f64>() / 40.0;
    assert!(settled > 0.8 * capacity, "{settled}");
}

#[test]
fn rules_leave_services_alone_that_nobody_can_protect() {
    for builtin in Builtin::ALL {
        let rule = configured(builtin, "{}").unwrap();
        let unprotected = Signals { instances_enforcing: 0, ..signals(1_000.0, 1.0) };
        assert_eq!(evaluate(&rule, &mut Memory::new(), unprotected), []);
    }
}

#[test]
fn the_gradient_shrinks_when_requests_slow_down_and_lets_go_when_they_recover() {
    let rule = configured(Builtin::ConcurrencyGradient, "{}").unwrap();
    let mut memory = Memory::new();
    let slow = |p50_ms: f64, in_flight: u32| Signals {
        inflight: Some(in_flight),
        latency: Latency { p50_ms, samples: 1_000, ..Latency::default() },
        ..signals(1_000.0, 900.0)
    };
    for _ in 0..5 {
        assert_eq!(evaluate(&rule, &mut memory, slow(20.0, 20)), []);
    }

    let mut limits = Vec::new();
    for _ in 0..15 {
        let in_flight = limits.last().copied().unwrap_or(400).min(400);
        for directive in evaluate(&rule, &mut memory, slow(200.0, in_flight)) {
            let Action::ConcurrencyLimit(limit) = directive.action else { panic!("{directive:?}") };
            limits.push(limit);
        }
    }
    assert!(limits.windows(2).all(|pair| pair[1] <= pair[0]), "{limits:?}");
    assert!(*limits.last().unwrap() < 200, "{limits:?}");

    let mut last = Vec::new();
    for _ in 0..600 {
        last = evaluate(&rule, &mut memory, slow(20.0, 150));
    }
    assert_eq!(last, []);
}

#[test]
fn the_gradient_forgets_what_is_gone_and_survives_a_spoiled_memory() {
    let rule = configured(Builtin::ConcurrencyGradient, "{}").unwrap();
    let mut memory = Memory::from([("prod/shop/checkout".to_owned(), vec![1, 2, 3]), ("gone".to_owned(), vec![0; 16])]);

    evaluate(&rule, &mut memory, signals(1_000.0, 900.0));

    assert_eq!(memory.keys().collect::<Vec<_>>(), ["prod/shop/checkout"]);
    assert_eq!(memory["prod/shop/checkout"].len(), 16);
}
