//! Where the space goes, in words.

use spillway_api::{Storage, StorageBound, Timestamp};

use crate::format;

/// A part of the data directory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// What it is.
    pub name: &'static str,
    /// What is in it.
    pub about: &'static str,
    /// Its size.
    pub bytes: u64,
}

/// The parts, in the order of a span's way through them.
pub fn parts(storage: &Storage) -> [Part; 4] {
    let part = |name, about, bytes| Part { name, about, bytes };
    [
        part("log", "Spans as they came, until they are compacted", storage.log_bytes),
        part("compacted", "Spans by trace, compressed", storage.compacted_bytes),
        part("history", "Charts, events and decisions", storage.history_bytes),
        part("control", "Rules, pins and the audit log", storage.control_bytes),
    ]
}

/// Days as people say them.
fn days(days: f64) -> String {
    format::span((days * 86_400.0) as i64)
}

/// What comes in and what it takes.
pub fn growth(storage: &Storage) -> String {
    let (Some(measured_s), Some(rate)) = (storage.measured_s, storage.spans_per_s) else {
        return "Rates are shown when spans have come for a minute.".to_owned();
    };
    let measured = format!(
        "{} spans a second, measured over {}",
        format::rate(Some(rate)).replace("/s", ""),
        format::span(i64::try_from(measured_s).unwrap_or(i64::MAX))
    );
    let (Some(each), Some(day)) = (storage.bytes_per_span, storage.bytes_per_day) else {
        return format!(
            "{measured}. What they take is known once enough are compacted, some ten minutes after the first."
        );
    };
    format!("{measured}; {} a span: {} a day.", format::bytes(each.round() as u64), format::bytes(day as u64))
}

/// What ends the growth, how much of a worry it is, and what to do.
pub fn outlook(storage: &Storage) -> Option<(&'static str, String)> {
    let forecast = storage.forecast?;
    let age = format::span(i64::try_from(storage.retention_s).unwrap_or(i64::MAX));
    let (left, kept) = (days(forecast.days_left), days(forecast.days_kept));
    let reached = forecast.days_left <= 0.0;
    let limit = storage.retention_bytes.map(format::bytes).unwrap_or_default();
    Some(match forecast.bound {
        StorageBound::Age if reached => ("healthy", format!("Spans are kept for {age} and go by their age.")),
        StorageBound::Age => {
            ("healthy", format!("Spans are kept for {age}: the first go in {left}, and the rest fits until then."))
        }
        StorageBound::Bytes if reached => (
            "degraded",
            format!("The store has its largest size ({limit}): spans are kept for {kept} instead of {age}."),
        ),
        StorageBound::Bytes => (
            "degraded",
            format!(
                "The store reaches its largest size ({limit}) in {left}: from then on spans are kept for {kept} instead of {age}."
            ),
        ),
        StorageBound::Disk => (
            "failing",
            format!(
                "The disk is full in {left}, and then nothing can be stored. Make room, or set retention.bytes: the oldest spans go then."
            ),
        ),
    })
}

/// Why there are no rows.
pub fn nothing(storage: &Storage, now: Timestamp) -> String {
    const HOUR_MS: i64 = 3_600_000;
    match storage.newest_at {
        None => "Nothing is stored yet. With the first spans, each service that sends gets a row here.".to_owned(),
        Some(at) if now.unix_ms() - at.unix_ms() < HOUR_MS => {
            "The first spans are here: with the next ones, each service that sends gets a row here.".to_owned()
        }
        Some(at) => format!("No service has sent in the last hour; the newest span came {}.", format::ago(at, now)),
    }
}

/// Which environments are in it: one needs no naming.
pub fn names_environments(storage: &Storage) -> bool {
    storage.services.windows(2).any(|pair| pair[0].environment != pair[1].environment)
}

#[cfg(test)]
mod tests {
    use spillway_api::StorageForecast;

    use super::*;

    fn storage() -> Storage {
        Storage {
            at: Timestamp::from_unix_ms(0),
            bytes: 9_100_000_000,
            log_bytes: 0,
            compacted_bytes: 8_000_000_000,
            history_bytes: 1_000_000_000,
            control_bytes: 100_000_000,
            disk_free_bytes: None,
            spans: 200_000_000,
            oldest_at: None,
            newest_at: None,
            measured_s: Some(3_600),
            spans_per_s: Some(1_000.0),
            bytes_per_span: Some(40.2),
            bytes_per_day: Some(3.456e9),
            retention_s: 7 * 86_400,
            retention_bytes: Some(20_000_000_000),
            forecast: None,
            services: Vec::new(),
        }
    }

    fn plain(text: &str) -> String {
        text.replace('\u{a0}', " ")
    }

    #[test]
    fn growth_says_from_what_it_is_known() {
        assert_eq!(plain(&growth(&storage())), "1k spans a second, measured over 1 h; 40 B a span: 3.46 GB a day.");
        let fresh = growth(&Storage { bytes_per_span: None, bytes_per_day: None, ..storage() });
        assert!(plain(&fresh).contains("measured over 1 h. What they take is known once"), "{}", plain(&fresh));
        let young = Storage { measured_s: None, spans_per_s: None, ..storage() };
        assert_eq!(growth(&young), "Rates are shown when spans have come for a minute.");
    }

    #[test]
    fn the_outlook_names_the_bound_the_time_and_what_to_do() {
        let cases = [
            (StorageBound::Age, 5.0, 7.0, "healthy", "the first go in 5 d"),
            (StorageBound::Age, 0.0, 7.0, "healthy", "kept for 7 d and go by their age"),
            (
                StorageBound::Bytes,
                3.2,
                5.4,
                "degraded",
                "(20 GB) in 3 d: from then on spans are kept for 5 d instead of 7 d",
            ),
            (StorageBound::Bytes, 0.0, 1.1, "degraded", "has its largest size (20 GB): spans are kept for 26 h"),
            (StorageBound::Disk, 0.5, 1.1, "failing", "The disk is full in 12 h"),
        ];
        for (bound, days_left, days_kept, state, words) in cases {
            let forecast = Some(StorageForecast { bound, days_left, days_kept });
            let Some((said, text)) = outlook(&Storage { forecast, ..storage() }) else { panic!("{bound:?}") };

            assert_eq!(said, state);
            assert!(plain(&text).contains(words), "{text}");
        }
        assert_eq!(outlook(&storage()), None);
    }

    #[test]
    fn an_empty_table_says_why() {
        let now = Timestamp::from_unix_ms(100_000_000);
        let with = |newest_at: Option<i64>| {
            plain(&nothing(&Storage { newest_at: newest_at.map(Timestamp::from_unix_ms), ..storage() }, now))
        };

        assert!(with(None).starts_with("Nothing is stored yet"));
        assert!(with(Some(99_999_000)).starts_with("The first spans are here"));
        assert!(with(Some(92_800_000)).ends_with("the newest span came 2 h ago."));
    }

    #[test]
    fn the_parts_are_all_of_it() {
        assert_eq!(parts(&storage()).iter().map(|part| part.bytes).sum::<u64>(), storage().bytes);
    }
}
