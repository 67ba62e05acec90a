//! E-mail addresses.

use memchr::memchr_iter;

use super::{REDACTED, text::Edit};

/// The text with `[redacted]` for its e-mail addresses.
///
/// An address has a dot in its domain and a last label of letters: `user@host` and `lib@1.2.3` are none.
pub(super) fn without_addresses(text: &str) -> Option<String> {
    let mut edit = Edit::new(text);
    let mut done = 0;
    for at in memchr_iter(b'@', text.as_bytes()) {
        let begin = at - text[done..at].bytes().rev().take_while(|byte| in_local_part(*byte)).count();
        let end = at + 1 + domain_length(&text[at + 1..]);
        if begin < at && end > at + 1 {
            edit.replace(begin..end, REDACTED);
            done = end;
        }
    }
    edit.finish()
}

/// Letters beyond ASCII count, so that every byte of one does.
fn in_local_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-')
}

/// How long the domain is that the text begins with; 0 when it begins with none.
fn domain_length(text: &str) -> usize {
    let run = text
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte >= 0x80 || matches!(byte, b'.' | b'-'))
        .count();
    let domain = text[..run].trim_end_matches(['.', '-']);
    match domain.rsplit_once('.') {
        Some((host, top)) if !host.is_empty() && top.chars().count() >= 2 && top.chars().all(char::is_alphabetic) => {
            domain.len()
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_out_and_what_looks_like_one_stays() {
        for (text, expected) in [
            ("mail to jane.doe+x@example.co.uk.", Some("mail to [redacted].")),
            ("a@b.co,c@d.org", Some("[redacted],[redacted]")),
            ("jürgen@müller.de", Some("[redacted]")),
            ("<x@y.zz>", Some("<[redacted]>")),
            ("a@b.co@c.de", Some("[redacted]@c.de")),
            ("user@host", None),
            ("lib@1.2.3", None),
            ("@scope/pkg", None),
            ("x@.com", None),
            ("1.5 @ 20.de", None),
            ("[redacted]@host.de", None),
        ] {
            assert_eq!(without_addresses(text).as_deref(), expected, "{text}");
        }
    }
}
