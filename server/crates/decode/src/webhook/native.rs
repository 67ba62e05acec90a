//! The native form: one event, or an array that is stored as a whole.

use std::{borrow::Cow, fmt, time::Duration};

use spillway_model::{
    event::{BreakerState, Event, EventBody, HealthStatus},
    identity::ServiceKey,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    Limits,
    json::Reader,
    otlp::{DecodeError, Malformed},
};

/// Events of one request. Breakers change a few times a minute, so this is a fleet's backlog; it is one transaction.
pub const MAX_EVENTS: usize = 1_000;

/// Bytes of an id or a name: they become keys in tables and labels on the map.
pub const MAX_NAME_BYTES: usize = 256;

/// Bytes of the text that says why.
pub const MAX_DETAIL_BYTES: usize = 4 << 10;

/// How far ahead of ours a sender's clock may be. An instant beyond it would hide every later event, since the newest state counts.
pub const MAX_FUTURE: Duration = Duration::from_secs(24 * 60 * 60);

/// The keys of an event, in the order of [`Fields`].
const KEYS: [&str; 12] = [
    "kind",
    "id",
    "environment",
    "namespace",
    "service",
    "instance",
    "at",
    "target",
    "name",
    "state",
    "status",
    "detail",
];
/// Those that only a breaker has.
const BREAKER_KEYS: [&str; 3] = ["target", "name", "state"];
/// Those that only health has.
const HEALTH_KEYS: [&str; 2] = ["status", "detail"];

/// The request cannot be stored, and nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookError {
    /// JSON pointer (RFC 6901) to what is wrong, such as `/3/state`; empty for the whole body.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

impl fmt::Display for WebhookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            write!(f, "{}", self.detail)
        } else {
            write!(f, "{}: {}", self.pointer, self.detail)
        }
    }
}

impl std::error::Error for WebhookError {}

impl WebhookError {
    fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// Reads one event or an array of up to [`MAX_EVENTS`].
///
/// Unknown and repeated keys are refused, since a misspelt optional key would be lost in silence. States and statuses are taken in any
/// spelling that breakers use: `half_open`, `half-open`, `HALF_OPEN`, `halfOpen`. `now_ns` is the receiver's clock.
///
/// # Errors
/// [`WebhookError`] for the first thing that is wrong; then no event of the request counts.
pub fn native(body: &[u8], limits: &Limits, now_ns: i64) -> Result<Vec<Event>, WebhookError> {
    if body.len() > limits.body_bytes {
        return Err(WebhookError::new(
            "",
            format!("the body has {} bytes, {} are allowed", body.len(), limits.body_bytes),
        ));
    }
    let syntax = |pointer: &str| {
        let pointer = pointer.to_owned();
        move |error: Box<DecodeError>| WebhookError::new(pointer, error.to_string())
    };
    let mut reader = Reader::new(body).map_err(syntax(""))?;
    let mut events = Vec::new();
    if reader.next_byte() == Some(b'[') {
        let mut array = reader.array().map_err(syntax(""))?;
        while reader.item(&mut array).map_err(syntax(""))? {
            if events.len() == MAX_EVENTS {
                return Err(WebhookError::new("", format!("more than {MAX_EVENTS} events in one request")));
            }
            let pointer = format!("/{}", events.len());
            events.push(event(&mut reader, &pointer, now_ns)?);
        }
    } else {
        events.push(event(&mut reader, "", now_ns)?);
    }
    reader.end().map_err(syntax(""))?;
    Ok(events)
}

/// The texts of one event, by the place of their key in [`KEYS`].
struct Fields<'a, 'p> {
    pointer: &'p str,
    texts: [Option<Cow<'a, str>>; KEYS.len()],
}

fn event(reader: &mut Reader<'_>, pointer: &str, now_ns: i64) -> Result<Event, WebhookError> {
    let fields = Fields::read(reader, pointer)?;
    let kind = fields.required("kind")?;
    let body = match kind {
        "breaker" => {
            fields.refuse(kind, &HEALTH_KEYS)?;
            let target = fields.name("target")?;
            EventBody::Breaker {
                target: target.into(),
                // Most callers have one breaker per callee, named after it.
                name: fields.optional("name", MAX_NAME_BYTES)?.filter(|name| !name.is_empty()).unwrap_or(target).into(),
                state: fields.one_of(
                    "state",
                    &[
                        ("closed", BreakerState::Closed),
                        ("halfopen", BreakerState::HalfOpen),
                        ("open", BreakerState::Open),
                    ],
                    "closed, half_open or open",
                )?,
            }
        }
        "health" => {
            fields.refuse(kind, &BREAKER_KEYS)?;
            EventBody::Health {
                status: fields.one_of(
                    "status",
                    &[("up", HealthStatus::Up), ("degraded", HealthStatus::Degraded), ("down", HealthStatus::Down)],
                    "up, degraded or down",
                )?,
                detail: fields.optional("detail", MAX_DETAIL_BYTES)?.unwrap_or_default().into(),
            }
        }
        _ => return Err(fields.error("kind", "expected breaker or health")),
    };
    let text = |key| fields.optional(key, MAX_NAME_BYTES).map(Option::unwrap_or_default);
    Ok(Event {
        id: fields.name("id")?.into(),
        service: ServiceKey::new(text("environment")?, text("namespace")?, fields.name("service")?),
        instance: text("instance")?.into(),
        at_ns: fields.instant("at", now_ns)?,
        body,
    })
}

impl<'a, 'p> Fields<'a, 'p> {
    fn read(reader: &mut Reader<'a>, pointer: &'p str) -> Result<Self, WebhookError> {
        let mut fields = Self { pointer, texts: Default::default() };
        let mut seen = [false; KEYS.len()];
        let mut members = reader.object().map_err(|error| WebhookError::new(pointer, error.to_string()))?;
        while let Some(key) = reader.key(&mut members).map_err(|error| WebhookError::new(pointer, error.to_string()))? {
            let Some(index) = KEYS.iter().position(|known| *known == key) else {
                return Err(fields.error(&key, "there is no such key in an event"));
            };
            if std::mem::replace(&mut seen[index], true) {
                return Err(fields.error(&key, "the key comes twice"));
            }
            if !reader.null() {
                let text = reader.string().map_err(|error| match error.what {
                    Malformed::Expected { .. } => fields.error(&key, error.to_string()),
                    _ => WebhookError::new(pointer, error.to_string()),
                })?;
                fields.texts[index] = Some(text);
            }
        }
        Ok(fields)
    }

    fn error(&self, key: &str, detail: impl Into<String>) -> WebhookError {
        // As RFC 6901 has it; the start of a long key is enough to find it.
        let key: String = key.chars().take(64).collect();
        WebhookError::new(format!("{}/{}", self.pointer, key.replace('~', "~0").replace('/', "~1")), detail)
    }

    fn get(&self, key: &str) -> Option<&str> {
        let index = KEYS.iter().position(|known| *known == key)?;
        self.texts[index].as_deref()
    }

    fn required(&self, key: &str) -> Result<&str, WebhookError> {
        self.get(key).ok_or_else(|| self.error(key, "is missing"))
    }

    fn optional(&self, key: &str, limit: usize) -> Result<Option<&str>, WebhookError> {
        match self.get(key) {
            Some(text) if text.len() > limit => {
                Err(self.error(key, format!("has {} bytes, {limit} are allowed", text.len())))
            }
            text => Ok(text),
        }
    }

    /// A text that names something.
    fn name(&self, key: &str) -> Result<&str, WebhookError> {
        self.required(key)?;
        match self.optional(key, MAX_NAME_BYTES)? {
            Some(text) if !text.trim().is_empty() => Ok(text),
            _ => Err(self.error(key, "must not be empty")),
        }
    }

    /// A word in any spelling.
    fn one_of<T: Copy>(&self, key: &str, words: &[(&str, T)], expected: &str) -> Result<T, WebhookError> {
        let text = self.required(key)?;
        let plain: String =
            text.chars().filter(|char| !matches!(char, '_' | '-')).flat_map(char::to_lowercase).collect();
        let found = words.iter().find(|(word, _)| *word == plain);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let found: String = text.chars().take(32).collect();
            self.error(key, format!("expected {expected}, found `{found}`"))
        })
    }

    fn instant(&self, key: &str, now_ns: i64) -> Result<i64, WebhookError> {
        let text = self.required(key)?;
        let at =
            OffsetDateTime::parse(text, &Rfc3339).ok().and_then(|at| i64::try_from(at.unix_timestamp_nanos()).ok());
        let at = at.ok_or_else(|| {
            let found: String = text.chars().take(64).collect();
            self.error(key, format!("`{found}` is not an RFC 3339 time such as 2026-01-01T00:00:00Z"))
        })?;
        let latest = now_ns.saturating_add(i64::try_from(MAX_FUTURE.as_nanos()).unwrap_or(i64::MAX));
        if at > latest {
            Err(self.error(key, "lies more than 24 hours in the future: check the sender's clock"))
        } else {
            Ok(at)
        }
    }

    /// Keys that belong to the other kind.
    fn refuse(&self, kind: &str, keys: &[&str]) -> Result<(), WebhookError> {
        match keys.iter().find(|key| self.get(key).is_some()) {
            Some(key) => Err(self.error(key, format!("an event of kind {kind} has no such key"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// 2026-01-01T00:00:00Z.
    const NOW: i64 = 1_767_225_600_000_000_000;

    fn read(body: &Value) -> Result<Vec<Event>, String> {
        native(body.to_string().as_bytes(), &Limits::default(), NOW).map_err(|error| error.to_string())
    }

    fn breaker() -> Value {
        json!({"id": "1", "kind": "breaker", "service": "checkout", "instance": "checkout-1", "target": "payments",
               "name": "payments", "state": "open", "at": "2026-01-01T00:00:00Z"})
    }

    fn health() -> Value {
        json!({"id": "2", "kind": "health", "environment": "production", "namespace": "shop", "service": "checkout",
               "status": "degraded", "at": "2026-01-01T01:00:00.5+01:00", "detail": "slow disk"})
    }

    fn with(mut event: Value, key: &str, value: Value) -> Value {
        event[key] = value;
        event
    }

    #[test]
    fn one_event_and_an_array_are_read() {
        let events = read(&json!([breaker(), health()])).unwrap();

        assert_eq!(
            events[0],
            Event {
                id: "1".into(),
                service: ServiceKey::new("", "", "checkout"),
                instance: "checkout-1".into(),
                at_ns: NOW,
                body: EventBody::Breaker {
                    target: "payments".into(),
                    name: "payments".into(),
                    state: BreakerState::Open
                },
            }
        );
        assert_eq!(events[1].service, ServiceKey::new("production", "shop", "checkout"));
        assert_eq!(events[1].at_ns, NOW + 500_000_000);
        assert_eq!(events[1].body, EventBody::Health { status: HealthStatus::Degraded, detail: "slow disk".into() });
        assert_eq!(read(&breaker()).unwrap()[..], events[..1]);
        assert_eq!(read(&json!([])).unwrap(), []);
    }

    #[test]
    fn states_are_read_in_every_spelling() {
        for spelling in ["half_open", "half-open", "HALF_OPEN", "halfOpen", "Half-Open"] {
            let events = read(&with(breaker(), "state", json!(spelling))).unwrap();
            assert!(matches!(events[0].body, EventBody::Breaker { state: BreakerState::HalfOpen, .. }), "{spelling}");
        }
        for spelling in ["UP", "up"] {
            assert!(read(&with(health(), "status", json!(spelling))).is_ok());
        }
    }

    #[test]
    fn a_breaker_without_a_name_has_its_targets() {
        let events = read(&with(breaker(), "name", Value::Null)).unwrap();

        assert!(matches!(&events[0].body, EventBody::Breaker { name, .. } if &**name == "payments"));
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        let third =
            |key: &str, value: Value| read(&json!([breaker(), health(), with(breaker(), key, value)])).unwrap_err();

        insta::assert_snapshot!(third("state", json!("ajar")), @"/2/state: expected closed, half_open or open, found `ajar`");
        insta::assert_snapshot!(third("state", Value::Null), @"/2/state: is missing");
        insta::assert_snapshot!(third("stat", json!("open")), @"/2/stat: there is no such key in an event");
        insta::assert_snapshot!(third("a/b~c", json!(1)), @"/2/a~1b~0c: there is no such key in an event");
        insta::assert_snapshot!(third("detail", json!("x")), @"/2/detail: an event of kind breaker has no such key");
        insta::assert_snapshot!(third("id", json!(" ")), @"/2/id: must not be empty");
        insta::assert_snapshot!(third("service", json!("x".repeat(257))), @"/2/service: has 257 bytes, 256 are allowed");
        insta::assert_snapshot!(third("kind", json!("weather")), @"/2/kind: expected breaker or health");
        insta::assert_snapshot!(third("at", json!("yesterday")), @"/2/at: `yesterday` is not an RFC 3339 time such as 2026-01-01T00:00:00Z");
        insta::assert_snapshot!(third("at", json!("2026-01-02T00:00:00.000000001Z")), @"/2/at: lies more than 24 hours in the future: check the sender's clock");
        assert!(third("id", json!(5)).starts_with("/2/id: expected a string, found `5` (line 1, column "));
        assert!(read(&with(breaker(), "at", json!("2026-01-02T00:00:00Z"))).is_ok());
        assert!(
            read(&with(health(), "detail", json!("x".repeat(4097))))
                .unwrap_err()
                .starts_with("/detail: has 4097 bytes")
        );
        insta::assert_snapshot!(read(&json!(vec![breaker(); 1001])).unwrap_err(), @"more than 1000 events in one request");
        insta::assert_snapshot!(read(&json!("x")).unwrap_err(), @"expected an object, found `\"x\"` (line 1, column 1)");
        insta::assert_snapshot!(native(b"{\"id\": \"a\", \"id\": \"b\"}", &Limits::default(), NOW).unwrap_err(), @"/id: the key comes twice");
        insta::assert_snapshot!(native(b"[{}", &Limits::default(), NOW).unwrap_err(), @"/0/kind: is missing");
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let mut body = json!([breaker(), health()]).to_string().into_bytes();
            prop_assert!(native(&body[..cut.index(body.len())], &Limits::default(), NOW).is_err());
            let at = at.index(body.len());
            body[at] = byte;
            let _ = native(&body, &Limits::default(), NOW);
        }
    }
}
