//! Strings of a block: numbered in the order of first use, so that a column of new names counts up.

use spillway_model::batch::{SpanBatch, StrId};

use super::{
    BlockError, MAX_ROWS,
    bytes::{Reader, put_varint},
};

const UNKNOWN: u32 = u32::MAX;

/// Gives strings of a batch their numbers in a block; 0 is the empty string.
#[derive(Default)]
pub(super) struct Numbering {
    numbers: Vec<u32>,
    order: Vec<StrId>,
}

impl Numbering {
    pub(super) fn reset(&mut self, strings: usize) {
        self.numbers.clear();
        self.numbers.resize(strings, UNKNOWN);
        self.order.clear();
        self.order.push(StrId::EMPTY);
        self.numbers[0] = 0;
    }

    pub(super) fn number(&mut self, id: StrId) -> u32 {
        let number = &mut self.numbers[id.0 as usize];
        if *number == UNKNOWN {
            *number = u32::try_from(self.order.len()).expect("no more strings than the batch has");
            self.order.push(id);
        }
        *number
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Writes the strings with numbers from `from`: how many, their lengths, their text.
    pub(super) fn write(&self, batch: &SpanBatch, from: usize, out: &mut Vec<u8>) {
        let strings = &self.order[from..];
        put_varint(out, strings.len() as u64);
        for &id in strings {
            put_varint(out, batch.str(id).len() as u64);
        }
        for &id in strings {
            out.extend_from_slice(batch.str(id).as_bytes());
        }
    }
}

/// Reads strings and hands them out in order.
pub(super) fn read<'a>(
    section: &'static str,
    input: &'a [u8],
    mut each: impl FnMut(&'a str),
) -> Result<(), BlockError> {
    let mut reader = Reader::new(section, input);
    let count = reader.count()?;
    if count > MAX_ROWS {
        return Err(BlockError::TooLarge("strings"));
    }
    let lengths = (0..count).map(|_| reader.u32()).collect::<Result<Vec<_>, _>>()?;
    for length in lengths {
        let text =
            std::str::from_utf8(reader.take(length as usize)?).map_err(|_| reader.invalid("text that is not UTF-8"))?;
        each(text);
    }
    reader.finish()
}
