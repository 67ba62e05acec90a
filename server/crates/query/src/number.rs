//! Numbers compared by their value, whatever type the sender chose.

use std::cmp::Ordering;

use spillway_model::batch::ValueRef;

/// First double beyond the 64-bit integers, 2^63.
const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// A finite number in its one form: whole numbers of 64 bits are integers, so `200` and `200.0` are the same number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Whole and within 64 bits.
    Int(i64),
    /// Anything else that is finite.
    Double(f64),
}

impl Number {
    /// `None` for NaN and the infinities, which equal nothing that can be written.
    pub fn from_double(double: f64) -> Option<Self> {
        if !double.is_finite() {
            None
        } else if double.fract() == 0.0 && (-TWO_TO_63..TWO_TO_63).contains(&double) {
            Some(Self::Int(double as i64))
        } else {
            Some(Self::Double(double))
        }
    }

    /// Reads a decimal number: a sign, digits, a fraction, an exponent. Words such as `inf` are none.
    pub fn parse(text: &str) -> Option<Self> {
        let looks_like_one = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
            && text.ends_with(|c: char| c.is_ascii_digit())
            && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E'));
        if !looks_like_one {
            return None;
        }
        match text.parse::<i64>() {
            Ok(int) => Some(Self::Int(int)),
            Err(_) => text.parse().ok().and_then(Self::from_double),
        }
    }

    /// The number that a value is, or that its text reads as.
    pub fn of(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Int(int) => Some(Self::Int(int)),
            ValueRef::Double(double) => Self::from_double(double),
            ValueRef::Str(text) => Self::parse(text),
            ValueRef::Empty | ValueRef::Bool(_) | ValueRef::Bytes(_) | ValueRef::Array(_) | ValueRef::Map(_) => None,
        }
    }

    /// Exact, also where an integer has more digits than a double can hold.
    pub fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(&b),
            (Self::Int(int), Self::Double(double)) => compare_to_double(int, double),
            (Self::Double(double), Self::Int(int)) => compare_to_double(int, double).reverse(),
            (Self::Double(a), Self::Double(b)) => a.total_cmp(&b),
        }
    }
}

/// A double that is no [`Number::Int`] lies outside the integers, or between two of them.
fn compare_to_double(int: i64, double: f64) -> Ordering {
    if double >= TWO_TO_63 {
        Ordering::Less
    } else if double < -TWO_TO_63 {
        Ordering::Greater
    } else if int <= double.floor() as i64 {
        Ordering::Less
    } else {
        Ordering::Greater
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whole_numbers_are_integers_however_they_are_written() {
        for text in ["200", "200.0", "+200", "2e2", "2.0E+2"] {
            assert_eq!(Number::parse(text), Some(Number::Int(200)), "{text}");
        }
        assert_eq!(Number::parse("-0.0"), Some(Number::Int(0)));
        assert_eq!(Number::parse("9007199254740993"), Some(Number::Int(9_007_199_254_740_993)));
        assert_eq!(Number::parse("9223372036854775808"), Some(Number::Double(TWO_TO_63)));
    }

    #[test]
    fn words_dates_and_endless_numbers_are_no_numbers() {
        for text in ["", "inf", "NaN", "-", "1e", "1.", "1e999", "0x10", "1_000", "12-30", "1.2.3", "250ms", " 1"] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }

    #[test]
    fn integers_and_doubles_compare_exactly() {
        let double = |value| Number::from_double(value).expect("it is finite");

        assert_eq!(Number::Int(i64::MAX).compare(double(TWO_TO_63)), Ordering::Less);
        assert_eq!(Number::Int(i64::MIN).compare(double(-TWO_TO_63 * 1.1)), Ordering::Greater);
        assert_eq!(Number::Int(-1).compare(double(-0.5)), Ordering::Less);
        assert_eq!(double(0.5).compare(Number::Int(0)), Ordering::Greater);
        assert_eq!(double(2.0).compare(Number::Int(2)), Ordering::Equal);
    }

    proptest! {
        #[test]
        fn comparing_is_that_of_doubles_where_these_are_exact(a in -1e15f64..1e15, b in -1e15f64..1e15, whole in any::<bool>()) {
            let b = if whole { b.trunc() } else { b };
            let (x, y) = (Number::from_double(a).expect("finite"), Number::from_double(b).expect("finite"));
            prop_assert_eq!(Some(x.compare(y)), a.partial_cmp(&b));
            prop_assert_eq!(x.compare(y), y.compare(x).reverse());
        }
    }
}
