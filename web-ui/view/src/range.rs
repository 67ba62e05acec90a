//! A range of time in the URL: the last so many minutes, everything, or between two instants.

use spillway_api::Timestamp;

use crate::{format, query::Query};

/// Which time is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// The last so many seconds.
    Last(u32),
    /// Everything that is stored.
    All,
    /// From one instant to another.
    Between(Timestamp, Timestamp),
}

impl Range {
    /// What the menu offers.
    pub const MENU: [Self; 6] = [
        Self::Last(900),
        Self::Last(3_600),
        Self::Last(6 * 3_600),
        Self::Last(86_400),
        Self::Last(7 * 86_400),
        Self::All,
    ];

    /// Reads `last=15m`, `last=all` or `from=…&to=…` in RFC 3339; an hour when nothing can be read.
    pub fn from_query(query: &Query) -> Self {
        let instant = |key: &str| query.get(key).and_then(|text| Timestamp::parse(text).ok());
        if let (Some(from), Some(to)) = (instant("from"), instant("to")) {
            return Self::Between(from, to);
        }
        query.get("last").and_then(Self::parse).unwrap_or(Self::Last(3_600))
    }

    /// Reads `15m`, `6h`, `7d`, `90s` or `all`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "all" {
            return Some(Self::All);
        }
        let unit = match text.chars().last()? {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        let number: u32 = text[..text.len() - 1].parse().ok()?;
        number.checked_mul(unit).filter(|seconds| *seconds > 0).map(Self::Last)
    }

    /// What [`Range::parse`] reads; `None` for two instants.
    pub fn token(self) -> Option<String> {
        match self {
            Self::All => Some("all".to_owned()),
            Self::Between(..) => None,
            Self::Last(seconds) => Some(match seconds {
                _ if seconds % 86_400 == 0 => format!("{}d", seconds / 86_400),
                _ if seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
                _ if seconds % 60 == 0 => format!("{}m", seconds / 60),
                _ => format!("{seconds}s"),
            }),
        }
    }

    /// For people.
    pub fn label(self, offset_minutes: i32) -> String {
        match self {
            Self::Last(86_400) => "last 24\u{a0}h".to_owned(),
            Self::Last(seconds) => format!("last {}", format::span(i64::from(seconds))),
            Self::All => "all time".to_owned(),
            Self::Between(from, to) => {
                format!("{} – {}", format::date_time(from, offset_minutes), format::date_time(to, offset_minutes))
            }
        }
    }

    /// Writes itself into the query of a page.
    pub fn set(self, query: &mut Query) {
        let (from, to) = match self {
            Self::Between(from, to) => (Some(from.to_string()), Some(to.to_string())),
            _ => (None, None),
        };
        query.set("last", self.token().as_deref());
        query.set("from", from.as_deref());
        query.set("to", to.as_deref());
    }

    /// Both ends for a request made at `now`; `None` is open.
    pub fn bounds(self, now: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
        match self {
            Self::Last(seconds) => (Some(Timestamp::from_unix_ms(now.unix_ms() - i64::from(seconds) * 1_000)), None),
            Self::All => (None, None),
            Self::Between(from, to) => (Some(from), Some(to)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offered_range_survives_the_url() {
        let between = Range::Between(Timestamp::from_unix_ms(1_000), Timestamp::from_unix_ms(2_000));
        for range in Range::MENU.into_iter().chain([between, Range::Last(90)]) {
            let mut query = Query::new();
            range.set(&mut query);
            assert_eq!(Range::from_query(&query), range);
        }
    }

    #[test]
    fn nonsense_falls_back_to_an_hour() {
        for text in ["last=", "last=5", "last=0m", "last=99999999d", "last=é", "from=yesterday&to=now"] {
            assert_eq!(Range::from_query(&Query::parse(text)), Range::Last(3_600), "{text}");
        }
    }
}
