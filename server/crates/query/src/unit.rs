//! Durations and instants as they are written.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Units of a duration in nanoseconds, longest first.
const UNITS: [(&str, u64); 5] =
    [("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];

/// Reads `1.5s`: digits, perhaps a fraction, and one of ns, us (or µs), ms, s, m. `None` also for what does not come out at whole
/// nanoseconds of 64 bits.
pub(crate) fn parse_duration(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let unit = if unit == "µs" || unit == "μs" { "us" } else { unit };
    let scale = UNITS.iter().find_map(|(name, scale)| (*name == unit).then_some(*scale))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let mut total = whole.parse::<u64>().ok()?.checked_mul(scale)?;
    let mut scale = scale;
    if fraction.is_empty() {
        return None;
    }
    for digit in fraction.chars() {
        let digit = u64::from(digit.to_digit(10)?);
        let part = digit * scale;
        if part % 10 != 0 || (scale == 0 && digit > 0) {
            return None;
        }
        total = total.checked_add(part / 10)?;
        // Behind the last whole nanosecond only zeros may follow.
        scale = if scale % 10 == 0 { scale / 10 } else { 0 };
    }
    Some(total)
}

/// In the longest unit that it is a whole number of.
pub(crate) fn print_duration(ns: u64) -> String {
    let (unit, scale) = UNITS.into_iter().find(|(_, scale)| ns > 0 && ns.is_multiple_of(*scale)).unwrap_or(("ns", 1));
    format!("{}{unit}", ns / scale)
}

/// Reads RFC 3339 with any offset, or whole nanoseconds since the Unix epoch; `None` also for what lies before 1970 or after 2554.
pub(crate) fn parse_instant(text: &str) -> Option<u64> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(at.unix_timestamp_nanos()).ok()
}

/// RFC 3339 in UTC.
pub(crate) fn print_instant(ns: u64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ns))
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| ns.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_exact_or_refused() {
        for (text, ns) in [
            ("250ms", 250_000_000),
            ("1.5s", 1_500_000_000),
            ("0s", 0),
            ("7µs", 7_000),
            ("0.5us", 500),
            ("2m", 120_000_000_000),
            ("0.000000001s", 1),
            ("1.0ns", 1),
            ("0.000000001000s", 1),
            ("0.05m", 3_000_000_000),
        ] {
            assert_eq!(parse_duration(text), Some(ns), "{text}");
        }
        for text in [
            "",
            "250",
            "ms",
            "1.ms",
            ".5s",
            "0.5ns",
            "1.2.3s",
            "1h",
            "-1s",
            "1 s",
            "600000000000000s",
            "0.0000000001s",
            "0.000000000055m",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn instants_are_rfc_3339_or_nanoseconds() {
        assert_eq!(parse_instant("1970-01-01T01:00:00.5+01:00"), Some(500_000_000));
        assert_eq!(parse_instant("1790000000000000000"), Some(1_790_000_000_000_000_000));
        for text in ["", "2026-01-01", "1969-12-31T23:59:59Z", "yesterday", "-5"] {
            assert_eq!(parse_instant(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(ns in any::<u64>(), scale in 0u32..19) {
            let ns = ns / 10_u64.pow(scale) * 10_u64.pow(scale);
            prop_assert_eq!(parse_duration(&print_duration(ns)), Some(ns));
            prop_assert_eq!(parse_instant(&print_instant(ns)), Some(ns));
        }
    }
}
