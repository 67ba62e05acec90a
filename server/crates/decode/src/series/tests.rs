#![expect(clippy::unwrap_used, reason = "a test may panic")]
use proptest::prelude::*;
use spillway_model::event::LimitState;

use super::*;
use crate::reading::{Reading, Says};

fn sample<'a>(name: &'a str, labels: &'a [(&'a str, &'a str)], value: f64) -> Sample<'a> {
    Sample { name, labels, value, at_ns: None }
}

fn state(name: &str, labels: &[(&str, &str)], value: f64) -> Option<BreakerState> {
    match meaning(&sample(name, labels, value)) {
        Meaning::Breaker { state, .. } => Some(state),
        _ => None,
    }
}

#[test]
fn a_number_of_a_state_means_what_its_library_means() {
    use BreakerState::{Closed, Disabled, ForcedOpen, HalfOpen, MetricsOnly, Open};
    let table: &[(&str, &[Option<BreakerState>; 7])] = &[
        (
            "resilience4j_circuitbreaker_state",
            &[Some(Closed), Some(Open), Some(HalfOpen), Some(Disabled), Some(ForcedOpen), Some(MetricsOnly), None],
        ),
        ("gobreaker_state", &[Some(Closed), Some(HalfOpen), Some(Open), None, None, None, None]),
        ("gobreaker_circuit_breaker_state", &[Some(Closed), Some(HalfOpen), Some(Open), None, None, None, None]),
        ("failsafe_circuit_breaker_state", &[Some(Closed), Some(Open), Some(HalfOpen), None, None, None, None]),
        ("failsafe_go.circuit_breaker.state", &[Some(Closed), Some(Open), Some(HalfOpen), None, None, None, None]),
        ("pybreaker_state", &[Some(Closed), Some(Open), Some(HalfOpen), None, None, None, None]),
    ];
    for (series, expected) in table {
        for (code, expected) in expected.iter().enumerate() {
            assert_eq!(state(series, &[("name", "db")], code as f64), *expected, "{series} {code}");
        }
        for odd in [-1.0, 0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(state(series, &[("name", "db")], odd), None, "{series} {odd}");
        }
    }
}

#[test]
fn a_number_without_a_library_is_not_guessed() {
    let labels = [("name", "db")];

    let Meaning::Ignored { why } = meaning(&sample("circuit_breaker_state", &labels, 1.0)) else { panic!() };
    assert!(why.contains("name the series after the library"), "{why}");
    assert_eq!(
        state("circuit_breaker_state", &[("name", "db"), ("library", "gobreaker")], 1.0),
        Some(BreakerState::HalfOpen)
    );
    assert_eq!(
        state("circuit_breaker_state", &[("circuit_name", "db"), ("state", "half_open")], 1.0),
        Some(BreakerState::HalfOpen)
    );
}

#[test]
fn one_gauge_a_state_says_the_one_that_is_set_in_both_ways_of_writing() {
    for series in ["resilience4j_circuitbreaker_state", "resilience4j.circuitbreaker.state"] {
        let of = |word, value| meaning(&sample(series, &[("name", "db"), ("state", word)], value)) == Meaning::Nothing;
        assert!(of("closed", 0.0));
        assert_eq!(state(series, &[("name", "db"), ("state", "forced_open")], 1.0), Some(BreakerState::ForcedOpen));
    }
    let no_state = meaning(&sample("resilience4j.circuitbreaker.state", &[("name", "db"), ("state", "ajar")], 1.0));
    assert_eq!(no_state, NO_STATE);
    assert_eq!(meaning(&sample("resilience4j.circuitbreaker.state", &[("state", "open")], 1.0)), NO_NAME);
}

/// Name, labels, value.
type Written<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

fn limits(samples: &[Written<'_>]) -> Vec<Reading> {
    let mut fold = Fold::default();
    for (name, labels, value) in samples {
        fold.take(&sample(name, labels, *value));
    }
    fold.finish(&mut Turns::default()).readings
}

#[test]
fn numbers_of_a_limiter_are_put_together() {
    let readings = limits(&[
        ("resilience4j_bulkhead_available_concurrent_calls", &[("name", "db")], 0.0),
        ("resilience4j_bulkhead_max_allowed_concurrent_calls", &[("name", "db")], 25.0),
        ("resilience4j.ratelimiter.available.permissions", &[("name", "mail")], -3.0),
        ("resilience4j_ratelimiter_waiting_threads", &[("name", "mail")], 3.0),
        (
            "envoy_cluster_circuit_breakers_default_rq_pending_open",
            &[("envoy_cluster_name", "outbound|8080|v1|reviews.shop.svc.cluster.local")],
            1.0,
        ),
        ("envoy_cluster_circuit_breakers_high_cx_open", &[("envoy_cluster_name", "reviews")], 0.0),
        ("envoy_cluster_circuit_breakers_default_remaining_rq", &[("envoy_cluster_name", "reviews")], 9.0),
    ]);

    let said: Vec<_> = readings.iter().map(|reading| (&*reading.target, &*reading.name, reading.says)).collect();
    let limit = |guard, state, in_use, limit, waiting| Says::Limit { guard, state, in_use, limit, waiting };
    assert_eq!(
        said,
        [
            ("db", "db", limit(Guard::Bulkhead, LimitState::Exhausted, Some(25), Some(25), None)),
            ("reviews", "connections (high)", limit(Guard::Bulkhead, LimitState::Free, None, None, None)),
            ("reviews", "pending requests", limit(Guard::Bulkhead, LimitState::Exhausted, None, None, None)),
            ("mail", "mail", limit(Guard::RateLimiter, LimitState::Exhausted, None, None, Some(3))),
        ]
    );
}

/// Runs scrapes of Polly's counters (opened, half opened, closed) and gives what each says.
fn polly_scrapes(scrapes: &[[f64; 3]]) -> Vec<Vec<BreakerState>> {
    let mut turns = Turns::default();
    let mut said = Vec::new();
    for totals in scrapes {
        let mut fold = Fold::default();
        for (event, total) in ["OnCircuitOpened", "OnCircuitHalfOpened", "OnCircuitClosed"].iter().zip(totals) {
            let labels = [("pipeline.name", "payments"), ("strategy.name", "breaker"), ("event.name", *event)];
            if *total > 0.0 {
                fold.take(&Sample {
                    at_ns: Some(1_000),
                    ..sample("resilience.polly.strategy.events", &labels, *total)
                });
            }
        }
        let readings = fold.finish(&mut turns).readings;
        assert!(readings.windows(2).all(|pair| pair[0].at_ns < pair[1].at_ns), "{readings:?}");
        said.push(
            readings
                .iter()
                .map(|reading| match reading.says {
                    Says::Breaker(state) => state,
                    Says::Limit { .. } => panic!(),
                })
                .collect(),
        );
    }
    said
}

#[test]
fn counters_of_transitions_tell_what_happened_since_the_last_time() {
    use BreakerState::{Closed, HalfOpen, Open};

    // Nothing at first sight; opened; probed; closed.
    assert_eq!(
        polly_scrapes(&[[1., 1., 1.], [2., 1., 1.], [2., 2., 1.], [2., 2., 2.], [2., 2., 2.]]),
        [vec![], vec![Open], vec![HalfOpen], vec![Closed], vec![]]
    );
    // A whole round between two scrapes is told in its order.
    assert_eq!(polly_scrapes(&[[1., 1., 1.], [2., 2., 2.]])[1], [Open, HalfOpen, Closed]);
    // Probed, and open again: opened once more than probed.
    assert_eq!(polly_scrapes(&[[1., 0., 0.], [2., 1., 0.]])[1], [HalfOpen, Open]);
    // A new process counts from zero.
    assert_eq!(polly_scrapes(&[[5., 5., 5.], [1., 0., 0.]])[1], [Open]);
}

#[test]
fn opossums_counters_turn_breakers_too() {
    let mut turns = Turns::default();
    let mut scrape = |open: f64| {
        let mut fold = Fold::default();
        fold.take(&sample("circuit", &[("name", "mail"), ("event", "close")], 1.0));
        fold.take(&sample("circuit_total", &[("name", "mail"), ("event", "open")], open));
        fold.take(&sample("circuit", &[("name", "mail"), ("event", "fire")], 40.0));
        fold.finish(&mut turns).readings
    };

    assert_eq!(scrape(1.0), []);
    assert_eq!(scrape(2.0), [Reading::breaker("mail", "mail", BreakerState::Open)]);
}

#[test]
fn what_is_understood_but_not_used_is_told_apart_from_what_is_not_known() {
    assert_eq!(
        meaning(&sample("http_server_request_duration_seconds_count", &[], 4.0)),
        Meaning::Request { value: 4.0 }
    );
    assert_eq!(meaning(&sample("http.server.request.duration", &[], 4.0)), Meaning::Request { value: 4.0 });
    assert_eq!(
        meaning(&sample("resilience4j_retry_calls_total", &[("name", "db"), ("kind", "successful_with_retry")], 4.0)),
        Meaning::Retry { name: "db", total: 4.0 }
    );
    assert_eq!(meaning(&sample("go_goroutines", &[], 4.0)), NOT_KNOWN);

    let mut fold = Fold::default();
    fold.take(&sample("go_goroutines", &[], 4.0));
    fold.take(&sample("http_requests_total", &[], 4.0));
    let ignored = fold.finish(&mut Turns::default()).ignored;
    let ignored: Vec<_> = ignored.iter().collect();
    assert_eq!(ignored[0].0, "go_goroutines");
    assert_eq!(ignored[1], ("http_requests_total", "understood, but not used yet", 1));
}

proptest! {
    #[test]
    fn no_sample_panics(
        name in "(resilience4j|envoy_cluster|circuit|gobreaker|resilience)[._a-z0-9]{0,60}|\\PC{0,300}",
        labels in prop::collection::vec(("(name|state|event|envoy_cluster_name|event.name|\\PC{0,8})", "\\PC{0,300}"), 0..6),
        value in any::<f64>(),
    ) {
        let labels: Vec<_> = labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let mut turns = Turns::default();
        for _ in 0..2 {
            let mut fold = Fold::default();
            fold.take(&sample(&name, &labels, value));
            let readings = fold.finish(&mut turns).readings;
            prop_assert!(readings.iter().all(|reading| reading.name.len() <= 256));
        }
    }
}

#[test]
fn names_are_bounded() {
    let long = "x".repeat(257);
    let mut fold = Fold::default();

    fold.take(&sample("gobreaker_state", &[("name", &long)], 2.0));

    let readings = fold.finish(&mut Turns::default());
    assert_eq!(readings.readings, []);
    assert_eq!(readings.ignored.iter().next().unwrap().1, "its name is longer than 256 bytes");
}
