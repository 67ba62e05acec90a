//! The examples are real rules: they pass every gate, decide sensibly, and give the same answer each time.

use spillway_model::rule::record::TickRecord;
use spillway_model::rule::{Action, Outcome};
use spillway_plugin_host::{Host, Kv};

use crate::support::{evaluate, load, overloaded, patient};

const EXAMPLES: [&str; 3] = ["rule_breaker_aware", "rule_goodput_guard", "rule_gradient"];

#[test]
fn every_example_passes_the_self_test() {
    let host = Host::new().expect("the engine starts");
    for example in EXAMPLES {
        let report = host.self_test(&load(&host, example)).unwrap_or_else(|error| panic!("{example}: {error}"));

        assert_eq!(format!("rule_{}", report.manifest.name.replace('-', "_")), example);
        assert!(report.configuration.len() > 2, "{example} has defaults: {}", report.configuration);
        assert!(report.fuel < 10_000_000, "{example} takes {} fuel for 200 services", report.fuel);
    }
}

#[test]
fn the_guard_sheds_what_cannot_be_served() {
    let host = Host::new().expect("the engine starts");
    let guard = load(&host, "rule_goodput_guard");

    let evaluation = evaluate(&host, &guard, "{}");

    let [directive] = evaluation.outcome.directives() else { panic!("{:?}", evaluation.outcome) };
    assert!(matches!(directive.action, Action::AdmitRatio(share) if share < 0.15), "{directive:?}");
    assert_eq!(directive.target, overloaded().signals[0].target);
    assert!(evaluation.kv_after.is_some(), "it remembers the service");
    assert_eq!(evaluation.metrics.len(), 1);
}

#[test]
fn a_recorded_tick_replays_byte_for_byte() {
    let host = Host::new().expect("the engine starts");
    for example in EXAMPLES {
        let plugin = load(&host, example);
        let first = host.evaluate(&plugin, &overloaded(), "{}", &Kv::default(), &patient());
        let kv = first.kv_after.clone().unwrap_or_default();
        let live = host.evaluate(&plugin, &overloaded(), "{}", &kv, &patient());
        let bytes = live.record(overloaded(), "{}".into(), &kv).encode();

        let record = TickRecord::decode(&bytes).expect("we wrote it");
        let kv = Kv::from_entries(record.kv_at_start).expect("it was within its limits");
        // Another host: nothing of the first one may matter.
        let other = Host::new().expect("the engine starts");
        let replay = other.evaluate(&load(&other, example), &record.snapshot, &record.configuration, &kv, &patient());

        assert_eq!(replay.record(record.snapshot, record.configuration, &kv).encode(), bytes, "{example}");
    }
}

#[test]
fn the_kv_is_the_only_way_from_tick_to_tick() {
    let host = Host::new().expect("the engine starts");
    let guard = load(&host, "rule_goodput_guard");
    let first = evaluate(&host, &guard, "{}");
    let kv = first.kv_after.clone().expect("it remembers the service");
    let mut thin = overloaded();
    thin.now_ms += 1_000;
    thin.signals[0].offered_rps = 1.0;

    let forgetful = host.evaluate(&guard, &thin, "{}", &Kv::default(), &patient());
    let remembering = host.evaluate(&guard, &thin, "{}", &kv, &patient());

    assert_eq!(forgetful.outcome, Outcome::Proposed { directives: Vec::new() });
    assert_eq!(remembering.outcome.directives().len(), 1, "it holds: {:?}", remembering.outcome);
}

#[test]
fn a_wrong_configuration_is_refused_in_the_rules_own_words() {
    let host = Host::new().expect("the engine starts");
    let guard = load(&host, "rule_goodput_guard");
    let wrong = r#"{"min_admit":7}"#;
    let words = "min_admit is 7, it must be between 0.01 and 1";

    assert_eq!(host.check_configuration(&guard, wrong), Err(Outcome::Refused { message: words.into() }));
    let evaluation = evaluate(&host, &guard, wrong);
    assert_eq!(evaluation.outcome, Outcome::Refused { message: format!("configuration refused: {words}") });

    assert_eq!(host.check_configuration(&guard, r#"{"min_admit":0.1}"#), Ok(()));
    let long = format!(r#"{{"x":"{}"}}"#, "y".repeat(1 << 20));
    assert!(matches!(host.check_configuration(&guard, &long), Err(Outcome::Refused { .. })));
}

#[test]
fn examples_judge_no_single_requests() {
    let host = Host::new().expect("the engine starts");

    assert!(!load(&host, "rule_gradient").has_filter());
}
