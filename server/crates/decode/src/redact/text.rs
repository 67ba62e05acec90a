//! One text through all the rules about content.

use std::borrow::Cow;

use memchr::memchr3;

use super::{RedactionCounts, Rule, assignment, auth, card, email, url};

/// What is known of a text from its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    /// Nothing: URLs are looked for among words.
    Text,
    /// All of it is one URL, or a path with its query.
    Url,
    /// All of it is a query.
    Query,
    /// All of it is a fragment.
    Fragment,
}

impl Shape {
    pub const COUNT: usize = 4;
}

/// The text without secrets; `None` when it has none.
pub(super) fn redacted(text: &str, shape: Shape, counts: &mut RedactionCounts) -> Option<String> {
    if shape == Shape::Text && !suspicious(text) {
        return None;
    }
    let mut clean = Cow::Borrowed(text);
    let mut step = |rule: Rule, redacted: &dyn Fn(&str) -> Option<String>| {
        if let Some(redacted) = redacted(&clean) {
            counts.add(rule);
            clean = Cow::Owned(redacted);
        }
    };
    // URLs first: what they lose can no longer be taken for something else.
    step(Rule::UrlUserInfo, &|text| url::without_user_info(text, shape));
    step(Rule::UrlQuery, &|text| url::without_values(text, shape));
    step(Rule::AuthScheme, &auth::without_credentials);
    step(Rule::Assignment, &assignment::without_values);
    step(Rule::Email, &email::without_addresses);
    if has_long_number(text.as_bytes()) {
        step(Rule::Card, &card::without_numbers);
    }
    match clean {
        Cow::Owned(clean) => Some(clean),
        Cow::Borrowed(_) => None,
    }
}

/// Whether the text can hold anything that the rules look for: one cheap pass that rules out nearly all texts.
pub(super) fn suspicious(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr3(b'@', b'?', b' ', bytes).is_some() || memchr3(b'#', b'=', b'"', bytes).is_some() || has_long_number(bytes)
}

/// True when there may be as many digits in a row as a card has. Only every thirteenth byte is looked at: a row that long cannot pass between them.
fn has_long_number(bytes: &[u8]) -> bool {
    let member = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b' ');
    (card::MIN_DIGITS - 1..bytes.len()).step_by(card::MIN_DIGITS).any(|at| {
        member(&bytes[at]) && {
            let before = bytes[..at].iter().rev().take_while(|byte| member(byte)).count();
            let after = bytes[at..].iter().take_while(|byte| member(byte)).count();
            before + after >= card::MIN_DIGITS
        }
    })
}

/// Puts a text together from kept pieces and replacements; costs nothing until there is something to replace.
pub(super) struct Edit<'a> {
    text: &'a str,
    out: String,
    copied: usize,
    changed: bool,
}

impl<'a> Edit<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, out: String::new(), copied: 0, changed: false }
    }

    /// Replaces a range behind all that were replaced before.
    pub fn replace(&mut self, range: std::ops::Range<usize>, with: &str) {
        debug_assert!(range.start >= self.copied, "replacements come in order");
        if !self.changed {
            self.out.reserve(self.text.len() + with.len());
        }
        self.out.push_str(&self.text[self.copied..range.start]);
        self.out.push_str(with);
        self.copied = range.end;
        self.changed = true;
    }

    /// The new text, if anything was replaced.
    pub fn finish(mut self) -> Option<String> {
        self.changed.then(|| {
            self.out.push_str(&self.text[self.copied..]);
            self.out
        })
    }
}

/// True where a word of a text ends: white space, control characters, quotes and angle brackets. All of ASCII, so that words can be looked for
/// byte by byte; a space beyond ASCII makes a word longer, and what is taken out too.
pub(super) fn ends_word(byte: u8) -> bool {
    matches!(byte, 0..=b' ' | b'"' | b'\'' | b'`' | b'<' | b'>' | 0x7f)
}
