//! Attribute rows to columns.

use rustc_hash::FxHashMap;
use spillway_model::batch::{Run, SpanBatch, StrId, Value};

use super::{mode, tag};
use crate::block::{
    BlockError, MAX_ROWS,
    bytes::{put_column, put_signed, put_varint, varint_len, zigzag},
    strings::Numbering,
};

/// More distinct integers than this are stored one by one: searching a longer list costs more than it saves.
const LISTED_INTEGERS: usize = 16;

#[derive(Default)]
struct Column {
    key: StrId,
    tags: Vec<u8>,
    strings: Vec<StrId>,
    integers: Vec<i64>,
    doubles: Vec<f64>,
    runs: Vec<Run>,
}

const NO_COLUMN: u32 = u32::MAX;

/// Turns attribute rows into columns; keeps its memory from block to block.
#[derive(Default)]
pub(in crate::block) struct AttributeWriter {
    shapes: FxHashMap<Box<[StrId]>, u32>,
    shape_keys: Vec<u32>,
    shape_ends: Vec<usize>,
    owners: Vec<u32>,
    columns: Vec<Column>,
    used: usize,
    column_of_key: Vec<u32>,
    local: Vec<u32>,
    indexes: Vec<u32>,
    distinct: Vec<StrId>,
}

impl AttributeWriter {
    /// Writes the attributes of `owners`, one run after the other.
    pub(in crate::block) fn write(
        &mut self,
        batch: &SpanBatch,
        owners: impl Iterator<Item = Run>,
        numbering: &mut Numbering,
        out: &mut Vec<u8>,
    ) -> Result<(), BlockError> {
        self.reset(batch.string_count());
        let mut rows = 0;
        let mut last: Option<(Run, u32)> = None;
        for run in owners {
            let keys = &batch.attribute_keys[run.range()];
            // Most spans have the shape of the one before: comparing is cheaper than hashing.
            let shape = match last {
                Some((before, shape)) if batch.attribute_keys[before.range()] == *keys => shape,
                _ => self.shape(keys),
            };
            last = Some((run, shape));
            self.owners.push(shape);
            rows += keys.len();
            let start = if shape == 0 { 0 } else { self.shape_ends[shape as usize - 1] };
            for (&column, value) in
                self.shape_keys[start..self.shape_ends[shape as usize]].iter().zip(&batch.attribute_values[run.range()])
            {
                self.columns[column as usize].push(*value);
            }
        }
        if rows > MAX_ROWS {
            return Err(BlockError::TooLarge("attributes"));
        }
        put_varint(out, rows as u64);
        put_varint(out, self.used as u64);
        for column in &self.columns[..self.used] {
            put_varint(out, u64::from(numbering.number(column.key)));
        }
        put_varint(out, self.shape_ends.len() as u64);
        let mut start = 0;
        for &end in &self.shape_ends {
            put_varint(out, (end - start) as u64);
            self.shape_keys[start..end].iter().for_each(|&column| put_varint(out, u64::from(column)));
            start = end;
        }
        put_column(out, self.owners.iter().copied());
        for index in 0..self.used {
            self.write_column(batch, index, numbering, out);
        }
        Ok(())
    }

    fn reset(&mut self, strings: usize) {
        self.shapes.clear();
        self.shape_keys.clear();
        self.shape_ends.clear();
        self.owners.clear();
        self.used = 0;
        self.column_of_key.clear();
        self.column_of_key.resize(strings, NO_COLUMN);
        self.local.clear();
        self.local.resize(strings, NO_COLUMN);
    }

    fn shape(&mut self, keys: &[StrId]) -> u32 {
        if let Some(&shape) = self.shapes.get(keys) {
            return shape;
        }
        for &key in keys {
            let column = match self.column_of_key[key.0 as usize] {
                NO_COLUMN => self.add_column(key),
                known => known,
            };
            self.shape_keys.push(column);
        }
        let shape = self.shape_ends.len() as u32;
        self.shape_ends.push(self.shape_keys.len());
        self.shapes.insert(keys.into(), shape);
        shape
    }

    fn add_column(&mut self, key: StrId) -> u32 {
        if self.used == self.columns.len() {
            self.columns.push(Column::default());
        }
        self.columns[self.used].clear(key);
        self.column_of_key[key.0 as usize] = self.used as u32;
        self.used += 1;
        self.used as u32 - 1
    }

    fn write_column(&mut self, batch: &SpanBatch, index: usize, numbering: &mut Numbering, out: &mut Vec<u8>) {
        let column = &self.columns[index];
        put_column(out, column.tags.iter().map(|&tag| u32::from(tag)));
        put_strings(&column.strings, &mut self.local, &mut self.indexes, &mut self.distinct, numbering, out);
        put_integers(&column.integers, out);
        for double in &column.doubles {
            out.extend_from_slice(&double.to_le_bytes());
        }
        for run in &column.runs {
            put_varint(out, u64::from(run.len));
        }
        for run in &column.runs {
            out.extend_from_slice(&batch.bytes[run.range()]);
        }
    }
}

impl Column {
    fn clear(&mut self, key: StrId) {
        self.key = key;
        self.tags.clear();
        self.strings.clear();
        self.integers.clear();
        self.doubles.clear();
        self.runs.clear();
    }

    fn push(&mut self, value: Value) {
        self.tags.push(match value {
            Value::Empty => tag::EMPTY,
            Value::Str(id) => {
                self.strings.push(id);
                tag::STR
            }
            Value::Bool(false) => tag::FALSE,
            Value::Bool(true) => tag::TRUE,
            Value::Int(int) => {
                self.integers.push(int);
                tag::INT
            }
            Value::Double(double) => {
                self.doubles.push(double);
                tag::DOUBLE
            }
            Value::Bytes(run) => {
                self.runs.push(run);
                tag::BYTES
            }
            Value::Array(run) => {
                self.runs.push(run);
                tag::ARRAY
            }
            Value::Map(run) => {
                self.runs.push(run);
                tag::MAP
            }
        });
    }
}

fn put_strings(
    strings: &[StrId],
    local: &mut [u32],
    indexes: &mut Vec<u32>,
    distinct: &mut Vec<StrId>,
    numbering: &mut Numbering,
    out: &mut Vec<u8>,
) {
    if strings.is_empty() {
        return;
    }
    indexes.clear();
    distinct.clear();
    for &id in strings {
        let slot = &mut local[id.0 as usize];
        if *slot == NO_COLUMN {
            *slot = distinct.len() as u32;
            distinct.push(id);
        }
        indexes.push(*slot);
    }
    for &id in &*distinct {
        local[id.0 as usize] = NO_COLUMN;
    }
    if distinct.len() == 1 {
        out.push(mode::CONSTANT);
        put_varint(out, u64::from(numbering.number(distinct[0])));
        return;
    }
    let all_new = distinct.len() == strings.len();
    out.push(if all_new { mode::DISTINCT } else { mode::LISTED });
    if !all_new {
        put_varint(out, distinct.len() as u64);
    }
    // Strings that are new to the block count up, so their differences are zeroes.
    let mut expected = 0_i64;
    for &id in &*distinct {
        let number = i64::from(numbering.number(id));
        put_signed(out, number - expected);
        expected = number + 1;
    }
    if !all_new {
        put_column(out, indexes.iter().copied());
    }
}

fn put_integers(integers: &[i64], out: &mut Vec<u8>) {
    let Some(&first) = integers.first() else { return };
    let mut listed = [first; LISTED_INTEGERS];
    let mut count = 1;
    let (mut plain, mut delta, mut before) = (0, 0, 0_i64);
    for &integer in integers {
        plain += varint_len(zigzag(integer));
        delta += varint_len(zigzag(integer.wrapping_sub(before)));
        before = integer;
        if count <= LISTED_INTEGERS && !listed[..count].contains(&integer) {
            if let Some(slot) = listed.get_mut(count) {
                *slot = integer;
            }
            count += 1;
        }
    }
    if count == 1 {
        out.push(mode::CONSTANT);
        put_signed(out, first);
    } else if count <= LISTED_INTEGERS && plain > integers.len() {
        out.push(mode::LISTED);
        put_varint(out, count as u64);
        let listed = &listed[..count];
        listed.iter().for_each(|&integer| put_signed(out, integer));
        let index =
            |integer: &i64| listed.iter().position(|have| have == integer).expect("all of them are listed") as u32;
        put_column(out, integers.iter().map(index));
    } else if delta < plain {
        out.push(mode::DELTA);
        let mut before = 0_i64;
        for &integer in integers {
            put_signed(out, integer.wrapping_sub(before));
            before = integer;
        }
    } else {
        out.push(mode::PLAIN);
        integers.iter().for_each(|&integer| put_signed(out, integer));
    }
}
