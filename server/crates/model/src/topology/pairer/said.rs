//! What a batch made the pairing say, put together by subject.
//!
//! A batch of five hundred spans speaks of some twenty nodes and edges. Whoever sums the facts up looks each of these up by its name, which
//! costs more than the sum itself: so the facts of one subject are handed over together.

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use super::About;
use crate::observation::Measurement;

/// Groups and facts of one group whose memory is kept for the next batch.
const GROUPS_KEPT: usize = 1_024;
const FACTS_KEPT: usize = 4_096;

/// Facts by subject, in the order in which subjects were first spoken of.
#[derive(Default)]
pub(super) struct Said {
    /// Keyed by numbers that are given out here: nobody outside can make them collide.
    index: HashMap<About, usize, FxBuildHasher>,
    groups: Vec<(About, Vec<Measurement>)>,
    /// How many of the groups are in use; the others lend their memory.
    used: usize,
}

impl Said {
    pub(super) fn push(&mut self, about: About, measured: Measurement) {
        let number = *self.index.entry(about).or_insert_with(|| {
            match self.groups.get_mut(self.used) {
                Some(group) => group.0 = about,
                None => self.groups.push((about, Vec::new())),
            }
            self.used += 1;
            self.used - 1
        });
        self.groups[number].1.push(measured);
    }

    /// Hands all of it over.
    pub(super) fn drain(&mut self, mut to: impl FnMut(About, &[Measurement])) {
        for (about, facts) in &mut self.groups[..self.used] {
            to(*about, facts);
            facts.clear();
            facts.shrink_to(FACTS_KEPT);
        }
        self.used = 0;
        self.index.clear();
        if self.groups.len() > GROUPS_KEPT {
            self.groups.truncate(GROUPS_KEPT);
            self.groups.shrink_to_fit();
            self.index.shrink_to(GROUPS_KEPT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::names::NodeId, *};

    fn measured(times: i64) -> Measurement {
        Measurement { at_ns: 1, duration_ns: 1, failed: false, provisional: false, times }
    }

    #[test]
    fn facts_of_one_subject_come_together_and_only_once() {
        let mut said = Said::default();
        let mut heard = Vec::new();
        for (node, times) in [(7, 1), (8, 2), (7, 3)] {
            said.push(About::Node(NodeId(node)), measured(times));
        }
        said.drain(|about, facts| heard.push((about, facts.iter().map(|fact| fact.times).collect::<Vec<_>>())));
        said.push(About::Node(NodeId(9)), measured(4));
        said.drain(|about, facts| heard.push((about, facts.iter().map(|fact| fact.times).collect::<Vec<_>>())));

        let node = |number| About::Node(NodeId(number));
        assert_eq!(heard, [(node(7), vec![1, 3]), (node(8), vec![2]), (node(9), vec![4])]);
    }

    #[test]
    fn memory_of_a_large_batch_is_given_back() {
        let mut said = Said::default();
        for number in 0..10_000 {
            said.push(About::Node(NodeId(number)), measured(1));
            said.push(About::Node(NodeId(0)), measured(1));
        }

        said.drain(|_, _| {});

        assert!(said.groups.capacity() <= GROUPS_KEPT && said.groups[0].1.capacity() <= FACTS_KEPT);
    }
}
