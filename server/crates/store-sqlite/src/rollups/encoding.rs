//! An aggregate in a few bytes: version, counts, and the buckets that are not empty.
//!
//! `1`, then varints: count, failed, provisional, zeroes (all zigzag), the sum in nanoseconds (zigzag, 128 bits), how many buckets, and
//! for each the difference of its index to the one before (zigzag) and its count (zigzag).

use std::collections::BTreeMap;

use spillway_model::{histogram::Histogram, observation::Aggregate};

const VERSION: u8 = 1;

pub(crate) fn encode(aggregate: &Aggregate) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    out.push(VERSION);
    let histogram = &aggregate.histogram;
    for number in [aggregate.count, aggregate.failed, aggregate.provisional, histogram.zero()] {
        put(&mut out, i128::from(number));
    }
    put(&mut out, histogram.sum_ns());
    put(&mut out, histogram.buckets().count() as i128);
    let mut before = 0;
    for (index, count) in histogram.buckets() {
        put(&mut out, i128::from(index) - before);
        put(&mut out, i128::from(count));
        before = i128::from(index);
    }
    out
}

fn put(out: &mut Vec<u8>, number: i128) {
    let mut rest = ((number << 1) ^ (number >> 127)) as u128;
    while rest >= 0x80 {
        out.push((rest as u8 & 0x7f) | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Sums up stored aggregates without building each.
#[derive(Default)]
pub(crate) struct Accumulator {
    count: i64,
    failed: i64,
    provisional: i64,
    zero: i64,
    sum_ns: i128,
    buckets: BTreeMap<i16, i64>,
}

impl Accumulator {
    /// # Errors
    /// What cannot be right.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut reader = Reader(bytes);
        match reader.byte()? {
            VERSION => {}
            version => return Err(format!("version {version} is not known, only 1 is")),
        }
        for sum in [&mut self.count, &mut self.failed, &mut self.provisional, &mut self.zero] {
            *sum = sum.saturating_add(reader.number()?);
        }
        self.sum_ns = self.sum_ns.saturating_add(reader.signed()?);
        let mut index = 0_i16;
        for _ in 0..reader.number::<u16>()? {
            index = index.checked_add(reader.number()?).ok_or("a bucket past the last one")?;
            let count: i64 = reader.number()?;
            let sum = self.buckets.entry(index).or_default();
            *sum = sum.saturating_add(count);
        }
        if reader.0.is_empty() { Ok(()) } else { Err("bytes after the end".into()) }
    }

    pub(crate) fn finish(self) -> Aggregate {
        // Buckets that came to nothing are left out, as in a histogram that was counted in one go.
        let buckets = self.buckets.into_iter().filter(|(_, count)| *count != 0);
        Aggregate {
            count: self.count,
            failed: self.failed,
            provisional: self.provisional,
            histogram: Histogram::from_parts(buckets, self.zero, self.sum_ns),
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, String> {
        let (&byte, rest) = self.0.split_first().ok_or("it is cut off")?;
        self.0 = rest;
        Ok(byte)
    }

    fn signed(&mut self) -> Result<i128, String> {
        let mut value = 0_u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            value |= u128::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i128 ^ -((value & 1) as i128));
            }
        }
        Err("a number past 128 bits".into())
    }

    fn number<T: TryFrom<i128>>(&mut self) -> Result<T, String> {
        T::try_from(self.signed()?).map_err(|_| "a number out of its range".into())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;
    use spillway_model::{
        identity::{NodeKey, ServiceKey},
        observation::{Observation, Subject},
    };

    use super::*;

    fn aggregate(facts: &[(u64, bool, i8)]) -> Aggregate {
        let subject = Subject::Node(NodeKey::service(ServiceKey::new("", "", "a")));
        let mut sum = Aggregate::default();
        for &(duration_ns, failed, times) in facts {
            sum.add(&Observation {
                subject: subject.clone(),
                at_ns: 0,
                duration_ns,
                failed,
                provisional: failed,
                times: i64::from(times),
            });
        }
        sum
    }

    fn facts() -> impl Strategy<Value = Vec<(u64, bool, i8)>> {
        proptest::collection::vec((prop_oneof![any::<u64>(), 0u64..3], any::<bool>(), any::<i8>()), 0..30)
    }

    proptest! {
        #[test]
        fn adding_stored_sums_is_merging_them(a in facts(), b in facts()) {
            let (a, b) = (aggregate(&a), aggregate(&b));
            let mut sum = Accumulator::default();
            sum.add(&encode(&a)).unwrap();
            sum.add(&encode(&b)).unwrap();

            let mut merged = a;
            merged.merge(&b);
            prop_assert_eq!(sum.finish(), merged);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut sum = Accumulator::default();
            if sum.add(&bytes).is_ok() {
                sum.finish();
            }
        }
    }

    #[test]
    fn nothing_takes_seven_bytes() {
        assert_eq!(encode(&Aggregate::default()), [1, 0, 0, 0, 0, 0, 0]);
    }
}
