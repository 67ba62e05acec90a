//! What is shown, and what changed since.

use std::sync::Arc;

use spillway_api::{Edge, Node, Topology, TopologyDelta};
use spillway_model::{
    batch::SpanBatch,
    event::Event,
    observation::{Measurement, Subject},
    topology::{Live, LiveStats, Map, Pairer},
};

use super::{Usage, view};

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Draw {
    /// Everything.
    All,
    /// Only what cannot wait: numbers stay as they were shown.
    States,
}

/// What drawing gave.
pub(super) struct Drawn {
    pub topology: Arc<Topology>,
    pub map: Arc<Map>,
    /// What changed; `None` when nothing that is shown did.
    pub delta: Option<TopologyDelta>,
}

/// The live map with the topology that everybody was shown.
pub(super) struct Board {
    live: Live,
    shown: Arc<Topology>,
    /// The map's revision when it was last drawn.
    drawn_revision: u64,
}

impl Board {
    pub(super) fn new(mut live: Live, now_ns: u64) -> (Self, Arc<Map>) {
        let map = live.snapshot(now_ns);
        let shown = Arc::new(view::topology(&map, 0));
        let drawn_revision = live.revision();
        (Self { live, shown, drawn_revision }, Arc::new(map))
    }

    pub(super) fn shown(&self) -> Arc<Topology> {
        self.shown.clone()
    }

    pub(super) fn stats(&mut self) -> LiveStats {
        self.live.stats()
    }

    pub(super) fn spans(
        &mut self,
        batch: &SpanBatch,
        received_at_ns: u64,
        emit: &mut dyn FnMut(&Subject, &[Measurement]),
    ) {
        self.live.observe(batch, received_at_ns, emit);
    }

    pub(super) fn settle(&mut self, now_ns: u64, emit: &mut dyn FnMut(&Subject, &[Measurement])) {
        self.live.settle(now_ns, emit);
    }

    pub(super) fn forget_halves(&mut self) {
        self.live.forget_halves();
    }

    /// The pairing alone.
    pub(super) fn pairer(&mut self) -> &mut Pairer {
        self.live.pairer()
    }

    pub(super) fn event(&mut self, event: &Event, received_at_ns: u64) {
        self.live.observe_event(event, received_at_ns);
    }

    pub(super) fn usage(&mut self, usage: Usage, now_ns: u64) {
        for (service, usage) in usage {
            self.live.apply_usage(&service, usage, now_ns);
        }
    }

    /// True when something happened that cannot wait.
    pub(super) fn changed(&self) -> bool {
        self.live.revision() != self.drawn_revision
    }

    pub(super) fn draw(&mut self, now_ns: u64, what: Draw) -> Drawn {
        let map = self.live.snapshot(now_ns);
        self.drawn_revision = self.live.revision();
        let mut next = view::topology(&map, self.shown.seq);
        if what == Draw::States {
            keep_numbers(&self.shown, &mut next);
        }
        next.seq += 1;
        let delta = self.shown.diff(&next);
        let empty = delta.nodes.is_empty()
            && delta.edges.is_empty()
            && delta.removed_nodes.is_empty()
            && delta.removed_edges.is_empty();
        if empty {
            // The same map, of a later instant.
            next.seq -= 1;
        }
        self.shown = Arc::new(next);
        Drawn { topology: self.shown.clone(), map: Arc::new(map), delta: (!empty).then_some(delta) }
    }
}

/// Puts back what was shown where only numbers differ. Both are sorted the same way.
fn keep_numbers(shown: &Topology, next: &mut Topology) {
    for node in &mut next.nodes {
        if let Ok(at) = shown.nodes.binary_search_by(|have| have.id.cmp(&node.id))
            && same_node_state(&shown.nodes[at], node)
        {
            *node = shown.nodes[at].clone();
        }
    }
    for edge in &mut next.edges {
        let order =
            |have: &Edge| (&have.source, &have.target, have.protocol).cmp(&(&edge.source, &edge.target, edge.protocol));
        if let Ok(at) = shown.edges.binary_search_by(order)
            && shown.edges[at].breaker == edge.breaker
        {
            *edge = shown.edges[at].clone();
        }
    }
}

fn same_node_state(a: &Node, b: &Node) -> bool {
    a.health == b.health
        && a.reported_health == b.reported_health
        && a.stale == b.stale
        && a.shedding.is_some() == b.shedding.is_some()
}
