//! Which requests of a group go into which block. Pure.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use spillway_model::batch::SpanBatch;
use spillway_store::{RequestDigest, Write};

use super::digests::Digests;

/// A request with fewer spans shares a block with others like it: tiny blocks compress badly, and a search opens each.
const SMALL_SPANS: usize = 64;
/// A shared block is closed at this many spans.
const SHARED_SPANS: usize = 1024;

/// What happens to one write of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// Its digest is known.
    Repeated,
    /// Its digest is that of an earlier write of the group.
    SameAs(usize),
    /// It goes into this block.
    Block(usize),
    /// It goes to the log of events.
    Events,
}

/// What happens to a group.
#[derive(Debug)]
pub(super) struct Plan {
    /// By write.
    pub(super) slots: Vec<Slot>,
    /// Writes of each block.
    pub(super) blocks: Vec<Vec<usize>>,
    /// Whether there are events.
    pub(super) events: bool,
    /// The latest arrival.
    pub(super) received_at_ns: i64,
}

/// What a block is made of.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) batches: Vec<Arc<SpanBatch>>,
    pub(super) digests: Vec<RequestDigest>,
    pub(super) received_at_ns: i64,
}

impl Plan {
    pub(super) fn of(writes: &[Write], known: &Digests) -> Self {
        let mut plan = Self {
            slots: Vec::with_capacity(writes.len()),
            blocks: Vec::new(),
            events: false,
            received_at_ns: i64::MIN,
        };
        let mut in_group: FxHashMap<RequestDigest, usize> = FxHashMap::default();
        let mut shared: Option<(usize, usize)> = None;
        for (index, write) in writes.iter().enumerate() {
            let (digest, batch, received_at_ns) = match write {
                Write::Events { .. } => {
                    plan.events = true;
                    plan.slots.push(Slot::Events);
                    continue;
                }
                Write::Spans { digest, batch, received_at_ns } => (digest, batch, *received_at_ns),
            };
            if known.contains(digest) {
                plan.slots.push(Slot::Repeated);
                continue;
            }
            if let Some(&first) = in_group.get(digest) {
                plan.slots.push(Slot::SameAs(first));
                continue;
            }
            in_group.insert(*digest, index);
            plan.received_at_ns = plan.received_at_ns.max(received_at_ns);
            let block = match shared {
                Some((block, spans)) if batch.len() < SMALL_SPANS && spans + batch.len() <= SHARED_SPANS => {
                    shared = Some((block, spans + batch.len()));
                    block
                }
                _ => {
                    plan.blocks.push(Vec::new());
                    let block = plan.blocks.len() - 1;
                    if batch.len() < SMALL_SPANS {
                        shared = Some((block, batch.len()));
                    }
                    block
                }
            };
            plan.blocks[block].push(index);
            plan.slots.push(Slot::Block(block));
        }
        plan
    }

    /// Cheap copies of what goes into each block, for the thread that encodes.
    pub(super) fn sources(&self, writes: &[Write]) -> Vec<Source> {
        let source = |members: &Vec<usize>| {
            let mut source = Source { batches: Vec::new(), digests: Vec::new(), received_at_ns: i64::MIN };
            for &member in members {
                if let Write::Spans { digest, batch, received_at_ns } = &writes[member] {
                    source.batches.push(Arc::clone(batch));
                    source.digests.push(*digest);
                    source.received_at_ns = source.received_at_ns.max(*received_at_ns);
                }
            }
            source
        };
        self.blocks.iter().map(source).collect()
    }
}
