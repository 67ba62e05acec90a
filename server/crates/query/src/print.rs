//! A filter in its canonical form: text that parses back to the same filter.

use std::{borrow::Cow, fmt};

use crate::{
    field::{AttributeKey, Field, KINDS, Place, STATUSES, TextField, is_reserved},
    filter::{AttributeTest, Comparison, Equality, Filter, Order, Term, TextTest},
    lex::is_operator,
    literal::{Literal, Pattern},
    unit,
};

/// What stands around a filter decides whether it needs parentheses.
#[derive(Clone, Copy, PartialEq)]
enum Within {
    Nothing,
    All,
    Any,
    Not,
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(self, Within::Nothing, f)
    }
}

fn print(filter: &Filter, within: Within, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match filter {
        Filter::All(parts) => {
            let bare = within == Within::Nothing || (within == Within::Any && !parts.is_empty());
            list(parts, " ", Within::All, bare, f)
        }
        Filter::Any(parts) => list(parts, " or ", Within::Any, within == Within::Nothing, f),
        Filter::Not(part) => {
            f.write_str("-")?;
            print(part, Within::Not, f)
        }
        Filter::Term(term) => fmt::Display::fmt(term, f),
    }
}

fn list(parts: &[Filter], between: &str, within: Within, bare: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if !bare {
        f.write_str("(")?;
    }
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            f.write_str(between)?;
        }
        print(part, within, f)?;
    }
    if bare { Ok(()) } else { f.write_str(")") }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(field, test) => text(*field, test, f),
            Self::Kind(equality, kind) => {
                let word = KINDS.iter().find_map(|(word, have)| (have == kind).then_some(*word));
                write!(f, "kind{equality}{}", word.unwrap_or_default())
            }
            Self::Status(equality, status) => {
                let word = STATUSES.iter().find_map(|(word, have)| (have == status).then_some(*word));
                write!(f, "status{equality}{}", word.unwrap_or_default())
            }
            Self::Duration(comparison, ns) => write!(f, "duration{comparison}{}", unit::print_duration(*ns)),
            Self::Start(comparison, ns) => write!(f, "start{comparison}{}", unit::print_instant(*ns)),
            Self::Trace(equality, id) => write!(f, "trace{equality}{id}"),
            Self::Span(equality, id) => write!(f, "span{equality}{id}"),
            Self::Root(root) => write!(f, "root={root}"),
            Self::LinkExists => f.write_str("link.trace exists"),
            Self::Link(equality, id) => write!(f, "link.trace{equality}{id}"),
            Self::Attribute(key, test) => {
                fmt::Display::fmt(key, f)?;
                attribute(test, f)
            }
        }
    }
}

fn text(field: TextField, test: &TextTest, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(Field::Text(field).name())?;
    match test {
        TextTest::Exists => f.write_str(" exists"),
        TextTest::Is(pattern) => write!(f, "={}", pattern_text(pattern)),
        TextTest::IsNot(pattern) => write!(f, "!={}", pattern_text(pattern)),
        TextTest::Contains(needle) => write!(f, "~{}", value(needle.text())),
    }
}

fn pattern_text(pattern: &Pattern) -> Cow<'_, str> {
    match pattern {
        Pattern::Exact(text) => value(text),
        Pattern::Wild(wild) => Cow::Borrowed(wild.text()),
    }
}

fn attribute(test: &AttributeTest, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match test {
        AttributeTest::Exists => f.write_str(" exists"),
        AttributeTest::Is(literal) => write!(f, "={literal}"),
        AttributeTest::IsNot(literal) => write!(f, "!={literal}"),
        AttributeTest::Compare(order, bound) => write!(f, "{order}{}", bound.text()),
        AttributeTest::Contains(needle) => write!(f, "~{}", value(needle.text())),
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A text that would read as something else without quotes has to keep them.
            Self::Text(text) if *self == Self::bare(text) => f.write_str(&value(text)),
            Self::Text(text) => f.write_str(&quote(text)),
            Self::Number(numeric) => f.write_str(numeric.text()),
            Self::Bool(bool) => write!(f, "{bool}"),
            Self::Wild(wild) => f.write_str(wild.text()),
        }
    }
}

impl fmt::Display for AttributeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.place.prefix())?;
        let whole = format!("{}{}", self.place.prefix(), self.key);
        let is_another_thing = Field::named(&whole).is_some()
            || self.place == Place::Nearest
                && (is_reserved(&self.key)
                    || self.key.starts_with('-')
                    || Place::PREFIXED.iter().any(|place| self.key.starts_with(place.prefix())));
        let odd = |c: char| c.is_whitespace() || c.is_control() || is_operator(c) || matches!(c, '"' | '(' | ')' | '*');
        if self.key.is_empty() || is_another_thing || self.key.contains(odd) {
            f.write_str(&quote(&self.key))
        } else {
            f.write_str(&self.key)
        }
    }
}

impl fmt::Display for Equality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Is => "=",
            Self::IsNot => "!=",
        })
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equality(equality) => fmt::Display::fmt(equality, f),
            Self::Order(order) => fmt::Display::fmt(order, f),
        }
    }
}

/// A text behind an operator, in quotes where it needs them.
pub(crate) fn value(text: &str) -> Cow<'_, str> {
    // An operator at the begin would join the one before it.
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '(' | ')' | '*');
    if text.is_empty() || text.starts_with(is_operator) || text.contains(odd) {
        Cow::Owned(quote(text))
    } else {
        Cow::Borrowed(text)
    }
}

/// In quotes, with escapes.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
