//! What can be typed at a place of an unfinished text.

use std::ops::Range;

use crate::{
    field::{AttributeKey, Field, KINDS, Place, STATUSES},
    lex::{self, Piece, PieceKind},
    parse::MOST_BYTES,
    print,
    term::{Subject, Written},
};

/// What is expected at the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A field's name, or an attribute's key that is looked for in that place.
    Key(Place),
    /// One of these operators.
    Operator(&'static [&'static str]),
    /// A value of a field.
    FieldValue(Field),
    /// A value of an attribute.
    AttributeValue(AttributeKey),
}

/// What is expected at the cursor, what of it is typed, and what a choice replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What is expected.
    pub expected: Expected,
    /// What is typed of it before the cursor, without quotes and escapes and without the place in front of a key.
    pub prefix: String,
    /// Bytes of the text that a choice takes the place of.
    pub replace: Range<usize>,
}

/// What comes next, as far as the pieces before tell.
#[derive(Clone, Debug)]
enum Next {
    Key,
    Operator(Subject),
    Value(Option<Subject>),
}

/// What can be typed at byte `cursor`; `None` where nothing fits, as behind an operator of a key that cannot be.
pub fn complete(text: &str, cursor: usize) -> Option<Completion> {
    let text = &text[..text.floor_char_boundary(MOST_BYTES)];
    let cursor = text.floor_char_boundary(cursor);
    let (pieces, _) = lex::pieces(text);
    let mut next = Next::Key;
    for piece in &pieces {
        if piece.range.start >= cursor {
            break;
        }
        let is_word = matches!(piece.kind, PieceKind::Word { .. } | PieceKind::Value { .. });
        let is_inside = cursor < piece.range.end && piece.kind == PieceKind::Operator;
        if cursor <= piece.range.end && (is_word || is_inside) {
            return at(text, cursor, next, piece);
        }
        next = after(next, piece);
    }
    // Between pieces; what the cursor touches from the left goes on being what it is.
    let touched = pieces.iter().find(|piece| piece.range.start == cursor);
    let replace = match touched {
        Some(Piece { range, kind: PieceKind::Value { .. } }) if matches!(next, Next::Value(_)) => range.clone(),
        _ => cursor..cursor,
    };
    expected(next).map(|expected| Completion { expected, prefix: String::new(), replace })
}

fn expected(next: Next) -> Option<Expected> {
    match next {
        Next::Key => Some(Expected::Key(Place::Nearest)),
        Next::Operator(subject) => Some(Expected::Operator(subject.operator_list())),
        Next::Value(Some(Subject::Field(field))) => Some(Expected::FieldValue(field)),
        Next::Value(Some(Subject::Attribute(key))) => Some(Expected::AttributeValue(key)),
        Next::Value(None) => None,
    }
}

/// What comes next behind a piece.
fn after(next: Next, piece: &Piece) -> Next {
    match (next, &piece.kind) {
        (Next::Key, PieceKind::Word { prefix, text, quoted }) => {
            let joins = ["and", "or", "not"].iter().any(|word| word.eq_ignore_ascii_case(text));
            if joins && !quoted {
                return Next::Key;
            }
            let written = Written { range: piece.range.clone(), prefix, text, quoted: *quoted };
            Subject::of(&written).map_or(Next::Key, Next::Operator)
        }
        (Next::Operator(subject), PieceKind::Operator) => Next::Value(Some(subject)),
        (_, PieceKind::Operator) => Next::Value(None),
        _ => Next::Key,
    }
}

/// Within a piece or right behind it.
fn at(text: &str, cursor: usize, next: Next, piece: &Piece) -> Option<Completion> {
    let replace = piece.range.clone();
    let typed = &text[replace.start..cursor];
    let (place, prefix) = match (&piece.kind, &next) {
        (PieceKind::Word { prefix, quoted: true, .. }, _) if typed.len() > prefix.len() => {
            let place = Place::PREFIXED.into_iter().find(|place| place.prefix() == prefix);
            (place.unwrap_or(Place::Nearest), lex::content(&text[..cursor], replace.start + prefix.len()))
        }
        (PieceKind::Value { quoted: true, .. }, _) => (Place::Nearest, lex::content(&text[..cursor], replace.start)),
        (_, Next::Key) => match Place::PREFIXED.into_iter().find(|place| typed.starts_with(place.prefix())) {
            Some(place) => (place, typed[place.prefix().len()..].to_owned()),
            None => (Place::Nearest, typed.to_owned()),
        },
        _ => (Place::Nearest, typed.to_owned()),
    };
    let expected = match expected(next)? {
        Expected::Key(_) => Expected::Key(place),
        other => other,
    };
    Some(Completion { expected, prefix, replace })
}

impl Completion {
    /// What the language itself has to offer, as it is written: names of fields, operators, words for kinds and the like.
    pub fn known(&self) -> Vec<String> {
        let prefix = self.prefix.to_lowercase();
        let fitting = |words: &[&str]| -> Vec<String> {
            words.iter().filter(|word| word.starts_with(&prefix)).map(|word| (*word).to_owned()).collect()
        };
        match &self.expected {
            Expected::Key(place) => Field::names()
                .filter(|name| name.strip_prefix(place.prefix()).is_some_and(|rest| rest.starts_with(&prefix)))
                .map(str::to_owned)
                .collect(),
            Expected::Operator(operators) => fitting(operators),
            Expected::FieldValue(Field::Kind) => fitting(&KINDS.map(|(word, _)| word)),
            Expected::FieldValue(Field::Status) => fitting(&STATUSES.map(|(word, _)| word)),
            Expected::FieldValue(Field::Root) => fitting(&["true", "false"]),
            Expected::FieldValue(Field::Duration) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => {
                let number = if prefix.is_empty() { "100" } else { &prefix };
                ["ms", "s", "us"].iter().map(|unit| format!("{number}{unit}")).collect()
            }
            Expected::FieldValue(_) | Expected::AttributeValue(_) => Vec::new(),
        }
    }

    /// A value as it is written behind an operator.
    pub fn write_value(text: &str) -> String {
        print::value(text).into_owned()
    }
}

#[cfg(test)]
mod tests;
