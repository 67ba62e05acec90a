//! The map as it is now: facts in sliding windows, with health, breakers and usage beside them.

use std::sync::Arc;

use hashbrown::HashMap;

use self::{breakers::Breakers, edge::LiveEdge, node::LiveNode, window::Span};
use super::{Map, Pairer, PairerLimits, PairerStats, UsageSignals, pairer::Seeded};
use crate::{
    batch::{SpanBatch, StrId},
    event::{Event, EventBody},
    identity::{NodeKey, NodeKind, ServiceKey},
    observation::{Aggregate, EdgeKey, Measurement, Subject},
};

mod breakers;
mod edge;
mod health;
mod node;
mod snapshot;
#[cfg(test)]
mod tests;
mod window;

/// How long things count, and how many.
#[derive(Clone, Debug)]
pub struct LiveLimits {
    /// Length of the window behind the numbers, by the time of the spans.
    pub window_s: u32,
    /// How far the window's end is behind the present: the time that spans are given to arrive.
    pub lag_s: u32,
    /// Spans from further ahead have a clock that is wrong.
    pub ahead_s: u32,
    /// A node that was silent for so long is stale, an instance gone.
    pub stale_ns: u64,
    /// A breaker that did not report for so long is in an unknown state.
    pub breaker_ttl_ns: u64,
    /// A health report counts for so long.
    pub health_ttl_ns: u64,
    /// Numbers of enforcers count for so long; then spans count again.
    pub usage_ttl_ns: u64,
    /// Nodes, edges and breakers vanish when they were not seen for so long.
    pub forget_ns: u64,
    /// Nodes that events and usage reports may add; spans have the limits of [`PairerLimits`].
    pub max_nodes: usize,
    /// Breakers of all services, by instance.
    pub max_breakers: usize,
    /// Instances of one service.
    pub max_instances: usize,
    /// Limits of the pairing.
    pub pairer: PairerLimits,
}

impl Default for LiveLimits {
    fn default() -> Self {
        const SECOND: u64 = 1_000_000_000;
        Self {
            window_s: 30,
            lag_s: 2,
            ahead_s: 30,
            stale_ns: 60 * SECOND,
            breaker_ttl_ns: 60 * SECOND,
            health_ttl_ns: 60 * SECOND,
            usage_ttl_ns: 10 * SECOND,
            forget_ns: 900 * SECOND,
            max_nodes: 20_000,
            max_breakers: 50_000,
            max_instances: 1_000,
            pairer: PairerLimits::default(),
        }
    }
}

/// What was left out, and what the pairing did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveStats {
    /// Facts older than the window when they came.
    pub late: u64,
    /// Facts from the future: a clock is wrong.
    pub ahead: u64,
    /// Nodes, instances and breakers that found no room.
    pub refused: u64,
    /// The pairing.
    pub pairer: PairerStats,
}

/// The live topology. Time only goes forward: every call says what time it is.
pub struct Live {
    limits: LiveLimits,
    pairer: Pairer,
    sums: Sums,
}

/// Everything but the pairing, so that the pairing can speak to it.
struct Sums {
    span: Span,
    nodes: HashMap<NodeKey, LiveNode, Seeded>,
    edges: HashMap<EdgeKey, LiveEdge, Seeded>,
    breakers: Breakers,
    now_ns: u64,
    /// Changes with everything that must be shown at once.
    revision: u64,
    stats: LiveStats,
}

impl Live {
    /// An empty one.
    pub fn new(limits: LiveLimits) -> Self {
        let hasher = Seeded(limits.pairer.seed);
        Self {
            pairer: Pairer::new(limits.pairer.clone()),
            sums: Sums {
                span: Span::new(&limits),
                nodes: HashMap::with_hasher(hasher),
                edges: HashMap::with_hasher(hasher),
                breakers: Breakers::new(limits.max_breakers),
                now_ns: 0,
                revision: 0,
                stats: LiveStats::default(),
            },
            limits,
        }
    }

    /// Takes spans in that arrived at `now_ns`, and says to `emit` what they meant: whoever keeps sums of his own pairs nothing again.
    pub fn observe(&mut self, batch: &SpanBatch, now_ns: u64, emit: &mut dyn FnMut(&Subject, &[Measurement])) {
        self.sums.advance(now_ns);
        self.observe_senders(batch, now_ns);
        let (pairer, sums) = (&mut self.pairer, &mut self.sums);
        pairer.observe(batch, now_ns, &mut |subject, facts| {
            sums.add(subject, facts);
            emit(subject, facts);
        });
    }

    /// Lets the time of the pairing go on without spans: what has waited long enough by `now_ns` is settled.
    pub fn settle(&mut self, now_ns: u64, emit: &mut dyn FnMut(&Subject, &[Measurement])) {
        let (pairer, sums) = (&mut self.pairer, &mut self.sums);
        pairer.expire(now_ns, &mut |subject, facts| {
            sums.add(subject, facts);
            emit(subject, facts);
        });
    }

    /// Forgets which calls it has seen half of, and nothing that was counted. [`Self::pairer`] learns it again from a replay.
    pub fn forget_halves(&mut self) {
        self.pairer = Pairer::new(self.limits.pairer.clone());
    }

    /// The pairing alone: what it says is not counted here.
    pub fn pairer(&mut self) -> &mut Pairer {
        &mut self.pairer
    }

    /// Takes one event in. Repeated and late ones change nothing.
    pub fn observe_event(&mut self, event: &Event, received_at_ns: u64) {
        // Who deploys tells of a service that may not run yet: no sign of its life.
        if matches!(event.body, EventBody::Change { .. }) {
            return;
        }
        self.sums.advance(received_at_ns);
        let Some(node) = self.sums.service(&event.service, &self.limits) else { return };
        node.see(received_at_ns);
        let changed = match &event.body {
            EventBody::Health { status, detail } => {
                let room = self.limits.max_instances;
                node.report(&event.instance, *status, detail, event.at_ns, received_at_ns, room)
            }
            EventBody::Breaker { target, name, state } => self.sums.breakers.report(
                &event.service,
                target,
                &event.instance,
                name,
                *state,
                event.at_ns,
                received_at_ns,
            ),
            EventBody::Limit { .. } | EventBody::Change { .. } => Changed::Nothing,
        };
        match changed {
            Changed::State => self.sums.revision += 1,
            Changed::Nothing => {}
            Changed::NoRoom => self.sums.stats.refused += 1,
        }
    }

    /// Notes what the enforcers of a service counted. Its node shows this instead of spans, while it is fresh.
    pub fn apply_usage(&mut self, service: &ServiceKey, usage: UsageSignals, now_ns: u64) {
        self.sums.advance(now_ns);
        let Some(node) = self.sums.service(service, &self.limits) else { return };
        node.see(now_ns);
        if node.apply_usage(usage, now_ns) {
            self.sums.revision += 1;
        }
    }

    /// Adds a sum that was stored: how a map of the past is put together. `at_s` is the second that it counts for.
    pub fn load(&mut self, subject: &Subject, sum: &Aggregate, at_s: u64) {
        self.sums.advance(at_s.saturating_mul(1_000_000_000));
        self.sums.load(subject, sum, at_s);
    }

    /// Changes with everything that should be shown at once: nodes and edges that come or go, health, breakers, shedding. Numbers do not count.
    pub fn revision(&self) -> u64 {
        self.sums.revision
    }

    /// What was left out, and what the pairing did.
    pub fn stats(&self) -> LiveStats {
        LiveStats { pairer: self.pairer.stats(), ..self.sums.stats }
    }

    /// The map at `now_ns`. What waits for its other half still waits, until [`Self::settle`].
    pub fn snapshot(&mut self, now_ns: u64) -> Map {
        self.sums.advance(now_ns);
        self.sums.forget(self.limits.forget_ns);
        snapshot::map(&mut self.sums, &self.pairer, &self.limits)
    }

    /// Who sends: their instances and versions, and that they live.
    fn observe_senders(&mut self, batch: &SpanBatch, now_ns: u64) {
        for resource in &batch.resources {
            if resource.service == StrId::EMPTY {
                continue;
            }
            let Some(node) = self.sums.service(&batch.service(resource), &self.limits) else { continue };
            node.see(now_ns);
            let known = node.see_instance(batch.str(resource.instance), now_ns, self.limits.max_instances);
            node.see_version(batch.str(resource.version), now_ns);
            if known == Changed::NoRoom {
                self.sums.stats.refused += 1;
            }
        }
    }
}

/// What a report did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changed {
    /// Something to be shown at once.
    State,
    /// Nothing, or only that it is still so.
    Nothing,
    /// It found no room.
    NoRoom,
}

/// Facts that no window takes, counted.
#[derive(Default)]
struct Unplaced {
    late: u64,
    ahead: u64,
}

impl Unplaced {
    /// The second that a fact counts for. What is too old for the window still says that an edge exists, and that a provisional one
    /// does not.
    fn place(&mut self, span: Span, fact: &Measurement) -> Option<u64> {
        let at_s = fact.at_ns / 1_000_000_000;
        match span.place(at_s) {
            window::Place::Counts => return Some(at_s),
            window::Place::Late => self.late += u64::from(fact.times > 0),
            window::Place::Ahead => self.ahead += u64::from(fact.times > 0),
        }
        None
    }
}

impl Sums {
    fn advance(&mut self, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        self.span.advance(self.now_ns / 1_000_000_000);
    }

    /// The node of a service, made when it is new and there is room.
    fn service(&mut self, service: &ServiceKey, limits: &LiveLimits) -> Option<&mut LiveNode> {
        let key = NodeKey::service(service.clone());
        if !self.nodes.contains_key(&key) {
            if self.nodes.len() >= limits.max_nodes {
                self.stats.refused += 1;
                return None;
            }
            self.revision += 1;
        }
        let span = self.span;
        Some(self.nodes.entry(key).or_insert_with(|| LiveNode::new(span)))
    }

    fn add(&mut self, subject: &Subject, facts: &[Measurement]) {
        let (now_ns, span) = (self.now_ns, self.span);
        let mut unplaced = Unplaced::default();
        match subject {
            Subject::Node(key) => {
                let node = self.node(key);
                node.window.slide(span);
                for fact in facts {
                    if let Some(at_s) = unplaced.place(span, fact) {
                        node.add(fact, at_s, now_ns);
                    }
                    node.see(fact.at_ns.min(now_ns));
                }
            }
            Subject::Edge(key, side) => {
                let edge = self.edge(key);
                let mut changes = 0;
                for fact in facts {
                    let before = edge.exists();
                    edge.add(fact, *side, unplaced.place(span, fact), now_ns, span);
                    changes += u64::from(before != edge.exists());
                }
                self.revision += changes;
            }
        }
        self.stats.late += unplaced.late;
        self.stats.ahead += unplaced.ahead;
    }

    fn load(&mut self, subject: &Subject, sum: &Aggregate, at_s: u64) {
        let (now_ns, span) = (self.now_ns, self.span);
        match subject {
            Subject::Node(key) => {
                let node = self.node(key);
                node.window.slide(span);
                node.window.load(sum, at_s);
                node.see(now_ns);
            }
            Subject::Edge(key, side) => self.edge(key).load(sum, *side, at_s, now_ns, span),
        }
    }

    fn node(&mut self, key: &NodeKey) -> &mut LiveNode {
        if !self.nodes.contains_key(key) {
            self.revision += 1;
            self.nodes.insert(key.clone(), LiveNode::new(self.span));
        }
        self.nodes.get_mut(key).expect("it was just put there")
    }

    fn edge(&mut self, key: &EdgeKey) -> &mut LiveEdge {
        if !self.edges.contains_key(key) {
            // Both ends are on the map whenever the edge is.
            self.node(&key.source);
            self.node(&key.target);
            self.edges.insert(key.clone(), LiveEdge::default());
        }
        self.edges.get_mut(key).expect("it was just put there")
    }

    /// Forgets what was not seen for long, edges that turned out to be elsewhere, and virtual nodes without edges.
    fn forget(&mut self, forget_ns: u64) {
        let since_ns = self.now_ns.saturating_sub(forget_ns);
        self.breakers.forget(since_ns);
        self.edges.retain(|_, edge| edge.exists() && edge.last_seen_ns >= since_ns);
        let mut used: hashbrown::HashSet<NodeKey, Seeded> = hashbrown::HashSet::with_hasher(*self.edges.hasher());
        for key in self.edges.keys() {
            for end in [&key.source, &key.target] {
                if !used.contains(end) {
                    used.insert(end.clone());
                }
            }
        }
        self.nodes.retain(|key, node| {
            node.forget(since_ns);
            used.contains(key) || key.kind == NodeKind::Service && node.last_seen_ns >= since_ns
        });
    }
}

/// For the node's own text fields: an [`Arc`] of what may be shared already.
fn shared(text: &str) -> Arc<str> {
    Arc::from(super::pairer::cut(text))
}
