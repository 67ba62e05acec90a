//! The native form: one event, or an array that is stored as a whole.

pub(super) mod fields;

use std::{fmt, time::Duration};

use spillway_model::{
    event::{BreakerState, ChangeKind, Event, EventBody, Guard, HealthStatus, LimitState},
    identity::ServiceKey,
};

use crate::{Limits, json::Reader, otlp::DecodeError};
use fields::Fields;

/// Events of one request. Breakers change a few times a minute, so this is a fleet's backlog; it is one transaction.
pub const MAX_EVENTS: usize = 1_000;

/// Bytes of an id or a name: they become keys in tables and labels on the map.
pub const MAX_NAME_BYTES: usize = 256;

/// Bytes of the text that says why.
pub const MAX_DETAIL_BYTES: usize = 4 << 10;

/// Bytes of a change's title: a line of a list.
pub const MAX_TITLE_BYTES: usize = 1 << 10;

/// Bytes of a link: what browsers and proxies agree to take.
pub const MAX_LINK_BYTES: usize = 2 << 10;

/// How far ahead of ours a sender's clock may be. An instant beyond it would hide every later event, since the newest state counts.
pub const MAX_FUTURE: Duration = Duration::from_secs(24 * 60 * 60);

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
    pub(super) fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// What an envelope says already; the event's own keys win.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Given<'a> {
    pub kind: Option<&'a str>,
    pub id: Option<&'a str>,
    pub service: Option<&'a str>,
    pub at_ns: Option<i64>,
}

/// Reads one event or an array of up to [`MAX_EVENTS`].
///
/// Unknown and repeated keys are refused, since a misspelt optional key would be lost in silence. States and statuses are taken in any
/// spelling that breakers use: `half_open`, `half-open`, `HALF_OPEN`, `halfOpen`. `now_ns` is the receiver's clock.
///
/// # Errors
/// [`WebhookError`] for the first thing that is wrong; then no event of the request counts.
pub fn native(body: &[u8], limits: &Limits, now_ns: i64) -> Result<Vec<Event>, WebhookError> {
    let mut reader = open(body, limits)?;
    let mut events = Vec::new();
    if reader.next_byte() == Some(b'[') {
        let mut array = reader.array().map_err(syntax(""))?;
        while reader.item(&mut array).map_err(syntax(""))? {
            if events.len() == MAX_EVENTS {
                return Err(WebhookError::new("", format!("more than {MAX_EVENTS} events in one request")));
            }
            let pointer = format!("/{}", events.len());
            events.push(event(&mut reader, &pointer, Given::default(), now_ns)?);
        }
    } else {
        events.push(event(&mut reader, "", Given::default(), now_ns)?);
    }
    reader.end().map_err(syntax(""))?;
    Ok(events)
}

/// A reader of a body that is not too large.
pub(super) fn open<'a>(body: &'a [u8], limits: &Limits) -> Result<Reader<'a>, WebhookError> {
    if body.len() > limits.body_bytes {
        let detail = format!("the body has {} bytes, {} are allowed", body.len(), limits.body_bytes);
        return Err(WebhookError::new("", detail));
    }
    Reader::new(body).map_err(syntax(""))
}

pub(super) fn syntax(pointer: &str) -> impl Fn(Box<DecodeError>) -> WebhookError {
    move |error| WebhookError::new(pointer, error.to_string())
}

pub(super) fn event(
    reader: &mut Reader<'_>,
    pointer: &str,
    given: Given<'_>,
    now_ns: i64,
) -> Result<Event, WebhookError> {
    let fields = Fields::read(reader, pointer)?;
    let kind = match (fields.text("kind"), given.kind) {
        (Some(said), Some(given)) if said != given => {
            return Err(fields.error("kind", format!("is `{given}` by the envelope's type")));
        }
        (Some(said), _) => said,
        (None, Some(given)) => given,
        (None, None) => fields.required("kind")?,
    };
    let body = body(&fields, kind)?;
    let text = |key| fields.optional(key, MAX_NAME_BYTES);
    let name = |key, given: Option<&str>| match given {
        Some(given) if fields.text(key).is_none() => Ok(given.to_owned()),
        _ => fields.name(key).map(str::to_owned),
    };
    Ok(Event {
        id: name("id", given.id)?.into(),
        service: ServiceKey::new(text("environment")?, text("namespace")?, name("service", given.service)?.as_str()),
        instance: text("instance")?.into(),
        at_ns: match given.at_ns {
            Some(at_ns) if fields.text("at").is_none() => at_ns,
            _ => fields.instant("at", now_ns)?,
        },
        body,
    })
}

fn body(fields: &Fields<'_, '_>, kind: &str) -> Result<EventBody, WebhookError> {
    let read = match kind {
        "breaker" => breaker,
        "health" => health,
        "limit" => limit,
        "change" => change,
        _ => return Err(fields.error("kind", "expected breaker, health, limit or change")),
    };
    fields.only_of(kind)?;
    read(fields)
}

fn breaker(fields: &Fields<'_, '_>) -> Result<EventBody, WebhookError> {
    let target = fields.name("target")?;
    // Most callers have one breaker per callee, named after it.
    let name = Some(fields.optional("name", MAX_NAME_BYTES)?).filter(|name| !name.is_empty()).unwrap_or(target);
    let words = [
        ("closed", BreakerState::Closed),
        ("half_open", BreakerState::HalfOpen),
        ("open", BreakerState::Open),
        ("forced_open", BreakerState::ForcedOpen),
        ("disabled", BreakerState::Disabled),
        ("metrics_only", BreakerState::MetricsOnly),
    ];
    Ok(EventBody::Breaker { target: target.into(), name: name.into(), state: fields.one_of("state", &words)? })
}

fn health(fields: &Fields<'_, '_>) -> Result<EventBody, WebhookError> {
    let words = [("up", HealthStatus::Up), ("degraded", HealthStatus::Degraded), ("down", HealthStatus::Down)];
    Ok(EventBody::Health {
        status: fields.one_of("status", &words)?,
        detail: fields.optional("detail", MAX_DETAIL_BYTES)?.into(),
    })
}

fn limit(fields: &Fields<'_, '_>) -> Result<EventBody, WebhookError> {
    let target = fields.optional("target", MAX_NAME_BYTES)?;
    // One that guards the service itself has no target, so it must have a name.
    let name = match fields.optional("name", MAX_NAME_BYTES)? {
        "" if !target.is_empty() => target,
        _ => fields.name("name")?,
    };
    Ok(EventBody::Limit {
        guard: fields.one_of("guard", &[("bulkhead", Guard::Bulkhead), ("rate_limiter", Guard::RateLimiter)])?,
        target: target.into(),
        name: name.into(),
        state: fields.one_of("state", &[("free", LimitState::Free), ("exhausted", LimitState::Exhausted)])?,
        in_use: fields.number("in_use"),
        limit: fields.number("limit"),
        waiting: fields.number("waiting"),
    })
}

fn change(fields: &Fields<'_, '_>) -> Result<EventBody, WebhookError> {
    let words = [
        ("deploy", ChangeKind::Deploy),
        ("config", ChangeKind::Config),
        ("flag", ChangeKind::Flag),
        ("scale", ChangeKind::Scale),
    ];
    Ok(EventBody::Change {
        change: fields.one_of("change", &words)?,
        version: fields.optional("version", MAX_NAME_BYTES)?.into(),
        title: fields.optional("title", MAX_TITLE_BYTES)?.into(),
        url: fields.link("url", MAX_LINK_BYTES)?.into(),
    })
}

#[cfg(test)]
mod tests;
