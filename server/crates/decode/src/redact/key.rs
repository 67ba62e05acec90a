//! What a key says about its value.

use spillway_model::batch::ValueRef;

use super::{REDACTED, Rule, text::Shape};

/// Headers that carry credentials, as the last part of a normalised key.
const HEADERS: [&str; 10] = [
    "authorization",
    "proxy_authorization",
    "cookie",
    "cookies",
    "set_cookie",
    "x_api_key",
    "x_auth_token",
    "x_amz_security_token",
    "x_csrf_token",
    "x_forwarded_authorization",
];

/// Words that make a key a secret's, in normalised form.
const SECRETS: [&str; 9] =
    ["password", "passwd", "passphrase", "token", "secret", "api_key", "apikey", "private_key", "credential"];

/// Last words of keys that describe a secret without holding it: `gen_ai.token.type`, `password.length`, `k8s.secret.name`.
const DESCRIPTIONS: [&str; 30] = [
    "age",
    "alg",
    "algorithm",
    "budget",
    "count",
    "duration",
    "enabled",
    "expired",
    "expires",
    "expiry",
    "kind",
    "length",
    "limit",
    "max",
    "min",
    "name",
    "present",
    "price",
    "rate",
    "ratio",
    "remaining",
    "size",
    "status",
    "total",
    "ttl",
    "type",
    "usage",
    "used",
    "valid",
    "version",
];

/// Attributes whose text is a URL, or the part of one.
const SHAPED: [(&str, Shape); 8] = [
    ("url.full", Shape::Url),
    ("url.original", Shape::Url),
    ("http.url", Shape::Url),
    ("http.target", Shape::Url),
    ("http.request.url", Shape::Url),
    ("url.query", Shape::Query),
    ("http.query", Shape::Query),
    ("url.fragment", Shape::Fragment),
];

/// Longest key pattern; keys are names, not texts.
const MAX_PATTERN_BYTES: usize = 256;

/// Most key patterns of each list: every distinct key of a request is compared with all of them.
const MAX_PATTERNS: usize = 256;

/// A key pattern of the configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    /// It would match no key, or every key.
    #[error("redaction key pattern `{0}` needs at least one character besides `*`")]
    Empty(String),
    /// It is longer than any key.
    #[error("redaction key pattern `{0}…` is longer than {MAX_PATTERN_BYTES} bytes")]
    TooLong(String),
    /// There are too many.
    #[error("{0} redaction key patterns are more than {MAX_PATTERNS}")]
    TooMany(usize),
}

/// What becomes of the value of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyClass {
    /// It stays, whatever it looks like.
    Allowed,
    /// It goes, whatever it looks like.
    Mask(Mask),
    /// It is a URL or a part of one.
    Shaped(Shape),
    /// Its content decides.
    Plain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mask {
    pub rule: Rule,
    /// The key is a plural that usually counts: `max_tokens`.
    pub may_count: bool,
}

impl Mask {
    /// True when the value can be a secret. Empty values and true or false cannot.
    pub fn hides(self, value: ValueRef<'_>) -> bool {
        match value {
            ValueRef::Empty | ValueRef::Bool(_) => false,
            ValueRef::Int(_) | ValueRef::Double(_) => !self.may_count,
            ValueRef::Str(text) => !text.is_empty() && text != REDACTED,
            ValueRef::Bytes(bytes) | ValueRef::Array(bytes) | ValueRef::Map(bytes) => !bytes.is_empty(),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct KeyRules {
    extra: Vec<String>,
    allowed: Vec<String>,
}

impl KeyRules {
    pub fn new(extra: &[String], allowed: &[String]) -> Result<Self, InvalidPattern> {
        let prepare = |patterns: &[String]| {
            if patterns.len() > MAX_PATTERNS {
                return Err(InvalidPattern::TooMany(patterns.len()));
            }
            patterns.iter().map(|pattern| pattern_of(pattern)).collect()
        };
        Ok(Self { extra: prepare(extra)?, allowed: prepare(allowed)? })
    }

    pub fn class(&self, key: &str) -> KeyClass {
        let name = normalised(key);
        let matches = |patterns: &[String]| patterns.iter().any(|pattern| glob(pattern.as_bytes(), name.as_bytes()));
        if matches(&self.allowed) {
            KeyClass::Allowed
        } else if matches(&self.extra) {
            KeyClass::Mask(Mask { rule: Rule::ExtraKey, may_count: false })
        } else if HEADERS.contains(&name.rsplit('.').next().unwrap_or_default()) {
            KeyClass::Mask(Mask { rule: Rule::Header, may_count: false })
        } else if let Some(may_count) = secret(&name) {
            KeyClass::Mask(Mask { rule: Rule::SecretKey, may_count })
        } else if let Some((_, shape)) = SHAPED.iter().find(|(shaped, _)| *shaped == name) {
            KeyClass::Shaped(*shape)
        } else {
            KeyClass::Plain
        }
    }
}

/// A word in a text that names a secret.
#[derive(Clone, Copy, Debug)]
pub(super) struct SecretName {
    may_count: bool,
}

impl SecretName {
    pub fn of(word: &str) -> Option<Self> {
        // The shortest of the words is `token`.
        const SHORTEST: usize = 5;
        if word.len() < SHORTEST {
            return None;
        }
        secret(&normalised(word)).map(|may_count| Self { may_count })
    }

    /// True when what stands behind the name can be the secret.
    pub fn hides(self, value: &str) -> bool {
        !(self.may_count && value.bytes().all(|byte| byte.is_ascii_digit()))
    }
}

/// Whether a normalised key holds a secret; `Some(true)` when it is a plural.
fn secret(name: &str) -> Option<bool> {
    let word = (0..name.len()).find_map(|at| {
        let rest = &name.as_bytes()[at..];
        // Most letters begin none of the words, so this is one look at each.
        if !matches!(rest[0], b'a' | b'c' | b'p' | b's' | b't') {
            return None;
        }
        SECRETS.into_iter().find(|word| rest.starts_with(word.as_bytes()))
    })?;
    let last = name.rsplit(['.', '_']).next().unwrap_or_default();
    let describes = DESCRIPTIONS.contains(&last);
    (!describes).then(|| word == "token" && last == "tokens")
}

/// Lower case, `_` for `-`, and between the words of `camelCase`.
fn normalised(key: &str) -> String {
    let mut name = String::with_capacity(key.len() + 4);
    let mut after_small = false;
    for char in key.chars() {
        if char.is_ascii_uppercase() && after_small {
            name.push('_');
        }
        after_small = char.is_ascii_lowercase() || char.is_ascii_digit();
        name.push(if char == '-' { '_' } else { char.to_ascii_lowercase() });
    }
    name
}

fn pattern_of(pattern: &str) -> Result<String, InvalidPattern> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(InvalidPattern::TooLong(pattern.chars().take(32).collect()));
    }
    let name = normalised(pattern.trim());
    if name.bytes().all(|byte| byte == b'*') { Err(InvalidPattern::Empty(pattern.to_owned())) } else { Ok(name) }
}

/// True when the whole name matches; `*` stands for any bytes. Goes back to the last `*` only, so it takes at most pattern times name steps.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut begin) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while begin < name.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, begin));
            at += 1;
        } else if pattern.get(at) == Some(&name[begin]) {
            at += 1;
            begin += 1;
        } else if let Some((star_at, swallowed)) = star {
            at = star_at + 1;
            begin = swallowed + 1;
            star = Some((star_at, begin));
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn rule(key: &str) -> Option<Rule> {
        let rules =
            KeyRules::new(&["x-internal-*".to_owned(), "*ssn*".to_owned()], &["session.token".to_owned()]).unwrap();
        match rules.class(key) {
            KeyClass::Mask(mask) => Some(mask.rule),
            _ => None,
        }
    }

    #[test]
    fn keys_of_secrets_are_known_in_every_spelling() {
        for key in [
            "http.request.header.authorization",
            "http.request.header.Set-Cookie",
            "http.response.header.set_cookie",
            "Authorization",
            "rpc.request.metadata.X-API-Key",
        ] {
            assert_eq!(rule(key), Some(Rule::Header), "{key}");
        }
        for key in [
            "db.password",
            "DB_PASSWORD",
            "user.passwd",
            "accessToken",
            "refresh_token",
            "client-secret",
            "apiKey",
            "APIKEY",
            "api_key",
            "aws.credentials",
            "usertoken",
            "tokens",
            "token_id",
            "tls.privateKey",
        ] {
            assert_eq!(rule(key), Some(Rule::SecretKey), "{key}");
        }
        for key in ["X_Internal_User", "customer.ssn", "SSN"] {
            assert_eq!(rule(key), Some(Rule::ExtraKey), "{key}");
        }
    }

    #[test]
    fn keys_that_only_describe_a_secret_are_left() {
        for key in [
            "gen_ai.token.type",
            "token.count",
            "llm.tokenCount",
            "password_length",
            "k8s.secret.name",
            "session.token",
            "http.route",
            "cookie.count",
            "author",
        ] {
            assert_eq!(rule(key), None, "{key}");
        }
    }

    #[test]
    fn numbers_of_a_plural_are_counts_and_its_text_is_a_secret() {
        let mask = Mask { rule: Rule::SecretKey, may_count: true };

        assert_eq!(KeyRules::new(&[], &[]).unwrap().class("gen_ai.usage.input_tokens"), KeyClass::Mask(mask));
        assert!(!mask.hides(ValueRef::Int(17)));
        assert!(mask.hides(ValueRef::Str("abc,def")));
        assert!(Mask { may_count: false, ..mask }.hides(ValueRef::Int(17)));
        assert!(!mask.hides(ValueRef::Bool(true)));
    }

    #[test]
    fn patterns_that_match_everything_are_refused() {
        for bad in ["", "*", " ** "] {
            assert_eq!(KeyRules::new(&[bad.to_owned()], &[]).unwrap_err(), InvalidPattern::Empty(bad.to_owned()));
        }
        assert!(matches!(KeyRules::new(&[], &["x".repeat(257)]), Err(InvalidPattern::TooLong(_))));
        assert!(matches!(KeyRules::new(&vec!["a".to_owned(); 257], &[]), Err(InvalidPattern::TooMany(257))));
    }

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, name, matches) in [
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("*b*", "abc", true),
            ("abc", "abc", true),
            ("a**", "a", true),
            ("*ab", "aab", true),
            ("", "", true),
        ] {
            assert_eq!(glob(pattern.as_bytes(), name.as_bytes()), matches, "{pattern} {name}");
        }
    }
}
