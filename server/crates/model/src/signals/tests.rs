#![expect(clippy::unwrap_used, reason = "a test may panic")]
use proptest::prelude::*;

use super::*;
use crate::{
    identity::{NodeKey, NodeKind},
    observation::{EdgeKey, Protocol},
    topology::{Map, MapEdge, MapNode, MergedBreaker, Numbers, SeenBreakerState, ServiceHealth},
};

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_000 * SECOND;

fn key(name: &str) -> ServiceKey {
    ServiceKey::new("prod", "shop", name)
}

fn totals(admitted: u64, shed: u64, ok: u64, failed: u64, timed_out: u64) -> Totals {
    let mut totals = Totals::default();
    let mut latency = Histogram::default();
    latency.add(20_000_000, i64::try_from(ok + failed + timed_out).unwrap());
    totals.add(Criticality::Critical, &Counts { admitted, shed, ok, failed, timed_out, relayed: 0 }, &latency);
    totals
}

fn report(instance: &str, boot: &str, seq: u64, totals: Totals) -> Report {
    Report {
        service: key("checkout"),
        instance: instance.into(),
        boot: boot.into(),
        seq,
        revision: "1-7".into(),
        in_flight: 5,
        in_flight_limit: Some(64),
        queue_wait_ms: Some(4.0),
        totals,
    }
}

fn at(second: u64) -> u64 {
    START + second * SECOND
}

fn signals(book: &UsageBook, now_ns: u64) -> Signals {
    book.signals(&key("checkout"), Vec::new(), now_ns).unwrap()
}

#[test]
fn rates_are_those_of_the_last_seconds_not_of_the_whole_life() {
    let mut book = UsageBook::default();
    for second in 0..10 {
        let many = 1_000_000 + second * 100;
        book.receive(
            report("a", "x", second + 50, totals(many, second * 50, many - second * 20 - 5, second * 15, second * 5)),
            at(second),
        );
    }

    let signals = signals(&book, at(9));

    assert_eq!((signals.offered_rps, signals.goodput_rps, signals.window_ms), (150.0, 80.0, 5_000));
    assert_eq!((signals.error_ratio, signals.timeout_ratio), (0.2, 0.05));
    assert_eq!((signals.inflight, signals.inflight_limit, signals.queue_wait_ms), (Some(5), Some(64), Some(4.0)));
    assert_eq!(
        signals.by_class,
        [ClassCounts { class: Criticality::Critical, offered: 750, admitted: 500, shed: 250 }]
    );
    assert_eq!(signals.latency.samples, 500);
    assert!((signals.latency.p99_ms / 20.0 - 1.0).abs() < 0.03, "{:?}", signals.latency);
}

#[test]
fn a_rejection_passed_on_is_no_failure_of_who_passes_it_on() {
    let mut book = UsageBook::default();
    for second in 0..3 {
        let mut totals = totals(second * 20, 0, second * 20, 0, 0);
        let relayed = Counts { admitted: second * 80, relayed: second * 80, ..Counts::default() };
        totals.add(Criticality::Critical, &relayed, &Histogram::default());
        book.receive(report("a", "x", second + 1, totals), at(second));
    }

    let signals = signals(&book, at(2));

    assert_eq!((signals.offered_rps, signals.goodput_rps, signals.error_ratio), (100.0, 100.0, 0.0));
    assert_eq!(signals.custom, [(RELAYED.to_owned(), 80.0)]);
}

#[test]
fn instances_add_up_and_those_that_fell_silent_do_not_enforce() {
    let mut book = UsageBook::default();
    for second in 0..4 {
        book.receive(report("a", "x", second + 1, totals(second * 10, 0, second * 10, 0, 0)), at(second));
        book.receive(report("b", "y", second + 1, totals(second * 30, 0, second * 30, 0, 0)), at(second));
    }
    book.receive(report("a", "x", 5, totals(40, 0, 40, 0, 0)), at(4));

    let both = signals(&book, at(5));
    let one = signals(&book, at(6));

    assert_eq!((both.instances, both.instances_enforcing, both.inflight), (2, 2, Some(10)));
    assert_eq!((one.instances_enforcing, one.inflight, one.inflight_limit), (1, Some(5), Some(64)));
    assert_eq!(both.offered_rps, 40.0);
    assert_eq!(book.applied(&key("checkout"), &|revision| revision == "1-7", at(6)), 1);
    assert_eq!(book.applied(&key("checkout"), &|revision| revision == "1-8", at(6)), 0);
    book.forget(at(63));
    assert_eq!(book.services().count(), 1);
    book.forget(at(64));
    assert_eq!(book.services().count(), 0);
}

#[test]
fn a_restart_counts_from_zero_and_late_reports_of_the_old_boot_change_nothing() {
    let mut book = UsageBook::default();
    book.receive(report("a", "old", 900, totals(5_000, 0, 5_000, 0, 0)), at(0));
    assert_eq!(book.receive(report("a", "new", 1, totals(10, 0, 10, 0, 0)), at(1)), Received::New);
    assert_eq!(book.receive(report("a", "old", 901, totals(6_000, 0, 6_000, 0, 0)), at(1)), Received::Repeated);
    book.receive(report("a", "new", 2, totals(30, 0, 30, 0, 0)), at(2));

    assert_eq!(signals(&book, at(2)).offered_rps, 15.0);
}

#[test]
fn counters_of_days_are_no_burst_when_spillway_starts() {
    let mut book = UsageBook::default();
    book.receive(report("a", "x", 90_000, totals(1_000_000, 0, 1_000_000, 0, 0)), at(0));
    assert_eq!(signals(&book, at(0)).offered_rps, 0.0);

    // A counter that falls within a boot is a sender's bug: a new baseline, no huge number.
    book.receive(report("a", "x", 90_001, totals(10, 0, 10, 0, 0)), at(1));
    assert_eq!(signals(&book, at(1)).offered_rps, 0.0);
}

#[test]
fn instances_are_bounded() {
    let mut book = UsageBook::default();
    for instance in 0..INSTANCES {
        assert_eq!(book.receive(report(&instance.to_string(), "x", 1, Totals::default()), at(0)), Received::New);
    }

    assert_eq!(book.receive(report("one more", "x", 1, Totals::default()), at(0)), Received::Full);
    assert_eq!(book.receive(report("7", "x", 2, Totals::default()), at(1)), Received::New);
}

proptest! {
    /// Sending each report any number of times, and old ones later again, gives the same as sending each once.
    #[test]
    fn repeats_change_nothing(
        steps in proptest::collection::vec((0u64..100, 0u64..100), 1..20),
        repeats in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..30),
    ) {
        let mut reports = Vec::new();
        let (mut admitted, mut shed) = (0, 0);
        for (seq, (more, turned_away)) in (1u64..).zip(&steps) {
            admitted += more;
            shed += turned_away;
            reports.push(report("a", "x", seq, totals(admitted, shed, admitted, 0, 0)));
        }
        let (mut once, mut often) = (UsageBook::default(), UsageBook::default());
        for (place, report) in reports.iter().enumerate() {
            let now = at(u64::try_from(place).unwrap());
            once.receive(report.clone(), now);
            often.receive(report.clone(), now);
            for (_, old) in repeats.iter().filter(|(when, _)| when.index(reports.len()) == place) {
                let old = &reports[old.index(place + 1)];
                prop_assert_eq!(often.receive(old.clone(), now), Received::Repeated);
            }
        }

        let end = at(u64::try_from(reports.len()).unwrap());
        prop_assert_eq!(signals(&once, end), signals(&often, end));
    }

    /// Lost reports cost precision in time, never counts.
    #[test]
    fn a_lost_report_loses_nothing(kept in proptest::collection::vec(any::<bool>(), 4)) {
        let mut book = UsageBook::default();
        book.receive(report("a", "x", 1, totals(0, 0, 0, 0, 0)), at(0));
        for (place, kept) in (1u64..).zip(kept) {
            if kept {
                book.receive(report("a", "x", place + 1, totals(place * 10, 0, place * 10, 0, 0)), at(place));
            }
        }
        book.receive(report("a", "x", 9, totals(50, 0, 50, 0, 0)), at(5));

        prop_assert_eq!(signals(&book, at(5)).latency.samples, 50);
        prop_assert!((signals(&book, at(5)).offered_rps - 10.0).abs() < 1e-9);
    }
}

fn node(name: &str, kind: NodeKind, rate: f64) -> MapNode {
    MapNode {
        key: NodeKey { kind, service: key(name) },
        health: ServiceHealth::Healthy,
        health_reason: None,
        reported_health: None,
        estimated: false,
        numbers: Some(Numbers {
            count: 300,
            rate,
            error_ratio: 0.25,
            p50_ms: Some(10.0),
            p95_ms: Some(20.0),
            p99_ms: None,
        }),
        instances: 2,
        version: None,
        shedding: None,
        last_seen_ns: at(4),
        stale: false,
    }
}

fn edge(source: &str, target: &str, kind: NodeKind) -> MapEdge {
    let breaker =
        MergedBreaker { state: SeenBreakerState::Open, open: 1, total: 2, since_ns: 0, instances: Vec::new() };
    MapEdge {
        key: EdgeKey {
            source: NodeKey::service(key(source)),
            target: NodeKey { kind, service: key(target) },
            protocol: Protocol::Http,
        },
        provisional: false,
        estimated: false,
        caller: Some(Numbers { count: 30, rate: 1.0, error_ratio: 0.5, p50_ms: None, p95_ms: None, p99_ms: None }),
        callee: None,
        breaker: Some(breaker),
        last_seen_ns: at(4),
    }
}

#[test]
fn a_snapshot_takes_reports_before_spans_and_services_only() {
    let mut book = UsageBook::default();
    for second in 0..=5 {
        book.receive(report("a", "x", second + 1, totals(second * 100, 0, second * 100, 0, 0)), at(second));
    }
    let map = Map {
        at_ns: at(3),
        window_s: 30,
        lag_ms: 2_000,
        nodes: vec![
            node("checkout", NodeKind::Service, 7.0),
            node("payments", NodeKind::Service, 8.0),
            node("orders-db", NodeKind::Database, 9.0),
        ],
        edges: vec![edge("checkout", "payments", NodeKind::Service), edge("checkout", "orders-db", NodeKind::Database)],
    };
    let in_force = Directive {
        target: Target::service(service_id(&key("checkout"))),
        class: Criticality::Critical,
        action: crate::rule::Action::AdmitRatio(0.5),
        ttl_ms: 5_000,
        retry_after_ms: None,
        reason: "r".into(),
    };
    let applied = |service: &ServiceId| if service.name == "checkout" { vec![in_force.clone()] } else { Vec::new() };

    let snapshot = build_snapshot(at(5), 7, &book, &map, &applied);

    assert_eq!((snapshot.tick, snapshot.now_ms), (7, at(5) / 1_000_000));
    let seen: Vec<_> = snapshot
        .signals
        .iter()
        .map(|one| (one.target.service.name.as_str(), one.origin, one.offered_rps, one.goodput_rps, one.age_ms))
        .collect();
    assert_eq!(seen, [("checkout", Origin::Enforcer, 100.0, 100.0, 0), ("payments", Origin::Span, 8.0, 6.0, 1_000)]);
    assert_eq!((&snapshot.signals[0].applied, snapshot.signals[1].applied.len()), (&vec![in_force.clone()], 0));
    let edges: Vec<_> = snapshot
        .edges
        .iter()
        .map(|edge| (edge.caller, edge.callee, edge.breaker, edge.open_share, edge.error_ratio))
        .collect();
    assert_eq!(edges, [(0, 1, crate::rule::BreakerState::Open, 0.5, 0.5)]);
}

#[test]
fn the_busiest_services_stay_when_there_are_too_many() {
    let mut nodes: Vec<MapNode> = (0..SIGNALS + 100)
        .map(|place| node(&format!("s{place:05}"), NodeKind::Service, (place % 1_000) as f64 + 1.0))
        .collect();
    nodes.sort_by(|a, b| a.key.cmp(&b.key));
    let map = Map { nodes, window_s: 30, ..Map::default() };

    let snapshot = build_snapshot(at(5), 1, &UsageBook::default(), &map, &|_| Vec::new());

    assert_eq!(snapshot.signals.len(), SIGNALS);
    let least = snapshot.signals.iter().map(|one| one.offered_rps).fold(f64::MAX, f64::min);
    assert!(least > 30.0, "{least}");
    assert!(snapshot.signals.windows(2).all(|pair| pair[0].target < pair[1].target));
}
