//! A shop: the gateway calls checkout, checkout calls payments, a report job calls payments too.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use spillway_plugin_sdk::{Breaker, ClassCounts, Criticality, Edge, Latency, Origin, Target};

use super::*;

const GATEWAY: u32 = 0;
const CHECKOUT: u32 = 1;
const PAYMENTS: u32 = 2;
const REPORTS: u32 = 3;

fn service(name: &str, offered_rps: f64, enforcing: u32) -> Signals {
    Signals {
        target: Target::service("prod", "shop", name),
        origin: Origin::Enforcer,
        instances: 2,
        instances_enforcing: enforcing,
        offered_rps,
        goodput_rps: offered_rps,
        ..Signals::default()
    }
}

fn call(caller: u32, callee: u32, offered_rps: f64) -> Edge {
    let latency = Latency { samples: (offered_rps * 5.0) as u32, ..Latency::default() };
    Edge { caller, callee, offered_rps, latency, breaker: Breaker::Closed, age_ms: 2_000, ..Edge::default() }
}

fn shop() -> Snapshot {
    Snapshot {
        tick: 1,
        now_ms: 1,
        signals: vec![
            service("gateway", 200.0, 2),
            service("checkout", 50.0, 2),
            service("payments", 45.0, 0),
            service("reports", 1.0, 0),
        ],
        edges: vec![call(GATEWAY, CHECKOUT, 50.0), call(CHECKOUT, PAYMENTS, 40.0), call(REPORTS, PAYMENTS, 5.0)],
    }
}

fn evaluate(snapshot: &Snapshot) -> Vec<(String, Criticality, f64, String)> {
    let directives = BreakerAware::configure("{}").unwrap().evaluate(snapshot).unwrap();
    let each = directives.into_iter().map(|directive| match directive.action {
        Action::AdmitRatio(share) => (directive.target.service.name, directive.class, share, directive.reason),
        other => panic!("expected an admit-ratio, got {other:?}"),
    });
    each.collect()
}

#[test]
fn schema_and_defaults_agree() {
    let schema: serde_json::Value = serde_json::from_str(&BreakerAware::describe().config_schema).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    let defaults: serde_json::Map<_, _> =
        properties.iter().map(|(name, property)| (name.clone(), property["default"].clone())).collect();

    assert_eq!(Config::parse(&serde_json::Value::Object(defaults).to_string()), Ok(Config::default()));
}

#[test]
fn a_wrong_configuration_is_refused_with_the_field() {
    let error = BreakerAware::configure(r#"{"sick_share":2}"#).unwrap_err();

    assert_eq!(error, "sick_share is 2, it must be between 0.05 and 1");
}

#[test]
fn a_healthy_shop_is_left_alone() {
    assert_eq!(evaluate(&shop()), []);
}

#[test]
fn an_open_breaker_is_shed_at_the_caller_by_what_fails() {
    let mut shop = shop();
    shop.edges[1] = Edge { breaker: Breaker::Open, open_share: 0.5, ..shop.edges[1] };
    shop.edges[2] = Edge { breaker: Breaker::Open, ..shop.edges[2] };

    let shed = evaluate(&shop);

    // 40 of checkout's 50 requests need payments and half of those are refused: 1 - 0.5 * 0.8.
    assert_eq!(shed.len(), 1, "{shed:?}");
    let (service, class, share, reason) = &shed[0];
    assert_eq!((service.as_str(), *class), ("checkout", Criticality::Critical));
    assert!((share - 0.6).abs() < 1e-9, "{share}");
    assert_eq!(
        reason,
        "breakers of 2 of 2 callers refuse payments, 50 % of the calls from checkout come to nothing; admitting 60 %"
    );
}

#[test]
fn failing_calls_count_without_any_breaker() {
    let mut shop = shop();
    shop.edges[1].error_ratio = 0.9;

    let shed = evaluate(&shop);

    assert_eq!(shed.len(), 1, "{shed:?}");
    assert!((shed[0].2 - 0.28).abs() < 1e-9);
    assert_eq!(shed[0].3, "90 % of the calls from checkout to payments fail; admitting 28 %, which can succeed");
}

#[test]
fn the_least_important_requests_go_first() {
    let counts = |class, offered| ClassCounts { class, offered, admitted: offered, shed: 0 };
    let mut shop = shop();
    shop.edges[1].error_ratio = 0.75;
    shop.signals[CHECKOUT as usize].by_class = vec![
        counts(Criticality::Critical, 30),
        counts(Criticality::SheddablePlus, 30),
        counts(Criticality::Sheddable, 40),
    ];

    let shed = evaluate(&shop);

    // 40 % may stay: all of critical, a third of sheddable-plus, nothing of sheddable.
    let classes: Vec<_> = shed.iter().map(|(_, class, share, _)| (*class, (share * 100.0).round())).collect();
    assert_eq!(classes, [(Criticality::SheddablePlus, 33.0), (Criticality::Sheddable, 0.0)]);
}

#[test]
fn a_caller_that_rarely_needs_the_failing_service_is_left_alone() {
    let mut shop = shop();
    shop.edges[1] = Edge { breaker: Breaker::Open, ..call(CHECKOUT, PAYMENTS, 5.0) };
    shop.edges.truncate(2);

    assert_eq!(evaluate(&shop), [], "a tenth of its requests is no reason to shed the others");
}

#[test]
fn when_no_caller_can_shed_the_failing_service_does() {
    let mut shop = shop();
    shop.edges[1].error_ratio = 0.8;
    shop.edges[2].error_ratio = 0.8;
    shop.signals[CHECKOUT as usize].instances_enforcing = 0;
    shop.signals[PAYMENTS as usize].instances_enforcing = 2;

    let shed = evaluate(&shop);

    assert_eq!(shed.len(), 1, "{shed:?}");
    assert_eq!(shed[0].0, "payments");
    assert!((shed[0].2 - 0.2).abs() < 1e-9);
}

#[test]
fn some_traffic_always_reaches_a_half_open_breaker() {
    let mut shop = shop();
    shop.edges.truncate(2);
    shop.edges[1] =
        Edge { breaker: Breaker::Open, open_share: 1.0, error_ratio: 1.0, ..call(CHECKOUT, PAYMENTS, 50.0) };
    assert_eq!(evaluate(&shop)[0].2, 0.1);

    shop.edges[1] = Edge { breaker: Breaker::HalfOpen, ..call(CHECKOUT, PAYMENTS, 50.0) };
    assert_eq!(evaluate(&shop)[0].2, 0.5, "and recovery lets more in before the breaker closes");
}

#[test]
fn old_thin_or_wrong_edges_are_ignored() {
    for edge in [
        Edge { age_ms: 60_000, error_ratio: 1.0, breaker: Breaker::Open, ..call(CHECKOUT, PAYMENTS, 40.0) },
        Edge { error_ratio: 1.0, ..call(CHECKOUT, PAYMENTS, 1.0) },
        Edge { error_ratio: 1.0, ..call(CHECKOUT, CHECKOUT, 40.0) },
        Edge { error_ratio: 1.0, ..call(99, PAYMENTS, 40.0) },
        Edge { error_ratio: 1.0, ..call(CHECKOUT, 99, 40.0) },
    ] {
        let snapshot = Snapshot { edges: vec![edge], ..shop() };

        assert_eq!(evaluate(&snapshot), [], "{edge:?}");
    }
}

#[test]
fn reasons_fit_whatever_the_names() {
    let mut shop = shop();
    for signals in &mut shop.signals {
        signals.target.service.name = "ü".repeat(300);
    }
    shop.edges[1] = Edge { breaker: Breaker::Open, ..shop.edges[1] };

    let shed = evaluate(&shop);

    assert!(!shed.is_empty() && shed.iter().all(|(.., reason)| reason.len() <= 200), "{shed:?}");
}
