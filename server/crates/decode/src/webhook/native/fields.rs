//! The keys and values of one event, before anybody asks what they mean together.

use std::borrow::Cow;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{MAX_FUTURE, MAX_NAME_BYTES, WebhookError};
use crate::{json::Reader, otlp::Malformed};

/// The keys of an event, and the kinds that have them; no kinds where all do.
const KEYS: [(&str, &[&str]); 20] = [
    ("kind", &[]),
    ("id", &[]),
    ("environment", &[]),
    ("namespace", &[]),
    ("service", &[]),
    ("instance", &[]),
    ("at", &[]),
    ("target", &["breaker", "limit"]),
    ("name", &["breaker", "limit"]),
    ("state", &["breaker", "limit"]),
    ("status", &["health"]),
    ("detail", &["health"]),
    ("guard", &["limit"]),
    ("change", &["change"]),
    ("version", &["change"]),
    ("title", &["change"]),
    ("url", &["change"]),
    ("in_use", &["limit"]),
    ("limit", &["limit"]),
    ("waiting", &["limit"]),
];

/// The last ones are numbers.
const NUMBERS: [&str; 3] = ["in_use", "limit", "waiting"];

enum Value<'a> {
    Text(Cow<'a, str>),
    Number(u32),
}

/// One event, by the place of its keys in [`KEYS`].
pub(super) struct Fields<'a, 'p> {
    pointer: &'p str,
    values: [Option<Value<'a>>; KEYS.len()],
}

impl<'a, 'p> Fields<'a, 'p> {
    pub(super) fn read(reader: &mut Reader<'a>, pointer: &'p str) -> Result<Self, WebhookError> {
        let syntax = |error: Box<crate::otlp::DecodeError>| WebhookError::new(pointer, error.to_string());
        let mut fields = Self { pointer, values: Default::default() };
        let mut seen = [false; KEYS.len()];
        let mut members = reader.object().map_err(syntax)?;
        while let Some(key) = reader.key(&mut members).map_err(syntax)? {
            let Some(index) = KEYS.iter().position(|(known, _)| *known == key) else {
                return Err(fields.error(&key, "there is no such key in an event"));
            };
            if std::mem::replace(&mut seen[index], true) {
                return Err(fields.error(&key, "the key comes twice"));
            }
            if !reader.null() {
                let value = if NUMBERS.contains(&&*key) {
                    reader.integer("a whole number from 0 to 4294967295").map(Value::Number)
                } else {
                    reader.string().map(Value::Text)
                };
                let value = value.map_err(|error| match error.what {
                    Malformed::Expected { .. } => fields.error(&key, error.to_string()),
                    _ => syntax(error),
                })?;
                fields.values[index] = Some(value);
            }
        }
        Ok(fields)
    }

    pub(super) fn error(&self, key: &str, detail: impl Into<String>) -> WebhookError {
        // As RFC 6901 has it; the start of a long key is enough to find it.
        let key: String = key.chars().take(64).collect();
        WebhookError::new(format!("{}/{}", self.pointer, key.replace('~', "~0").replace('/', "~1")), detail)
    }

    fn value(&self, key: &str) -> Option<&Value<'a>> {
        let index = KEYS.iter().position(|(known, _)| *known == key)?;
        self.values[index].as_ref()
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.value(key)? {
            Value::Text(text) => Some(text),
            Value::Number(_) => None,
        }
    }

    pub(super) fn number(&self, key: &str) -> Option<u32> {
        match self.value(key)? {
            Value::Number(number) => Some(*number),
            Value::Text(_) => None,
        }
    }

    pub(super) fn required(&self, key: &str) -> Result<&str, WebhookError> {
        self.text(key).ok_or_else(|| self.error(key, "is missing"))
    }

    /// At most `limit` bytes; empty when it is not there.
    pub(super) fn optional(&self, key: &str, limit: usize) -> Result<&str, WebhookError> {
        match self.text(key) {
            Some(text) if text.len() > limit => {
                Err(self.error(key, format!("has {} bytes, {limit} are allowed", text.len())))
            }
            text => Ok(text.unwrap_or_default()),
        }
    }

    /// A text that names something.
    pub(super) fn name(&self, key: &str) -> Result<&str, WebhookError> {
        self.required(key)?;
        let text = self.optional(key, MAX_NAME_BYTES)?;
        if text.trim().is_empty() { Err(self.error(key, "must not be empty")) } else { Ok(text) }
    }

    /// A word in any spelling. `words` are what is expected, each as it is documented.
    pub(super) fn one_of<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Result<T, WebhookError> {
        let plain = |text: &str| -> String {
            text.chars().filter(|char| !matches!(char, '_' | '-')).flat_map(char::to_lowercase).collect()
        };
        let text = self.required(key)?;
        let said = plain(text);
        let found = words.iter().find(|(word, _)| plain(word) == said);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let found: String = text.chars().take(32).collect();
            self.error(key, format!("expected {}, found `{found}`", listed(words.iter().map(|(word, _)| *word))))
        })
    }

    pub(super) fn instant(&self, key: &str, now_ns: i64) -> Result<i64, WebhookError> {
        instant(self.required(key)?, now_ns).map_err(|detail| self.error(key, detail))
    }

    /// An address that a browser may be led to.
    pub(super) fn link(&self, key: &str, limit: usize) -> Result<&str, WebhookError> {
        let text = self.optional(key, limit)?;
        if text.is_empty() || is_link(text) {
            Ok(text)
        } else {
            Err(self.error(key, "expected an address that begins with http:// or https://"))
        }
    }

    /// Refuses keys that belong to other kinds.
    pub(super) fn only_of(&self, kind: &str) -> Result<(), WebhookError> {
        let foreign = KEYS
            .iter()
            .zip(&self.values)
            .find(|((_, kinds), value)| value.is_some() && !kinds.is_empty() && !kinds.contains(&kind));
        match foreign {
            Some(((key, _), _)) => Err(self.error(key, format!("an event of kind {kind} has no such key"))),
            None => Ok(()),
        }
    }
}

/// An RFC 3339 time, no more than a day ahead of `now_ns`.
pub(crate) fn instant(text: &str, now_ns: i64) -> Result<i64, String> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok().and_then(|at| i64::try_from(at.unix_timestamp_nanos()).ok());
    let at = at.ok_or_else(|| {
        let found: String = text.chars().take(64).collect();
        format!("`{found}` is not an RFC 3339 time such as 2026-01-01T00:00:00Z")
    })?;
    let latest = now_ns.saturating_add(i64::try_from(MAX_FUTURE.as_nanos()).unwrap_or(i64::MAX));
    if at > latest { Err("lies more than 24 hours in the future: check the sender's clock".to_owned()) } else { Ok(at) }
}

/// Only these lead somewhere: `javascript:` would run.
pub(crate) fn is_link(text: &str) -> bool {
    let scheme =
        text.split_once("://").filter(|(_, rest)| !rest.is_empty()).map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("http" | "https"))
        && !text.contains(|char: char| char.is_whitespace() || char.is_control())
}

/// "a, b or c".
fn listed<'a>(words: impl ExactSizeIterator<Item = &'a str>) -> String {
    let last = words.len().saturating_sub(1);
    let mut text = String::new();
    for (index, word) in words.enumerate() {
        text.push_str(if index == 0 {
            ""
        } else if index == last {
            " or "
        } else {
            ", "
        });
        text.push_str(word);
    }
    text
}
