//! Attributes as 64-bit tokens: what a block's Bloom filter is filled with, and what a search asks of it.
//!
//! **These go to disk.** A token is XXH3 (64 bits, <https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>):
//!
//! | token of | hashed bytes | seed |
//! |---|---|---|
//! | a key | the key in UTF-8 | 0 |
//! | key = text | the text in UTF-8 | token of the key |
//! | key = true, false | `true`, `false` | token of the key |
//! | key = whole number within 64 bits, of type int or double | its decimal digits, `-` in front when below zero | token of the key |
//! | key = other finite double | its 8 bytes, little endian | token of the key, every bit inverted |
//!
//! So text and numbers that read the same have one token, since `=` finds both. An array has the tokens of its elements of these
//! types; bytes, maps, NaN, infinities and unset values have the token of their key only. Where an attribute stands (span, resource,
//! event) is not part of the token.

use spillway_model::batch::ValueRef;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::{Number, array};

/// The token of a key, from which those of its values are made: hash a key once and use it for a whole column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyToken(u64);

impl KeyToken {
    /// Of a key.
    pub fn new(key: &str) -> Self {
        Self(xxh3_64(key.as_bytes()))
    }

    /// Says that the key is there, whatever its value.
    pub fn token(self) -> u64 {
        self.0
    }

    /// Of the key with a text.
    pub fn with_text(self, text: &str) -> u64 {
        xxh3_64_with_seed(text.as_bytes(), self.0)
    }

    /// Of the key with a number.
    pub fn with_number(self, number: Number) -> u64 {
        match number {
            Number::Int(int) => {
                let mut digits = [0; 20];
                xxh3_64_with_seed(decimal(int, &mut digits), self.0)
            }
            Number::Double(double) => xxh3_64_with_seed(&double.to_bits().to_le_bytes(), !self.0),
        }
    }

    /// Of the key with true or false.
    pub fn with_bool(self, bool: bool) -> u64 {
        self.with_text(if bool { "true" } else { "false" })
    }

    /// Hands over each token of the key with a value: one for a plain value, one an element of an array, none for what no `=` can find.
    pub fn each_with(self, value: ValueRef<'_>, mut each: impl FnMut(u64)) {
        match value {
            ValueRef::Array(encoded) => {
                array::elements(encoded).filter_map(|element| self.with_scalar(element)).for_each(each)
            }
            scalar => self.with_scalar(scalar).into_iter().for_each(&mut each),
        }
    }

    fn with_scalar(self, value: ValueRef<'_>) -> Option<u64> {
        match value {
            ValueRef::Str(text) => Some(self.with_text(text)),
            ValueRef::Bool(bool) => Some(self.with_bool(bool)),
            ValueRef::Int(int) => Some(self.with_number(Number::Int(int))),
            ValueRef::Double(double) => Number::from_double(double).map(|number| self.with_number(number)),
            ValueRef::Empty | ValueRef::Bytes(_) | ValueRef::Array(_) | ValueRef::Map(_) => None,
        }
    }
}

/// Hands over every token of an attribute: that of its key, then those of its value.
pub fn attribute_tokens(key: &str, value: ValueRef<'_>, mut each: impl FnMut(u64)) {
    let key = KeyToken::new(key);
    each(key.token());
    key.each_with(value, each);
}

/// Decimal digits without a heap: a column of numbers is hashed one by one.
fn decimal(int: i64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    let mut rest = int.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if int < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    &digits[at..]
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn of(key: &str, value: ValueRef<'_>) -> Vec<u64> {
        let mut tokens = Vec::new();
        attribute_tokens(key, value, |token| tokens.push(token));
        tokens
    }

    /// These are on disks: a change here needs a new version of the filter that holds them.
    #[test]
    fn tokens_are_those_that_are_on_disk() {
        const ARRAY: &[u8] = &[0x0a, 3, 0x0a, 1, b'a', 0x0a, 3, 0x18, 0xac, 0x02];
        let long = "x".repeat(300);
        let vectors = [
            ("", ValueRef::Empty),
            ("", ValueRef::Str("")),
            ("http.route", ValueRef::Empty),
            ("http.route", ValueRef::Str("/pay/{id}")),
            ("http.response.status_code", ValueRef::Int(200)),
            ("http.response.status_code", ValueRef::Str("200")),
            ("http.response.status_code", ValueRef::Double(200.0)),
            ("n", ValueRef::Int(0)),
            ("n", ValueRef::Double(-0.0)),
            ("n", ValueRef::Int(i64::MIN)),
            ("n", ValueRef::Int(i64::MAX)),
            ("n", ValueRef::Double(0.1)),
            ("n", ValueRef::Double(1e300)),
            ("n", ValueRef::Double(f64::NAN)),
            ("n", ValueRef::Double(f64::INFINITY)),
            ("retried", ValueRef::Bool(true)),
            ("retried", ValueRef::Str("true")),
            ("retried", ValueRef::Bool(false)),
            ("tags", ValueRef::Array(ARRAY)),
            ("tags", ValueRef::Array(&[0xff])),
            ("raw", ValueRef::Bytes(b"raw")),
            ("map", ValueRef::Map(ARRAY)),
            ("søppel/øst", ValueRef::Str("\u{1F600}")),
            ("long", ValueRef::Str(&long)),
        ];
        let mut table = String::new();
        for (key, value) in vectors {
            let tokens: Vec<String> = of(key, value).iter().map(|token| format!("{token:016x}")).collect();
            let shown: String = format!("{key:?} = {value:?}").chars().take(80).collect();
            writeln!(table, "{shown}: {}", tokens.join(" ")).expect("a string takes everything");
        }
        insta::assert_snapshot!(table);
    }

    proptest! {
        #[test]
        fn values_that_read_the_same_have_one_token(int in any::<i64>(), key in ".{0,40}") {
            prop_assert_eq!(of(&key, ValueRef::Int(int)), of(&key, ValueRef::Str(&int.to_string())));
            let small = int >> 12;
            prop_assert_eq!(of(&key, ValueRef::Int(small)), of(&key, ValueRef::Double(small as f64)));
        }

        #[test]
        fn keys_and_values_are_told_apart(a in ".{0,8}", b in ".{0,8}", x in ".{0,8}", y in ".{0,8}") {
            let tokens = |key: &str, text: &str| of(key, ValueRef::Str(text));
            prop_assert_eq!(tokens(&a, &x) == tokens(&b, &y), a == b && x == y);
        }
    }
}
