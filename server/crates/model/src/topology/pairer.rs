//! Pairs the halves of calls, across batches and in any order.
//!
//! A client span and a server span are two measurements of one call. They come from different processes, seconds apart and in either order,
//! or one of them never comes. So a half is counted at once where it most likely belongs, and moved (taken back, counted anew) when the
//! other half shows that it belongs elsewhere. The sums in the end do not depend on the order of arrival, on how spans were put into
//! batches, or on repeats within the time that halves are kept.
//!
//! A half that found nothing within [`PairerLimits::pending_ns`] is no longer provisional, but it is moved all the same when its other half comes
//! within [`PairerLimits::overdue_ns`] after that: spans of a service that was cut off arrive minutes late. What was complete by then is not
//! looked at again.
//!
//! - A **client** span belongs to the service whose server span has it as parent (or shares its id, as Zipkin's B3 does). Until then, and
//!   as long as none comes, it belongs to the service that answered to that address before, else to the
//!   known service of that name, else to an *external* node.
//! - A client span that names a **database** belongs to that database.
//! - A **server** span belongs to the service whose client span is its parent, else to the service of whatever span is its
//!   parent, else to the *user* node: at once for a root, after [`PairerLimits::user_after_ns`] when its parent was never seen.
//! - **Producer** and **consumer** spans meet at their queue or topic: producer → queue → consumer, one call a message; a consumer follows
//!   its links, or its parent without links. Without a name for the queue they are joined directly.
//! - Spans **without a kind** serve a call when their parent belongs to another service. **Internal** spans are no calls; they only show
//!   whose a parent is.

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use crate::{
    batch::{SpanBatch, SpanKind, StrId},
    identity::{NodeKind, ServiceKey},
    observation::{EdgeKey, Measurement, Side, Subject},
};

mod attribute;
mod expire;
mod inner;
mod names;
mod peers;
mod pending;
mod reading;
mod resolve;
mod said;
mod sampling;
mod take;
#[cfg(test)]
mod tests;

pub(super) use names::{Seeded, cut};
pub(super) use peers::host_of_url;

use inner::InnerSpans;
use names::{Names, NodeId};
use peers::{PeerId, Peers};
use pending::{EdgeRef, Measured, Pending};
use reading::SpanReader;
use said::Said;
pub use sampling::{Sampled, Sampling};

/// What a [`Pairer`] keeps at most, and for how long.
#[derive(Clone, Debug)]
pub struct PairerLimits {
    /// How long a half waits for its other half. SDKs hold spans for 5 s by default, and retry.
    pub pending_ns: u64,
    /// What waited in vain for so long is counted where it seems to belong, and waits on for so long beside: a half that comes minutes late still
    /// moves it, in the rollups of back then too.
    pub overdue_ns: u64,
    /// Span ids kept at most that wait on. The oldest go first, and stay where they were counted.
    pub max_overdue: usize,
    /// After this a server span whose parent was not seen is shown as a user's call: longer than an SDK holds spans, so that ordinary calls do
    /// not show up as users for a moment.
    pub user_after_ns: u64,
    /// A span id that is used again and again is kept no longer than this.
    pub span_life_ns: u64,
    /// Span ids kept at most, and twice as many internal ones by their hash alone: some 180 bytes each. When there is no room for a batch, the
    /// oldest are settled before their time; where one batch alone is too large, a half is counted on its provisional edge and never
    /// moved. [`PairerStats::overflowed`] counts both.
    pub max_pending: usize,
    /// Links of one consumer span that are followed.
    pub max_links: usize,
    /// Nodes an environment; what is beyond is counted at its node "other".
    pub max_nodes_per_environment: usize,
    /// Environments; what is beyond is counted in the environment "other".
    pub max_environments: usize,
    /// Pairs of environment and namespace; what is beyond is counted in the environment "other".
    pub max_scopes: usize,
    /// Edges; a new one beyond that ends at its environment's node "other".
    pub max_edges: usize,
    /// Names by which callers know callees; a new one beyond that is the node "other".
    pub max_peers: usize,
    /// Nodes, edges and names that are unused for so long are forgotten and make room.
    pub unused_ns: u64,
    /// Services that send a part of their spans only.
    pub sampling: Sampling,
    /// Secret of the process for its hash tables, whose keys strangers choose.
    pub seed: u64,
}

impl Default for PairerLimits {
    fn default() -> Self {
        const SECOND: u64 = 1_000_000_000;
        Self {
            pending_ns: 30 * SECOND,
            overdue_ns: 600 * SECOND,
            max_overdue: 100_000,
            user_after_ns: 6 * SECOND,
            span_life_ns: 300 * SECOND,
            max_pending: 400_000,
            max_links: 64,
            max_nodes_per_environment: 1_000,
            max_environments: 64,
            max_scopes: 1_000,
            max_edges: 20_000,
            max_peers: 10_000,
            unused_ns: 900 * SECOND,
            sampling: Sampling::default(),
            seed: 0,
        }
    }
}

/// What a [`Pairer`] has done and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairerStats {
    /// Span ids kept for pairing.
    pub pending: usize,
    /// Nodes known.
    pub nodes: usize,
    /// Spans that were part of a call.
    pub halves: u64,
    /// Spans that had come before.
    pub repeated: u64,
    /// Halves that found no room to wait in, or had to make room for others while they still waited.
    pub overflowed: u64,
    /// Times that a node, edge or name was counted as "other".
    pub folded: u64,
}

/// What a fact is about, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum About {
    Node(NodeId),
    Edge(EdgeRef, Side),
}

/// Turns spans into facts about nodes and edges.
pub struct Pairer {
    limits: PairerLimits,
    names: Names,
    peers: Peers,
    pending: Pending,
    inner: InnerSpans,
    now_ns: u64,
    next_sweep_ns: u64,
    stats: PairerStats,
    // Scratch of one batch.
    reader: SpanReader,
    services: Vec<NodeId>,
    peer_of: HashMap<take::PeerWords, Option<PeerId>, FxBuildHasher>,
    /// Adjusted counts by tracestate, where it says one, and by resource.
    said_counts: HashMap<StrId, Option<f64>, FxBuildHasher>,
    counts: Vec<f64>,
    callers: Vec<Option<pending::SpanKey>>,
    dirty_claims: Vec<u32>,
    dirty_callers: Vec<u32>,
    expiring: Vec<u32>,
    said: Said,
}

impl Pairer {
    /// An empty one.
    pub fn new(limits: PairerLimits) -> Self {
        Self {
            names: Names::new(&limits),
            peers: Peers::new(&limits),
            pending: Pending::new(limits.seed),
            inner: InnerSpans::new(limits.pending_ns, limits.max_pending),
            limits,
            now_ns: 0,
            next_sweep_ns: 0,
            stats: PairerStats::default(),
            reader: SpanReader::default(),
            services: Vec::new(),
            peer_of: HashMap::default(),
            said_counts: HashMap::default(),
            counts: Vec::new(),
            callers: Vec::new(),
            dirty_claims: Vec::new(),
            dirty_callers: Vec::new(),
            expiring: Vec::new(),
            said: Said::default(),
        }
    }

    /// Takes a batch in. `now_ns` is when it arrived: it drives the expiry of half-seen calls, so that a replay gives the same facts.
    /// The facts of a subject come together, so that what sums them up looks the subject up once; it may come twice.
    pub fn observe(&mut self, batch: &SpanBatch, now_ns: u64, emit: &mut dyn FnMut(&Subject, &[Measurement])) {
        // What is settled by now is said first, so that what nobody uses any more makes room.
        self.expire(now_ns, emit);
        self.make_room(batch.len());
        self.begin(batch);
        self.fetch(batch);
        for span in 0..batch.len() {
            self.take(batch, span);
        }
        // Resolved only now: what meets its other half within the batch is said once, at the right place.
        self.settle();
        self.emit(emit);
    }

    /// Lets the time go on without spans: what has waited long enough is settled.
    pub fn expire(&mut self, now_ns: u64, emit: &mut dyn FnMut(&Subject, &[Measurement])) {
        self.advance(now_ns);
        self.emit(emit);
        self.sweep();
    }

    /// What it has done and holds.
    pub fn stats(&self) -> PairerStats {
        PairerStats {
            pending: self.pending.slots.len(),
            nodes: self.names.node_count(),
            folded: self.names.folded(),
            ..self.stats
        }
    }

    /// The service that callers of this environment and namespace reach under a name such as `127.0.0.1:8083`, when calls showed it.
    pub fn service_behind(&self, environment: &str, namespace: &str, name: &str) -> Option<&ServiceKey> {
        self.peers.answered(&self.names, environment, namespace, name).map(|node| &self.names.key(node).service)
    }

    fn begin(&mut self, batch: &SpanBatch) {
        self.reader.begin(batch);
        self.peer_of.clear();
        self.said_counts.clear();
        self.services.clear();
        self.counts.clear();
        for resource in &batch.resources {
            let scope = self.names.scope(batch.str(resource.environment), batch.str(resource.namespace));
            // What SDKs call a service without a name; not shown at all it could not be found and named.
            let name = if resource.service == StrId::EMPTY { "unknown_service" } else { batch.str(resource.service) };
            self.services.push(self.names.sender(scope, name, self.now_ns));
            self.counts.push(self.limits.sampling.count(name));
        }
    }

    /// Has the memory fetched that the spans of a batch need: waiting for it, one place after the other, was a fifth of the time of pairing.
    fn fetch(&self, batch: &SpanBatch) {
        let spans = &batch.spans;
        let mut known = 0usize;
        for (span, kind) in spans.kind.iter().enumerate() {
            if *kind != SpanKind::Internal {
                let (trace, parent) = (spans.trace_id[span], spans.parent_id[span]);
                known += usize::from(self.pending.may_hold(&(trace, spans.span_id[span])));
                known += usize::from(self.pending.may_hold(&(trace, parent)));
            }
        }
        std::hint::black_box(known);
    }

    /// Says a fact: `sign` is 1, or -1 to take it back.
    fn say(&mut self, about: About, measured: Measured, provisional: bool, sign: i64) {
        let Measured { at_ns, duration_ns, failed, times } = measured;
        self.said.push(about, Measurement { at_ns, duration_ns, failed, provisional, times: i64::from(times) * sign });
    }

    /// Says a call over an edge, and what follows for a virtual node at its end.
    fn say_edge(&mut self, (edge, provisional): (EdgeRef, bool), side: Side, measured: Measured, sign: i64) {
        self.say(About::Edge(edge, side), measured, provisional, sign);
        if side == Side::Caller
            && matches!(
                self.names.kind(edge.1),
                NodeKind::Database | NodeKind::Queue | NodeKind::External | NodeKind::Other
            )
        {
            self.say(About::Node(edge.1), measured, provisional, sign);
        }
    }

    fn emit(&mut self, emit: &mut dyn FnMut(&Subject, &[Measurement])) {
        let names = &self.names;
        self.said.drain(|about, facts| {
            let subject = match about {
                About::Node(node) => Subject::Node(names.key(node).clone()),
                About::Edge((source, target, protocol), side) => Subject::Edge(
                    EdgeKey { source: names.key(source).clone(), target: names.key(target).clone(), protocol },
                    side,
                ),
            };
            emit(&subject, facts);
        });
    }
}
