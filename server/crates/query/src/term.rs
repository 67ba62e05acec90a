//! One condition: which tests a field takes, and how their values are written.

use std::ops::Range;

use spillway_model::identity::{SpanId, TraceId};

use crate::{
    error::{ParseError, nearest},
    field::{AttributeKey, Field, KINDS, Place, STATUSES},
    filter::{AttributeTest, Comparison, Equality, Order, Term, TextTest},
    literal::{Literal, Needle, Numeric, Pattern, Wild},
    print, unit,
};

/// A word of the text.
pub(crate) struct Written<'a> {
    pub(crate) range: Range<usize>,
    pub(crate) prefix: &'a str,
    pub(crate) text: &'a str,
    pub(crate) quoted: bool,
}

/// What a key asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Field(Field),
    Attribute(AttributeKey),
}

#[derive(Clone, Copy, PartialEq)]
enum Operator {
    Comparison(Comparison),
    Contains,
}

const OPERATORS: [(&str, Operator); 7] = [
    ("=", Operator::Comparison(Comparison::Equality(Equality::Is))),
    ("!=", Operator::Comparison(Comparison::Equality(Equality::IsNot))),
    ("<", Operator::Comparison(Comparison::Order(Order::Less))),
    ("<=", Operator::Comparison(Comparison::Order(Order::AtMost))),
    (">", Operator::Comparison(Comparison::Order(Order::Greater))),
    (">=", Operator::Comparison(Comparison::Order(Order::AtLeast))),
    ("~", Operator::Contains),
];

const NAMED: &str = "`=`, `!=`, `~` or `exists`";
const EQUAL: &str = "`=` or `!=`";
const ORDERED: &str = "`=`, `!=`, `<`, `<=`, `>` or `>=`";
const ANY: &str = "an operator: `=`, `!=`, `<`, `<=`, `>`, `>=`, `~` or `exists`";

impl Subject {
    /// What a word asks for.
    ///
    /// # Errors
    /// What was expected instead, and a hint.
    pub(crate) fn of(key: &Written<'_>) -> Result<Self, (&'static str, &'static str)> {
        let attribute = |place, key: &str| Ok(Self::Attribute(AttributeKey { place, key: key.to_owned() }));
        if key.quoted {
            if key.prefix.is_empty() {
                return attribute(Place::Nearest, key.text);
            }
            let place = Place::PREFIXED.into_iter().find(|place| place.prefix() == key.prefix);
            let place = place.ok_or((
                "`span.`, `resource.` or `event.` in front of a quoted key",
                "quote the whole key, or nothing of it",
            ))?;
            return attribute(place, key.text);
        }
        if let Some(field) = Field::named(key.text) {
            return Ok(Self::Field(field));
        }
        if key.text.contains('*') {
            return Err((
                "a key without `*`",
                "`*` stands for any characters in a value; a key that has one is quoted",
            ));
        }
        match Place::PREFIXED
            .into_iter()
            .find_map(|place| key.text.strip_prefix(place.prefix()).map(|rest| (place, rest)))
        {
            Some((_, "")) => Err(("a key behind the dot", "write span.KEY, resource.KEY or event.KEY")),
            Some((place, rest)) => attribute(place, rest),
            None => attribute(Place::Nearest, key.text),
        }
    }

    /// The operators that it takes, in the words of an error.
    fn operators(&self) -> &'static str {
        match self {
            Self::Field(Field::Text(_)) => NAMED,
            Self::Field(Field::Duration | Field::Start) => ORDERED,
            Self::Field(Field::Link) => "`=`, `!=` or `exists`",
            Self::Field(Field::Kind | Field::Status | Field::Trace | Field::Span | Field::Root) => EQUAL,
            Self::Attribute(_) => ANY,
        }
    }

    /// The operators that it takes, one by one.
    pub(crate) fn operator_list(&self) -> &'static [&'static str] {
        match self {
            Self::Field(Field::Text(_)) => &["=", "!=", "~", "exists"],
            Self::Field(Field::Duration | Field::Start) => &[">=", "<=", ">", "<", "=", "!="],
            Self::Field(Field::Link) => &["=", "!=", "exists"],
            Self::Field(Field::Kind | Field::Status | Field::Trace | Field::Span | Field::Root) => &["=", "!="],
            Self::Attribute(_) => &["=", "!=", ">=", "<=", ">", "<", "~", "exists"],
        }
    }
}

fn subject(text: &str, key: &Written<'_>) -> Result<Subject, ParseError> {
    Subject::of(key).map_err(|(expected, hint)| ParseError::new(text, key.range.clone(), expected).with_hint(hint))
}

/// `key exists`
pub(crate) fn exists(text: &str, key: &Written<'_>) -> Result<Term, ParseError> {
    match subject(text, key)? {
        Subject::Attribute(key) => Ok(Term::Attribute(key, AttributeTest::Exists)),
        Subject::Field(Field::Text(field)) => Ok(Term::Text(field, TextTest::Exists)),
        Subject::Field(Field::Link) => Ok(Term::LinkExists),
        always @ Subject::Field(_) => Err(ParseError::new(text, key.range.clone(), "a key that can be missing")
            .with_hint(format!("every span has it; compare it with {}", always.operators()))),
    }
}

/// A key with nothing behind it that could be an operator.
pub(crate) fn no_operator(text: &str, key: &Written<'_>, range: Range<usize>) -> ParseError {
    let subject = match subject(text, key) {
        Ok(subject) => subject,
        Err(error) => return error,
    };
    let instead = |word| ParseError::new(text, key.range.clone(), "a condition").with_hint(word);
    match key.text {
        "&&" | "&" | "," if !key.quoted => {
            return instead("did you mean `and`? Conditions side by side all have to hold");
        }
        "||" | "|" if !key.quoted => return instead("did you mean `or`?"),
        _ => {}
    }
    let next = text[range.clone()].chars().next().filter(|c| c.is_alphanumeric()).map(|_| &text[range.clone()]);
    let error = ParseError::new(text, range, subject.operators());
    let colon = key.text.split_once(':').filter(|(name, rest)| !name.is_empty() && !rest.is_empty());
    match (subject, next, colon) {
        (Subject::Field(field), Some(next), _) => error.with_hint(format!("did you mean {}={next}?", field.name())),
        (Subject::Attribute(_), _, Some((name, rest))) if !key.quoted => {
            error.with_hint(format!("did you mean {name}={rest}?"))
        }
        (Subject::Attribute(_), ..) => {
            let word = print::value(key.text);
            error.with_hint(format!("to look for text in the names of spans write operation~{word}"))
        }
        (Subject::Field(_), ..) => error,
    }
}

/// `key operator value`
pub(crate) fn compared(
    text: &str,
    key: &Written<'_>,
    operator_range: Range<usize>,
    value: &Written<'_>,
) -> Result<Term, ParseError> {
    let subject = subject(text, key)?;
    let symbol = &text[operator_range.clone()];
    let no_such = || ParseError::new(text, operator_range.clone(), subject.operators());
    let Some((_, operator)) = OPERATORS.into_iter().find(|(have, _)| *have == symbol) else {
        return Err(match symbol {
            "==" => no_such().with_hint("did you mean `=`?"),
            "=~" | "~=" => {
                no_such().with_hint("did you mean `~`? It looks for text; patterns with `*` stand behind `=`")
            }
            "!~" => no_such().with_hint(format!("did you mean -{}~{}?", key.text, value.text)),
            "=>" => no_such().with_hint("did you mean `>=`?"),
            "=<" => no_such().with_hint("did you mean `<=`?"),
            "<>" => no_such().with_hint("did you mean `!=`?"),
            _ => no_such(),
        });
    };
    let wrong = |expected: &str| ParseError::new(text, value.range.clone(), expected);
    let equality = match operator {
        Operator::Comparison(Comparison::Equality(equality)) => Some(equality),
        Operator::Comparison(Comparison::Order(_)) | Operator::Contains => None,
    };
    let field = match &subject {
        Subject::Attribute(key) => return attribute(key.clone(), operator, value, wrong),
        Subject::Field(field) => *field,
    };
    match (field, operator, equality) {
        (Field::Text(field), Operator::Contains, _) => {
            Ok(Term::Text(field, TextTest::Contains(Needle::new(value.text))))
        }
        (Field::Text(field), _, Some(Equality::Is)) => Ok(Term::Text(field, TextTest::Is(pattern(value)))),
        (Field::Text(field), _, Some(Equality::IsNot)) => Ok(Term::Text(field, TextTest::IsNot(pattern(value)))),
        (Field::Kind, _, Some(equality)) => {
            word(value, &KINDS, "a kind of span", wrong).map(|kind| Term::Kind(equality, kind))
        }
        (Field::Status, _, Some(equality)) => {
            word(value, &STATUSES, "a status", wrong).map(|status| Term::Status(equality, status))
        }
        (Field::Root, _, Some(equality)) => {
            let root = word(value, &[("true", true), ("false", false)], "true or false", wrong)?;
            Ok(Term::Root(equality.holds(root)))
        }
        (Field::Trace, _, Some(equality)) => TraceId::parse(value.text)
            .map(|id| Term::Trace(equality, id))
            .ok_or_else(|| wrong("the 32 hex digits of a trace id")),
        (Field::Link, _, Some(equality)) => TraceId::parse(value.text)
            .map(|id| Term::Link(equality, id))
            .ok_or_else(|| wrong("the 32 hex digits of a trace id")),
        (Field::Span, _, Some(equality)) => SpanId::parse(value.text)
            .map(|id| Term::Span(equality, id))
            .ok_or_else(|| wrong("the 16 hex digits of a span id")),
        (Field::Duration, Operator::Comparison(comparison), _) => duration(comparison, value, wrong),
        (Field::Start, Operator::Comparison(comparison), _) => {
            unit::parse_instant(value.text).map(|ns| Term::Start(comparison, ns)).ok_or_else(|| {
                wrong("a time such as 2026-01-31T12:00:00Z").with_hint("RFC 3339 with `Z` or an offset, from 1970 on")
            })
        }
        _ => Err(no_such()),
    }
}

fn pattern(value: &Written<'_>) -> Pattern {
    let wild = if value.quoted { None } else { Wild::parse(value.text) };
    wild.map_or_else(|| Pattern::Exact(value.text.to_owned()), Pattern::Wild)
}

/// One of a few words, in any case of letters.
fn word<T: Copy>(
    value: &Written<'_>,
    words: &[(&str, T)],
    what: &str,
    wrong: impl Fn(&str) -> ParseError,
) -> Result<T, ParseError> {
    if let Some((_, found)) = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(value.text)) {
        return Ok(*found);
    }
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let error = wrong(what);
    Err(match nearest(value.text, names.iter().copied()) {
        Some(near) => error.with_hint(format!("did you mean {near}?")),
        None => error.with_hint(format!("one of {}", names.join(", "))),
    })
}

fn duration(
    comparison: Comparison,
    value: &Written<'_>,
    wrong: impl Fn(&str) -> ParseError,
) -> Result<Term, ParseError> {
    if let Some(ns) = unit::parse_duration(value.text) {
        return Ok(Term::Duration(comparison, ns));
    }
    let error = wrong("a duration such as 250ms");
    Err(if Numeric::parse(value.text).is_some() {
        error.with_hint(format!("did you mean {0}ms? The units are ns, us, ms, s, m", value.text))
    } else {
        error.with_hint("a number, 0 or more, with ns, us, ms, s or m, exact to the nanosecond")
    })
}

fn attribute(
    key: AttributeKey,
    operator: Operator,
    value: &Written<'_>,
    wrong: impl Fn(&str) -> ParseError,
) -> Result<Term, ParseError> {
    let literal = || if value.quoted { Literal::Text(value.text.to_owned()) } else { Literal::bare(value.text) };
    let test = match operator {
        Operator::Contains => AttributeTest::Contains(Needle::new(value.text)),
        Operator::Comparison(Comparison::Equality(Equality::Is)) => AttributeTest::Is(literal()),
        Operator::Comparison(Comparison::Equality(Equality::IsNot)) => AttributeTest::IsNot(literal()),
        Operator::Comparison(Comparison::Order(order)) => {
            let bound = Numeric::parse(value.text).filter(|_| !value.quoted).ok_or_else(|| {
                let hint = if unit::parse_duration(value.text).is_some() {
                    "attributes have no unit: write the number as it is sent"
                } else {
                    "text has no order here; look for it with `=` or `~`"
                };
                wrong("a number without quotes").with_hint(hint)
            })?;
            AttributeTest::Compare(order, bound)
        }
    };
    Ok(Term::Attribute(key, test))
}
