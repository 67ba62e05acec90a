//! Random choices that keep account of themselves: what was drawn is the least that any store must keep.

use rand::{Rng as _, RngCore as _, SeedableRng as _, rngs::SmallRng};

/// A seeded source of choices, and the information in the choices made so far.
pub struct Dice {
    rng: SmallRng,
    bits: f64,
    /// One over the probability of the choices since `bits` was last brought up to date: a multiplication a choice, not a logarithm.
    odds: f64,
}

impl Dice {
    /// The same seed gives the same choices.
    pub fn new(seed: u64) -> Self {
        Self { rng: SmallRng::seed_from_u64(seed), bits: 0.0, odds: 1.0 }
    }

    /// `-log2` of the probability of everything drawn: the entropy floor in bits.
    pub fn bits(&self) -> f64 {
        self.bits + self.odds.log2()
    }

    /// A number below `end`, all alike.
    pub fn below(&mut self, end: u64) -> u64 {
        self.count(end as f64);
        self.rng.random_range(0..end)
    }

    /// True in `share` of the cases.
    pub fn chance(&mut self, share: f64) -> bool {
        let yes = self.rng.random_bool(share);
        self.count(1.0 / if yes { share } else { 1.0 - share });
        yes
    }

    /// One of the weights' places.
    pub fn weighted(&mut self, weights: &Weights) -> usize {
        let point = self.rng.random_range(0..weights.total());
        let place = weights.ends.partition_point(|end| *end <= point);
        let begin = place.checked_sub(1).map_or(0, |before| weights.ends[before]);
        self.count(f64::from(weights.total()) / f64::from(weights.ends[place] - begin));
        place
    }

    /// One of these, all alike.
    pub fn one_of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len() as u64) as usize]
    }

    /// A number by a distribution given as ranges with weights: long tails without a formula whose entropy nobody can state.
    pub fn spread(&mut self, spread: &Spread) -> u64 {
        let (from, to) = spread.ranges[self.weighted(&spread.weights)];
        from + self.below(to - from)
    }

    /// An identifier.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        self.bits += 8.0 * N as f64;
        bytes
    }

    fn count(&mut self, odds: f64) {
        self.odds *= odds;
        if self.odds > 1e250 {
            self.bits += self.odds.log2();
            self.odds = 1.0;
        }
    }
}

/// How often each place is drawn.
pub struct Weights {
    ends: Vec<u32>,
}

impl Weights {
    /// From the weight of each place; at least one must not be 0.
    pub fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let ends = weights
            .into_iter()
            .scan(0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        Self { ends }
    }

    fn total(&self) -> u32 {
        self.ends.last().copied().unwrap_or(0)
    }
}

/// Ranges `from..to`, each with a weight.
pub struct Spread {
    weights: Weights,
    ranges: Vec<(u64, u64)>,
}

impl Spread {
    /// From `(weight, from, to)`.
    pub fn new(parts: &[(u32, u64, u64)]) -> Self {
        Self {
            weights: Weights::new(parts.iter().map(|part| part.0)),
            ranges: parts.iter().map(|part| (part.1, part.2)).collect(),
        }
    }
}
