//! Nested values in OTLP's own encoding: how arrays and maps are kept in a batch.

use super::{
    Reader,
    value::{array, map},
};
use crate::otlp::{
    error::Read,
    value::{Budget, Tree},
};

/// An encoded `ArrayValue`.
pub fn encode_array(items: &[Tree]) -> Vec<u8> {
    let mut out = Vec::new();
    for item in items {
        length_delimited(&mut out, 1, &any(item));
    }
    out
}

/// An encoded `KeyValueList`.
pub fn encode_map(entries: &[(String, Tree)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in entries {
        let mut entry = Vec::new();
        if !key.is_empty() {
            length_delimited(&mut entry, 1, key.as_bytes());
        }
        length_delimited(&mut entry, 2, &any(value));
        length_delimited(&mut out, 1, &entry);
    }
    out
}

/// Reads what [`encode_array`] wrote, or another writer of OTLP.
pub fn decode_array(bytes: &[u8]) -> Read<Vec<Tree>> {
    let mut items = Vec::new();
    array(Reader::new(bytes), &mut items, 1, &mut Budget::unlimited())?;
    Ok(items)
}

/// Reads what [`encode_map`] wrote, or another writer of OTLP.
pub fn decode_map(bytes: &[u8]) -> Read<Vec<(String, Tree)>> {
    let mut entries = Vec::new();
    map(Reader::new(bytes), &mut entries, 1, &mut Budget::unlimited())?;
    Ok(entries)
}

/// An encoded `AnyValue`. The members of a `oneof` are written also when they are zero or empty.
fn any(value: &Tree) -> Vec<u8> {
    let mut out = Vec::new();
    match value {
        Tree::Null => {}
        Tree::String(text) => length_delimited(&mut out, 1, text.as_bytes()),
        Tree::Bool(bool) => varint_field(&mut out, 2, u64::from(*bool)),
        Tree::Int(int) => varint_field(&mut out, 3, int.cast_unsigned()),
        Tree::Double(double) => {
            varint(&mut out, 4 << 3 | 1);
            out.extend_from_slice(&double.to_le_bytes());
        }
        Tree::Array(items) => length_delimited(&mut out, 5, &encode_array(items)),
        Tree::Map(entries) => length_delimited(&mut out, 6, &encode_map(entries)),
        Tree::Bytes(bytes) => length_delimited(&mut out, 7, bytes),
    }
    out
}

/// Number and content of each field that has a length, up to what cannot be read.
pub fn fields(bytes: &[u8]) -> Vec<(u32, &[u8])> {
    let mut reader = Reader::new(bytes);
    let mut all = Vec::new();
    while let Ok(Some(tag)) = reader.tag()
        && let Ok(content) = reader.bytes(tag)
    {
        all.push((tag.field, content));
    }
    all
}

/// A field with a length: text, bytes or a message.
pub fn length_delimited(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    varint(out, u64::from(field) << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// An integer field.
pub fn varint_field(out: &mut Vec<u8>, field: u32, value: u64) {
    varint(out, u64::from(field) << 3);
    varint(out, value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
