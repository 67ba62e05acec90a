//! The guard on single snapshots, and on a simulated service with the loop closed.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use spillway_plugin_sdk::{Action, ClassCounts, Criticality, Origin, ServiceId, Signals, Snapshot, Target};

use super::*;
use crate::simulation::{CAPACITY, Second, Service, quantile};

fn guard() -> GoodputGuard {
    GoodputGuard::configure("{}").unwrap()
}

fn service(offered_rps: f64, goodput_rps: f64) -> Signals {
    Signals {
        target: Target::service("prod", "shop", "checkout"),
        origin: Origin::Enforcer,
        age_ms: 1_000,
        instances: 2,
        instances_enforcing: 2,
        window_ms: 5_000,
        offered_rps,
        goodput_rps,
        error_ratio: 1.0 - goodput_rps / offered_rps,
        ..Signals::default()
    }
}

fn evaluate(now_ms: u64, signals: Signals) -> Vec<Directive> {
    guard().evaluate(&Snapshot { tick: 1, now_ms, signals: vec![signals], edges: Vec::new() }).unwrap()
}

fn admitted(directives: &[Directive]) -> f64 {
    match directives {
        [] => 1.0,
        [Directive { action: Action::AdmitRatio(share), .. }] => *share,
        other => panic!("expected one admit-ratio, got {other:?}"),
    }
}

#[test]
fn schema_and_defaults_agree() {
    let schema: serde_json::Value = serde_json::from_str(&GoodputGuard::describe().config_schema).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    let defaults: serde_json::Map<_, _> =
        properties.iter().map(|(name, property)| (name.clone(), property["default"].clone())).collect();

    let config = Config::parse(&serde_json::Value::Object(defaults).to_string());

    assert_eq!(config, Ok(Config::default()));
}

#[test]
fn a_wrong_configuration_is_refused_with_the_field() {
    for (config, message) in [
        (r#"{"accept_multiplier":0.5}"#, "accept_multiplier is 0.5, it must be between 1.01 and 4"),
        (r#"{"min_admit":0}"#, "min_admit is 0, it must be between 0.01 and 1"),
    ] {
        assert_eq!(GoodputGuard::configure(config).unwrap_err(), message);
    }
    assert!(GoodputGuard::configure(r#"{"min_admits":0.1}"#).unwrap_err().contains("unknown field `min_admits`"));
}

#[test]
fn a_healthy_service_is_left_alone() {
    assert_eq!(evaluate(1_000, service(100.0, 98.0)), []);
}

#[test]
fn an_overloaded_service_admits_what_it_can_serve() {
    let directives = evaluate(1_000, service(1_000.0, 100.0));

    // The formula with K = 1: 100 is known to be all it can do.
    assert!((admitted(&directives) - 0.102).abs() < 0.001, "{directives:?}");
    assert_eq!(
        directives[0].reason,
        "checkout answers only 100 of 1000 requests/s in time; admitting 10 %, which it can serve"
    );
    assert!(directives.iter().all(|directive| directive.reason.len() <= 200));
}

#[test]
fn a_long_queue_is_drained_though_nothing_fails() {
    let directives = evaluate(1_000, Signals { queue_wait_ms: Some(650.0), ..service(100.0, 100.0) });

    assert!((admitted(&directives) - 0.9).abs() < 0.02, "{directives:?}");
    assert_eq!(
        directives[0].reason,
        "checkout answers 100 of 100 requests/s and they wait 650 ms (ok: 50); admitting 90 % so its queue drains"
    );
}

#[test]
fn background_traffic_goes_first() {
    let counts = |class, offered| ClassCounts { class, offered, admitted: offered, shed: 0 };
    let by_class = vec![counts(Criticality::Critical, 2_500), counts(Criticality::Sheddable, 2_500)];

    let directives = evaluate(1_000, Signals { by_class, ..service(1_000.0, 600.0) });

    assert_eq!(directives.len(), 1);
    assert_eq!(directives[0].class, Criticality::Sheddable);
    assert!(
        (admitted(&directives) - 0.21).abs() < 0.01,
        "606 of 1000: all 500 critical, 106 sheddable: {directives:?}"
    );
}

#[test]
fn thin_or_old_data_holds_and_then_lets_go() {
    let before = admitted(&evaluate(1_000, service(1_000.0, 100.0)));
    let old = || Signals { age_ms: 60_000, ..service(1_000.0, 900.0) };
    let thin = || service(1.0, 0.0);

    assert_eq!(admitted(&evaluate(2_000, old())), before);
    let held = evaluate(9_000, thin());
    assert_eq!(admitted(&held), before);
    assert!(held[0].reason.starts_with("too little fresh data about checkout"), "{}", held[0].reason);
    assert_eq!(evaluate(17_000, thin()), [], "after the longest hold");
    assert_eq!(evaluate(18_000, old()), [], "it does not come back by itself");
}

#[test]
fn thin_data_alone_never_sheds() {
    assert_eq!(evaluate(1_000, service(1.0, 0.0)), []);
}

#[test]
fn who_cannot_enforce_gets_no_directive() {
    assert_eq!(evaluate(1_000, Signals { instances_enforcing: 0, ..service(1_000.0, 100.0) }), []);
    let route = Target { route: "/pay".into(), ..Target::service("prod", "shop", "checkout") };
    assert_eq!(evaluate(1_000, Signals { target: route, ..service(1_000.0, 100.0) }), []);
}

#[test]
fn reasons_fit_whatever_the_name() {
    let target = Target { service: ServiceId { name: "ü".repeat(300), ..ServiceId::default() }, ..Target::default() };

    let directives = evaluate(1_000, Signals { target, queue_wait_ms: Some(1e9), ..service(1e9, 1e8) });

    assert!(directives[0].reason.len() <= 200, "{}", directives[0].reason);
}

/// Base load, two minutes of ten times the capacity, base load again.
fn closed_loop(reports_wait: bool, guarded_from: usize) -> Vec<Second> {
    let mut service = Service::new(reports_wait);
    for second in 0..180 {
        service.run(if (20..140).contains(&second) { 10.0 * CAPACITY } else { 0.5 * CAPACITY });
        if second >= guarded_from {
            let directives = guard().evaluate(&service.snapshot()).unwrap();
            service.enforce(&directives);
        }
    }
    service.seconds
}

fn goodput(seconds: &[Second]) -> f64 {
    seconds.iter().map(|second| second.good).sum::<u64>() as f64 / seconds.len() as f64
}

fn p99(seconds: &[Second]) -> f64 {
    let all: Vec<u64> =
        seconds.iter().flat_map(|second| second.latencies_ms.iter().copied()).filter(|ms| *ms > 0).collect();
    quantile(&all, 0.99)
}

#[test]
fn tenfold_load_without_the_guard_collapses() {
    let seconds = closed_loop(true, usize::MAX);

    assert!(goodput(&seconds[60..140]) < 0.1 * CAPACITY, "the simulation must be worth guarding");
}

#[test]
fn tenfold_load_with_the_guard_keeps_goodput_near_capacity_and_the_queue_short() {
    // A service that does not tell its queue shows it late, in its latency; the loop swings a little.
    for (reports_wait, enough) in [(true, 0.9), (false, 0.75)] {
        let seconds = closed_loop(reports_wait, 0);

        let (whole, settled) = (goodput(&seconds[20..140]), goodput(&seconds[80..140]));
        assert!(whole > 0.75 * CAPACITY, "goodput of the whole overload {whole} ({reports_wait})");
        assert!(settled > enough * CAPACITY, "goodput when settled {settled} ({reports_wait})");
        let p99_ms = p99(&seconds[80..140]);
        assert!(p99_ms < 600.0, "p99 when settled {p99_ms} ({reports_wait})");
        let after = &seconds[165..];
        assert!(after.iter().all(|second| second.admitted == second.offered), "all is admitted when the load is gone");
    }
}

#[test]
fn the_guard_also_helps_when_it_is_turned_on_in_the_middle_of_it() {
    // A service that does not tell its queue shows it late, in its latency; the loop swings a little.
    for (reports_wait, enough) in [(true, 0.9), (false, 0.75)] {
        let seconds = closed_loop(reports_wait, 50);

        assert!(goodput(&seconds[30..50]) < 0.1 * CAPACITY);
        let (soon, settled) = (goodput(&seconds[60..100]), goodput(&seconds[100..140]));
        assert!(soon > 0.5 * CAPACITY, "goodput soon {soon} ({reports_wait})");
        assert!(settled > enough * CAPACITY, "goodput when settled {settled} ({reports_wait})");
        let p99_ms = p99(&seconds[100..140]);
        assert!(p99_ms < 600.0, "p99 when settled {p99_ms} ({reports_wait})");
    }
}
