//! A pull reader for JSON: the caller asks for what it expects, and can go back.
//!
//! Not `serde`: OTLP allows fields in any order, and a resource behind its own scopes must be read before them. A reader that can be
//! copied and continued from an earlier place does that without building a tree first, so a small body cannot become a large one,
//! and every error knows its line. What it accepts is compared with `serde_json` by a property test.

use std::borrow::Cow;

use memchr::memchr2;

use crate::otlp::error::{DecodeError, Malformed, Read};

mod loose;

/// Levels of objects and arrays that are passed over; what is read has tighter limits of its own.
const MAX_DEPTH: usize = 128;

/// How much of a key that nobody knows is shown in the path of an error.
const MAX_KEY_SHOWN: usize = 64;

/// A place in a JSON text. A copy continues from the same place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// The members of an object, or the items of an array, one by one.
#[derive(Debug)]
pub(crate) struct Sequence {
    first: bool,
}

impl<'a> Reader<'a> {
    /// At the begin of a body.
    pub fn new(body: &'a [u8]) -> Read<Self> {
        match std::str::from_utf8(body) {
            Ok(text) => Ok(Self { text, at: 0 }),
            Err(error) => {
                let offset = error.valid_up_to();
                Err(located(DecodeError::new(offset, Malformed::NotUtf8), &body[..offset]))
            }
        }
    }

    /// An error at the next value.
    pub fn expected(&mut self, expected: &'static str) -> Box<DecodeError> {
        self.space();
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some(b'{') => "an object".to_owned(),
            Some(b'[') => "an array".to_owned(),
            Some(_) => {
                let rest = &self.text[self.at..];
                let token = rest.find(|char: char| char.is_whitespace() || ",]}".contains(char)).unwrap_or(rest.len());
                // Long enough to recognise it, too short to hold a secret that the answer would carry into a log.
                format!("`{}`", &rest[..rest.floor_char_boundary(token.clamp(1, 24))])
            }
        };
        self.fault(Malformed::Expected { expected, found })
    }

    /// An error at this place.
    pub fn fault(&self, what: Malformed) -> Box<DecodeError> {
        located(DecodeError::new(self.at, what), &self.text.as_bytes()[..self.at])
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// The first byte of the next value.
    pub fn next_byte(&mut self) -> Option<u8> {
        self.space();
        self.peek()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.next_byte() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Nothing but white space may follow.
    pub fn end(&mut self) -> Read<()> {
        match self.next_byte() {
            None => Ok(()),
            Some(_) => Err(self.expected("nothing more")),
        }
    }

    fn literal(&mut self, literal: &str) -> bool {
        self.space();
        let found = self.text[self.at..].starts_with(literal);
        self.at += if found { literal.len() } else { 0 };
        found
    }

    /// True when the value was `null`, which protobuf's JSON takes as absent.
    pub fn null(&mut self) -> bool {
        self.literal("null")
    }

    /// `true` or `false`.
    pub fn bool(&mut self) -> Read<bool> {
        if self.literal("true") {
            Ok(true)
        } else if self.literal("false") {
            Ok(false)
        } else {
            Err(self.expected("true or false"))
        }
    }

    /// Opens an object.
    pub fn object(&mut self) -> Read<Sequence> {
        if self.take(b'{') { Ok(Sequence { first: true }) } else { Err(self.expected("an object")) }
    }

    /// The next key of an object, whose value must be read or passed over then; `None` behind the last.
    pub fn key(&mut self, object: &mut Sequence) -> Read<Option<Cow<'a, str>>> {
        if self.take(b'}') {
            return Ok(None);
        }
        if !object.first && !self.take(b',') {
            return Err(self.expected("`,` or `}`"));
        }
        object.first = false;
        let key = self.string()?;
        if self.take(b':') { Ok(Some(key)) } else { Err(self.expected("`:`")) }
    }

    /// Opens an array.
    pub fn array(&mut self) -> Read<Sequence> {
        if self.take(b'[') { Ok(Sequence { first: true }) } else { Err(self.expected("an array")) }
    }

    /// True when an item follows, which must be read or passed over then; false behind the last.
    pub fn item(&mut self, array: &mut Sequence) -> Read<bool> {
        if self.take(b']') {
            return Ok(false);
        }
        if !array.first && !self.take(b',') {
            return Err(self.expected("`,` or `]`"));
        }
        array.first = false;
        Ok(true)
    }

    /// A string, borrowed when it has no escapes.
    pub fn string(&mut self) -> Read<Cow<'a, str>> {
        if !self.take(b'"') {
            return Err(self.expected("a string"));
        }
        let mut owned = String::new();
        loop {
            let plain = self.plain()?;
            self.at += 1;
            match self.text.as_bytes()[self.at - 1] {
                b'"' if owned.is_empty() => return Ok(Cow::Borrowed(plain)),
                b'"' => return Ok(Cow::Owned(owned + plain)),
                _ => {
                    owned.push_str(plain);
                    owned.push(self.escape()?);
                }
            }
        }
    }

    /// What stands in a string up to its end or the next escape; then this is at that quote or backslash.
    fn plain(&mut self) -> Read<&'a str> {
        let rest = &self.text[self.at..];
        let length = memchr2(b'"', b'\\', rest.as_bytes());
        let plain = &rest[..length.unwrap_or(rest.len())];
        // Looking at all bytes is faster than stopping at the first: it is done many at a time.
        if plain.bytes().fold(false, |found, byte| found | (byte < 0x20)) {
            self.at += plain.bytes().take_while(|byte| *byte >= 0x20).count();
            let found = "a control character in it".to_owned();
            return Err(self.fault(Malformed::Expected { expected: "a string", found }));
        }
        self.at += plain.len();
        if length.is_none() { Err(self.fault(Malformed::Truncated)) } else { Ok(plain) }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Read<char> {
        let Some(byte) = self.peek() else { return Err(self.fault(Malformed::Truncated)) };
        let char = match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.bad_escape()),
        };
        self.at += 1;
        Ok(char)
    }

    /// `\uXXXX`, or two of them that are one character.
    fn unicode(&mut self) -> Read<char> {
        let first = self.code_unit()?;
        let second = match first {
            0xd800..0xdc00 if self.text[self.at..].starts_with("\\u") => {
                self.at += 2;
                Some(self.code_unit()?)
            }
            _ => None,
        };
        let decoded = char::decode_utf16(std::iter::once(first).chain(second)).next();
        decoded.and_then(Result::ok).ok_or_else(|| self.bad_escape())
    }

    fn code_unit(&mut self) -> Read<u16> {
        let digits =
            self.text.as_bytes().get(self.at..self.at + 4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let unit = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.bad_escape())?;
        self.at += 4;
        Ok(unit)
    }

    fn bad_escape(&self) -> Box<DecodeError> {
        self.fault(Malformed::Expected {
            expected: "an escape such as \\n or \\u00e9",
            found: "something else".to_owned(),
        })
    }

    /// The characters of a number.
    fn number(&mut self) -> Read<&'a str> {
        self.space();
        let rest = &self.text[self.at..];
        match number_length(rest.as_bytes()) {
            Some(length) => {
                self.at += length;
                Ok(&rest[..length])
            }
            None => Err(self.expected("a number")),
        }
    }

    /// The text of a number, which may stand in quotes: that is how protobuf's JSON writes 64 bits.
    fn number_or_string(&mut self) -> Read<Cow<'a, str>> {
        match self.next_byte() {
            Some(b'"') => self.string(),
            _ => self.number().map(Cow::Borrowed),
        }
    }

    /// An integer, as a number or in quotes.
    pub fn integer<T: TryFrom<i128>>(&mut self, expected: &'static str) -> Read<T> {
        let mut start = *self;
        let text = self.number_or_string()?;
        integer(&text).and_then(|integer| T::try_from(integer).ok()).ok_or_else(|| start.expected(expected))
    }

    /// A double: a number, in quotes or not, or the names of what JSON has no numbers for.
    pub fn double(&mut self) -> Read<f64> {
        let mut start = *self;
        let text = self.number_or_string()?;
        let double = match &*text {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text if number_length(text.as_bytes()) == Some(text.len()) => {
                text.parse().ok().filter(|double: &f64| double.is_finite())
            }
            _ => None,
        };
        double.ok_or_else(|| start.expected("a 64-bit float"))
    }

    /// Passes over a value, which must be JSON all the same.
    pub fn skip(&mut self) -> Read<()> {
        self.skip_at(0)
    }

    fn skip_at(&mut self, depth: usize) -> Read<()> {
        if depth == MAX_DEPTH {
            return Err(self.fault(Malformed::TooDeep(MAX_DEPTH)));
        }
        match self.next_byte() {
            Some(b'{') => {
                let mut object = self.object()?;
                while let Some(key) = self.key(&mut object)? {
                    self.skip_at(depth + 1)
                        .map_err(|error| error.inside(&key[..key.floor_char_boundary(MAX_KEY_SHOWN)]))?;
                }
                Ok(())
            }
            Some(b'[') => {
                let mut array = self.array()?;
                let mut index = 0;
                while self.item(&mut array)? {
                    self.skip_at(depth + 1).map_err(|error| error.inside(format_args!("[{index}]")))?;
                    index += 1;
                }
                Ok(())
            }
            Some(b'"') => self.string().map(drop),
            Some(b't' | b'f') => self.bool().map(drop),
            Some(b'n') if self.null() => Ok(()),
            Some(b'-' | b'0'..=b'9') => self.number().map(drop),
            _ => Err(self.expected("a value")),
        }
    }
}

/// How many bytes of a JSON number the text begins with.
fn number_length(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(text.first() == Some(&b'-'));
    at += match digits(at) {
        0 => return None,
        _ if text[at] == b'0' => 1,
        many => many,
    };
    if text.get(at) == Some(&b'.') {
        at += match digits(at + 1) {
            0 => return None,
            many => many + 1,
        };
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at += match digits(at + 1 + sign) {
            0 => return None,
            many => many + 1 + sign,
        };
    }
    Some(at)
}

/// The integer that a number is; `1e3` and `5.0` are integers too, as far as a double holds them exactly.
fn integer(text: &str) -> Option<i128> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number_length(text.as_bytes()) != Some(text.len()) {
        return None;
    }
    if !text.contains(['.', 'e', 'E']) {
        return text.parse().ok();
    }
    let double: f64 = text.parse().ok()?;
    (double.fract() == 0.0 && double.abs() <= EXACT).then_some(double as i128)
}

/// The error with its line and column, which follow from what stands before it.
#[cold]
fn located(mut error: Box<DecodeError>, before: &[u8]) -> Box<DecodeError> {
    let lines = before.iter().filter(|byte| **byte == b'\n').count();
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let column = String::from_utf8_lossy(&before[line_start..]).chars().count();
    error.line_column = Some((lines + 1, column + 1));
    error
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// The value as `serde_json` has it, read with our reader.
    fn value(reader: &mut Reader<'_>) -> Read<Value> {
        Ok(match reader.next_byte() {
            Some(b'{') => {
                let mut object = reader.object()?;
                let mut members = serde_json::Map::new();
                while let Some(key) = reader.key(&mut object)? {
                    members.insert(key.into_owned(), value(reader)?);
                }
                Value::Object(members)
            }
            Some(b'[') => {
                let mut array = reader.array()?;
                let mut items = Vec::new();
                while reader.item(&mut array)? {
                    items.push(value(reader)?);
                }
                Value::Array(items)
            }
            Some(b'"') => Value::String(reader.string()?.into_owned()),
            Some(b't' | b'f') => Value::Bool(reader.bool()?),
            Some(b'n') if reader.null() => Value::Null,
            _ => {
                let text = reader.number()?;
                let integer = text.parse::<u64>().map(Value::from).or_else(|_| text.parse::<i64>().map(Value::from));
                // `serde_json` itself may be off by one bit, since it is built without `float_roundtrip`.
                integer.unwrap_or_else(|_| Value::from(text.parse::<f64>().unwrap()))
            }
        })
    }

    fn whole(text: &str) -> Read<Value> {
        let mut reader = Reader::new(text.as_bytes())?;
        let value = value(&mut reader)?;
        reader.end()?;
        Ok(value)
    }

    fn skipped(text: &str) -> Read<()> {
        let mut reader = Reader::new(text.as_bytes())?;
        reader.skip()?;
        reader.end()
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_json_writes(sent in json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&sent) } else { serde_json::to_string(&sent) }.unwrap();
            prop_assert_eq!(whole(&text).unwrap(), sent);
            prop_assert!(skipped(&text).is_ok());
        }

        #[test]
        fn it_refuses_what_serde_json_refuses(text in r#"[\[\]{}",:0-9eE.+\-truefalsn\\ud8c \n]{0,12}"#) {
            let theirs: Result<Value, _> = serde_json::from_str(&text);
            // A number beyond the range of doubles is well-formed, though no double: `skip` passes over it, as `serde` does when it ignores.
            let out_of_range = theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
            prop_assert_eq!(skipped(&text).is_ok(), theirs.is_ok() || out_of_range, "{:?}", theirs);
            prop_assert_eq!(whole(&text).is_ok(), skipped(&text).is_ok());
        }

        #[test]
        fn a_truncated_text_is_an_error(sent in json(), cut in any::<prop::sample::Index>()) {
            let text = serde_json::to_string(&[sent]).unwrap();
            let end = text.floor_char_boundary(cut.index(text.len()));
            prop_assert!(skipped(&text[..end]).is_err());
        }
    }

    #[test]
    fn escapes_become_characters_and_lone_surrogates_are_refused() {
        assert_eq!(whole(r#""\u00e9\ud83d\ude00\/\b""#).unwrap(), Value::from("é😀/\u{8}"));
        for bad in [r#""\ud83d""#, r#""\ude00""#, r#""\ud83dx""#, r#""\ud83d\u0041""#, r#""\x""#, r#""\u12""#, "\"\n\""]
        {
            assert!(whole(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn integers_come_as_numbers_or_text_and_never_through_a_double() {
        let read = |text: &str| Reader::new(text.as_bytes()).unwrap().integer::<i64>("an integer").ok();

        assert_eq!(read("9007199254740993"), Some(9_007_199_254_740_993));
        assert_eq!(read("\"9007199254740993\""), Some(9_007_199_254_740_993));
        assert_eq!(read("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(read("1e3"), Some(1000));
        assert_eq!(
            (read("9223372036854775808"), read("1.5"), read("\"\""), read("\" 1\""), read("1e300")),
            (None, None, None, None, None)
        );
    }

    #[test]
    fn an_error_has_line_and_column_in_characters() {
        let error = skipped("{\n  \"é\": tru\n}").unwrap_err();

        assert_eq!(error.to_string(), "é: expected true or false, found `tru` (line 2, column 8)");
    }
}
