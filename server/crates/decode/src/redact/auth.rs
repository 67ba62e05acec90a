//! Credentials behind the name of an authentication scheme.

use memchr::memchr_iter;

use super::{
    REDACTED,
    text::{Edit, ends_word},
};

/// What follows a scheme in prose: not credentials.
const PROSE: [&str; 16] = [
    "access",
    "and",
    "auth",
    "authentication",
    "authorization",
    "credentials",
    "error",
    "is",
    "not",
    "or",
    "realm",
    "required",
    "scheme",
    "token",
    "tokens",
    "was",
];

/// The text with `[redacted]` for what follows `Bearer` and `Basic`.
pub(super) fn without_credentials(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut edit = Edit::new(text);
    for space in memchr_iter(b' ', bytes) {
        let Some(scheme) = scheme_before(bytes, space) else { continue };
        let begin = space + bytes[space..].iter().take_while(|byte| **byte == b' ').count();
        let rest = &text[begin..];
        let credentials = &rest[..rest.bytes().position(|byte| ends_word(byte) || byte == b',').unwrap_or(rest.len())];
        if is_secret(scheme, credentials) {
            edit.replace(begin..begin + credentials.len(), REDACTED);
        }
    }
    edit.finish()
}

/// The scheme that ends at `end`, as it is written.
fn scheme_before(bytes: &[u8], end: usize) -> Option<&[u8]> {
    ["bearer", "basic"].into_iter().find_map(|name| {
        let begin = end.checked_sub(name.len())?;
        let alone = begin == 0 || !bytes[begin - 1].is_ascii_alphanumeric();
        let scheme = &bytes[begin..end];
        (alone && scheme.eq_ignore_ascii_case(name.as_bytes())).then_some(scheme)
    })
}

fn is_secret(scheme: &[u8], credentials: &str) -> bool {
    let word = credentials.split('=').next().unwrap_or_default().trim_end_matches(['.', ':', ';', ')']);
    if credentials.is_empty()
        || credentials.starts_with(REDACTED)
        || PROSE.iter().any(|prose| word.eq_ignore_ascii_case(prose))
    {
        return false;
    }
    // In lower case "basic" is an adjective more often than a scheme: "basic checks failed".
    scheme != b"basic" || credentials.len() >= 16 || credentials.bytes().any(|byte| !byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_behind_a_scheme_are_taken_out_and_prose_stays() {
        for (text, expected) in [
            ("Bearer eyJhbGciOi.J9.x_-~+/=", Some("Bearer [redacted]")),
            (
                "sent Authorization: BEARER  abc, then failed",
                Some("sent Authorization: BEARER  [redacted], then failed"),
            ),
            ("header 'Basic dXNlcjpwYXNz'", Some("header 'Basic [redacted]'")),
            ("basic dXNlcjpwYXNz", Some("basic [redacted]")),
            ("Bearer a Bearer b", Some("Bearer [redacted] Bearer [redacted]")),
            ("Basic authentication required", None),
            ("Bearer realm=\"x\"", None),
            ("basic checks failed", None),
            ("forbearer abc", None),
            ("Bearer [redacted]", None),
            ("Bearer ", None),
        ] {
            assert_eq!(without_credentials(text).as_deref(), expected, "{text}");
        }
    }
}
