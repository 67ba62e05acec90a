//! Secrets inside arrays and maps, which are taken apart, changed, and encoded anew.

use super::{
    REDACTED, RedactionCounts, Redactor,
    key::KeyClass,
    text::{Shape, redacted, suspicious},
};
use crate::otlp::{protobuf::wire, value::Tree};

/// The encoded array without secrets; `None` when it has none.
pub(super) fn array(
    redactor: &Redactor,
    encoded: &[u8],
    shape: Shape,
    counts: &mut RedactionCounts,
) -> Option<Vec<u8>> {
    // Most arrays are lists of plain words (`http.request.header.accept`), which their encoded form already shows.
    if shape == Shape::Text && !holds_map(encoded) && std::str::from_utf8(encoded).is_ok_and(|text| !suspicious(text)) {
        return None;
    }
    let Ok(mut items) = wire::decode_array(encoded) else { return Some(Vec::new()) };
    let mut changed = false;
    for item in &mut items {
        changed |= tree(redactor, item, shape, counts);
    }
    changed.then(|| wire::encode_array(&items))
}

/// The encoded map without secrets; `None` when it has none.
pub(super) fn map(redactor: &Redactor, encoded: &[u8], shape: Shape, counts: &mut RedactionCounts) -> Option<Vec<u8>> {
    let Ok(mut members) = wire::decode_map(encoded) else { return Some(Vec::new()) };
    entries(redactor, &mut members, shape, counts).then(|| wire::encode_map(&members))
}

/// Whether an encoded array may hold a map: field 6 with a length. Anything with that byte counts.
fn holds_map(encoded: &[u8]) -> bool {
    memchr::memchr(6 << 3 | 2, encoded).is_some()
}

/// True when something was taken out.
fn tree(redactor: &Redactor, value: &mut Tree, shape: Shape, counts: &mut RedactionCounts) -> bool {
    match value {
        Tree::String(text) => match redacted(text, shape, counts) {
            Some(clean) => {
                *text = clean;
                true
            }
            None => false,
        },
        Tree::Bytes(bytes) => match std::str::from_utf8(bytes).ok().and_then(|text| redacted(text, shape, counts)) {
            Some(clean) => {
                *bytes = clean.into_bytes();
                true
            }
            None => false,
        },
        // No short circuit: every item is looked at.
        Tree::Array(items) => {
            items.iter_mut().fold(false, |changed, item| tree(redactor, item, shape, counts) | changed)
        }
        Tree::Map(members) => entries(redactor, members, shape, counts),
        Tree::Null | Tree::Bool(_) | Tree::Int(_) | Tree::Double(_) => false,
    }
}

fn entries(redactor: &Redactor, members: &mut [(String, Tree)], shape: Shape, counts: &mut RedactionCounts) -> bool {
    let mut changed = false;
    for (key, value) in members {
        changed |= match redactor.keys.class(key) {
            KeyClass::Allowed => false,
            KeyClass::Mask(mask) => match value {
                Tree::Null | Tree::Bool(_) => false,
                Tree::Int(_) | Tree::Double(_) if mask.may_count => false,
                Tree::String(text) if text.is_empty() || text == REDACTED => false,
                secret => {
                    counts.add(mask.rule);
                    *secret = Tree::String(REDACTED.to_owned());
                    true
                }
            },
            KeyClass::Shaped(inner) => tree(redactor, value, inner, counts),
            KeyClass::Plain => tree(redactor, value, shape, counts),
        };
        if let Some(clean) = redacted(key, Shape::Text, counts) {
            *key = clean;
            changed = true;
        }
    }
    changed
}
