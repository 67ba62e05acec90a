//! The bytes below a block: varints, number columns, and a reader that cannot panic or allocate more than its input justifies.

use super::BlockError;

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn varint_len(value: u64) -> usize {
    // 0 takes a byte as well, hence `| 1`.
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Small numbers of either sign to small numbers.
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

pub(super) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, zigzag(value));
}

const CONSTANT: u8 = 0;
const BYTES: u8 = 1;
const VARINTS: u8 = 2;

/// A column of numbers: one value for all, a byte each, or a varint each. Their number is known from elsewhere.
pub(super) fn put_column(out: &mut Vec<u8>, values: impl Iterator<Item = u32> + Clone) {
    let mut rest = values.clone();
    let Some(first) = rest.next() else { return };
    let (mut same, mut largest) = (true, first);
    for value in rest {
        same &= value == first;
        largest = largest.max(value);
    }
    if same {
        out.push(CONSTANT);
        put_varint(out, u64::from(first));
    } else if largest <= u32::from(u8::MAX) {
        out.push(BYTES);
        out.extend(values.map(|value| value as u8));
    } else {
        out.push(VARINTS);
        values.for_each(|value| put_varint(out, u64::from(value)));
    }
}

/// Reads what the functions above wrote.
pub(super) struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    section: &'static str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(section: &'static str, input: &'a [u8]) -> Self {
        Self { input, at: 0, section }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn remaining(&self) -> usize {
        self.input.len() - self.at
    }

    pub(super) fn invalid(&self, what: &'static str) -> BlockError {
        BlockError::Invalid { section: self.section, what, at: self.at }
    }

    pub(super) fn byte(&mut self) -> Result<u8, BlockError> {
        let byte = *self.input.get(self.at).ok_or_else(|| self.invalid("the end"))?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], BlockError> {
        let end = self
            .at
            .checked_add(length)
            .filter(|end| *end <= self.input.len())
            .ok_or_else(|| self.invalid("the end"))?;
        let slice = &self.input[self.at..end];
        self.at = end;
        Ok(slice)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], BlockError> {
        Ok(self.take(N)?.try_into().expect("take returned N bytes"))
    }

    pub(super) fn varint(&mut self) -> Result<u64, BlockError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.invalid("a number past 64 bits"))
    }

    pub(super) fn u32(&mut self) -> Result<u32, BlockError> {
        u32::try_from(self.varint()?).map_err(|_| self.invalid("a number past 32 bits"))
    }

    pub(super) fn signed(&mut self) -> Result<i64, BlockError> {
        Ok(unzigzag(self.varint()?))
    }

    /// A number of things, each of which takes at least a byte of the rest.
    pub(super) fn count(&mut self) -> Result<usize, BlockError> {
        let count = self.varint()?;
        usize::try_from(count)
            .ok()
            .filter(|count| *count <= self.remaining())
            .ok_or_else(|| self.invalid("a list longer than its section"))
    }

    /// `rows` numbers, each below `limit`. The caller has bounded `rows`.
    pub(super) fn column(&mut self, rows: usize, limit: u64) -> Result<Vec<u32>, BlockError> {
        if rows == 0 {
            return Ok(Vec::new());
        }
        let values = match self.byte()? {
            CONSTANT => vec![self.u32()?; rows],
            BYTES => self.take(rows)?.iter().map(|&byte| u32::from(byte)).collect(),
            VARINTS if rows <= self.remaining() => (0..rows).map(|_| self.u32()).collect::<Result<_, _>>()?,
            VARINTS => return Err(self.invalid("the end")),
            _ => return Err(self.invalid("an unknown kind of column")),
        };
        if values.iter().any(|&value| u64::from(value) >= limit) {
            return Err(self.invalid("a reference out of its table"));
        }
        Ok(values)
    }

    pub(super) fn finish(&self) -> Result<(), BlockError> {
        if self.remaining() == 0 { Ok(()) } else { Err(self.invalid("bytes after the end")) }
    }
}

/// No limit on the numbers of a column.
pub(super) const ANY: u64 = 1 << 32;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_number_comes_back(values in proptest::collection::vec(any::<i64>(), 0..20)) {
            let mut bytes = Vec::new();
            for &value in &values {
                let before = bytes.len();
                put_signed(&mut bytes, value);
                prop_assert_eq!(bytes.len() - before, varint_len(zigzag(value)));
            }
            let mut reader = Reader::new("test", &bytes);
            for value in values {
                prop_assert_eq!(reader.signed().unwrap(), value);
            }
            reader.finish().unwrap();
        }

        #[test]
        fn every_column_comes_back(values in prop_oneof![
            proptest::collection::vec(any::<u32>(), 0..20),
            proptest::collection::vec(0u32..200, 0..20),
            proptest::collection::vec(Just(7u32), 0..20),
        ]) {
            let mut bytes = Vec::new();
            put_column(&mut bytes, values.iter().copied());
            let mut reader = Reader::new("test", &bytes);
            prop_assert_eq!(reader.column(values.len(), ANY).unwrap(), values);
            reader.finish().unwrap();
        }
    }
}
