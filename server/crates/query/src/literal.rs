//! Values as they are written, and what they match.

use std::borrow::Cow;

use spillway_model::batch::ValueRef;

use crate::{Number, array, lex::is_operator};

/// A value to be equal to.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// Text only: it was quoted, or reads as nothing else.
    Text(String),
    /// A number; text that reads the same counts too, since people do not know the sender's type.
    Number(Numeric),
    /// `true` or `false`; text that reads the same counts too.
    Bool(bool),
    /// The value as text, with `*` for any run of characters.
    Wild(Wild),
}

/// A number with the text that it was written as.
#[derive(Clone, Debug, PartialEq)]
pub struct Numeric {
    text: String,
    number: Number,
}

/// Text with at least one `*` that stands for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wild(String);

/// A name to be equal to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Exactly this.
    Exact(String),
    /// With `*` for any run of characters.
    Wild(Wild),
}

/// Text that is looked for within text, whatever the case of letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needle {
    text: String,
    folded: String,
}

impl Numeric {
    /// `None` when the text does not read as a number.
    pub fn parse(text: &str) -> Option<Self> {
        Number::parse(text).map(|number| Self { text: text.to_owned(), number })
    }

    /// As written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its value.
    pub fn number(&self) -> Number {
        self.number
    }
}

impl Wild {
    /// `None` without a `*`, and for what only quotes can hold: a pattern cannot be quoted.
    pub fn parse(text: &str) -> Option<Self> {
        let bare = !text.starts_with(is_operator)
            && !text.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '(' | ')'));
        (bare && text.contains('*')).then(|| Self(text.to_owned()))
    }

    /// As written.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether the whole text fits.
    pub fn matches(&self, text: &str) -> bool {
        let mut pieces = self.0.split('*');
        let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else { return false };
        let Some(last) = pieces.next_back() else { return rest.is_empty() };
        // The earliest place for each piece leaves most for the others.
        for piece in pieces {
            match rest.find(piece) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

impl Pattern {
    /// Whether the whole text fits.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == text,
            Self::Wild(wild) => wild.matches(text),
        }
    }
}

impl Needle {
    /// Of a text.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), folded: fold(text) }
    }

    /// As written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it stands in the text.
    pub fn is_in(&self, text: &str) -> bool {
        fold(text).contains(&self.folded)
    }
}

/// Letter by letter, so that what is folded together is what its parts are folded to; [`str::to_lowercase`] looks at neighbours.
fn fold(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.chars().flat_map(char::to_lowercase).collect() }
}

impl Literal {
    /// Reads a value without quotes.
    pub fn bare(text: &str) -> Self {
        if let Some(numeric) = Numeric::parse(text) {
            return Self::Number(numeric);
        }
        match text {
            "true" => Self::Bool(true),
            "false" => Self::Bool(false),
            _ => Wild::parse(text).map_or_else(|| Self::Text(text.to_owned()), Self::Wild),
        }
    }

    /// Whether a value, or an element of an array, equals it.
    pub fn matches(&self, value: ValueRef<'_>) -> bool {
        any(value, |value| match self {
            Self::Text(text) => value == ValueRef::Str(text),
            Self::Number(numeric) => match value {
                ValueRef::Str(text) => text == numeric.text,
                value => Number::of(value) == Some(numeric.number),
            },
            Self::Bool(bool) => match value {
                ValueRef::Str(text) => text == if *bool { "true" } else { "false" },
                value => value == ValueRef::Bool(*bool),
            },
            Self::Wild(wild) => text_of(value).is_some_and(|text| wild.matches(&text)),
        })
    }
}

/// Whether it holds for a value, or for an element of an array.
pub(crate) fn any(value: ValueRef<'_>, mut holds: impl FnMut(ValueRef<'_>) -> bool) -> bool {
    match value {
        ValueRef::Array(encoded) => array::elements(encoded).any(holds),
        value => holds(value),
    }
}

/// A plain value as text; bytes, maps and unset values have none.
pub(crate) fn text_of(value: ValueRef<'_>) -> Option<Cow<'_, str>> {
    match value {
        ValueRef::Str(text) => Some(Cow::Borrowed(text)),
        ValueRef::Bool(bool) => Some(Cow::Borrowed(if bool { "true" } else { "false" })),
        ValueRef::Int(int) => Some(Cow::Owned(int.to_string())),
        ValueRef::Double(double) => Some(Cow::Owned(double.to_string())),
        ValueRef::Empty | ValueRef::Bytes(_) | ValueRef::Array(_) | ValueRef::Map(_) => None,
    }
}

/// The values that completion offers for an attribute: each plain value or element as text.
pub fn texts_of(value: ValueRef<'_>, mut each: impl FnMut(&str)) {
    any(value, |value| {
        if let Some(text) = text_of(value) {
            each(&text);
        }
        false
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        let fits = |pattern, text| Wild::parse(pattern).expect("it has a star").matches(text);

        assert!(fits("GET*", "GET /cart") && fits("GET*", "GET") && !fits("GET*", "XGET"));
        assert!(fits("*cart", "/cart") && !fits("*cart", "/carts"));
        assert!(fits("a*a", "aa") && !fits("a*a", "a"));
        assert!(fits("*a*b*", "xxaxbx") && !fits("*a*b*", "xxbxa"));
        assert!(fits("*", "") && fits("**", "x") && fits("a**b", "ab"));
        assert!(fits("*ab*abc", "abababc"));
        assert_eq!(Wild::parse("a b*"), None);
        assert_eq!(Wild::parse("ab"), None);
    }

    #[test]
    fn a_bare_value_matches_every_type_that_reads_the_same() {
        let number = Literal::bare("200");
        for value in [ValueRef::Int(200), ValueRef::Double(200.0), ValueRef::Str("200")] {
            assert!(number.matches(value), "{value:?}");
        }
        for value in [ValueRef::Int(201), ValueRef::Str("200.0"), ValueRef::Str("0200"), ValueRef::Empty] {
            assert!(!number.matches(value), "{value:?}");
        }
        assert!(
            Literal::bare("true").matches(ValueRef::Bool(true)) && Literal::bare("true").matches(ValueRef::Str("true"))
        );
        assert!(Literal::bare("5*").matches(ValueRef::Int(503)));
        assert!(!Literal::Text("200".into()).matches(ValueRef::Int(200)));
    }

    #[test]
    fn one_element_of_an_array_is_enough() {
        let array = ValueRef::Array(&[0x0a, 3, 0x0a, 1, b'a', 0x0a, 3, 0x18, 0xac, 0x02]);

        assert!(Literal::bare("300").matches(array) && Literal::bare("a").matches(array));
        assert!(!Literal::bare("b").matches(array));
        let mut texts = Vec::new();
        texts_of(array, |text| texts.push(text.to_owned()));
        assert_eq!(texts, ["a", "300"]);
    }

    #[test]
    fn the_case_of_letters_does_not_matter_to_contains() {
        assert!(Needle::new("CART").is_in("/my-Cart/1") && Needle::new("ØST").is_in("søppel/øst"));
        assert!(!Needle::new("carts").is_in("/my-cart/1"));
    }

    proptest! {
        #[test]
        fn what_a_text_is_made_of_is_in_it(a in ".{0,6}", b in ".{0,6}", c in ".{0,6}") {
            let whole = format!("{a}{b}{c}");
            prop_assert!(Needle::new(&b).is_in(&whole));
            prop_assert!(Needle::new(&b.to_uppercase().to_lowercase()).is_in(&fold(&whole)) || !b.is_ascii());
        }

        #[test]
        fn a_pattern_is_what_a_slow_search_says(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            fn slow(pattern: &[u8], text: &[u8]) -> bool {
                match pattern.split_first() {
                    None => text.is_empty(),
                    Some((b'*', rest)) => (0..=text.len()).any(|at| slow(rest, &text[at..])),
                    Some((letter, rest)) => text.first() == Some(letter) && slow(rest, &text[1..]),
                }
            }
            let fast = Wild::parse(&pattern).map_or(pattern == text, |wild| wild.matches(&text));
            prop_assert_eq!(fast, slow(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
