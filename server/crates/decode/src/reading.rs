//! What a feed of breakers and limiters says, before it is known whose feed it is.
//!
//! All decoders of such feeds return this one type: the shell adds the service and the instance that it asked, and the time when none is
//! said. Feeds come from strangers, so a document says at most [`MAX_READINGS`] things, each name has at most
//! [`MAX_NAME_BYTES`] bytes, and what is left out is counted with its reason.

use std::{collections::BTreeMap, fmt, sync::Arc};

use spillway_model::event::{BreakerState, EventBody, Guard, LimitState};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{otlp::DecodeError, webhook::MAX_NAME_BYTES};

/// Readings of one document. A process has tens of breakers, a proxy some hundreds of hosts.
pub const MAX_READINGS: usize = 1_000;

/// Different things that are named as left out; further ones are counted together.
const MAX_IGNORED: usize = 64;

/// Bytes of a name that is only shown, in a reason.
const MAX_SHOWN: usize = 64;

/// One breaker or limiter, at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Whom it guards calls to, as the feed names it.
    pub target: Arc<str>,
    /// Its own name.
    pub name: Arc<str>,
    /// Whose it is, where the feed says so; else the instance that was asked.
    pub instance: Option<Arc<str>>,
    /// How it is.
    pub says: Says,
    /// When it was so, by the feed's clock in ns since 1970; `None` is "now".
    pub at_ns: Option<i64>,
}

/// How a breaker or a limiter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// A breaker's state.
    Breaker(BreakerState),
    /// A bulkhead or a rate limiter.
    Limit {
        /// Which of them.
        guard: Guard,
        /// Whether it has room.
        state: LimitState,
        /// Calls inside.
        in_use: Option<u32>,
        /// Most calls inside.
        limit: Option<u32>,
        /// Calls that wait for room.
        waiting: Option<u32>,
    },
}

impl Reading {
    /// A breaker without a time of its own.
    pub fn breaker(target: &str, name: &str, state: BreakerState) -> Self {
        Self { target: target.into(), name: name.into(), instance: None, says: Says::Breaker(state), at_ns: None }
    }

    /// The event's body.
    pub fn body(&self) -> EventBody {
        let (target, name) = (self.target.clone(), self.name.clone());
        match self.says {
            Says::Breaker(state) => EventBody::Breaker { target, name, state },
            Says::Limit { guard, state, in_use, limit, waiting } => {
                EventBody::Limit { guard, target, name, state, in_use, limit, waiting }
            }
        }
    }
}

/// What one document says, and what of it was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readings {
    /// What it says, in its order.
    pub readings: Vec<Reading>,
    /// What was left out, and why.
    pub ignored: Ignored,
}

impl Readings {
    /// Takes one more, if its names are names and there is room.
    pub fn push(&mut self, reading: Reading) {
        let long = |text: &Arc<str>| text.len() > MAX_NAME_BYTES;
        if reading.name.trim().is_empty() || reading.target.trim().is_empty() {
            self.ignored.count("(no name)", "it has no name");
        } else if long(&reading.name) || long(&reading.target) || reading.instance.as_ref().is_some_and(long) {
            self.ignored.count(&reading.name, "its name is longer than 256 bytes");
        } else if self.readings.len() >= MAX_READINGS {
            self.ignored.count("(further ones)", "more than 1,000 in one document");
        } else {
            self.readings.push(reading);
        }
    }

    /// Adds what another document of the same source says.
    pub fn extend(&mut self, other: Self) {
        for reading in other.readings {
            self.push(reading);
        }
        self.ignored.merge(&other.ignored);
    }
}

/// What was left out, why, and how often: bounded, in the order of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    counts: BTreeMap<(Box<str>, &'static str), u64>,
}

impl Ignored {
    /// Counts one thing that was left out.
    pub fn count(&mut self, what: &str, why: &'static str) {
        self.add(what, why, 1);
    }

    fn add(&mut self, what: &str, why: &'static str, times: u64) {
        let what = &what[..what.floor_char_boundary(MAX_SHOWN)];
        let key = (what.into(), why);
        let known = self.counts.contains_key(&key);
        let key = if known || self.counts.len() < MAX_IGNORED { key } else { ("(others)".into(), "various") };
        *self.counts.entry(key).or_default() += times;
    }

    fn merge(&mut self, other: &Self) {
        for (what, why, times) in other.iter() {
            self.add(what, why, times);
        }
    }

    /// What, why, how often.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'static str, u64)> {
        self.counts.iter().map(|((what, why), times)| (&**what, *why, *times))
    }

    /// True when nothing was.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

/// A document that says nothing that can be used; the text says what is wrong and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

impl From<Box<DecodeError>> for Unreadable {
    fn from(error: Box<DecodeError>) -> Self {
        Self(error.to_string())
    }
}

/// Letters and digits of a word, in lower case: `half_open`, `Half-Open` and `HALFOPEN` are one word. Cut at 32, longer than any word here.
pub(crate) fn plain(word: &str) -> String {
    word.chars().filter(char::is_ascii_alphanumeric).take(32).map(|char| char.to_ascii_lowercase()).collect()
}

/// A breaker's state in any library's spelling.
pub(crate) fn breaker_state(word: &str) -> Option<BreakerState> {
    Some(match &*plain(word) {
        "closed" | "close" => BreakerState::Closed,
        "halfopen" | "halfopened" => BreakerState::HalfOpen,
        "open" | "opened" => BreakerState::Open,
        // Polly calls it isolated.
        "forcedopen" | "forceopen" | "isolated" => BreakerState::ForcedOpen,
        "disabled" => BreakerState::Disabled,
        "metricsonly" => BreakerState::MetricsOnly,
        _ => return None,
    })
}

/// An instant in ns since 1970: RFC 3339, also as Java's `ZonedDateTime` prints it, with a zone in brackets behind it and, on a full
/// minute, without seconds.
pub(crate) fn instant(text: &str) -> Option<i64> {
    let text = text.split('[').next()?;
    let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    let at = parse(text).or_else(|| {
        let minutes = "2026-01-01T00:00".len();
        let (before, after) = (text.get(..minutes)?, text.get(minutes..)?);
        parse(&format!("{before}:00{after}"))
    })?;
    i64::try_from(at.unix_timestamp_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_document_says_a_bounded_number_of_things() {
        let mut readings = Readings::default();

        for number in 0..MAX_READINGS + 5 {
            readings.push(Reading::breaker("a", &number.to_string(), BreakerState::Open));
        }
        readings.push(Reading::breaker("a", &"x".repeat(257), BreakerState::Open));
        readings.push(Reading::breaker(" ", "x", BreakerState::Open));

        assert_eq!(readings.readings.len(), MAX_READINGS);
        let ignored: Vec<_> = readings.ignored.iter().map(|(_, why, times)| (why, times)).collect();
        assert_eq!(
            ignored,
            [("more than 1,000 in one document", 5), ("it has no name", 1), ("its name is longer than 256 bytes", 1)]
        );
    }

    #[test]
    fn reasons_are_bounded_too() {
        let mut ignored = Ignored::default();

        for number in 0..1_000 {
            ignored.count(&number.to_string(), "why");
        }

        assert_eq!(ignored.iter().count(), MAX_IGNORED + 1);
        assert_eq!(ignored.iter().map(|(_, _, times)| times).sum::<u64>(), 1_000);
    }

    #[test]
    fn javas_times_are_instants() {
        let second = 1_767_225_600_000_000_000;

        assert_eq!(instant("2026-01-01T00:00:00Z"), Some(second));
        assert_eq!(instant("2026-01-01T01:00:00.5+01:00[Europe/Berlin]"), Some(second + 500_000_000));
        assert_eq!(instant("2026-01-01T00:00Z[Etc/UTC]"), Some(second));
        assert_eq!(instant("2026-01-01T01:00+01:00[Europe/Berlin]"), Some(second));
        for bad in ["", "[", "2026-01-01", "é", "2026-01-01T00:0é"] {
            assert_eq!(instant(bad), None, "{bad}");
        }
    }
}
