//! The newest commits, still in memory: the projector wants each of them a moment after the writer had it in hand, and reading it back and
//! decoding it costs more than all that it does with it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use spillway_model::batch::SpanBatch;
use spillway_store::Watermark;

/// Beyond this the oldest are left to the disk.
const MOST_BYTES: usize = 32 << 20;

/// One block of the log, as the requests that it was made of.
#[derive(Clone)]
pub(crate) struct TailBlock {
    pub(crate) at: Watermark,
    pub(crate) received_at_ns: i64,
    pub(crate) batches: Vec<Arc<SpanBatch>>,
}

impl TailBlock {
    pub(crate) fn spans(&self) -> usize {
        self.batches.iter().map(|batch| batch.len()).sum()
    }

    fn size_bytes(&self) -> usize {
        self.batches.iter().map(|batch| batch.size_bytes()).sum()
    }
}

/// A ring of commits, bounded in bytes.
pub(crate) struct Tail {
    /// No await happens while it is held: it guards the ring only.
    ring: Mutex<Ring>,
    most_bytes: usize,
}

#[derive(Default)]
struct Ring {
    blocks: VecDeque<TailBlock>,
    bytes: usize,
    /// It holds every commit behind this one; `None` before the first.
    since: Option<Watermark>,
}

impl Default for Tail {
    fn default() -> Self {
        Self { ring: Mutex::default(), most_bytes: MOST_BYTES }
    }
}

impl Tail {
    /// Takes what was just committed. Every commit comes here, in order.
    pub(crate) fn push(&self, block: TailBlock) {
        let mut ring = self.ring();
        if ring.since.is_none() {
            ring.since = Some(Watermark { segment: block.at.segment, block: block.at.block.saturating_sub(1) });
        }
        ring.bytes += block.size_bytes();
        ring.blocks.push_back(block);
        while ring.bytes > self.most_bytes {
            ring.pop();
        }
    }

    /// What was committed behind `after`: at least one block if there is one, then until `span_limit` spans. `None` when some of it is not
    /// here, but on the disk only.
    pub(crate) fn after(&self, after: Watermark, span_limit: usize) -> Option<Vec<TailBlock>> {
        let ring = self.ring();
        if ring.since.is_none_or(|since| after < since) {
            return None;
        }
        let mut spans = 0;
        let mut blocks = Vec::new();
        for block in &ring.blocks {
            if block.at <= after {
                continue;
            }
            if spans >= span_limit && !blocks.is_empty() {
                break;
            }
            spans += block.spans();
            blocks.push(block.clone());
        }
        Some(blocks)
    }

    /// Lets go of what was projected.
    pub(crate) fn release(&self, through: Watermark) {
        let mut ring = self.ring();
        while ring.blocks.front().is_some_and(|block| block.at <= through) {
            ring.pop();
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Each change leaves it whole.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn pop(&mut self) {
        if let Some(block) = self.blocks.pop_front() {
            self.bytes -= block.size_bytes();
            self.since = Some(block.at);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use spillway_store::contract::generate;

    use super::*;

    fn at(segment: u32, block: u64) -> Watermark {
        Watermark { segment, block }
    }

    fn block(at: Watermark) -> TailBlock {
        TailBlock { at, received_at_ns: 0, batches: vec![Arc::new(generate::realistic_batch(at.block, 8))] }
    }

    fn places(tail: &Tail, after: Watermark, span_limit: usize) -> Option<Vec<Watermark>> {
        tail.after(after, span_limit).map(|blocks| blocks.iter().map(|block| block.at).collect())
    }

    #[test]
    fn commits_come_back_in_order_until_the_limit() {
        let tail = Tail::default();
        [at(1, 7), at(1, 8), at(2, 1), at(2, 2)].map(block).into_iter().for_each(|block| tail.push(block));

        assert_eq!(places(&tail, at(1, 6), 1), Some(vec![at(1, 7)]));
        assert_eq!(places(&tail, at(1, 7), 16), Some(vec![at(1, 8), at(2, 1)]));
        assert_eq!(places(&tail, at(2, 2), 16), Some(vec![]));
    }

    #[test]
    fn what_is_on_the_disk_only_is_not_guessed() {
        let tail = Tail::default();
        assert_eq!(places(&tail, Watermark::default(), 1), None);

        [at(1, 7), at(1, 8)].map(block).into_iter().for_each(|block| tail.push(block));
        assert_eq!(places(&tail, at(1, 5), 1), None);

        tail.release(at(1, 7));
        assert_eq!(places(&tail, at(1, 6), 1), None);
        assert_eq!(places(&tail, at(1, 7), 1), Some(vec![at(1, 8)]));
    }

    #[test]
    fn beyond_its_bytes_the_oldest_go() {
        let one = block(at(1, 1)).size_bytes();
        let tail = Tail { most_bytes: one * 5 / 2, ..Tail::default() };
        [at(1, 1), at(1, 2), at(1, 3), at(1, 4)].map(block).into_iter().for_each(|block| tail.push(block));

        assert_eq!(places(&tail, at(1, 1), 100), None);
        assert_eq!(places(&tail, at(1, 2), 100), Some(vec![at(1, 3), at(1, 4)]));
        assert!(tail.ring.lock().unwrap().bytes <= one * 5 / 2);
    }
}
