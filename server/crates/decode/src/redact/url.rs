//! Users, passwords and query values in URLs.

use memchr::memchr2;

use super::{
    REDACTED,
    text::{Edit, Shape, ends_word},
};

/// The text with `[redacted]@` for the user information of its URLs.
pub(super) fn without_user_info(text: &str, shape: Shape) -> Option<String> {
    if !text.contains("://") || !text.contains('@') {
        return None;
    }
    let mut edit = Edit::new(text);
    for (start, word) in words(text, shape) {
        let Some(scheme) = word.find("://") else { continue };
        let rest = &word[scheme + 3..];
        if let Some(end) = user_info(rest)
            && &rest[..end] != REDACTED
        {
            let begin = start + scheme + 3;
            edit.replace(begin..begin + end, REDACTED);
        }
    }
    edit.finish()
}

/// How long the user information is that a URL has behind `://`.
fn user_info(rest: &str) -> Option<usize> {
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    if let Some(at) = authority.rfind('@') {
        return Some(at);
    }
    // A password with an unescaped `/`, `?` or `#` ends the authority early; what follows the colon is then no port.
    let (_, port) = authority.split_once(':')?;
    let is_password = !authority.starts_with('[') && !port.bytes().all(|byte| byte.is_ascii_digit());
    if is_password { rest.rfind('@') } else { None }
}

/// The text with `[redacted]` for the values in queries and fragments of its URLs and paths.
pub(super) fn without_values(text: &str, shape: Shape) -> Option<String> {
    if matches!(shape, Shape::Text | Shape::Url) && memchr2(b'?', b'#', text.as_bytes()).is_none() {
        return None;
    }
    let mut edit = Edit::new(text);
    match shape {
        Shape::Query => parts(text, usize::from(text.starts_with('?')), Bare::IsValue, &mut edit),
        Shape::Fragment => parts(text, usize::from(text.starts_with('#')), Bare::IsName, &mut edit),
        Shape::Text | Shape::Url => {
            for (start, word) in words(text, shape) {
                if shape == Shape::Url || looks_like_url(word) {
                    tail(text, start..start + word.len(), &mut edit);
                }
            }
        }
    }
    edit.finish()
}

/// A scheme in front, or a path whose query has a value: `/login?token=1`, `host/login?token=1`.
fn looks_like_url(word: &str) -> bool {
    word.contains("://")
        || word.split_once(['?', '#']).is_some_and(|(path, query)| path.contains('/') && query.contains('='))
}

/// Everything behind the first `?` or `#` of a URL. Either may come again, as in the addresses of single-page applications.
fn tail(text: &str, url: std::ops::Range<usize>, edit: &mut Edit<'_>) {
    let mut at = url.start;
    while let Some(mark) = text[at..url.end].find(['?', '#']).map(|offset| at + offset) {
        let begin = mark + 1;
        let end = text[begin..url.end].find(['?', '#']).map_or(url.end, |offset| begin + offset);
        let bare = if text.as_bytes()[mark] == b'?' { Bare::IsValue } else { Bare::IsName };
        parts(&text[..end], begin, bare, edit);
        at = end;
    }
}

/// What a part of a query without `=` is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bare {
    /// `?0123abcd`: a token may stand so.
    IsValue,
    /// `#section-2`.
    IsName,
}

/// Replaces the values from `begin` to the end of the text.
fn parts(text: &str, begin: usize, bare: Bare, edit: &mut Edit<'_>) {
    let mut start = begin;
    for part in text[begin..].split('&') {
        let value = match part.find('=') {
            Some(equals) => &part[equals + 1..],
            None if bare == Bare::IsValue => part,
            None => "",
        };
        let end = start + part.len();
        if !value.is_empty() && value != REDACTED {
            edit.replace(end - value.len()..end, REDACTED);
        }
        start = end + 1;
    }
}

/// The words of a text with their places; a text that is a URL is one word.
fn words(text: &str, shape: Shape) -> impl Iterator<Item = (usize, &str)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        if from > text.len() {
            return None;
        }
        let rest = &text[from..];
        let length = match shape {
            Shape::Text => rest.bytes().position(ends_word).unwrap_or(rest.len()),
            Shape::Url | Shape::Query | Shape::Fragment => rest.len(),
        };
        let start = from;
        from += length + 1;
        Some((start, &rest[..length]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str, shape: Shape) -> String {
        let text = without_user_info(text, shape).unwrap_or_else(|| text.to_owned());
        without_values(&text, shape).unwrap_or(text)
    }

    #[test]
    fn users_and_passwords_are_taken_out() {
        for (text, expected) in [
            ("postgres://app:s3cr3t@db:5432/shop", "postgres://[redacted]@db:5432/shop"),
            ("postgres://app:p/q?r@db/shop", "postgres://[redacted]@db/shop"),
            ("redis://:s3cr3t@cache", "redis://[redacted]@cache"),
            ("https://token@github.com/a/b", "https://[redacted]@github.com/a/b"),
            (
                "connect to amqp://u:p@mq/ failed, then http://x:y@z",
                "connect to amqp://[redacted]@mq/ failed, then http://[redacted]@z",
            ),
            ("https://medium.com/@writer", "https://medium.com/@writer"),
            ("http://[::1]:80/@x", "http://[::1]:80/@x"),
            ("http://[redacted]@z", "http://[redacted]@z"),
        ] {
            assert_eq!(clean(text, Shape::Text), expected);
        }
    }

    #[test]
    fn query_values_are_taken_out_and_names_stay() {
        for (text, expected) in [
            ("https://shop/cart?id=7&token=abc", "https://shop/cart?id=[redacted]&token=[redacted]"),
            ("GET /login?user=a%20b HTTP/1.1", "GET /login?user=[redacted] HTTP/1.1"),
            ("shop.example/x?k=v", "shop.example/x?k=[redacted]"),
            ("https://x/?abcdef", "https://x/?[redacted]"),
            ("https://x/cb#access_token=abc&state=1", "https://x/cb#access_token=[redacted]&state=[redacted]"),
            ("https://x/#section", "https://x/#section"),
            ("https://x/#/route?t=1", "https://x/#/route?t=[redacted]"),
            (
                "see \"https://x/?a=b\" and https://y/?c=d.",
                "see \"https://x/?a=[redacted]\" and https://y/?c=[redacted]",
            ),
            ("https://x/?a=&b", "https://x/?a=&[redacted]"),
            ("https://x/?a=b?c=d", "https://x/?a=[redacted]?c=[redacted]"),
            ("SELECT * FROM t WHERE a=? AND b=?", "SELECT * FROM t WHERE a=? AND b=?"),
            ("is it ready? yes", "is it ready? yes"),
            ("https://x/?a=[redacted]", "https://x/?a=[redacted]"),
        ] {
            assert_eq!(clean(text, Shape::Text), expected);
        }
        assert_eq!(clean("cart?q=two words", Shape::Url), "cart?q=[redacted]");
        assert_eq!(clean("q=two words&x", Shape::Query), "q=[redacted]&[redacted]");
        assert_eq!(clean("?q=1", Shape::Query), "?q=[redacted]");
        assert_eq!(clean("access_token=1&top", Shape::Fragment), "access_token=[redacted]&top");
    }
}
