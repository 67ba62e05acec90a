#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crate::{
    batch::SpanKind::{Client, Server},
    event::{BreakerState, ChangeKind, HealthStatus},
    histogram::Histogram,
    observation::{Protocol, Side},
    topology::{
        MapEdge, MapNode, Sampled, SeenBreakerState, ServiceHealth,
        sample::{NOW, SECOND, Sample, batch, edge, node, service, span},
    },
};

fn observe(live: &mut Live, batch: &SpanBatch, now_ns: u64) {
    live.observe(batch, now_ns, &mut |_, _| {});
}

/// The map when everything that has waited long enough is settled.
fn drawn(live: &mut Live, now_ns: u64) -> Map {
    live.settle(now_ns, &mut |_, _| {});
    live.snapshot(now_ns)
}

fn live() -> Live {
    Live::new(LiveLimits::default())
}

/// `count` calls from cart to stock that ended at `at_ns`, the first `failed` of them badly.
fn calls(count: u8, failed: u8, at_ns: u64) -> Vec<Sample> {
    (0..count)
        .flat_map(|number| {
            let (client, server) = (
                span("cart", 2 * number + 2, 255, Client).http(),
                span("stock", 2 * number + 3, 2 * number + 2, Server).http(),
            );
            let both = [client.at(at_ns), server.at(at_ns)];
            if number < failed { both.map(Sample::failed) } else { both }
        })
        .collect()
}

fn stock(map: &Map) -> MapNode {
    map.service(&service("stock").service).unwrap().clone()
}

fn between(map: &Map, source: &str, target: &str) -> Option<MapEdge> {
    map.edges
        .iter()
        .find(|edge| *edge.key.source.service.name == *source && *edge.key.target.service.name == *target)
        .cloned()
}

fn breaker(id: &str, instance: &str, target: &str, state: BreakerState, at_ns: u64) -> Event {
    let body = EventBody::Breaker { target: target.into(), name: "pay".into(), state };
    Event { id: id.into(), service: service("cart").service, instance: instance.into(), at_ns: at_ns as i64, body }
}

fn health(instance: &str, status: HealthStatus, at_ns: u64, detail: &str) -> Event {
    let body = EventBody::Health { status, detail: detail.into() };
    Event { id: "h".into(), service: service("stock").service, instance: instance.into(), at_ns: at_ns as i64, body }
}

#[test]
fn rates_count_the_window_behind_the_watermark() {
    let mut live = live();
    observe(&mut live, &batch(&calls(30, 0, NOW)), NOW + SECOND / 2);

    // Not yet: spans of this second may still come.
    let map = drawn(&mut live, NOW + SECOND);
    assert_eq!(stock(&map).numbers, None);
    assert_eq!((map.window_s, map.lag_ms, map.at_ns), (30, 2_000, NOW - SECOND));

    let map = drawn(&mut live, NOW + 3 * SECOND);
    let numbers = stock(&map).numbers.unwrap();
    assert_eq!((numbers.count, numbers.rate, numbers.error_ratio), (30, 1.0, 0.0));
    assert!((numbers.p50_ms.unwrap() - 10.0).abs() < 0.3);
    let edge = between(&map, "cart", "stock").unwrap();
    assert_eq!((edge.caller.unwrap().rate, edge.callee.unwrap().rate, edge.provisional), (1.0, 1.0, false));

    assert_eq!(stock(&drawn(&mut live, NOW + 32 * SECOND)).numbers.unwrap().count, 30);
    assert_eq!(stock(&drawn(&mut live, NOW + 33 * SECOND)).numbers, None, "no samples are no zero");
}

#[test]
fn late_spans_within_the_window_count_and_older_ones_do_not() {
    let mut live = live();
    let later = |spans: Vec<Sample>, trace| spans.into_iter().map(|span| span.trace(trace)).collect::<Vec<_>>();
    drawn(&mut live, NOW + 20 * SECOND);

    observe(&mut live, &batch(&calls(10, 0, NOW)), NOW + 20 * SECOND);
    observe(&mut live, &batch(&later(calls(10, 0, NOW - 40 * SECOND), 2)), NOW + 20 * SECOND);
    observe(&mut live, &batch(&later(calls(10, 0, NOW + 400 * SECOND), 3)), NOW + 20 * SECOND);

    assert_eq!(stock(&drawn(&mut live, NOW + 20 * SECOND)).numbers.unwrap().count, 10);
    // A node, an edge from each side.
    assert_eq!((live.stats().late, live.stats().ahead), (30, 30));
}

#[test]
fn errors_make_a_node_degraded_then_failing() {
    for (count, failed, health, reason) in [
        (9, 9, ServiceHealth::Healthy, None),
        (100, 4, ServiceHealth::Healthy, None),
        (100, 5, ServiceHealth::Degraded, Some("5 % of its requests fail")),
        (100, 24, ServiceHealth::Degraded, Some("24 % of its requests fail")),
        (100, 25, ServiceHealth::Failing, Some("25 % of its requests fail")),
    ] {
        let mut live = live();
        observe(&mut live, &batch(&calls(count, failed, NOW)), NOW);

        let node = stock(&drawn(&mut live, NOW + 3 * SECOND));

        assert_eq!((node.health, node.health_reason.as_deref()), (health, reason), "{failed} of {count}");
    }
}

#[test]
fn reports_say_how_a_node_is_and_expire() {
    let mut live = live();
    live.observe_event(&health("stock-1", HealthStatus::Down, NOW, "disk full"), NOW);
    let node = stock(&drawn(&mut live, NOW));
    assert_eq!(node.health, ServiceHealth::Failing);
    assert_eq!(node.health_reason.as_deref(), Some("stock-1 reports down: disk full"));
    assert_eq!(node.reported_health.as_deref(), Some("1 down"));
    assert_eq!(node.instances, 1);

    live.observe_event(&health("stock-2", HealthStatus::Up, NOW, ""), NOW);
    live.observe_event(&health("stock-3", HealthStatus::Up, NOW, ""), NOW);
    let node = stock(&drawn(&mut live, NOW));
    assert_eq!(node.health, ServiceHealth::Degraded);
    assert_eq!(node.health_reason.as_deref(), Some("1 of 3 instances report down: disk full"));
    assert_eq!(node.reported_health.as_deref(), Some("1 down, 2 up"));

    let node = stock(&drawn(&mut live, NOW + 61 * SECOND));
    assert_eq!((node.health, node.stale, node.reported_health), (ServiceHealth::Unknown, true, None));
    assert!(drawn(&mut live, NOW + 901 * SECOND).nodes.is_empty());
}

#[test]
fn a_late_or_repeated_report_changes_nothing() {
    let mut live = live();
    live.observe_event(&health("stock-1", HealthStatus::Up, NOW, ""), NOW);
    let revision = live.revision();

    live.observe_event(&health("stock-1", HealthStatus::Up, NOW, ""), NOW + SECOND);
    live.observe_event(&health("stock-1", HealthStatus::Down, NOW - SECOND, "old"), NOW + SECOND);

    assert_eq!(live.revision(), revision);
    assert_eq!(stock(&drawn(&mut live, NOW + SECOND)).health, ServiceHealth::Healthy);

    live.observe_event(&health("stock-1", HealthStatus::Down, NOW + SECOND, ""), NOW + SECOND);
    assert_ne!(live.revision(), revision);
}

#[test]
fn a_clock_that_is_ahead_does_not_silence_later_reports() {
    let mut live = live();
    live.observe_event(&health("stock-1", HealthStatus::Down, NOW + 3_600 * SECOND, ""), NOW);

    live.observe_event(&health("stock-1", HealthStatus::Up, NOW + SECOND, ""), NOW + SECOND);

    assert_eq!(stock(&drawn(&mut live, NOW + SECOND)).health, ServiceHealth::Healthy);
}

#[test]
fn breakers_of_all_instances_merge_into_the_worst() {
    let mut live = live();
    observe(&mut live, &batch(&calls(1, 0, NOW)), NOW);
    live.observe_event(&breaker("a", "cart-1", "stock", BreakerState::Closed, NOW), NOW);
    live.observe_event(&breaker("b", "cart-2", "stock", BreakerState::Open, NOW + SECOND), NOW + SECOND);
    live.observe_event(&breaker("c", "cart-3", "stock", BreakerState::HalfOpen, NOW + SECOND), NOW + SECOND);

    let edge = between(&drawn(&mut live, NOW + 2 * SECOND), "cart", "stock").unwrap();

    assert_eq!(edge.key.protocol, Protocol::Http);
    let breaker = edge.breaker.unwrap();
    assert_eq!(
        (breaker.state, breaker.open, breaker.total, breaker.since_ns),
        (SeenBreakerState::Open, 1, 3, (NOW + SECOND) as i64)
    );
    assert_eq!(
        breaker.instances.iter().map(|report| &*report.instance).collect::<Vec<_>>(),
        ["cart-1", "cart-2", "cart-3"]
    );
}

#[test]
fn a_breaker_that_somebody_forced_open_refuses_and_one_switched_off_lets_pass() {
    let merged = |states: &[BreakerState]| {
        let mut live = live();
        observe(&mut live, &batch(&calls(1, 0, NOW)), NOW);
        for (number, state) in states.iter().enumerate() {
            live.observe_event(&breaker("a", &format!("cart-{number}"), "stock", *state, NOW), NOW);
        }
        let breaker = between(&drawn(&mut live, NOW + SECOND), "cart", "stock").unwrap().breaker.unwrap();
        (breaker.state, breaker.open, breaker.total)
    };
    use BreakerState::{Closed, Disabled, ForcedOpen, HalfOpen, MetricsOnly, Open};

    assert_eq!(merged(&[Closed, ForcedOpen, Closed, HalfOpen]), (SeenBreakerState::ForcedOpen, 1, 4));
    assert_eq!(merged(&[Open, ForcedOpen, Disabled]), (SeenBreakerState::Open, 2, 3));
    assert_eq!(merged(&[Disabled, Closed, MetricsOnly]), (SeenBreakerState::Closed, 0, 3));
    assert_eq!(merged(&[Disabled, MetricsOnly]), (SeenBreakerState::MetricsOnly, 0, 2));
    assert_eq!(merged(&[Disabled]), (SeenBreakerState::Disabled, 0, 1));
}

#[test]
fn a_deployment_of_a_service_that_nobody_has_seen_puts_nothing_on_the_map() {
    let mut live = live();
    let body = EventBody::Change { change: ChangeKind::Deploy, version: "2".into(), title: "".into(), url: "".into() };
    live.observe_event(&Event { body, ..health("", HealthStatus::Up, NOW, "") }, NOW);

    assert!(drawn(&mut live, NOW + SECOND).nodes.is_empty());
}

#[test]
fn a_heartbeat_keeps_a_breaker_fresh_and_silence_makes_it_unknown() {
    let mut live = live();
    let state = |live: &mut Live, at_ns| {
        let breaker = between(&drawn(live, at_ns), "cart", "stock").unwrap().breaker.unwrap();
        (breaker.state, breaker.since_ns)
    };
    live.observe_event(&breaker("a", "cart-1", "stock", BreakerState::Open, NOW), NOW);
    // One sender repeats the time of the change, another says the present time.
    live.observe_event(&breaker("b", "cart-1", "stock", BreakerState::Open, NOW), NOW + 50 * SECOND);
    live.observe_event(&breaker("c", "cart-1", "stock", BreakerState::Open, NOW + 60 * SECOND), NOW + 60 * SECOND);

    assert_eq!(state(&mut live, NOW + 119 * SECOND), (SeenBreakerState::Open, NOW as i64));
    assert_eq!(state(&mut live, NOW + 121 * SECOND), (SeenBreakerState::Unknown, (NOW + 120 * SECOND) as i64));

    live.observe_event(&breaker("d", "cart-1", "stock", BreakerState::Closed, NOW + 122 * SECOND), NOW + 122 * SECOND);
    live.observe_event(&breaker("late", "cart-1", "stock", BreakerState::Open, NOW + 121 * SECOND), NOW + 123 * SECOND);
    assert_eq!(state(&mut live, NOW + 123 * SECOND), (SeenBreakerState::Closed, (NOW + 122 * SECOND) as i64));
}

#[test]
fn a_breaker_without_calls_still_has_an_edge() {
    let mut live = live();
    live.observe_event(&breaker("a", "cart-1", "mail.example.com", BreakerState::Open, NOW), NOW);

    let map = drawn(&mut live, NOW);

    let edge = between(&map, "cart", "mail.example.com").unwrap();
    assert_eq!((edge.key.target.kind, edge.key.protocol), (NodeKind::External, Protocol::Unknown));
    assert!(edge.numbers().is_none() && edge.breaker.is_some());
    assert_eq!(map.nodes.len(), 2, "both ends are on the map");
}

#[test]
fn a_breaker_hangs_on_the_node_that_its_target_means() {
    for target in ["stock", "10.0.0.7:8080", "stock:8080", "http://stock:8080/x"] {
        let mut live = live();
        let client = span("cart", 2, 255, Client).http().with("server.address", "10.0.0.7").with("server.port", 8080);
        observe(&mut live, &batch(&[client, span("stock", 3, 2, Server).http()]), NOW);
        live.observe_event(&breaker("a", "cart-1", target, BreakerState::Open, NOW), NOW);

        let map = drawn(&mut live, NOW);

        assert_eq!(map.edges.len(), 1, "{target}");
        assert!(map.edges[0].breaker.is_some(), "{target}");
    }
    let mut live = live();
    observe(
        &mut live,
        &batch(&[span("cart", 2, 255, Client).with("db.system", "mysql").with("db.namespace", "orders")]),
        NOW,
    );
    live.observe_event(&breaker("a", "cart-1", "orders", BreakerState::Open, NOW), NOW);
    let map = drawn(&mut live, NOW);
    assert_eq!((map.edges.len(), map.edges[0].key.target.clone()), (1, node(NodeKind::Database, "orders")));
}

#[test]
fn an_enforced_service_shows_what_its_enforcers_counted() {
    let mut live = live();
    observe(&mut live, &batch(&calls(10, 10, NOW)), NOW);
    let mut latency = Histogram::default();
    (0..80).for_each(|_| latency.observe(20_000_000));
    let usage = UsageSignals {
        window_ms: 5_000,
        offered: 200,
        admitted: 80,
        shed: 120,
        ok: 78,
        failed: 2,
        latency,
        instances: 3,
        instances_enforcing: 2,
        instances_applied: 1,
        reason: Some("stock is out of capacity".into()),
        ..UsageSignals::default()
    };
    let revision = live.revision();

    live.apply_usage(&service("stock").service, usage.clone(), NOW + 3 * SECOND);

    assert_ne!(live.revision(), revision, "shedding began");
    let node = stock(&drawn(&mut live, NOW + 3 * SECOND));
    let numbers = node.numbers.unwrap();
    assert_eq!(
        (numbers.rate, numbers.error_ratio, node.health),
        (16.0, 0.025, ServiceHealth::Healthy),
        "a shed request is no error"
    );
    let shedding = node.shedding.unwrap();
    assert_eq!((shedding.ratio, shedding.instances_applied, shedding.instances_enforcing), (0.6, 1, 2));
    assert_eq!(node.instances, 3);

    let revision = live.revision();
    live.apply_usage(&service("stock").service, usage, NOW + 4 * SECOND);
    assert_eq!(live.revision(), revision, "it went on");
    let node = stock(&drawn(&mut live, NOW + 20 * SECOND));
    assert_eq!((node.numbers.unwrap().error_ratio, node.shedding), (1.0, None), "spans count again when reports stop");
}

#[test]
fn a_service_that_does_not_answer_is_failing_by_its_callers() {
    let mut live = live();
    let call = |id| span("cart", id, 255, Client).http().with("server.address", "10.0.0.7");
    observe(&mut live, &batch(&[call(2), span("stock", 3, 2, Server).http()]), NOW);
    let dead: Vec<Sample> = (10..30).map(|id| call(id).at(NOW + 40 * SECOND).failed()).collect();
    observe(&mut live, &batch(&dead), NOW + 40 * SECOND);

    let node = stock(&drawn(&mut live, NOW + 43 * SECOND));
    assert_eq!((node.health, node.numbers), (ServiceHealth::Failing, None));
    assert_eq!(node.health_reason.as_deref(), Some("100 % of the calls to it fail, and most do not reach it"));

    // Failures that did reach it are its own to judge.
    let mut live = self::live();
    let mut answered = calls(20, 0, NOW);
    answered.iter_mut().filter(|span| span.kind == Client).for_each(|span| *span = span.clone().failed());
    observe(&mut live, &batch(&answered), NOW);
    assert_eq!(stock(&drawn(&mut live, NOW + 3 * SECOND)).health, ServiceHealth::Healthy);
}

#[test]
fn a_node_that_sends_nothing_is_seen_by_its_neighbours() {
    let mut live = live();
    observe(&mut live, &batch(&[span("web", 2, 0, Server).http()]), NOW);

    let map = drawn(&mut live, NOW + 3 * SECOND);

    let user = map.nodes.iter().find(|node| node.key.kind == NodeKind::User).unwrap();
    assert_eq!((user.health, user.stale, user.last_seen_ns), (ServiceHealth::Healthy, false, NOW));
}

#[test]
fn an_enforcer_without_requests_leaves_the_rest_of_the_work_in_sight() {
    let mut live = live();
    observe(&mut live, &batch(&calls(30, 0, NOW)), NOW);
    live.apply_usage(
        &service("stock").service,
        UsageSignals { window_ms: 5_000, instances: 1, ..UsageSignals::default() },
        NOW,
    );
    assert_eq!(stock(&drawn(&mut live, NOW + 3 * SECOND)).numbers.unwrap().rate, 1.0);

    let all_shed = UsageSignals { window_ms: 5_000, offered: 50, shed: 50, ..UsageSignals::default() };
    live.apply_usage(&service("stock").service, all_shed, NOW + 3 * SECOND);
    let node = stock(&drawn(&mut live, NOW + 3 * SECOND));
    assert_eq!((node.numbers.unwrap().rate, node.shedding.unwrap().ratio), (0.0, 1.0));
}

#[test]
fn a_call_that_moves_leaves_nothing_behind() {
    let mut live = live();
    observe(&mut live, &batch(&[span("cart", 2, 255, Client).http().with("server.address", "10.0.0.7")]), NOW);
    let before = live.revision();
    assert!(between(&drawn(&mut live, NOW), "cart", "10.0.0.7").unwrap().provisional);

    observe(&mut live, &batch(&[span("stock", 3, 2, Server).http()]), NOW + SECOND);

    assert_ne!(live.revision(), before);
    let map = drawn(&mut live, NOW + SECOND);
    assert_eq!(
        map.edges.iter().map(|edge| edge.key.clone()).collect::<Vec<_>>(),
        [edge(service("cart"), service("stock"), Protocol::Http)]
    );
    assert_eq!(map.nodes.iter().map(|node| node.key.clone()).collect::<Vec<_>>(), [service("cart"), service("stock")]);
}

#[test]
fn an_external_edge_is_confirmed_when_nobody_answered() {
    let mut live = live();
    for round in 0..20u8 {
        let now_ns = NOW + u64::from(round) * 2 * SECOND;
        observe(
            &mut live,
            &batch(&[span("cart", round + 2, 255, Client).http().with("server.address", "api.example.com").at(now_ns)]),
            now_ns,
        );
    }

    let edge = between(&drawn(&mut live, NOW + 40 * SECOND), "cart", "api.example.com").unwrap();

    assert!(!edge.provisional);
    assert_eq!(edge.caller.unwrap().count, 15);
}

#[test]
fn nodes_and_edges_vanish_when_they_were_not_seen_for_long() {
    let mut live = live();
    observe(&mut live, &batch(&calls(3, 0, NOW)), NOW);

    let map = drawn(&mut live, NOW + 890 * SECOND);
    assert_eq!((map.nodes.len(), map.edges.len()), (2, 1));
    assert!(map.nodes.iter().all(|node| node.stale && node.health == ServiceHealth::Unknown));

    let map = drawn(&mut live, NOW + 902 * SECOND);
    assert_eq!((map.nodes.len(), map.edges.len()), (0, 0));
}

#[test]
fn instances_are_counted_and_the_newest_version_is_shown() {
    let mut live = live();
    let from = |instance: &str, version: &str, id| Sample {
        instance: instance.into(),
        version: version.into(),
        ..span("stock", id, 0, Server)
    };
    observe(&mut live, &batch(&[from("stock-1", "1.0", 2), from("stock-2", "1.0", 3)]), NOW);
    observe(&mut live, &batch(&[from("stock-1", "1.1", 4)]), NOW + SECOND);
    observe(&mut live, &batch(&[from("stock-2", "1.0", 5)]), NOW + 2 * SECOND);

    let node = stock(&drawn(&mut live, NOW + 2 * SECOND));
    assert_eq!((node.instances, node.version.as_deref()), (2, Some("1.1")));

    let node = stock(&drawn(&mut live, NOW + 62 * SECOND));
    assert_eq!((node.instances, node.version.as_deref()), (1, Some("1.0")));
}

#[test]
fn sampled_numbers_are_marked_as_estimates() {
    let mut live = live();
    let mut spans = calls(1, 0, NOW);
    spans.iter_mut().for_each(|span| span.trace_state = "ot=th:8".into());
    observe(&mut live, &batch(&spans), NOW);

    let edge = between(&drawn(&mut live, NOW + 3 * SECOND), "cart", "stock").unwrap();
    assert!(edge.estimated);
    assert_eq!(edge.caller.unwrap().count, 2);
}

/// Requests from cart to stock, of which those are traced that a fair die chooses; how many there were in all is what the map must say.
fn sampled(live: &mut Live, requests: u64, share: f64, trace_state: &str) {
    let mut call = calls(1, 0, NOW);
    call.iter_mut().for_each(|span| span.trace_state = trace_state.into());
    let template = batch(&call);
    for request in 0..requests {
        // SplitMix64: <https://prng.di.unimi.it/splitmix64.c>.
        let mut die = (request + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        die = (die ^ (die >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        die = (die ^ (die >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        if ((die ^ (die >> 31)) as f64 / u64::MAX as f64) >= share {
            continue;
        }
        let mut chosen = template.clone();
        chosen.spans.trace_id.iter_mut().for_each(|id| id.0[..8].copy_from_slice(&(request + 1).to_le_bytes()));
        observe(live, &chosen, NOW);
    }
}

#[test]
fn head_sampling_of_one_in_a_hundred_keeps_rates_within_five_per_cent() {
    let requests = 500_000;
    for (share, said, set) in [
        (0.01, "ot=th:fd70a3d70a3d71", None),
        (0.01, "", Some(Sampled::Head(0.01))),
        (0.03, "", Some(Sampled::Head(0.03))),
        // What a span says of itself is more than what is set.
        (0.01, "ot=th:fd70a3d70a3d71", Some(Sampled::Head(0.5))),
    ] {
        let mut limits = LiveLimits::default();
        limits.pairer.sampling =
            ["cart", "stock"].iter().filter_map(|service| Some(((*service).to_owned(), set?))).collect();
        let mut live = Live::new(limits);

        sampled(&mut live, requests, share, said);

        let map = drawn(&mut live, NOW + 3 * SECOND);
        let edge = between(&map, "cart", "stock").unwrap();
        let rates = [stock(&map).numbers, edge.caller, edge.callee].map(|numbers| numbers.unwrap().rate);
        let truth = requests as f64 / 30.0;
        assert!(rates.iter().all(|rate| (rate / truth - 1.0).abs() < 0.05), "{rates:?}, not {truth}");
        assert!(stock(&map).estimated && edge.estimated);
    }
}

#[test]
fn what_was_chosen_by_how_it_ended_is_on_the_map_and_in_no_rate() {
    let mut limits = LiveLimits::default();
    limits.pairer.sampling = ["cart", "stock"].map(|service| (service.to_owned(), Sampled::Tail)).into_iter().collect();
    let mut live = Live::new(limits);

    sampled(&mut live, 10, 1.0, "");

    let map = drawn(&mut live, NOW + 3 * SECOND);
    let edge = between(&map, "cart", "stock").unwrap();
    assert_eq!((stock(&map).numbers, edge.caller, edge.callee, edge.provisional), (None, None, None, false));
    assert_eq!(map.edges.len(), 1, "{:?}", map.edges);
}

#[test]
fn strangers_cannot_add_nodes_without_end() {
    let mut live = Live::new(LiveLimits { max_nodes: 3, max_breakers: 2, max_instances: 2, ..LiveLimits::default() });
    for number in 0..10u64 {
        let event = Event {
            service: ServiceKey::new("prod", "shop", &format!("s{number}")),
            ..health("i", HealthStatus::Up, NOW, "")
        };
        live.observe_event(&event, NOW);
        live.observe_event(
            &Event {
                service: ServiceKey::new("prod", "shop", "s0"),
                ..health(&format!("i{number}"), HealthStatus::Up, NOW, "")
            },
            NOW,
        );
        live.observe_event(
            &Event {
                service: ServiceKey::new("prod", "shop", "s0"),
                ..breaker("b", &format!("i{number}"), "x", BreakerState::Open, NOW)
            },
            NOW,
        );
    }

    let map = drawn(&mut live, NOW);
    assert_eq!(map.nodes.iter().filter(|node| node.key.kind == NodeKind::Service).count(), 3);
    assert_eq!(map.service(&ServiceKey::new("prod", "shop", "s0")).unwrap().instances, 2);
    assert_eq!(map.edges[0].breaker.as_ref().unwrap().total, 2);
    assert_eq!(live.stats().refused, 7 + 9 + 8);
}

#[test]
fn a_map_of_the_past_is_drawn_from_stored_sums() {
    let mut live = Live::new(LiveLimits { window_s: 60, lag_s: 0, ..LiveLimits::default() });
    let mut sum = Aggregate { count: 120, failed: 60, ..Aggregate::default() };
    (0..120).for_each(|_| sum.histogram.observe(5_000_000));
    let to_s = NOW / SECOND;

    live.load(&Subject::Node(service("stock")), &sum, to_s - 1);
    live.load(&Subject::Edge(edge(service("cart"), service("stock"), Protocol::Grpc), Side::Callee), &sum, to_s - 1);
    live.observe_event(&breaker("a", "cart-1", "stock", BreakerState::Open, NOW), NOW);

    let map = drawn(&mut live, NOW);
    assert_eq!((stock(&map).numbers.unwrap().rate, stock(&map).health), (2.0, ServiceHealth::Failing));
    let edge = between(&map, "cart", "stock").unwrap();
    assert_eq!((edge.caller, edge.callee.unwrap().error_ratio, edge.provisional), (None, 0.5, false));
    assert!(edge.breaker.is_some());
}

#[test]
fn the_map_is_sorted_and_closed() {
    let mut live = live();
    let db = span("cart", 90, 255, Client).with("db.system", "mysql").with("db.namespace", "orders");
    let mut spans = calls(3, 0, NOW);
    spans.extend([db, span("web", 91, 0, Server).http()]);
    observe(&mut live, &batch(&spans), NOW);
    live.observe_event(&breaker("a", "cart-1", "zzz", BreakerState::Open, NOW), NOW);

    let map = drawn(&mut live, NOW + 3 * SECOND);

    assert!(map.nodes.is_sorted_by_key(|node| node.key.clone()) && map.edges.is_sorted_by_key(|edge| edge.key.clone()));
    let known: Vec<_> = map.nodes.iter().map(|node| node.key.clone()).collect();
    assert!(map.edges.iter().all(|edge| known.contains(&edge.key.source) && known.contains(&edge.key.target)));
}
