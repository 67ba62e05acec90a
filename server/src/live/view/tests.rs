use spillway_model::{
    event::{BreakerState, Event, EventBody, HealthStatus},
    identity::{NodeKey, ServiceKey},
    observation::{Aggregate, EdgeKey},
};
use spillway_store::{EdgeAggregate, NodeAggregate};

use super::*;

#[test]
fn numbers_have_three_significant_digits() {
    for (value, shown) in [
        (0.0, 0.0),
        (1234.5, 1230.0),
        (12.345, 12.3),
        (0.000_123_45, 0.000_123),
        (999.6, 1000.0),
        (0.1 + 0.2, 0.3),
        (f64::NAN, 0.0),
    ] {
        assert_eq!(round(value), shown, "{value}");
    }
    assert_eq!(serde_json::to_string(&round(0.029_999_7)).expect("a number"), "0.03");
}

#[test]
fn the_past_says_how_coarse_it_is() {
    let service = |name: &str| NodeKey::service(ServiceKey::new("prod", "shop", name));
    let mut sum = Aggregate { count: 80, failed: 40, ..Aggregate::default() };
    (0..80).for_each(|_| sum.histogram.observe(8_000_000));
    let at_ns = 1_767_225_607_000_000_000;
    let rollup = TopologyRollup {
        from_s: 1_767_225_570,
        to_s: 1_767_225_610,
        resolution_s: 10,
        nodes: vec![NodeAggregate { node: service("stock"), aggregate: sum.clone() }],
        edges: vec![EdgeAggregate {
            edge: EdgeKey { source: service("cart"), target: service("stock"), protocol: Protocol::Http },
            caller: sum,
            callee: Aggregate::default(),
        }],
    };
    let event = |body| Event {
        id: "x".into(),
        service: service("cart").service,
        instance: "cart-1".into(),
        at_ns: at_ns - 5_000_000_000,
        body,
    };
    let states = LatestStates {
        events: vec![
            event(EventBody::Breaker { target: "stock".into(), name: "stock".into(), state: BreakerState::Open }),
            event(EventBody::Health { status: HealthStatus::Degraded, detail: "slow".into() }),
        ],
    };

    let topology = past(&rollup, &states, at_ns);

    assert_eq!((topology.window_s, topology.lag_ms, topology.at.unix_ns()), (40, 10_000, at_ns));
    let [cart, stock] = &topology.nodes[..] else { panic!("{:?}", topology.nodes) };
    assert_eq!(
        (cart.health, cart.health_reason.as_deref()),
        (api::ServiceHealth::Degraded, Some("cart-1 reports degraded: slow"))
    );
    assert_eq!((stock.rate, stock.error_ratio, stock.health), (Some(2.0), Some(0.5), api::ServiceHealth::Failing));
    let [edge] = &topology.edges[..] else { panic!("{:?}", topology.edges) };
    assert_eq!((edge.rate, edge.callee.is_none(), edge.provisional), (Some(2.0), true, false));
    assert_eq!(edge.breaker.as_ref().map(|breaker| breaker.state), Some(api::BreakerState::Open));
}

#[test]
fn an_empty_past_is_an_empty_map() {
    let topology = past(
        &TopologyRollup { from_s: 0, to_s: 30, resolution_s: 10, ..TopologyRollup::default() },
        &LatestStates::default(),
        30_000_000_000,
    );
    assert!(topology.nodes.is_empty() && topology.edges.is_empty());
}
