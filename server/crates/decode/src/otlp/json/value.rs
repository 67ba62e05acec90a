//! Attributes and their values.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use spillway_model::batch::{StrId, Value};

use super::{
    Walk,
    field::{each, optional_text},
};
use crate::{
    Limits,
    json::Reader,
    otlp::{
        error::{Malformed, Read},
        protobuf::wire,
        sink::Owner,
        value::{Budget, Tree},
    },
};

/// Protobuf's JSON takes either alphabet, with padding or without.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The members of an `AnyValue`, for errors.
const ANY_VALUE: [&str; 7] =
    ["stringValue", "boolValue", "intValue", "doubleValue", "arrayValue", "kvlistValue", "bytesValue"];

impl Walk {
    pub(super) fn attributes(&mut self, reader: &mut Reader<'_>, owner: &mut Owner) -> Read<()> {
        each(reader, "attributes", &mut 0, |reader, _| {
            if self.sink.attribute_fits(owner) { self.key_value(reader, owner) } else { reader.skip() }
        })
    }

    fn key_value(&mut self, reader: &mut Reader<'_>, owner: &mut Owner) -> Read<()> {
        let (likely_key, likely_text) = self.sink.guess(owner);
        let (mut key, mut value) = (StrId::EMPTY, Value::Empty);
        let mut members = reader.object()?;
        while let Some(member) = reader.key(&mut members)? {
            match &*member {
                "key" => {
                    if let Some(text) = optional_text(reader).map_err(|error| error.inside("key"))? {
                        key = self.guessed(&text, likely_key);
                    }
                }
                "value" => value = self.any(reader, likely_text).map_err(|error| error.inside("value"))?,
                _ => reader.skip()?,
            }
        }
        self.sink.attribute(owner, key, value);
        Ok(())
    }

    fn guessed(&mut self, text: &str, guess: StrId) -> StrId {
        if self.sink.builder.is(guess, text.as_bytes()) { guess } else { self.sink.text(text) }
    }

    fn any(&mut self, reader: &mut Reader<'_>, likely: StrId) -> Read<Value> {
        let mut value = Value::Empty;
        if reader.null() {
            return Ok(value);
        }
        let mut members = reader.object()?;
        while let Some(member) = reader.key(&mut members)? {
            let Some(name) = ANY_VALUE.into_iter().find(|name| *name == member) else {
                reader.skip()?;
                continue;
            };
            if reader.null() {
                continue;
            }
            let limit = self.sink.limits.value_bytes;
            let read = match name {
                "stringValue" => reader.string().map(|text| Value::Str(self.guessed(&text, likely))),
                "boolValue" => reader.bool().map(Value::Bool),
                "intValue" => reader.integer("a 64-bit integer").map(Value::Int),
                "doubleValue" => reader.double().map(Value::Double),
                "bytesValue" => base64(reader).map(|bytes| Value::Bytes(self.sink.bytes(&bytes))),
                nested => {
                    let mut budget = Budget::new(limit);
                    let read = match nested {
                        "arrayValue" => array(reader, 1, &mut budget)
                            .map(|items| Value::Array(self.sink.builder.bytes(&wire::encode_array(&items)))),
                        _ => map(reader, 1, &mut budget)
                            .map(|entries| Value::Map(self.sink.builder.bytes(&wire::encode_map(&entries)))),
                    };
                    self.sink.trimmed.values += u64::from(budget.exceeded());
                    read
                }
            };
            value = read.map_err(|error| error.inside(name))?;
        }
        Ok(value)
    }
}

fn array(reader: &mut Reader<'_>, depth: usize, budget: &mut Budget) -> Read<Vec<Tree>> {
    let mut items = Vec::new();
    values(reader, budget, |reader, budget| {
        items.push(tree(reader, depth, budget)?);
        Ok(())
    })?;
    Ok(items)
}

fn map(reader: &mut Reader<'_>, depth: usize, budget: &mut Budget) -> Read<Vec<(String, Tree)>> {
    let mut entries = Vec::new();
    values(reader, budget, |reader, budget| {
        let (mut key, mut value) = (String::new(), Tree::Null);
        let mut members = reader.object()?;
        while let Some(member) = reader.key(&mut members)? {
            match &*member {
                "key" => key = optional_text(reader)?.map(|text| budget.text(&text)).unwrap_or_default(),
                "value" => value = tree(reader, depth, budget)?,
                _ => reader.skip()?,
            }
        }
        entries.push((key, value));
        Ok(())
    })?;
    Ok(entries)
}

/// The `values` of an array or a map, as far as the budget goes.
fn values<'a>(
    reader: &mut Reader<'a>,
    budget: &mut Budget,
    mut item: impl FnMut(&mut Reader<'a>, &mut Budget) -> Read<()>,
) -> Read<()> {
    let mut members = reader.object()?;
    while let Some(member) = reader.key(&mut members)? {
        match &*member {
            "values" => {
                each(
                    reader,
                    "values",
                    &mut 0,
                    |reader, _| if budget.item() { item(reader, budget) } else { reader.skip() },
                )?
            }
            _ => reader.skip()?,
        }
    }
    Ok(())
}

/// An `AnyValue` inside an array or a map; `depth` is how many of these it stands in.
fn tree(reader: &mut Reader<'_>, depth: usize, budget: &mut Budget) -> Read<Tree> {
    let mut value = Tree::Null;
    if reader.null() {
        return Ok(value);
    }
    let mut members = reader.object()?;
    while let Some(member) = reader.key(&mut members)? {
        let Some(name) = ANY_VALUE.into_iter().find(|name| *name == member) else {
            reader.skip()?;
            continue;
        };
        if reader.null() {
            continue;
        }
        let read = match name {
            "stringValue" => reader.string().map(|text| Tree::String(budget.text(&text))),
            "boolValue" => reader.bool().map(Tree::Bool),
            "intValue" => reader.integer("a 64-bit integer").map(Tree::Int),
            "doubleValue" => reader.double().map(Tree::Double),
            "bytesValue" => base64(reader).map(|bytes| Tree::Bytes(budget.bytes(&bytes))),
            _ if depth == Limits::DEPTH => Err(reader.fault(Malformed::TooDeep(Limits::DEPTH))),
            "arrayValue" => array(reader, depth + 1, budget).map(Tree::Array),
            _ => map(reader, depth + 1, budget).map(Tree::Map),
        };
        value = read.map_err(|error| error.inside(name))?;
    }
    Ok(value)
}

fn base64(reader: &mut Reader<'_>) -> Read<Vec<u8>> {
    let mut begin = *reader;
    let text = reader.string()?;
    STANDARD.decode(text.as_bytes()).or_else(|_| URL_SAFE.decode(text.as_bytes())).map_err(|_| begin.expected("base64"))
}
