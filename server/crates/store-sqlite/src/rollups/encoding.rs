//! What rows hold: the sums of up to [`SUBJECTS_A_ROW`] subjects in one bucket, in a few bytes each.
//!
//! A row is a byte that says how it is stored (1 plain, 2 the length of the rest as a varint and then the rest as a zstd frame), then for
//! each subject with anything to say, ascending: a varint of (its difference to the one before) × 4 + 1 for a caller's sum (a node's only
//! sum) + 2 for a callee's, and each of the two with its length in bytes before it.
//!
//! A sum is varints: count, failed, provisional, zeroes (all zigzag), the total in nanoseconds (zigzag, 128 bits), how many buckets of the
//! histogram are not empty, and for each the difference of its index to the one before (zigzag) and its count (zigzag).

use std::collections::BTreeMap;

use spillway_model::{histogram::Histogram, observation::Aggregate};
use zstd::bulk::{Compressor, Decompressor};

/// Neighbours by number share a row: fewer rows to find, and bytes that look alike compress.
pub(crate) const SUBJECTS_A_ROW: i64 = 64;

const PLAIN: u8 = 1;
const ZSTD: u8 = 2;
/// Of 64 subjects with both sums and each bucket of their histograms in use; anything longer is not ours.
const MOST_BYTES: usize = 1 << 20;
/// The frame costs some 20 bytes, and setting up 10 µs.
const WORTH_COMPRESSING: usize = 160;

/// The caller's and the callee's sum of an edge; a node has the first only.
pub(crate) type Sums = [Aggregate; 2];

/// Which subjects share its row, and its place among them.
pub(crate) fn place(subject: i64) -> (i64, u8) {
    (subject.div_euclid(SUBJECTS_A_ROW), subject.rem_euclid(SUBJECTS_A_ROW) as u8)
}

/// A row in memory, by place.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Row(BTreeMap<u8, Sums>);

impl Row {
    pub(crate) fn merge(&mut self, place: u8, sums: &Sums) {
        let [caller, callee] = self.0.entry(place).or_default();
        caller.merge(&sums[0]);
        callee.merge(&sums[1]);
    }
}

/// Reads and writes rows; keeps what compression needs.
pub(crate) struct Codec {
    compressor: Compressor<'static>,
    decompressor: Decompressor<'static>,
    scratch: Vec<u8>,
    sum: Vec<u8>,
}

impl Codec {
    pub(crate) fn new() -> Result<Self, std::io::Error> {
        Ok(Self {
            compressor: Compressor::new(1)?,
            decompressor: Decompressor::new()?,
            scratch: Vec::new(),
            sum: Vec::new(),
        })
    }

    /// `None` when all of it came to nothing.
    pub(crate) fn encode(&mut self, row: &Row) -> Option<Vec<u8>> {
        let plain = &mut self.scratch;
        plain.clear();
        let mut before = 0;
        for (&place, sums) in &row.0 {
            let [caller, callee] = sums.each_ref().map(|sum| !sum.is_empty());
            if !caller && !callee {
                continue;
            }
            put_u64(plain, u64::from(place - before) << 2 | u64::from(callee) << 1 | u64::from(caller));
            before = place;
            for sum in sums.iter().filter(|sum| !sum.is_empty()) {
                self.sum.clear();
                put_sum(&mut self.sum, sum);
                put_u64(plain, self.sum.len() as u64);
                plain.extend_from_slice(&self.sum);
            }
        }
        if plain.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(plain.len() + 1);
        if plain.len() >= WORTH_COMPRESSING {
            out.push(ZSTD);
            put_u64(&mut out, plain.len() as u64);
            // A failure to compress costs bytes only.
            if let Ok(frame) = self.compressor.compress(plain)
                && out.len() + frame.len() <= plain.len()
            {
                out.extend_from_slice(&frame);
                return Some(out);
            }
            out.clear();
        }
        out.push(PLAIN);
        out.extend_from_slice(plain);
        Some(out)
    }

    /// # Errors
    /// What cannot be right.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Result<Row, String> {
        let mut row = Row::default();
        self.read(bytes, |place, side, sum| {
            row.0.entry(place).or_default()[side] = sum.finish()?;
            Ok(())
        })?;
        Ok(row)
    }

    /// Shows each sum of a row: its place, its side and what to add it up with. Those that nobody adds up cost next to nothing.
    ///
    /// # Errors
    /// What cannot be right.
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        mut show: impl FnMut(u8, usize, StoredSum<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut reader = Reader(bytes);
        match reader.byte()? {
            PLAIN => {}
            ZSTD => {
                let length = usize::try_from(reader.unsigned()?).ok().filter(|length| *length <= MOST_BYTES);
                let length = length.ok_or("longer than a row can be")?;
                self.scratch.clear();
                self.scratch.reserve(length);
                let read = self.decompressor.decompress_to_buffer(reader.0, &mut self.scratch);
                if read.map_err(|error| error.to_string())? != length {
                    return Err("not as long as it says".into());
                }
                reader = Reader(&self.scratch);
            }
            version => return Err(format!("version {version} is not known")),
        }
        let mut place = 0_u64;
        while !reader.0.is_empty() {
            let head = reader.unsigned()?;
            place = place.saturating_add(head >> 2);
            let narrow = u8::try_from(place).ok().filter(|place| i64::from(*place) < SUBJECTS_A_ROW);
            let narrow = narrow.ok_or("a place past the last one")?;
            for side in 0..2 {
                if head >> side & 1 == 1 {
                    let length = usize::try_from(reader.unsigned()?).unwrap_or(usize::MAX);
                    let (sum, rest) = reader.0.split_at_checked(length).ok_or("it is cut off")?;
                    reader = Reader(rest);
                    show(narrow, side, StoredSum(sum))?;
                }
            }
        }
        Ok(())
    }
}

/// A sum as it is stored.
#[derive(Clone, Copy)]
pub(crate) struct StoredSum<'a>(&'a [u8]);

impl StoredSum<'_> {
    fn finish(self) -> Result<Aggregate, String> {
        let mut sum = Accumulator::default();
        sum.add(self)?;
        Ok(sum.finish())
    }
}

fn put_sum(out: &mut Vec<u8>, aggregate: &Aggregate) {
    let histogram = &aggregate.histogram;
    for number in [aggregate.count, aggregate.failed, aggregate.provisional, histogram.zero()] {
        put(out, i128::from(number));
    }
    put(out, histogram.sum_ns());
    put_u64(out, histogram.buckets().count() as u64);
    let mut before = 0;
    for (index, count) in histogram.buckets() {
        put(out, i128::from(index) - before);
        put(out, i128::from(count));
        before = i128::from(index);
    }
}

fn put(out: &mut Vec<u8>, number: i128) {
    let mut rest = ((number << 1) ^ (number >> 127)) as u128;
    while rest > u128::from(u64::MAX) {
        out.push((rest as u8 & 0x7f) | 0x80);
        rest >>= 7;
    }
    put_u64(out, rest as u64);
}

fn put_u64(out: &mut Vec<u8>, mut rest: u64) {
    while rest >= 0x80 {
        out.push((rest as u8 & 0x7f) | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Sums up sums without building each that is stored.
#[derive(Clone, Default)]
pub(crate) struct Accumulator {
    count: i64,
    failed: i64,
    provisional: i64,
    zero: i64,
    sum_ns: i128,
    /// Ascending. Few are in use at a time, and they lie close together.
    buckets: Vec<(i16, i64)>,
}

impl Accumulator {
    /// # Errors
    /// What cannot be right.
    pub(crate) fn add(&mut self, sum: StoredSum<'_>) -> Result<(), String> {
        let mut reader = Reader(sum.0);
        for total in [&mut self.count, &mut self.failed, &mut self.provisional, &mut self.zero] {
            *total = total.saturating_add(reader.number()?);
        }
        self.sum_ns = self.sum_ns.saturating_add(reader.signed()?);
        let mut index = 0_i16;
        let mut at = 0;
        for _ in 0..reader.unsigned()? {
            index = index.checked_add(reader.number()?).ok_or("a bucket past the last one")?;
            at = self.bump(index, reader.number()?, at);
        }
        if reader.0.is_empty() { Ok(()) } else { Err("bytes after the end".into()) }
    }

    /// What has not been stored yet.
    pub(crate) fn merge(&mut self, sum: &Aggregate) {
        self.count = self.count.saturating_add(sum.count);
        self.failed = self.failed.saturating_add(sum.failed);
        self.provisional = self.provisional.saturating_add(sum.provisional);
        self.zero = self.zero.saturating_add(sum.histogram.zero());
        self.sum_ns = self.sum_ns.saturating_add(sum.histogram.sum_ns());
        let mut at = 0;
        for (index, count) in sum.histogram.buckets() {
            at = self.bump(index, count, at);
        }
    }

    /// Indexes come ascending: looking goes on where the last one was found.
    fn bump(&mut self, index: i16, count: i64, from: usize) -> usize {
        let from = if from > 0 && self.buckets.get(from).is_some_and(|(have, _)| *have > index) { 0 } else { from };
        let rest = self.buckets.get(from..).unwrap_or_default();
        let at = from.min(self.buckets.len()) + rest.partition_point(|(have, _)| *have < index);
        match self.buckets.get_mut(at) {
            Some((have, sum)) if *have == index => *sum = sum.saturating_add(count),
            _ => self.buckets.insert(at, (index, count)),
        }
        at
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

    fn unsigned(&mut self) -> Result<u64, String> {
        u64::try_from(self.wide()?).map_err(|_| "a number out of its range".into())
    }

    fn wide(&mut self) -> Result<u128, String> {
        // Nearly all are short: 128 bits at each step would be most of what reading costs.
        let mut value = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(u128::from(value));
            }
        }
        let mut value = u128::from(value);
        for shift in (63..128).step_by(7) {
            let byte = self.byte()?;
            value |= u128::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a number past 128 bits".into())
    }

    fn signed(&mut self) -> Result<i128, String> {
        let value = self.wide()?;
        Ok((value >> 1) as i128 ^ -((value & 1) as i128))
    }

    fn number<T: TryFrom<i128>>(&mut self) -> Result<T, String> {
        T::try_from(self.signed()?).map_err(|_| "a number out of its range".into())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;
    use spillway_model::observation::Measurement;

    use super::*;

    fn aggregate(facts: &[(u64, bool, i8)]) -> Aggregate {
        let mut sum = Aggregate::default();
        for &(duration_ns, failed, times) in facts {
            sum.add(&Measurement { at_ns: 0, duration_ns, failed, provisional: failed, times: i64::from(times) });
        }
        sum
    }

    fn sum() -> impl Strategy<Value = Aggregate> {
        let fact = (prop_oneof![any::<u64>(), 0u64..3, 1_000_000u64..9_000_000], any::<bool>(), any::<i8>());
        proptest::collection::vec(fact, 0..30).prop_map(|facts| aggregate(&facts))
    }

    fn row() -> impl Strategy<Value = Row> {
        let place = 0..SUBJECTS_A_ROW as u8;
        proptest::collection::btree_map(place, [sum(), sum()], 0..20).prop_map(Row)
    }

    proptest! {
        #[test]
        fn a_row_comes_back_without_what_came_to_nothing(mut row in row()) {
            let mut codec = Codec::new().unwrap();
            let stored = codec.encode(&row);
            row.0.retain(|_, sums| sums.iter().any(|sum| !sum.is_empty()));

            match stored {
                Some(bytes) => prop_assert_eq!(codec.decode(&bytes).unwrap(), row),
                None => prop_assert!(row.0.is_empty()),
            }
        }

        #[test]
        fn adding_stored_sums_is_merging_them(a in sum(), b in sum(), c in sum()) {
            let mut total = Accumulator::default();
            for sum in [&a, &b] {
                let mut bytes = Vec::new();
                put_sum(&mut bytes, sum);
                total.add(StoredSum(&bytes)).unwrap();
            }
            total.merge(&c);

            let mut merged = a;
            merged.merge(&b);
            merged.merge(&c);
            prop_assert_eq!(total.finish(), merged);
        }

        #[test]
        fn any_number_comes_back(number: i128) {
            let mut bytes = Vec::new();
            put(&mut bytes, number);
            let mut reader = Reader(&bytes);
            prop_assert_eq!(reader.signed().unwrap(), number);
            prop_assert!(reader.0.is_empty());
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..60), version in 0u8..3) {
            if let Some(first) = bytes.first_mut() {
                *first = version;
            }
            let _ = Codec::new().unwrap().decode(&bytes);
        }
    }

    #[test]
    fn a_row_of_nothing_is_no_row() {
        let mut row = Row::default();
        row.merge(3, &[aggregate(&[(5, true, 1)]), Aggregate::default()]);
        row.merge(3, &[aggregate(&[(5, true, -1)]), Aggregate::default()]);
        assert_eq!(Codec::new().unwrap().encode(&row), None);
    }
}
