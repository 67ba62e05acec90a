//! Fields of one kind: lists, counts, times, enums, ids.

use std::borrow::Cow;

use spillway_model::batch::{SpanKind, SpanStatus};

use crate::{
    json::Reader,
    otlp::{
        error::{Malformed, Read},
        protobuf::wire,
    },
};

/// Reads each item of an array, or of null. `index` goes on from array to array of the same name.
pub(in crate::otlp) fn each<'a>(
    reader: &mut Reader<'a>,
    name: &str,
    index: &mut usize,
    mut item: impl FnMut(&mut Reader<'a>, usize) -> Read<()>,
) -> Read<()> {
    if reader.null() {
        return Ok(());
    }
    let mut array = reader.array().map_err(|error| error.inside(name))?;
    while reader.item(&mut array).map_err(|error| error.inside(name))? {
        item(reader, *index).map_err(|error| error.inside(format_args!("{name}[{index}]")))?;
        *index += 1;
    }
    Ok(())
}

/// Notes where a value begins, and passes over it.
pub(in crate::otlp) fn wait<'a>(reader: &mut Reader<'a>, name: &str, waiting: &mut Vec<Reader<'a>>) -> Read<()> {
    // A key that comes thousands of times is no request of anybody; only its last values would cost memory here.
    const REPEATS: usize = 16;
    let begin = *reader;
    reader.skip().map_err(|error| error.inside(name))?;
    if waiting.len() == REPEATS {
        return Err(begin
            .fault(Malformed::Expected { expected: "each key once", found: "the same key again and again".to_owned() })
            .inside(name));
    }
    waiting.push(begin);
    Ok(())
}

pub(in crate::otlp) fn optional_text<'a>(reader: &mut Reader<'a>) -> Read<Option<Cow<'a, str>>> {
    if reader.null() { Ok(None) } else { reader.string().map(Some) }
}

pub(in crate::otlp) fn count(reader: &mut Reader<'_>, name: &str, to: &mut u32) -> Read<()> {
    if !reader.null() {
        *to = reader.integer("an integer from 0 to 4294967295").map_err(|error| error.inside(name))?;
    }
    Ok(())
}

pub(in crate::otlp) fn nanoseconds(reader: &mut Reader<'_>, name: &str, to: &mut u64) -> Read<()> {
    if !reader.null() {
        *to = reader
            .integer("nanoseconds since 1970, from 0 to 18446744073709551615")
            .map_err(|error| error.inside(name))?;
    }
    Ok(())
}

/// An enum by number, or by name.
pub(in crate::otlp) fn enumerated<T: Default>(reader: &mut Reader<'_>, name: &str, of: impl Fn(&str) -> T) -> Read<T> {
    if reader.null() {
        return Ok(T::default());
    }
    let read = match reader.next_byte() {
        Some(b'"') => reader.string(),
        _ => reader.integer("a number or a name").map(|number: i32| Cow::Owned(number.to_string())),
    };
    read.map(|text| of(&text)).map_err(|error| error.inside(name))
}

/// Unknown names and numbers are unspecified, as in protobuf.
pub(super) fn kind(text: &str) -> SpanKind {
    match text.strip_prefix("SPAN_KIND_").unwrap_or(text) {
        "INTERNAL" | "1" => SpanKind::Internal,
        "SERVER" | "2" => SpanKind::Server,
        "CLIENT" | "3" => SpanKind::Client,
        "PRODUCER" | "4" => SpanKind::Producer,
        "CONSUMER" | "5" => SpanKind::Consumer,
        _ => SpanKind::Unspecified,
    }
}

pub(super) fn status(text: &str) -> SpanStatus {
    match text.strip_prefix("STATUS_CODE_").unwrap_or(text) {
        "OK" | "1" => SpanStatus::Ok,
        "ERROR" | "2" => SpanStatus::Error,
        _ => SpanStatus::Unset,
    }
}

/// Bytes of an id, whatever their number up to one more than any id has.
#[derive(Clone, Copy, Default)]
pub(super) struct Id {
    bytes: [u8; 17],
    length: usize,
}

impl Id {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    pub fn read(&mut self, reader: &mut Reader<'_>, name: &str) -> Read<()> {
        let mut begin = *reader;
        let Some(text) = optional_text(reader).map_err(|error| error.inside(name))? else { return Ok(()) };
        // Base64 ids are the usual mistake of a protobuf library; they can only be told apart while they are text.
        if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(begin.expected("hexadecimal digits (OTLP/JSON ids are not base64)").inside(name));
        }
        *self = Self::default();
        for pair in text.as_bytes().chunks(2).take(self.bytes.len()) {
            let digit =
                |index: usize| pair.get(index).and_then(|digit| char::from(*digit).to_digit(16)).unwrap_or(0) as u8;
            self.bytes[self.length] = digit(0) << 4 | digit(1);
            self.length += 1;
        }
        // Half a byte too much makes the length wrong, which it is.
        if text.len() % 2 == 1 {
            self.length = 1;
        }
        Ok(())
    }
}

/// An `EntityRef` in protobuf.
pub(super) fn entity_ref(reader: &mut Reader<'_>) -> Read<Vec<u8>> {
    let mut entity = Vec::new();
    let mut members = reader.object()?;
    while let Some(key) = reader.key(&mut members)? {
        let field = match &*key {
            "schemaUrl" => 1,
            "type" => 2,
            "idKeys" => 3,
            "descriptionKeys" => 4,
            _ => {
                reader.skip()?;
                continue;
            }
        };
        if field < 3 {
            if let Some(text) = optional_text(reader).map_err(|error| error.inside(&key))? {
                wire::length_delimited(&mut entity, field, text.as_bytes());
            }
        } else {
            each(reader, &key, &mut 0, |reader, _| {
                let text = reader.string()?;
                wire::length_delimited(&mut entity, field, text.as_bytes());
                Ok(())
            })?;
        }
    }
    Ok(entity)
}
