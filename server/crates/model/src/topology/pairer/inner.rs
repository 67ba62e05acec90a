//! Whose internal spans were seen lately.
//!
//! A service may make a call within an internal span, without a client span of its own (`tracing` in Rust does, where
//! nobody sets a kind). Its callee's server span then has an internal span as parent, and that is how the caller is known. Internal spans
//! are most of all spans, so they are remembered by a hash only.

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use super::names::NodeId;

/// Two generations of hashes: each entry stays for one to two lifetimes, and none is removed alone.
pub(super) struct InnerSpans {
    life_ns: u64,
    max: usize,
    began_at_ns: u64,
    young: HashMap<u64, NodeId, FxBuildHasher>,
    old: HashMap<u64, NodeId, FxBuildHasher>,
}

impl InnerSpans {
    /// Keeps `max` spans of each generation; what is beyond is not remembered.
    pub(super) fn new(life_ns: u64, max: usize) -> Self {
        Self { life_ns, max, began_at_ns: 0, young: HashMap::default(), old: HashMap::default() }
    }

    /// Forgets what is older than two lifetimes.
    pub(super) fn advance(&mut self, now_ns: u64) {
        let age_ns = now_ns.saturating_sub(self.began_at_ns);
        if age_ns < self.life_ns {
            return;
        }
        std::mem::swap(&mut self.young, &mut self.old);
        self.young.clear();
        if age_ns >= self.life_ns.saturating_mul(2) {
            self.old.clear();
        }
        self.began_at_ns = now_ns;
    }

    /// Notes a span by its keyed hash. Two spans with the same 64 bits are one in 2^24 at a million spans.
    pub(super) fn note(&mut self, hash: u64, service: NodeId) {
        if self.young.len() < self.max {
            self.young.insert(hash, service);
        }
    }

    /// Whose it is.
    pub(super) fn service(&self, hash: u64) -> Option<NodeId> {
        self.young.get(&hash).or_else(|| self.old.get(&hash)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_remembered_for_one_to_two_lifetimes() {
        let mut inner = InnerSpans::new(30, 2);
        inner.advance(100);
        (1..=3).for_each(|hash| inner.note(hash, NodeId(7)));
        assert_eq!((inner.service(1), inner.service(3)), (Some(NodeId(7)), None), "the third found no room");

        inner.advance(130);
        inner.note(3, NodeId(8));
        assert_eq!((inner.service(1), inner.service(3)), (Some(NodeId(7)), Some(NodeId(8))));

        inner.advance(160);
        assert_eq!((inner.service(1), inner.service(3)), (None, Some(NodeId(8))));
        inner.advance(1_000);
        assert_eq!(inner.service(3), None);
    }
}
