//! Query strings: written and read without a URL crate, which would cost the browser's first load.

use std::fmt::Write as _;

/// `application/x-www-form-urlencoded` pairs in the order in which they were set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Without pairs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads what follows a `?`; a leading `?` is skipped. Anything is accepted: a link from elsewhere must not break the page.
    pub fn parse(text: &str) -> Self {
        let pairs = text.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(key, value)| (decode(key), decode(value)))
                .collect(),
        )
    }

    /// The first value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(have, _)| have == key).map(|(_, value)| value.as_str())
    }

    /// Replaces every value of `key`; `None` takes the key out.
    pub fn set(&mut self, key: &str, value: Option<&str>) {
        let place = self.0.iter().position(|(have, _)| have == key);
        self.0.retain(|(have, _)| have != key);
        if let Some(value) = value {
            let pair = (key.to_owned(), value.to_owned());
            match place {
                Some(place) => self.0.insert(place.min(self.0.len()), pair),
                None => self.0.push(pair),
            }
        }
    }

    /// [`Query::set`] in a chain.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.set(key, Some(value));
        self
    }

    /// [`Query::with`] when there is a value that is not empty.
    #[must_use]
    pub fn with_some(self, key: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) if !value.is_empty() => self.with(key, value),
            _ => self,
        }
    }

    /// `path`, or `path?a=b` when there are pairs.
    pub fn href(&self, path: &str) -> String {
        if self.0.is_empty() {
            return path.to_owned();
        }
        let mut text = format!("{path}?");
        for (index, (key, value)) in self.0.iter().enumerate() {
            if index > 0 {
                text.push('&');
            }
            encode_into(&mut text, key);
            text.push('=');
            encode_into(&mut text, value);
        }
        text
    }
}

fn encode_into(text: &mut String, part: &str) {
    for byte in part.bytes() {
        match byte {
            // `/` and `:` may stand in a query (RFC 3986, 3.4); left as they are, node ids stay readable.
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' | b':' => {
                text.push(char::from(byte))
            }
            _ => {
                // Writing into a String cannot fail.
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
}

/// One path segment or query part, percent-encoded.
pub fn encode(part: &str) -> String {
    let mut text = String::with_capacity(part.len());
    encode_into(&mut text, part);
    text.replace('/', "%2F")
}

fn decode(part: &str) -> String {
    let bytes = part.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |offset: usize| bytes.get(at + offset).and_then(|byte| char::from(*byte).to_digit(16));
        match (bytes[at], hex(1), hex(2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            (b'+', ..) => {
                decoded.push(b' ');
                at += 1;
            }
            (byte, ..) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn setting_a_key_keeps_its_place_and_removes_repeats() {
        let mut query = Query::parse("?a=1&b=2&a=3");

        query.set("a", Some("x y"));
        assert_eq!(query.href("/p"), "/p?a=x%20y&b=2");

        query.set("a", None);
        query.set("b", None);
        assert_eq!(query.href("/p"), "/p");
    }

    #[test]
    fn broken_escapes_are_taken_as_text() {
        let query = Query::parse("a=%zz&b=%2&c=100%&d");

        assert_eq!(query.get("a"), Some("%zz"));
        assert_eq!(query.get("b"), Some("%2"));
        assert_eq!(query.get("c"), Some("100%"));
        assert_eq!(query.get("d"), Some(""));
    }

    #[test]
    fn a_path_segment_hides_its_slashes() {
        assert_eq!(encode("builtin:a/b c"), "builtin:a%2Fb%20c");
    }

    proptest! {
        #[test]
        fn every_value_survives_the_address_bar(key in "[a-z]{1,8}", value in ".*") {
            let href = Query::new().with(&key, &value).href("/p");
            let query = Query::parse(href.split_once('?').map_or("", |(_, query)| query));
            prop_assert_eq!(query.get(&key), Some(value.as_str()));
        }
    }
}
