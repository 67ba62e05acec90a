//! Latency histograms: OpenTelemetry's exponential buckets, scale 4, in milliseconds.
//!
//! Bucket `i` holds values in `(b^i, b^(i+1)]` with `b = 2^(1/16)`, so a quantile is off by at most 2.2 %. Merging adds counts: it is
//! associative and commutative, so every engine and every order gives the same quantiles. Counts are signed because a
//! rollup may take back what it said before (a provisional edge that found its other half).

/// Buckets per power of two: 2^4.
const PER_OCTAVE: f64 = 16.0;

/// `2^(k/16)`: where the buckets of one octave begin.
const BOUNDS: [f64; 16] = [
    1.0,
    1.0442737824274138,
    1.0905077326652577,
    1.1387886347566916,
    1.189207115002721,
    1.241857812073484,
    1.2968395546510096,
    1.3542555469368927,
    std::f64::consts::SQRT_2,
    1.4768261459394993,
    1.5422108254079407,
    1.6104903319492543,
    1.681792830507429,
    1.7562521603732995,
    1.8340080864093424,
    1.9152065613971474,
];

/// The bits of an `f64` behind its exponent, and the bits of 1.0.
const MANTISSA: u64 = (1 << 52) - 1;
const ONE: u64 = 1023 << 52;

/// OpenTelemetry scale: `b = 2^(2^-4)`.
pub const SCALE: i8 = 4;

/// Counts by bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Buckets that are not empty, ascending. Not a map: counting is most of what the live map does, latencies of one operation fill some tens
    /// of neighbouring buckets, and their indices alone, in one or two lines of the cache, are searched faster than anything else.
    indices: Vec<i16>,
    /// What is in each of them.
    counts: Vec<i64>,
    zero: i64,
    /// Kept in nanoseconds: integers add exactly in any order.
    sum_ns: i128,
}

impl Histogram {
    /// The bucket of a duration; `None` for zero.
    pub fn index(duration_ns: u64) -> Option<i16> {
        if duration_ns == 0 {
            return None;
        }
        // A logarithm would say the same for four times as much: the octave is the number's exponent, and a search among sixteen bounds
        // finds the place within it.
        let bits = (duration_ns as f64 / 1e6).to_bits();
        let octave = (bits >> 52) as i16 - 1023;
        let within = f64::from_bits(bits & MANTISSA | ONE);
        let above = BOUNDS.partition_point(|bound| *bound < within) as i16;
        // u64::MAX ns is 2^44 ms: within ±1,000 buckets.
        Some(octave * 16 + above - 1)
    }

    /// Counts a duration once.
    pub fn observe(&mut self, duration_ns: u64) {
        self.add(duration_ns, 1);
    }

    /// Counts a duration `times` times; a negative number takes it back.
    pub fn add(&mut self, duration_ns: u64, times: i64) {
        self.add_at(Self::index(duration_ns), duration_ns, times);
    }

    /// The same for a duration whose bucket is known: one call counts in several histograms.
    pub(crate) fn add_at(&mut self, bucket: Option<i16>, duration_ns: u64, times: i64) {
        match bucket {
            None => self.zero += times,
            Some(index) => self.bump(index, times),
        }
        self.sum_ns += i128::from(duration_ns) * i128::from(times);
    }

    fn bump(&mut self, index: i16, times: i64) {
        // All are compared, eight at a time, which takes less than the wrong guesses of a binary search. There are 1,024 buckets at most.
        let at = usize::from(self.indices.iter().map(|have| u16::from(*have < index)).sum::<u16>());
        if self.indices.get(at) == Some(&index) {
            self.counts[at] += times;
            if self.counts[at] == 0 {
                self.indices.remove(at);
                self.counts.remove(at);
            }
        } else if times != 0 {
            self.indices.insert(at, index);
            self.counts.insert(at, times);
        }
    }

    /// Adds the counts of another one.
    pub fn merge(&mut self, other: &Self) {
        if self.indices.is_empty() {
            self.indices.clone_from(&other.indices);
            self.counts.clone_from(&other.counts);
        } else {
            other.buckets().for_each(|(index, count)| self.bump(index, count));
        }
        self.zero += other.zero;
        self.sum_ns += other.sum_ns;
    }

    /// Takes the counts of another one away: what came between two cumulative readings.
    pub fn subtract(&mut self, other: &Self) {
        other.buckets().for_each(|(index, count)| self.bump(index, -count));
        self.zero -= other.zero;
        self.sum_ns -= other.sum_ns;
    }

    /// Values in all.
    pub fn count(&self) -> i64 {
        self.zero + self.counts.iter().sum::<i64>()
    }

    /// Sum of the values.
    pub fn sum_ns(&self) -> i128 {
        self.sum_ns
    }

    /// Values of zero.
    pub fn zero(&self) -> i64 {
        self.zero
    }

    /// Bucket index and count, ascending.
    pub fn buckets(&self) -> impl Iterator<Item = (i16, i64)> + '_ {
        self.indices.iter().copied().zip(self.counts.iter().copied())
    }

    /// Puts one together from its stored parts.
    pub fn from_parts(buckets: impl IntoIterator<Item = (i16, i64)>, zero: i64, sum_ns: i128) -> Self {
        let mut all = Self { zero, sum_ns, ..Self::default() };
        buckets.into_iter().for_each(|(index, count)| all.bump(index, count));
        all
    }

    /// The value below which the share `q` of all values lies, in milliseconds: the geometric middle of its bucket.
    /// `None` without samples.
    pub fn quantile_ms(&self, q: f64) -> Option<f64> {
        let count = self.count();
        if count <= 0 {
            return None;
        }
        let rank = (q.clamp(0.0, 1.0) * count as f64).ceil().max(1.0) as i64;
        let mut seen = self.zero;
        if seen >= rank {
            return Some(0.0);
        }
        for (index, count) in self.buckets() {
            seen += count;
            if seen >= rank {
                return Some(((f64::from(index) + 0.5) / PER_OCTAVE).exp2());
            }
        }
        None
    }

    /// Mean in milliseconds. `None` without samples.
    pub fn mean_ms(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.sum_ns as f64 / 1e6 / count as f64)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|&value| histogram.observe(value));
        histogram
    }

    proptest! {
        #[test]
        fn a_quantile_is_within_the_bucket_error(mut values in proptest::collection::vec(1_000u64..100_000_000_000, 1..200), q in 0.0f64..=1.0) {
            let estimate = of(&values).quantile_ms(q).unwrap();
            values.sort_unstable();
            let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let exact = values[rank - 1] as f64 / 1e6;
            prop_assert!((estimate / exact - 1.0).abs() < 0.0225, "{estimate} for {exact}");
        }

        #[test]
        fn merging_is_counting_together(a in proptest::collection::vec(any::<u64>(), 0..50), b in proptest::collection::vec(any::<u64>(), 0..50)) {
            let mut merged = of(&b);
            merged.merge(&of(&a));
            prop_assert_eq!(&merged, &of(&[a.clone(), b.clone()].concat()));

            merged.subtract(&of(&b));
            prop_assert_eq!(merged, of(&a));
        }

        #[test]
        fn every_value_lies_in_its_bucket(value in 1u64..) {
            let index = f64::from(Histogram::index(value).unwrap());
            let ms = value as f64 / 1e6;
            prop_assert!((index / PER_OCTAVE).exp2() < ms * 1.000_001 && ms <= ((index + 1.0) / PER_OCTAVE).exp2() * 1.000_001);
        }
    }

    #[test]
    fn bounds_are_powers_and_belong_to_the_bucket_below() {
        for (k, bound) in BOUNDS.iter().enumerate() {
            assert_eq!(*bound, (k as f64 / PER_OCTAVE).exp2());
        }
        for (duration_ns, index) in
            [(1, -319), (500_000, -17), (1_000_000, -1), (1_000_001, 0), (2_000_000, 15), (u64::MAX, 705)]
        {
            assert_eq!(Histogram::index(duration_ns), Some(index), "{duration_ns} ns");
            let by_logarithm = ((duration_ns as f64 / 1e6).log2() * PER_OCTAVE).ceil() as i16 - 1;
            assert_eq!(by_logarithm, index, "{duration_ns} ns");
        }
    }

    #[test]
    fn no_samples_have_no_quantile() {
        assert_eq!(Histogram::default().quantile_ms(0.5), None);
        assert_eq!(of(&[0, 0]).quantile_ms(0.99), Some(0.0));
    }
}
