//! Columns back to attribute rows.

use spillway_model::batch::{Run, SpanBatch, StrId, Value};

use super::{mode, tag};
use crate::block::{
    BlockError, MAX_ROWS,
    bytes::{ANY, Reader, unzigzag},
};

/// Reads the attributes of `owners` owners into the batch; returns each one's run.
pub(in crate::block) fn read(
    reader: &mut Reader<'_>,
    owners: usize,
    batch: &mut SpanBatch,
) -> Result<Vec<Run>, BlockError> {
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
pub(in crate::block) fn numbers(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<u32>, BlockError> {
    reader.column(rows, ANY)
}
