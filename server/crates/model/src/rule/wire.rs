//! The bytes below [`super::record`]: varints, compact floats, a table of strings, and a reader that cannot panic.

use rustc_hash::FxHashMap;

use super::record::RecordError;

/// Codes 0 to 6 of a float's low three bits are decimal places; 7 marks eight raw bytes (or an absent value).
const RAW: u64 = 7;
const ABSENT: u64 = (1 << 3) | RAW;
const SCALES: [f64; 7] = [1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6];
/// Below 2^50 an integer and its three tag bits fit a varint of eight bytes, so compact is never longer than raw.
const LARGEST_MANTISSA: f64 = (1_u64 << 50) as f64;

/// Writes the body of a record; strings go to a table so that a name is stored once.
#[derive(Default)]
pub(super) struct Writer<'a> {
    body: Vec<u8>,
    strings: Vec<&'a str>,
    index: FxHashMap<&'a str, u64>,
}

impl<'a> Writer<'a> {
    pub(super) fn byte(&mut self, value: u8) {
        self.body.push(value);
    }

    pub(super) fn varint(&mut self, value: u64) {
        put_varint(&mut self.body, value);
    }

    pub(super) fn float(&mut self, value: f64) {
        match compact(value) {
            Some(code) => self.varint(code),
            None => {
                self.varint(RAW);
                self.body.extend_from_slice(&value.to_le_bytes());
            }
        }
    }

    pub(super) fn optional_float(&mut self, value: Option<f64>) {
        match value {
            Some(value) => self.float(value),
            None => self.varint(ABSENT),
        }
    }

    pub(super) fn optional_u32(&mut self, value: Option<u32>) {
        self.varint(value.map_or(0, |value| u64::from(value) + 1));
    }

    /// Bytes in place: for what occurs once.
    pub(super) fn bytes(&mut self, value: &[u8]) {
        self.varint(value.len() as u64);
        self.body.extend_from_slice(value);
    }

    /// A reference into the table.
    pub(super) fn string(&mut self, value: &'a str) {
        let next = self.strings.len() as u64;
        let index = *self.index.entry(value).or_insert(next);
        if index == next {
            self.strings.push(value);
        }
        self.varint(index);
    }

    /// Version, table, body.
    pub(super) fn finish(self, version: u8) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.body.len() + self.strings.iter().map(|s| s.len() + 2).sum::<usize>() + 4);
        out.push(version);
        put_varint(&mut out, self.strings.len() as u64);
        for string in self.strings {
            put_varint(&mut out, string.len() as u64);
            out.extend_from_slice(string.as_bytes());
        }
        out.extend_from_slice(&self.body);
        out
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The shortest decimal with at most six places that is this very number, as mantissa and places.
fn compact(value: f64) -> Option<u64> {
    // Sign bit and NaN go raw; both are rare and -0.0 must survive.
    if value.is_sign_negative() || !value.is_finite() {
        return None;
    }
    SCALES.iter().enumerate().find_map(|(places, scale)| {
        let mantissa = (value * scale).round();
        let exact = mantissa < LARGEST_MANTISSA && (mantissa / scale).to_bits() == value.to_bits();
        exact.then_some(((mantissa as u64) << 3) | places as u64)
    })
}

/// Reads what [`Writer`] wrote and refuses everything else. It counts what it hands out against a budget, because one
/// byte can name a long string or a whole default element: a small record must not become gigabytes.
pub(super) struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    strings: Vec<&'a str>,
    budget: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(input: &'a [u8], version: u8, budget: usize) -> Result<Self, RecordError> {
        let mut reader = Self { input, at: 0, strings: Vec::new(), budget };
        let found = reader.byte()?;
        if found != version {
            return Err(RecordError::Version(found));
        }
        let count = reader.count(16)?;
        for _ in 0..count {
            let bytes = reader.slice()?;
            let string = std::str::from_utf8(bytes).map_err(|_| reader.invalid("a string that is not UTF-8"))?;
            reader.strings.push(string);
        }
        Ok(reader)
    }

    pub(super) fn byte(&mut self) -> Result<u8, RecordError> {
        let byte = *self.input.get(self.at).ok_or(RecordError::Truncated { at: self.at })?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn varint(&mut self) -> Result<u64, RecordError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(self.invalid("a number past 64 bits"));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.invalid("a number past 64 bits"))
    }

    pub(super) fn u32(&mut self) -> Result<u32, RecordError> {
        let value = self.varint()?;
        u32::try_from(value).map_err(|_| self.invalid("a number past 32 bits"))
    }

    pub(super) fn u16(&mut self) -> Result<u16, RecordError> {
        let value = self.varint()?;
        u16::try_from(value).map_err(|_| self.invalid("a number past 16 bits"))
    }

    pub(super) fn optional_u32(&mut self) -> Result<Option<u32>, RecordError> {
        match self.varint()? {
            0 => Ok(None),
            value => u32::try_from(value - 1).map(Some).map_err(|_| self.invalid("a number past 32 bits")),
        }
    }

    pub(super) fn float(&mut self) -> Result<f64, RecordError> {
        self.optional_float()?.ok_or_else(|| self.invalid("an absent value where one is needed"))
    }

    pub(super) fn optional_float(&mut self) -> Result<Option<f64>, RecordError> {
        let code = self.varint()?;
        let (mantissa, places) = (code >> 3, code & 7);
        match SCALES.get(places as usize) {
            Some(scale) => Ok(Some(mantissa as f64 / scale)),
            None if mantissa == 0 => {
                let bytes = self.take(8)?;
                Ok(Some(f64::from_le_bytes(bytes.try_into().expect("take returned eight bytes"))))
            }
            None if mantissa == 1 => Ok(None),
            None => Err(self.invalid("an unknown kind of float")),
        }
    }

    /// How many elements follow. Each takes a byte at least, so a count past the rest of the input is a lie.
    pub(super) fn count(&mut self, element_bytes: usize) -> Result<usize, RecordError> {
        let count = self.varint()?;
        let count = usize::try_from(count).ok().filter(|count| *count <= self.input.len() - self.at);
        let count = count.ok_or_else(|| self.invalid("a list longer than the record"))?;
        self.spend(count.saturating_mul(element_bytes))?;
        Ok(count)
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, RecordError> {
        let bytes = self.slice()?;
        self.spend(bytes.len())?;
        Ok(bytes.to_vec())
    }

    pub(super) fn text(&mut self) -> Result<String, RecordError> {
        let bytes = self.bytes()?;
        String::from_utf8(bytes).map_err(|_| self.invalid("a string that is not UTF-8"))
    }

    pub(super) fn string(&mut self) -> Result<String, RecordError> {
        let index = self.varint()?;
        let string = usize::try_from(index).ok().and_then(|index| self.strings.get(index).copied());
        let string = string.ok_or_else(|| self.invalid("a string that is not in the table"))?;
        self.spend(string.len())?;
        Ok(string.to_owned())
    }

    /// Charges a value that is copied from the previous element instead of read.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), RecordError> {
        self.budget = self.budget.checked_sub(bytes).ok_or(RecordError::TooLarge)?;
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), RecordError> {
        if self.at == self.input.len() { Ok(()) } else { Err(self.invalid("bytes after the end")) }
    }

    pub(super) fn invalid(&self, what: &'static str) -> RecordError {
        RecordError::Invalid { what, at: self.at }
    }

    fn slice(&mut self) -> Result<&'a [u8], RecordError> {
        let length = self.varint()?;
        let length = usize::try_from(length).map_err(|_| RecordError::Truncated { at: self.at })?;
        self.take(length)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], RecordError> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.input.len());
        let end = end.ok_or(RecordError::Truncated { at: self.at })?;
        let slice = &self.input[self.at..end];
        self.at = end;
        Ok(slice)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;

    use super::*;

    fn round_trip(value: Option<f64>) -> (Option<f64>, usize) {
        let mut writer = Writer::default();
        writer.optional_float(value);
        let bytes = writer.finish(1);
        let mut reader = Reader::new(&bytes, 1, 1 << 20).unwrap();
        let back = reader.optional_float().unwrap();
        reader.finish().unwrap();
        (back, bytes.len() - 2)
    }

    #[test]
    fn usual_numbers_are_short() {
        let sizes = [(0.0, 1), (1.0, 1), (0.5, 1), (12.3, 2), (0.123, 2), (1500.0, 2), (1234.5, 3), (1e15, 8)];
        for (value, size) in sizes.into_iter().chain([(std::f64::consts::PI, 9), (-1.0, 9)]) {
            assert_eq!(round_trip(Some(value)), (Some(value), size), "{value}");
        }
        assert_eq!(round_trip(None), (None, 1));
    }

    proptest! {
        #[test]
        fn every_float_comes_back_bit_by_bit(bits in any::<u64>()) {
            let (back, _) = round_trip(Some(f64::from_bits(bits)));
            prop_assert_eq!(back.map(f64::to_bits), Some(bits));
        }

        #[test]
        fn every_number_comes_back(value in any::<u64>()) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            let mut reader = Reader { input: &bytes, at: 0, strings: Vec::new(), budget: 0 };
            prop_assert_eq!(reader.varint(), Ok(value));
        }
    }
}
