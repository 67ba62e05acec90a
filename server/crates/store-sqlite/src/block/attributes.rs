//! Attributes in columns: each owner has a shape (the list of its keys), each key a column of typed values.
//!
//! Spans of one operation carry the same keys in the same order, so the shape costs a byte a span and the values of one key, which
//! resemble each other, stand together.

use rustc_hash::FxHashMap;
use spillway_model::batch::{Run, SpanBatch, StrId, Value};

use super::{
    BlockError, MAX_ROWS,
    bytes::{ANY, Reader, put_column, put_signed, put_varint, unzigzag, varint_len, zigzag},
    strings::Numbering,
};

/// Type of a value, as stored. True and false are types of their own: they need no value.
mod tag {
    pub(super) const EMPTY: u8 = 0;
    pub(super) const STR: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const TRUE: u8 = 3;
    pub(super) const INT: u8 = 4;
    pub(super) const DOUBLE: u8 = 5;
    pub(super) const BYTES: u8 = 6;
    pub(super) const ARRAY: u8 = 7;
    pub(super) const MAP: u8 = 8;
}

/// How the strings or integers of a column are stored.
mod mode {
    pub(super) const CONSTANT: u8 = 0;
    /// Strings: each one is new in its column.
    pub(super) const DISTINCT: u8 = 1;
    /// A list of the values and an index a row.
    pub(super) const LISTED: u8 = 2;
    /// Integers: one by one.
    pub(super) const PLAIN: u8 = 3;
    /// Integers: the difference to the one before.
    pub(super) const DELTA: u8 = 4;
}

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
pub(super) struct AttributeWriter {
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
    pub(super) fn write(
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

/// Reads the attributes of `owners` owners into the batch; returns each one's run.
pub(super) fn read(reader: &mut Reader<'_>, owners: usize, batch: &mut SpanBatch) -> Result<Vec<Run>, BlockError> {
    let strings = batch.string_count() as u64;
    let rows = reader.varint()?;
    let rows = usize::try_from(rows).ok().filter(|rows| *rows <= MAX_ROWS).ok_or(BlockError::TooLarge("attributes"))?;
    let columns = reader.count()?;
    let keys = (0..columns).map(|_| string_number(reader, strings)).collect::<Result<Vec<_>, _>>()?;
    let shape_count = reader.count()?;
    let mut shapes: Vec<Vec<u32>> = Vec::new();
    for _ in 0..shape_count {
        let length = reader.count()?;
        let shape: Vec<u32> = (0..length).map(|_| reader.u32()).collect::<Result<_, _>>()?;
        if shape.iter().any(|&column| column as usize >= columns) {
            return Err(reader.invalid("a shape with an unknown column"));
        }
        shapes.push(shape);
    }
    let owners = reader.column(owners, shape_count as u64)?;
    let mut owners_of_shape = vec![0_u64; shapes.len()];
    owners.iter().for_each(|&shape| owners_of_shape[shape as usize] += 1);
    let mut rows_of_column = vec![0_u64; columns];
    for (shape, owners) in shapes.iter().zip(owners_of_shape) {
        shape.iter().for_each(|&column| {
            rows_of_column[column as usize] = rows_of_column[column as usize].saturating_add(owners)
        });
    }
    if rows_of_column.iter().fold(0_u64, |sum, rows| sum.saturating_add(*rows)) != rows as u64 {
        return Err(reader.invalid("another number of attributes"));
    }
    let mut values = Vec::new();
    for rows in rows_of_column {
        values.push(read_column(reader, rows as usize, batch, strings)?.into_iter());
    }
    let mut runs = Vec::with_capacity(owners.len());
    batch.attribute_keys.reserve(rows);
    batch.attribute_values.reserve(rows);
    for shape in owners {
        let shape = &shapes[shape as usize];
        runs.push(Run { start: batch.attribute_keys.len() as u32, len: shape.len() as u32 });
        for &column in shape {
            batch.attribute_keys.push(keys[column as usize]);
            batch
                .attribute_values
                .push(values[column as usize].next().expect("the rows of each column were counted above"));
        }
    }
    Ok(runs)
}

fn string_number(reader: &mut Reader<'_>, strings: u64) -> Result<StrId, BlockError> {
    let number = reader.u32()?;
    if u64::from(number) < strings {
        Ok(StrId(number))
    } else {
        Err(reader.invalid("a string that is not in the block"))
    }
}

fn read_column(
    reader: &mut Reader<'_>,
    rows: usize,
    batch: &mut SpanBatch,
    strings: u64,
) -> Result<Vec<Value>, BlockError> {
    let tags = reader.column(rows, u64::from(tag::MAP) + 1)?;
    let mut counts = [0_usize; tag::MAP as usize + 1];
    tags.iter().for_each(|&tag| counts[tag as usize] += 1);
    let of = |tag: u8| counts[usize::from(tag)];
    let mut texts = read_strings(reader, of(tag::STR), strings)?.into_iter();
    let mut integers = read_integers(reader, of(tag::INT))?.into_iter();
    let doubles = reader.take(of(tag::DOUBLE) * 8)?;
    let mut doubles = doubles.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
    let runs = of(tag::BYTES) + of(tag::ARRAY) + of(tag::MAP);
    if runs > reader.remaining() {
        return Err(reader.invalid("the end"));
    }
    let lengths = (0..runs).map(|_| reader.u32()).collect::<Result<Vec<_>, _>>()?;
    let mut blobs = Vec::with_capacity(runs);
    for length in lengths {
        let bytes = reader.take(length as usize)?;
        blobs.push(batch.append_bytes(bytes));
    }
    let mut blobs = blobs.into_iter();
    let counted = "as many values were read as tags were counted";
    let value = |tag: u32| match tag as u8 {
        tag::STR => Value::Str(texts.next().expect(counted)),
        tag::FALSE => Value::Bool(false),
        tag::TRUE => Value::Bool(true),
        tag::INT => Value::Int(integers.next().expect(counted)),
        tag::DOUBLE => Value::Double(doubles.next().expect(counted)),
        tag::BYTES => Value::Bytes(blobs.next().expect(counted)),
        tag::ARRAY => Value::Array(blobs.next().expect(counted)),
        tag::MAP => Value::Map(blobs.next().expect(counted)),
        _ => Value::Empty,
    };
    Ok(tags.into_iter().map(value).collect())
}

fn read_strings(reader: &mut Reader<'_>, rows: usize, strings: u64) -> Result<Vec<StrId>, BlockError> {
    if rows == 0 {
        return Ok(Vec::new());
    }
    let kind = reader.byte()?;
    let distinct = match kind {
        mode::CONSTANT => return Ok(vec![string_number(reader, strings)?; rows]),
        mode::DISTINCT => rows,
        mode::LISTED => reader.count()?,
        _ => return Err(reader.invalid("an unknown kind of string column")),
    };
    if distinct > reader.remaining() {
        return Err(reader.invalid("the end"));
    }
    let mut expected = 0_i64;
    let mut listed = Vec::with_capacity(distinct);
    for _ in 0..distinct {
        let number = expected.wrapping_add(reader.signed()?);
        let id = u32::try_from(number).ok().filter(|id| u64::from(*id) < strings);
        listed.push(StrId(id.ok_or_else(|| reader.invalid("a string that is not in the block"))?));
        expected = number + 1;
    }
    if kind == mode::DISTINCT {
        return Ok(listed);
    }
    let indexes = reader.column(rows, listed.len() as u64)?;
    Ok(indexes.into_iter().map(|index| listed[index as usize]).collect())
}

fn read_integers(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<i64>, BlockError> {
    if rows == 0 {
        return Ok(Vec::new());
    }
    match reader.byte()? {
        mode::CONSTANT => Ok(vec![reader.signed()?; rows]),
        mode::LISTED => {
            let count = reader.count()?;
            let listed = (0..count).map(|_| reader.signed()).collect::<Result<Vec<_>, _>>()?;
            Ok(reader.column(rows, count as u64)?.into_iter().map(|index| listed[index as usize]).collect())
        }
        kind @ (mode::PLAIN | mode::DELTA) if rows <= reader.remaining() => {
            let mut before = 0_i64;
            (0..rows)
                .map(|_| {
                    let integer = unzigzag(reader.varint()?);
                    before = if kind == mode::DELTA { before.wrapping_add(integer) } else { integer };
                    Ok(before)
                })
                .collect()
        }
        mode::PLAIN | mode::DELTA => Err(reader.invalid("the end")),
        _ => Err(reader.invalid("an unknown kind of integer column")),
    }
}

/// A column of dropped counts, flags or lengths, where any number is right.
pub(super) fn numbers(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<u32>, BlockError> {
    reader.column(rows, ANY)
}
