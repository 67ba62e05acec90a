//! Attributes and their values.

use spillway_model::batch::{StrId, Value};

use super::{
    Walk,
    reader::{Reader, Tag},
    wire,
};
use crate::{
    Limits,
    otlp::{
        error::{Malformed, Read},
        sink::Owner,
        value::{Budget, Tree},
    },
};

impl<'a> Walk<'a> {
    /// A text that may be the same as `guess`.
    #[inline]
    fn guessed(&mut self, text: Reader<'a>, guess: StrId) -> Read<StrId> {
        if self.sink.builder.is(guess, text.rest()) {
            return Ok(guess);
        }
        self.sink.unchecked_text(text.rest()).map_err(|error| text.not_utf8(error))
    }

    #[inline]
    pub(super) fn attribute(&mut self, message: &mut Reader<'a>, tag: Tag, owner: &mut Owner) -> Read<()> {
        let read = match message.message(tag) {
            Ok(_) if !self.sink.attribute_fits(owner) => Ok(()),
            Ok(key_value) => self.key_value(key_value, owner),
            Err(error) => Err(error),
        };
        read.map_err(|error| error.inside(format_args!("attributes[{}]", owner.index())))
    }

    #[inline]
    fn key_value(&mut self, mut message: Reader<'a>, owner: &mut Owner) -> Read<()> {
        let (likely_key, likely_text) = self.sink.guess(owner);
        let (mut key, mut value) = (StrId::EMPTY, Value::Empty);
        while let Some(tag) = message.tag()? {
            match tag.field {
                1 => {
                    key = message
                        .message(tag)
                        .and_then(|text| self.guessed(text, likely_key))
                        .map_err(|error| error.inside("key"))?
                }
                2 => {
                    let any = message.message(tag).and_then(|any| self.any(any, likely_text, value));
                    value = any.map_err(|error| error.inside("value"))?;
                }
                _ => message.skip(tag)?,
            }
        }
        self.sink.attribute(owner, key, value);
        Ok(())
    }

    #[inline]
    fn any(&mut self, mut message: Reader<'a>, likely: StrId, mut value: Value) -> Read<Value> {
        while let Some(tag) = message.tag()? {
            value = match tag.field {
                1 => Value::Str(message.message(tag).and_then(|text| self.guessed(text, likely))?),
                2 => Value::Bool(message.integer(tag)? != 0),
                3 => Value::Int(message.integer(tag)?.cast_signed()),
                4 => Value::Double(f64::from_bits(message.fixed64(tag)?)),
                5 | 6 => self.nested(message.message(tag)?, tag.field, value)?,
                7 => Value::Bytes(self.sink.bytes(message.bytes(tag)?)),
                8 => unexpected_index(&mut message, tag).map(|()| Value::Empty)?,
                _ => {
                    message.skip(tag)?;
                    value
                }
            }
        }
        Ok(value)
    }

    /// An array (field 5) or a map (6), written anew: what protobuf lets pass as unknown must not reach the disk unseen.
    fn nested(&mut self, message: Reader<'a>, field: u32, before: Value) -> Read<Value> {
        let mut budget = Budget::new(self.sink.limits.value_bytes);
        let sink = &mut self.sink;
        let value = if field == 5 {
            // Protobuf merges an array that comes twice.
            let mut items =
                if let Value::Array(run) = before { wire::decode_array(sink.builder.kept(run))? } else { Vec::new() };
            array(message, &mut items, 1, &mut budget)?;
            Value::Array(sink.builder.bytes(&wire::encode_array(&items)))
        } else {
            let mut entries =
                if let Value::Map(run) = before { wire::decode_map(sink.builder.kept(run))? } else { Vec::new() };
            map(message, &mut entries, 1, &mut budget)?;
            Value::Map(sink.builder.bytes(&wire::encode_map(&entries)))
        };
        sink.trimmed.values += u64::from(budget.exceeded());
        Ok(value)
    }
}

pub(super) fn array(mut message: Reader<'_>, items: &mut Vec<Tree>, depth: usize, budget: &mut Budget) -> Read<()> {
    let mut index = 0;
    while let Some(tag) = message.tag()? {
        if tag.field == 1 {
            let item = message.message(tag)?;
            if budget.item() {
                items.push(
                    tree(item, Tree::Null, depth, budget).map_err(|error| error.inside(format_args!("[{index}]")))?,
                );
            }
            index += 1;
        } else {
            message.skip(tag)?;
        }
    }
    Ok(())
}

pub(super) fn map(
    mut message: Reader<'_>,
    entries: &mut Vec<(String, Tree)>,
    depth: usize,
    budget: &mut Budget,
) -> Read<()> {
    let mut index = 0;
    while let Some(tag) = message.tag()? {
        if tag.field == 1 {
            let entry = message.message(tag)?;
            if budget.item() {
                entries.push(map_entry(entry, depth, budget).map_err(|error| error.inside(format_args!("[{index}]")))?);
            }
            index += 1;
        } else {
            message.skip(tag)?;
        }
    }
    Ok(())
}

fn map_entry(mut message: Reader<'_>, depth: usize, budget: &mut Budget) -> Read<(String, Tree)> {
    let (mut key, mut value) = (String::new(), Tree::Null);
    while let Some(tag) = message.tag()? {
        match tag.field {
            1 => key = budget.text(message.text(tag)?),
            2 => value = tree(message.message(tag)?, value, depth, budget)?,
            _ => message.skip(tag)?,
        }
    }
    Ok((key, value))
}

/// An `AnyValue` inside an array or a map; `depth` is how many of these it stands in.
fn tree(mut message: Reader<'_>, mut value: Tree, depth: usize, budget: &mut Budget) -> Read<Tree> {
    while let Some(tag) = message.tag()? {
        value = match (tag.field, value) {
            (1, _) => Tree::String(budget.text(message.text(tag)?)),
            (2, _) => Tree::Bool(message.integer(tag)? != 0),
            (3, _) => Tree::Int(message.integer(tag)?.cast_signed()),
            (4, _) => Tree::Double(f64::from_bits(message.fixed64(tag)?)),
            (field @ (5 | 6), before) => {
                let inner = message.message(tag)?;
                if depth == Limits::DEPTH {
                    return Err(inner.fault(Malformed::TooDeep(Limits::DEPTH)));
                }
                if field == 5 {
                    let mut items = if let Tree::Array(items) = before { items } else { Vec::new() };
                    array(inner, &mut items, depth + 1, budget)?;
                    Tree::Array(items)
                } else {
                    let mut entries = if let Tree::Map(entries) = before { entries } else { Vec::new() };
                    map(inner, &mut entries, depth + 1, budget)?;
                    Tree::Map(entries)
                }
            }
            (7, _) => Tree::Bytes(budget.bytes(message.bytes(tag)?)),
            (8, _) => unexpected_index(&mut message, tag).map(|()| Tree::Null)?,
            (_, value) => {
                message.skip(tag)?;
                value
            }
        }
    }
    Ok(value)
}

/// `string_value_strindex` belongs to profiles; OTLP says to take such a value as empty elsewhere.
fn unexpected_index(message: &mut Reader<'_>, tag: Tag) -> Read<()> {
    message.integer(tag).map(drop)
}
