#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Mutex;

use spillway_model::{
    identity::{NodeKey, ServiceKey},
    observation::{Aggregate, EdgeKey, Side},
};
use spillway_store::{EventPage, EventQuery, LatestStates, NodeAggregate, RollupPoint, TopologyRollup};

use super::*;

/// Says one node for any range, and notes what it was asked.
#[derive(Default)]
struct Recorded {
    asked: Mutex<Vec<(i64, i64)>>,
}

impl RollupReader for Recorded {
    async fn node_series(&self, _: &NodeKey, _: i64, _: i64, _: u32) -> Result<Vec<RollupPoint>, StoreError> {
        unreachable!("the map needs no series")
    }

    async fn edge_series(&self, _: &EdgeKey, _: Side, _: i64, _: i64, _: u32) -> Result<Vec<RollupPoint>, StoreError> {
        unreachable!("the map needs no series")
    }

    async fn topology(&self, from_s: i64, to_s: i64) -> Result<TopologyRollup, StoreError> {
        self.asked.lock().unwrap().push((from_s, to_s));
        let mut aggregate = Aggregate { count: 60, ..Aggregate::default() };
        (0..60).for_each(|_| aggregate.histogram.observe(4_000_000));
        let nodes = ["prod", "staging"].map(|environment| NodeAggregate {
            node: NodeKey::service(ServiceKey::new(environment, "shop", "stock")),
            aggregate: aggregate.clone(),
        });
        Ok(TopologyRollup { from_s, to_s, resolution_s: 1, nodes: nodes.into(), edges: Vec::new() })
    }
}

impl EventLog for Recorded {
    async fn events(&self, _: &EventQuery) -> Result<EventPage, StoreError> {
        unreachable!("the map needs no pages")
    }

    async fn latest_states(&self, since_ns: i64, at_ns: i64) -> Result<LatestStates, StoreError> {
        self.asked.lock().unwrap().push((since_ns, at_ns));
        Ok(LatestStates::default())
    }
}

#[tokio::test]
async fn the_past_is_the_window_that_ends_at_that_instant() {
    let store = Recorded::default();
    let at_ns = 1_767_225_607_500_000_000;

    let topology = past(&store, at_ns).await.unwrap();

    assert_eq!(*store.asked.lock().unwrap(), [(1_767_225_578, 1_767_225_608), (at_ns - 900_000_000_000, at_ns)]);
    assert_eq!((topology.window_s, topology.lag_ms, topology.nodes[0].rate), (30, 1_000, Some(2.0)));
}

#[tokio::test]
async fn one_environment_is_shown_alone() {
    let topology = past(&Recorded::default(), 1_767_225_607_500_000_000).await.unwrap();
    assert_eq!(topology.nodes.len(), 2);

    let staging = only(topology, "staging");

    assert_eq!(staging.nodes.iter().map(|node| &*node.id).collect::<Vec<_>>(), ["service:staging/shop/stock"]);
}
