//! Whatever a guest does, an evaluation ends in time, says how, and harms nothing: not the host, not the next call.

use std::time::{Duration, Instant};

use spillway_model::rule::Outcome;
use spillway_plugin_host::{Host, Kv, Limits, limits};

use crate::support::{compile, evaluate, load, overloaded, patient, wasm};

/// Hostile guests pass the self-test, as in real life; a good rule must still work after each of them.
fn contained(guest: &str, configuration: &str) -> spillway_plugin_host::Evaluation {
    let host = Host::new().expect("the engine starts");
    let hostile = load(&host, guest);
    host.self_test(&hostile).expect("it behaves until it is live");
    let good = load(&host, "rule_goodput_guard");
    let before = evaluate(&host, &good, "{}");

    let evaluation = evaluate(&host, &hostile, configuration);

    let after = evaluate(&host, &good, "{}");
    assert!(matches!(after.outcome, Outcome::Proposed { .. }), "{:?}", after.outcome);
    assert_eq!((after.outcome, after.fuel), (before.outcome, before.fuel));
    evaluation
}

fn message(outcome: &Outcome) -> &str {
    outcome.message().unwrap_or_default()
}

#[test]
fn an_endless_loop_runs_out_of_fuel() {
    let evaluation = contained("fixture_endless_loop", "{}");

    assert_eq!(evaluation.outcome, Outcome::OutOfFuel);
    assert_eq!(evaluation.fuel, Limits::default().fuel(1));
}

#[test]
fn an_endless_loop_with_endless_fuel_is_stopped_by_the_clock() {
    let host = Host::new().expect("the engine starts");
    let plugin = load(&host, "fixture_endless_loop");
    let deadline = Duration::from_millis(100);
    let endless = Limits { fuel_base: u64::MAX, fuel_cap: u64::MAX, deadline, ..Limits::default() };
    let started = Instant::now();

    let evaluation = host.evaluate(&plugin, &overloaded(), "{}", &Kv::default(), &endless);

    assert_eq!(evaluation.outcome, Outcome::TimedOut);
    assert!(evaluation.elapsed >= deadline / 2, "stopped after {:?}", evaluation.elapsed);
    // Generous, because other tests share the two cores; without the clock it would never end at all.
    assert!(started.elapsed() < Duration::from_secs(20), "took {:?}", started.elapsed());
}

#[test]
fn the_clock_stops_every_guest_that_runs_at_once() {
    let host = Host::new().expect("the engine starts");
    let plugin = load(&host, "fixture_endless_loop");
    let deadline = Duration::from_millis(100);
    let endless = Limits { fuel_base: u64::MAX, fuel_cap: u64::MAX, deadline, ..Limits::default() };

    let outcomes = std::thread::scope(|scope| {
        let run = || host.evaluate(&plugin, &overloaded(), "{}", &Kv::default(), &endless).outcome;
        let threads: Vec<_> = (0..limits::INSTANCES + 2).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
    });

    // More than have a slot: the last ones wait for the first ones.
    assert_eq!(outcomes, vec![Outcome::TimedOut; limits::INSTANCES + 2]);
}

#[test]
fn a_memory_hog_gets_its_share_and_no_more() {
    let evaluation = contained("fixture_memory_hog", "{}");

    assert_eq!(evaluation.outcome, Outcome::OutOfMemory);
}

#[test]
fn a_smaller_memory_limit_holds_too() {
    let host = Host::new().expect("the engine starts");
    let plugin = load(&host, "rule_goodput_guard");
    // A Rust guest starts with 17 pages of 64 KiB.
    let tight = Limits { memory_bytes: 1 << 20, ..patient() };

    let evaluation = host.evaluate(&plugin, &overloaded(), "{}", &Kv::default(), &tight);

    assert_eq!(evaluation.outcome, Outcome::OutOfMemory);
}

#[test]
fn a_panic_is_a_trap_and_its_message_is_in_the_log() {
    let evaluation = contained("fixture_trap", "{}");

    assert!(message(&evaluation.outcome).contains("unreachable"), "{:?}", evaluation.outcome);
    assert!(matches!(evaluation.outcome, Outcome::Trapped { .. }));
    let log = evaluation.logs.last().map_or("", |line| line.message.as_str());
    assert!(log.contains("the trap fixture panics, as it was written to"), "{log}");
}

#[test]
fn a_stack_overflow_is_a_trap() {
    let evaluation = contained("fixture_trap", "stack");

    assert!(matches!(evaluation.outcome, Outcome::Trapped { .. }), "{:?}", evaluation.outcome);
}

#[test]
fn what_a_failed_call_stored_is_forgotten() {
    let evaluation = contained("fixture_trap", "kv");

    assert!(evaluation.logs.iter().any(|line| line.message == "stored: true"), "{:?}", evaluation.logs);
    assert!(matches!(evaluation.outcome, Outcome::Trapped { .. }), "{:?}", evaluation.outcome);
    assert_eq!(evaluation.kv_after, None);
}

#[test]
fn answers_beyond_the_contract_are_malformed_as_a_whole() {
    for (how, expected) in [
        ("{}", "1001 directives, at most 1000 are allowed"),
        ("long", "directive 0: reason has 10000 bytes, at most 200 are allowed"),
        ("nan", "directive 0: admit-ratio is NaN, it must be between 0 and 1"),
        ("huge", "it handed over more than 4 MiB in one call"),
    ] {
        let evaluation = contained("fixture_huge_output", how);

        assert_eq!(evaluation.outcome, Outcome::Malformed { message: expected.into() }, "{how}");
    }
}

#[test]
fn a_flood_of_lines_metrics_and_keys_is_cut_and_counted() {
    let evaluation = contained("fixture_log_flood", "{}");

    assert_eq!(evaluation.outcome, Outcome::Proposed { directives: Vec::new() });
    assert_eq!(evaluation.logs.len(), limits::LOG_LINES);
    assert!(evaluation.logs.iter().all(|line| line.message.len() == limits::LOG_LINE_BYTES));
    assert_eq!(evaluation.logs_dropped, 10_000 - limits::LOG_LINES as u64);
    assert_eq!(evaluation.metrics.len(), limits::METRICS);
    assert!(evaluation.metrics_dropped > 9_000);
    let kept = evaluation.kv_after.expect("the call was good, so what fitted is kept");
    assert!(kept.size_bytes() <= limits::KV_TOTAL_BYTES && kept.to_entries().len() == 26, "{}", kept.size_bytes());
}

#[test]
fn a_line_of_megabytes_does_not_reach_the_host() {
    let evaluation = contained("fixture_log_flood", "line");

    assert_eq!(evaluation.outcome, Outcome::Malformed { message: "it handed over more than 4 MiB in one call".into() });
    assert!(evaluation.logs.is_empty());
}

#[test]
fn a_foreign_import_is_refused_on_upload() {
    let error = compile(&wasm("fixture_wrong_import")).expect_err("it must not compile").to_string();

    assert!(error.starts_with("it imports `wasi_snapshot_preview1.clock_time_get`, which rules do not get"), "{error}");
}
