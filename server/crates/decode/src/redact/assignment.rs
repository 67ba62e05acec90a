//! Secrets that a text assigns to a name: connection strings, logged JSON, SQL.

use memchr::memchr2_iter;

use super::{
    REDACTED,
    key::SecretName,
    text::{Edit, ends_word},
};

/// Longest name that is looked at: names are words, and a text of one long word must not cost the square of its length.
const MAX_NAME_BYTES: usize = 64;

/// The text with `[redacted]` for the values in `password=…`, `token = '…'` and `"secret": "…"`.
///
/// A colon counts only behind a name in quotes: "unexpected token: x" is prose.
pub(super) fn without_values(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut edit = Edit::new(text);
    let mut done = 0;
    for sign in memchr2_iter(b'=', b':', bytes) {
        if sign < done {
            continue;
        }
        // The name first: where a value ends may be far away, and most names are no secret's.
        let Some(secret) = name_before(text, sign).and_then(SecretName::of) else { continue };
        let (begin, end) = value_behind(text, sign + 1);
        let value = &text[begin..end];
        if !value.is_empty() && !value.starts_with(REDACTED) && secret.hides(value) {
            edit.replace(begin..end, REDACTED);
            done = end;
        }
    }
    edit.finish()
}

/// The name in front of `=` or `:`.
fn name_before(text: &str, sign: usize) -> Option<&str> {
    let bytes = text.as_bytes();
    let mut end = sign;
    while end > 0 && bytes[end - 1] == b' ' && sign - end < 3 {
        end -= 1;
    }
    let mut quoted = false;
    // Logged JSON is often escaped once more: \"password\".
    while end > 0 && matches!(bytes[end - 1], b'"' | b'\'' | b'\\') && sign - end < 6 {
        end -= 1;
        quoted = true;
    }
    if bytes[sign] == b':' && !quoted {
        return None;
    }
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let length = bytes[..end].iter().rev().take(MAX_NAME_BYTES).take_while(|byte| in_name(byte)).count();
    (length > 0).then(|| &text[end - length..end])
}

/// Where the value begins and ends, without its quotes.
fn value_behind(text: &str, from: usize) -> (usize, usize) {
    let bytes = text.as_bytes();
    let begin = from + bytes[from..].iter().take(3).take_while(|byte| **byte == b' ').count();
    let quote = begin + bytes[begin..].iter().take(3).take_while(|byte| **byte == b'\\').count();
    if let Some(mark @ (b'"' | b'\'')) = bytes.get(quote).copied() {
        let begin = quote + 1;
        let end = text[begin..].find([char::from(mark), '\\']).map_or(text.len(), |offset| begin + offset);
        return (begin, end);
    }
    let ends = |byte: u8| ends_word(byte) || matches!(byte, b';' | b'&' | b',' | b')' | b'}');
    (begin, text[begin..].bytes().position(ends).map_or(text.len(), |offset| begin + offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assigned_secrets_are_taken_out_and_other_assignments_stay() {
        for (text, expected) in [
            (
                "Server=db;User Id=app;Password=s3cr3t;Pooling=true",
                Some("Server=db;User Id=app;Password=[redacted];Pooling=true"),
            ),
            ("host=db password='two words' user=x", Some("host=db password='[redacted]' user=x")),
            (r#"{"user":"x","accessToken": "abc","n":1}"#, Some(r#"{"user":"x","accessToken": "[redacted]","n":1}"#)),
            (r#"{\"client_secret\":\"abc\"}"#, Some(r#"{\"client_secret\":\"[redacted]\"}"#)),
            ("UPDATE u SET password = 'x' WHERE id=1", Some("UPDATE u SET password = '[redacted]' WHERE id=1")),
            ("api_key=a&secret=b", Some("api_key=[redacted]&secret=[redacted]")),
            ("{'pin': 1, 'password': 1234}", Some("{'pin': 1, 'password': [redacted]}")),
            ("unexpected token: x", None),
            ("max_tokens=512 token_type=bearer", None),
            ("a=b", None),
            ("password=", None),
            ("token=[redacted]", None),
            ("= :", None),
            (&"a=".repeat(8_000), None),
        ] {
            assert_eq!(without_values(text).as_deref(), expected, "{text}");
        }
    }
}
