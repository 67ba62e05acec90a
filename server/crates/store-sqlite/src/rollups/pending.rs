//! Sums that were taken in and are not written yet, by subject and second.
//!
//! Writing each fact where it belongs means to rewrite the same rows many times a second, at each resolution. So facts are gathered here for
//! some seconds, and the watermark stays behind with them: after a crash they are taken from the log again. Readers add them to what
//! is stored.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use spillway_model::{
    identity::NodeKey,
    observation::{Measurement, Side, Subject},
};
use spillway_store::Watermark;
use tokio::time::{Duration, Instant};

use super::{encoding::Sums, resolution::bucket, subjects::SubjectKey};

/// A span's clock may run ahead by this much; a fact further in the future is not summed up, or one wrong clock would fill the disk for long.
const FUTURE_NS: i64 = 3_600 * 1_000_000_000;
/// Sums held at most, some 300 bytes each: 10 s of 2,000 nodes and edges.
const MOST_SUMS: usize = 20_000;
/// Subjects that are remembered without anything held of them: looking their numbers up again costs a statement each.
const MOST_SUBJECTS: usize = 50_000;

/// What is held of one subject.
pub(crate) struct Held {
    pub(crate) key: SubjectKey,
    pub(crate) number: Option<i64>,
    /// By second, ascending.
    pub(crate) seconds: Vec<(i64, Sums)>,
}

/// Where the names of a subject lie in memory, for as long as [`Pending`] keeps them alive: the projection says most facts with the same few
/// copies of each name, and comparing addresses is cheaper than hashing six strings.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Address([usize; 6], u32);

impl Address {
    fn of(subject: &Subject) -> Self {
        let names = |node: &NodeKey| {
            let place = |name: &Arc<str>| Arc::as_ptr(name).cast::<u8>() as usize;
            [&node.service.environment, &node.service.namespace, &node.service.name].map(place)
        };
        match subject {
            Subject::Node(node) => {
                let [a, b, c] = names(node);
                Self([a, b, c, 0, 0, 0], node.kind as u32)
            }
            Subject::Edge(edge, _) => {
                let ([a, b, c], [d, e, f]) = (names(&edge.source), names(&edge.target));
                let kinds = (edge.source.kind as u32) << 8 | edge.target.kind as u32;
                Self([a, b, c, d, e, f], 1 << 31 | (edge.protocol as u32) << 16 | kinds)
            }
        }
    }
}

/// All that is held.
#[derive(Default)]
pub(crate) struct Pending {
    subjects: Vec<Held>,
    by_key: FxHashMap<SubjectKey, usize>,
    /// With the names that must stay where they are.
    by_address: FxHashMap<Address, (usize, SubjectKey)>,
    sums: usize,
    /// When the oldest of it was taken in.
    since: Option<Instant>,
    place: Option<Place>,
}

/// How far the projection came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) watermark: Option<Watermark>,
    /// When the time last went on without a batch.
    pub(crate) settled_ns: i64,
}

impl Pending {
    /// `None` until [`Self::begin`].
    pub(crate) fn place(&self) -> Option<Place> {
        self.place
    }

    /// Nothing is held, and `place` is written.
    pub(crate) fn begin(place: Place) -> Self {
        Self { place: Some(place), ..Self::default() }
    }

    /// Adds the facts of a subject, but for those that lie far in the future.
    pub(crate) fn add(&mut self, subject: &Subject, facts: &[Measurement], now_ns: i64) {
        let side = match subject {
            Subject::Node(_) | Subject::Edge(_, Side::Caller) => 0,
            Subject::Edge(_, Side::Callee) => 1,
        };
        let subject = self.subject(subject);
        let seconds = &mut self.subjects[subject].seconds;
        for fact in facts {
            let at_ns = i64::try_from(fact.at_ns).unwrap_or(i64::MAX);
            if at_ns > now_ns.saturating_add(FUTURE_NS) {
                continue;
            }
            let second = at_ns.div_euclid(1_000_000_000);
            // Nearly always the newest.
            let at = match seconds.last() {
                Some((last, _)) if *last == second => seconds.len() - 1,
                _ => seconds.partition_point(|(have, _)| *have < second),
            };
            if seconds.get(at).is_none_or(|(have, _)| *have != second) {
                seconds.insert(at, (second, Sums::default()));
                self.sums += 1;
            }
            seconds[at].1[side].add(fact);
        }
        self.touch();
    }

    /// Says that everything up to there was taken in.
    pub(crate) fn advance(&mut self, watermark: Watermark) {
        self.place.get_or_insert_default().watermark = Some(watermark);
        self.touch();
    }

    /// Says that the time went on to there without a batch.
    pub(crate) fn settle(&mut self, now_ns: i64) {
        let place = self.place.get_or_insert_default();
        place.settled_ns = place.settled_ns.max(now_ns);
    }

    fn touch(&mut self) {
        if self.since.is_none() {
            self.since = Some(Instant::now());
        }
    }

    fn subject(&mut self, subject: &Subject) -> usize {
        let address = Address::of(subject);
        if let Some((index, _)) = self.by_address.get(&address) {
            return *index;
        }
        let key = match subject {
            Subject::Node(node) => SubjectKey::Node(node.clone()),
            Subject::Edge(edge, _) => SubjectKey::Edge(edge.clone()),
        };
        let index = match self.by_key.get(&key) {
            Some(&index) => index,
            None => {
                let index = self.subjects.len();
                self.by_key.insert(key.clone(), index);
                self.subjects.push(Held { key: key.clone(), number: None, seconds: Vec::new() });
                index
            }
        };
        if self.by_address.len() >= 2 * MOST_SUBJECTS {
            self.by_address.clear();
        }
        self.by_address.insert(address, (index, key));
        index
    }

    /// Whether anything was taken in since it was last written.
    pub(crate) fn is_dirty(&self) -> bool {
        self.since.is_some()
    }

    /// Whether it is time to write it: something is held for as long as it may be.
    pub(crate) fn is_due(&self, hold: Duration) -> bool {
        self.sums >= MOST_SUMS || self.since.is_some_and(|since| since.elapsed() >= hold)
    }

    /// What is held, by subject.
    pub(crate) fn held(&self) -> impl Iterator<Item = (usize, &Held)> {
        self.subjects.iter().enumerate().filter(|(_, held)| !held.seconds.is_empty())
    }

    /// It was written; `numbers` are those that subjects were given.
    pub(crate) fn written(&mut self, numbers: &[(usize, i64)]) {
        if self.subjects.len() > MOST_SUBJECTS {
            *self = Self { place: self.place, ..Self::default() };
            return;
        }
        for &(index, number) in numbers {
            self.subjects[index].number = Some(number);
        }
        self.subjects.iter_mut().for_each(|held| held.seconds.clear());
        self.sums = 0;
        self.since = None;
    }

    /// The buckets of a subject that begin in the range, ascending.
    pub(crate) fn of(&self, key: &SubjectKey, range: std::ops::Range<i64>, length_s: u32) -> Vec<(i64, Sums)> {
        let Some(held) = self.by_key.get(key).map(|&index| &self.subjects[index]) else { return Vec::new() };
        let mut buckets: Vec<(i64, Sums)> = Vec::new();
        for (second, sums) in &held.seconds {
            let at = bucket(*second, length_s);
            match buckets.last_mut() {
                _ if !range.contains(&at) => {}
                Some((last, sum)) if *last == at => merge(sum, sums),
                _ => buckets.push((at, sums.clone())),
            }
        }
        buckets
    }

    /// What every subject did in buckets that begin in the range.
    pub(crate) fn map(&self, range: std::ops::Range<i64>, length_s: u32) -> Vec<(SubjectKey, Sums)> {
        let of = |(_, held): (usize, &Held)| {
            let mut sums = held.seconds.iter().filter(|(second, _)| range.contains(&bucket(*second, length_s)));
            let mut total = sums.next()?.1.clone();
            sums.for_each(|(_, sums)| merge(&mut total, sums));
            Some((held.key.clone(), total))
        };
        self.held().filter_map(of).collect()
    }
}

fn merge(total: &mut Sums, sums: &Sums) {
    total[0].merge(&sums[0]);
    total[1].merge(&sums[1]);
}
