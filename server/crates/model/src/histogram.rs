//! Latency histograms: OpenTelemetry's exponential buckets, scale 4, in milliseconds.
//!
//! Bucket `i` holds values in `(b^i, b^(i+1)]` with `b = 2^(1/16)`, so a quantile is off by at most 2.2 %. Merging adds counts: it is
//! associative and commutative, so every engine and every order gives the same quantiles. Counts are signed because a
//! rollup may take back what it said before (a provisional edge that found its other half).

use std::collections::BTreeMap;

/// Buckets per power of two: 2^4.
const PER_OCTAVE: f64 = 16.0;

/// OpenTelemetry scale: `b = 2^(2^-4)`.
pub const SCALE: i8 = 4;

/// Counts by bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    buckets: BTreeMap<i16, i64>,
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
        let exponent = (duration_ns as f64 / 1e6).log2() * PER_OCTAVE;
        // u64::MAX ns is 2^44 ms: within ±1,000 buckets.
        Some((exponent.ceil() as i16).saturating_sub(1))
    }

    /// Counts a duration once.
    pub fn observe(&mut self, duration_ns: u64) {
        self.add(duration_ns, 1);
    }

    /// Counts a duration `times` times; a negative number takes it back.
    pub fn add(&mut self, duration_ns: u64, times: i64) {
        match Self::index(duration_ns) {
            None => self.zero += times,
            Some(index) => Self::bump(&mut self.buckets, index, times),
        }
        self.sum_ns += i128::from(duration_ns) * i128::from(times);
    }

    fn bump(buckets: &mut BTreeMap<i16, i64>, index: i16, times: i64) {
        let count = buckets.entry(index).or_default();
        *count += times;
        if *count == 0 {
            buckets.remove(&index);
        }
    }

    /// Adds the counts of another one.
    pub fn merge(&mut self, other: &Self) {
        for (&index, &count) in &other.buckets {
            Self::bump(&mut self.buckets, index, count);
        }
        self.zero += other.zero;
        self.sum_ns += other.sum_ns;
    }

    /// Takes the counts of another one away: what came between two cumulative readings.
    pub fn subtract(&mut self, other: &Self) {
        for (&index, &count) in &other.buckets {
            Self::bump(&mut self.buckets, index, -count);
        }
        self.zero -= other.zero;
        self.sum_ns -= other.sum_ns;
    }

    /// Values in all.
    pub fn count(&self) -> i64 {
        self.zero + self.buckets.values().sum::<i64>()
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
        self.buckets.iter().map(|(&index, &count)| (index, count))
    }

    /// Puts one together from its stored parts.
    pub fn from_parts(buckets: impl IntoIterator<Item = (i16, i64)>, zero: i64, sum_ns: i128) -> Self {
        let mut all = BTreeMap::new();
        for (index, count) in buckets {
            Self::bump(&mut all, index, count);
        }
        Self { buckets: all, zero, sum_ns }
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
        for (&index, &count) in &self.buckets {
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
    fn no_samples_have_no_quantile() {
        assert_eq!(Histogram::default().quantile_ms(0.5), None);
        assert_eq!(of(&[0, 0]).quantile_ms(0.99), Some(0.0));
    }
}
