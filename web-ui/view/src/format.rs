//! Numbers and times for people: three significant digits, a unit, and a dash where there is no sample.

use spillway_api::{Node, Timestamp};

/// What stands for "no samples": never a zero, which would be a statement.
pub const NONE: &str = "—";

/// Joins a number to its unit so that a line break cannot part them.
const NBSP: char = '\u{a0}';

/// At most three significant digits, without trailing zeros: `0.0412`, `2.9`, `38.4`, `251`, `1840`.
pub fn significant(value: f64) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    // The magnitude after rounding decides: 9.996 must become 10, not 10.00.
    let decimals = |of: f64| (2 - of.abs().log10().floor() as i32).clamp(0, 9);
    let first = decimals(value);
    let factor = 10f64.powi(first);
    let rounded = (value * factor).round() / factor;
    let decimals = decimals(if rounded == 0.0 { value } else { rounded });
    let text = format!("{value:.0$}", decimals as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A number with a thousand-step prefix: `251`, `1.84k`, `12.3M`.
fn prefixed(value: f64) -> String {
    const STEPS: [(f64, &str); 3] = [(1e9, "G"), (1e6, "M"), (1e3, "k")];
    for (step, prefix) in STEPS {
        // 999.6 rounds to 1000 at three digits, so it already belongs to the next step.
        if value.abs() >= step * 0.9995 {
            return format!("{}{prefix}", significant(value / step));
        }
    }
    significant(value)
}

/// A count: `251`, `1.84k`.
pub fn count(value: u64) -> String {
    prefixed(value as f64)
}

/// Requests per second: `251/s`, `1.84k/s`, `0.2/s`.
pub fn rate(value: Option<f64>) -> String {
    match value {
        Some(value) if value > 0.0 && value < 0.01 => "<0.01/s".to_owned(),
        Some(value) if value.is_finite() => format!("{}/s", prefixed(value)),
        _ => NONE.to_owned(),
    }
}

/// Requests per second of a node: `≈ 251/s` where they are scaled up from sampled spans.
pub fn rate_of(node: &Node) -> String {
    let sign = if node.estimated && node.rate.is_some() { "≈\u{a0}" } else { "" };
    format!("{sign}{}", rate(node.rate))
}

/// A share as per cent: `38 %`, `0.4 %`. Never rounds a part up to all, nor something down to nothing.
pub fn percent(ratio: Option<f64>) -> String {
    match ratio {
        Some(ratio) if ratio > 0.0 && ratio < 0.0001 => format!("<0.01{NBSP}%"),
        Some(ratio) if ratio < 1.0 && ratio > 0.9994 => format!("99.9{NBSP}%"),
        Some(ratio) if ratio.is_finite() => format!("{}{NBSP}%", significant(ratio * 100.0)),
        _ => NONE.to_owned(),
    }
}

/// Milliseconds: `840 µs`, `312 ms`, `2.9 s`, `2 min 5 s`.
pub fn millis(value: Option<f64>) -> String {
    match value {
        Some(ms) if !ms.is_finite() || ms < 0.0 => NONE.to_owned(),
        Some(0.0) => format!("0{NBSP}ms"),
        Some(ms) if ms < 0.0009995 => format!("{}{NBSP}ns", significant((ms * 1e6).round())),
        Some(ms) if ms < 0.9995 => format!("{}{NBSP}µs", significant(ms * 1e3)),
        Some(ms) if ms < 999.5 => format!("{}{NBSP}ms", significant(ms)),
        Some(ms) if ms < 99_950.0 => format!("{}{NBSP}s", significant(ms / 1e3)),
        Some(ms) => {
            let seconds = (ms / 1e3).round() as u64;
            format!("{}{NBSP}min {}{NBSP}s", seconds / 60, seconds % 60)
        }
        None => NONE.to_owned(),
    }
}

/// Nanoseconds, as [`millis`].
pub fn nanos(ns: u64) -> String {
    millis(Some(ns as f64 / 1e6))
}

/// Bytes in steps of a thousand: `840 B`, `1.2 MB`.
pub fn bytes(value: u64) -> String {
    const STEPS: [(f64, &str); 4] = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let number = value as f64;
    for (step, unit) in STEPS {
        if number >= step * 0.9995 {
            return format!("{}{NBSP}{unit}", significant(number / step));
        }
    }
    format!("{value}{NBSP}B")
}

/// A length of time in its one largest unit: `4 s`, `15 min`, `6 h`, `7 d`.
pub fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..60 => format!("{seconds}{NBSP}s"),
        60..3_600 => format!("{}{NBSP}min", seconds / 60),
        3_600..172_800 => format!("{}{NBSP}h", seconds / 3_600),
        _ => format!("{}{NBSP}d", seconds / 86_400),
    }
}

/// How long ago: `now`, `4 s ago`. Clocks differ a little, so the near future is `now` too.
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.unix_ms().saturating_sub(at.unix_ms()).div_euclid(1_000);
    if seconds < 1 { "now".to_owned() } else { format!("{} ago", span(seconds)) }
}

/// A calendar instant in the viewer's offset.
struct Civil {
    year: i64,
    month: u32,
    day: u32,
    second_of_day: u32,
    millisecond: u32,
}

/// Days-to-date by Howard Hinnant's `civil_from_days` (public domain), exact for the proleptic Gregorian calendar.
fn civil(at: Timestamp, offset_minutes: i32) -> Civil {
    let ms = at.unix_ms().saturating_add(i64::from(offset_minutes) * 60_000);
    let (days, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Civil {
        year,
        month: month as u32,
        day: day as u32,
        second_of_day: (rest / 1_000) as u32,
        millisecond: (rest % 1_000) as u32,
    }
}

/// `02:14` in the viewer's offset.
pub fn clock_minutes(at: Timestamp, offset_minutes: i32) -> String {
    let civil = civil(at, offset_minutes);
    format!("{:02}:{:02}", civil.second_of_day / 3_600, civil.second_of_day / 60 % 60)
}

/// `02:14:05` in the viewer's offset.
pub fn clock(at: Timestamp, offset_minutes: i32) -> String {
    format!("{}:{:02}", clock_minutes(at, offset_minutes), civil(at, offset_minutes).second_of_day % 60)
}

/// `02:14:05.123` in the viewer's offset.
pub fn clock_millis(at: Timestamp, offset_minutes: i32) -> String {
    format!("{}.{:03}", clock(at, offset_minutes), civil(at, offset_minutes).millisecond)
}

/// `2026-11-23 02:14:05` in the viewer's offset.
pub fn date_time(at: Timestamp, offset_minutes: i32) -> String {
    let civil = civil(at, offset_minutes);
    format!("{:04}-{:02}-{:02} {}", civil.year, civil.month, civil.day, clock(at, offset_minutes))
}

/// `2026-11-23T02:14` in the viewer's offset: what a date-time input of the browser wants.
pub fn input_minutes(at: Timestamp, offset_minutes: i32) -> String {
    date_time(at, offset_minutes)[..16].replace(' ', "T")
}

/// The time alone when it is on the same day as `now`, else with its date.
pub fn when(at: Timestamp, now: Timestamp, offset_minutes: i32) -> String {
    let (then, today) = (date_time(at, offset_minutes), date_time(now, offset_minutes));
    if then[..10] == today[..10] { clock(at, offset_minutes) } else { then }
}

/// An identifier too long for a row: its first eight and last four characters.
pub fn short_id(id: &str) -> String {
    let length = id.chars().count();
    if length <= 14 {
        return id.to_owned();
    }
    let head: String = id.chars().take(8).collect();
    let tail: String = id.chars().skip(length - 4).collect();
    format!("{head}…{tail}")
}

/// `1 instance`, `3 instances`.
pub fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{}{NBSP}{}", self::count(count), if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;

    use super::*;

    fn plain(text: String) -> String {
        text.replace(NBSP, " ")
    }

    #[test]
    fn three_significant_digits_without_trailing_zeros() {
        for (value, text) in [
            (0.0, "0"),
            (0.041_23, "0.0412"),
            (2.9, "2.9"),
            (9.996, "10"),
            (38.44, "38.4"),
            (250.6, "251"),
            (1_840.4, "1840"),
            (-1.5, "-1.5"),
            (0.000_000_000_1, "0"),
        ] {
            assert_eq!(significant(value), text, "{value}");
        }
    }

    #[test]
    fn a_rate_from_sampled_spans_is_marked() {
        let mut node = crate::sample::node("cart", 251.0, 0.0);
        assert_eq!(rate_of(&node), "251/s");
        node.estimated = true;
        assert_eq!(rate_of(&node), "≈\u{a0}251/s");
        node.rate = None;
        assert_eq!(rate_of(&node), NONE);
    }

    #[test]
    fn rates_carry_a_prefix_and_a_unit() {
        for (value, text) in [
            (None, NONE),
            (Some(0.0), "0/s"),
            (Some(0.001), "<0.01/s"),
            (Some(0.2), "0.2/s"),
            (Some(999.7), "1k/s"),
            (Some(1_840.0), "1.84k/s"),
            (Some(12_345_678.0), "12.3M/s"),
            (Some(f64::NAN), NONE),
        ] {
            assert_eq!(rate(value), text);
        }
    }

    #[test]
    fn a_share_never_rounds_to_all_or_to_nothing() {
        for (ratio, text) in [
            (None, NONE),
            (Some(0.0), "0 %"),
            (Some(0.000_01), "<0.01 %"),
            (Some(0.004), "0.4 %"),
            (Some(0.38), "38 %"),
            (Some(0.9999), "99.9 %"),
            (Some(1.0), "100 %"),
        ] {
            assert_eq!(plain(percent(ratio)), text);
        }
    }

    #[test]
    fn durations_choose_their_unit_after_rounding() {
        for (ms, text) in [
            (0.0, "0 ms"),
            (0.000_12, "120 ns"),
            (0.84, "840 µs"),
            (0.9996, "1 ms"),
            (312.4, "312 ms"),
            (999.6, "1 s"),
            (2_900.0, "2.9 s"),
            (125_000.0, "2 min 5 s"),
        ] {
            assert_eq!(plain(millis(Some(ms))), text, "{ms}");
        }
        assert_eq!(millis(None), NONE);
        assert_eq!(millis(Some(-1.0)), NONE);
        assert_eq!(plain(nanos(2_900_000_000)), "2.9 s");
    }

    #[test]
    fn bytes_and_spans_read_like_words() {
        assert_eq!(plain(bytes(840)), "840 B");
        assert_eq!(plain(bytes(1_234_567)), "1.23 MB");
        assert_eq!(plain(span(59)), "59 s");
        assert_eq!(plain(span(900)), "15 min");
        assert_eq!(plain(span(86_400 * 7)), "7 d");
        assert_eq!(plain(plural(1, "span", "spans")), "1 span");
        assert_eq!(plain(plural(12_000, "span", "spans")), "12k spans");
    }

    #[test]
    fn the_near_future_is_now() {
        let now = Timestamp::from_unix_ms(10_000);

        assert_eq!(ago(Timestamp::from_unix_ms(10_900), now), "now");
        assert_eq!(plain(ago(Timestamp::from_unix_ms(6_000), now)), "4 s ago");
    }

    #[test]
    fn clocks_follow_the_offset_of_the_viewer() {
        let at = Timestamp::parse("2026-02-28T23:30:05.250Z").unwrap();

        assert_eq!(date_time(at, 0), "2026-02-28 23:30:05");
        assert_eq!(date_time(at, 60), "2026-03-01 00:30:05");
        assert_eq!(clock_millis(at, -330), "18:00:05.250");
        assert_eq!(input_minutes(at, 0), "2026-02-28T23:30");
        assert_eq!(when(at, at, 0), "23:30:05");
        assert_eq!(when(at, Timestamp::from_unix_ms(at.unix_ms() + 86_400_000), 0), "2026-02-28 23:30:05");
    }

    #[test]
    fn a_long_identifier_keeps_both_ends() {
        assert_eq!(short_id("4bf92f3577b34da6a3ce929d0e0e4736"), "4bf92f35…4736");
        assert_eq!(short_id("builtin:x"), "builtin:x");
    }

    proptest! {
        /// The calendar agrees with the one that the wire format uses.
        #[test]
        fn dates_agree_with_rfc_3339(ms in -9_000_000_000_000i64..4_000_000_000_000) {
            let at = Timestamp::from_unix_ms(ms - ms.rem_euclid(1_000));
            let wire = at.to_string().replace('T', " ").replace('Z', "");
            prop_assert_eq!(date_time(at, 0), wire);
        }

        #[test]
        fn every_number_has_at_most_three_significant_digits_below_a_thousand(value in 0.001f64..999.0) {
            let digits = significant(value).replace('.', "");
            prop_assert!(digits.trim_start_matches('0').len() <= 3 || value >= 999.5, "{}", digits);
        }
    }
}
