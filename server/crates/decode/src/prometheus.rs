//! Prometheus' text exposition 0.0.4, and OpenMetrics 1.0 text, one sample at a time.
//!
//! Sources: `prometheus/docs`, `docs/instrumenting/exposition_formats.md` (with UTF-8 names in quotes); the OpenMetrics specification, whose
//! documents end in `# EOF`, count seconds where the older form counts milliseconds, and may have exemplars behind a value (passed over).
//! `# HELP` and `# TYPE` are passed over: what a series means is decided by its name ([`crate::series`]).
//!
//! As a scraper does, one bad line refuses the whole document: half a scrape looks like a process that lost half of its breakers.

use std::borrow::Cow;

use crate::{reading::Unreadable, series::Sample};

/// Samples of one document. A busy process exposes some ten thousand.
pub const MAX_SAMPLES: usize = 200_000;

/// Labels of one sample; Prometheus' own advice is ten.
pub const MAX_LABELS: usize = 64;

/// Calls `each` for every sample of a document, in its order, and says how many there were.
///
/// Timestamps become ns since 1970. Quotes in names and values are undone.
///
/// # Errors
/// The first line that is none, by its number; what stands before it was handed out.
pub fn samples(body: &[u8], mut each: impl FnMut(&Sample<'_>)) -> Result<usize, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let line = body[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Unreadable(format!("line {line}: the text is not valid UTF-8"))
    })?;
    let clock = if text.trim_end().ends_with("# EOF") { Clock::Seconds } else { Clock::Milliseconds };
    let mut count = 0;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_matches([' ', '\t', '\r']);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if count == MAX_SAMPLES {
            return Err(Unreadable(format!("more than {MAX_SAMPLES} samples")));
        }
        let parsed = Line { rest: line }.sample(clock);
        let parsed = parsed.map_err(|what| Unreadable(format!("line {}: {what}", index + 1)))?;
        let labels: Vec<(&str, &str)> = parsed.labels.iter().map(|(key, value)| (&**key, &**value)).collect();
        each(&Sample { name: &parsed.name, labels: &labels, value: parsed.value, at_ns: parsed.at_ns });
        count += 1;
    }
    Ok(count)
}

/// What timestamps count.
#[derive(Clone, Copy)]
enum Clock {
    Milliseconds,
    Seconds,
}

struct Parsed<'a> {
    name: Cow<'a, str>,
    labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    value: f64,
    at_ns: Option<i64>,
}

/// What is left of a line.
struct Line<'a> {
    rest: &'a str,
}

impl<'a> Line<'a> {
    fn sample(mut self, clock: Clock) -> Result<Parsed<'a>, &'static str> {
        let mut name = match self.rest.starts_with('{') {
            true => None,
            false => Some(Cow::Borrowed(self.word(&['{']).ok_or("a name of a series is expected")?)),
        };
        let mut labels = Vec::new();
        if self.take('{') {
            while !self.take('}') {
                let (key, quoted) = self.key()?;
                if self.take('=') {
                    let value = self.quoted()?.ok_or("a value in quotes is expected behind `=`")?;
                    labels.push((key, value));
                } else if quoted && name.is_none() && labels.is_empty() {
                    // UTF-8 names stand inside the braces.
                    name = Some(key);
                } else {
                    return Err("`=` is expected behind the name of a label");
                }
                if labels.len() > MAX_LABELS {
                    return Err("more than 64 labels");
                }
                if !self.take(',') && !self.rest.starts_with('}') {
                    return Err("`,` or `}` is expected behind a label");
                }
            }
        }
        let name = name.ok_or("the series has no name")?;
        let value = self.word(&[]).and_then(number).ok_or("a number is expected behind the series")?;
        let at_ns = match self.word(&[]) {
            None | Some("#") => None,
            Some(text) => Some(clock.ns(text).ok_or("the timestamp is not a number")?),
        };
        self.space();
        if at_ns.is_some() && !self.rest.is_empty() && !self.rest.starts_with('#') {
            return Err("nothing more is expected behind the timestamp");
        }
        Ok(Parsed { name, labels, value, at_ns })
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn take(&mut self, char: char) -> bool {
        self.space();
        let rest = self.rest.strip_prefix(char);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Up to the next space or one of these; `None` when there is nothing.
    fn word(&mut self, ends: &[char]) -> Option<&'a str> {
        self.space();
        let end = self.rest.find(|char| matches!(char, ' ' | '\t') || ends.contains(&char));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    /// A label's name, and whether it stood in quotes.
    fn key(&mut self) -> Result<(Cow<'a, str>, bool), &'static str> {
        if let Some(key) = self.quoted()? {
            return Ok((key, true));
        }
        let key = self.word(&['=', ',', '}']).ok_or("the name of a label is expected")?;
        Ok((Cow::Borrowed(key), false))
    }

    /// A text in quotes, with `\\`, `\"` and `\n` undone; `None` when no quote is next.
    fn quoted(&mut self) -> Result<Option<Cow<'a, str>>, &'static str> {
        if !self.take('"') {
            return Ok(None);
        }
        let mut owned = String::new();
        loop {
            let end = self.rest.find(['"', '\\']).ok_or("a quote is not closed")?;
            let (plain, rest) = self.rest.split_at(end);
            if let Some(rest) = rest.strip_prefix('"') {
                self.rest = rest;
                let whole = if owned.is_empty() { Cow::Borrowed(plain) } else { Cow::Owned(owned + plain) };
                return Ok(Some(whole));
            }
            owned.push_str(plain);
            let mut escaped = rest[1..].chars();
            match escaped.next() {
                Some('n') => owned.push('\n'),
                Some(char @ ('"' | '\\')) => owned.push(char),
                // What is no escape stays as it is.
                Some(char) => owned.extend(['\\', char]),
                None => return Err("a quote is not closed"),
            }
            self.rest = escaped.as_str();
        }
    }
}

/// A Go float, as both formats have it.
fn number(text: &str) -> Option<f64> {
    match text {
        "NaN" | "nan" => Some(f64::NAN),
        "+Inf" | "Inf" | "+inf" | "inf" => Some(f64::INFINITY),
        "-Inf" | "-inf" => Some(f64::NEG_INFINITY),
        // Rust takes words too ("infinity"), which must not slip through.
        _ if text.bytes().any(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

impl Clock {
    fn ns(self, text: &str) -> Option<i64> {
        let ns = match self {
            Self::Milliseconds => i128::from(text.parse::<i64>().ok()?) * 1_000_000,
            Self::Seconds => (number(text).filter(|seconds| seconds.is_finite())? * 1e9) as i128,
        };
        i64::try_from(ns).ok()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        samples(text.as_bytes(), |sample| {
            lines.push(format!("{} {:?} {} {:?}", sample.name, sample.labels, sample.value, sample.at_ns));
        })
        .map_err(|error| error.to_string())?;
        Ok(lines)
    }

    #[test]
    fn samples_are_read_with_labels_values_and_times() {
        let text = "# HELP x what\n# TYPE x gauge\nx 1\nx{a=\"b\"} -2.5e3 1500\n  x { a = \"b\" , c=\"d\", } +Inf\n\nx{} NaN\r\n";

        assert_eq!(
            read(text).unwrap(),
            [
                "x [] 1 None",
                "x [(\"a\", \"b\")] -2500 Some(1500000000)",
                "x [(\"a\", \"b\"), (\"c\", \"d\")] inf None",
                "x [] NaN None"
            ]
        );
    }

    #[test]
    fn quotes_are_undone_and_utf_8_names_stand_inside_the_braces() {
        let text =
            "x{path=\"C:\\\\DIR\",error=\"no \\\"file\\\"\\n\"} 1\n{\"my.series\",\"a.b\"=\"c\"} 2\n{\"alone\"} 3\n";

        assert_eq!(
            read(text).unwrap(),
            [
                "x [(\"path\", \"C:\\\\DIR\"), (\"error\", \"no \\\"file\\\"\\n\")] 1 None",
                "my.series [(\"a.b\", \"c\")] 2 None",
                "alone [] 3 None"
            ]
        );
    }

    #[test]
    fn openmetrics_counts_seconds_and_its_exemplars_are_passed_over() {
        let text = "x_total{a=\"b\"} 1 1.5\ny_bucket{le=\"1\"} 2 # {trace_id=\"a\"} 0.5 1.5\n# EOF\n";

        assert_eq!(
            read(text).unwrap(),
            ["x_total [(\"a\", \"b\")] 1 Some(1500000000)", "y_bucket [(\"le\", \"1\")] 2 None"]
        );
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        insta::assert_snapshot!(read("x 1\ny one\n").unwrap_err(), @"line 2: a number is expected behind the series");
        insta::assert_snapshot!(read("x{a=b} 1").unwrap_err(), @"line 1: a value in quotes is expected behind `=`");
        insta::assert_snapshot!(read("x{a=\"b} 1").unwrap_err(), @"line 1: a quote is not closed");
        insta::assert_snapshot!(read("x{a=\"b\" c=\"d\"} 1").unwrap_err(), @"line 1: `,` or `}` is expected behind a label");
        insta::assert_snapshot!(read("x{a} 1").unwrap_err(), @"line 1: `=` is expected behind the name of a label");
        insta::assert_snapshot!(read("{a=\"b\"} 1").unwrap_err(), @"line 1: the series has no name");
        insta::assert_snapshot!(read("x 1 soon").unwrap_err(), @"line 1: the timestamp is not a number");
        insta::assert_snapshot!(read("x 1 2 3").unwrap_err(), @"line 1: nothing more is expected behind the timestamp");
        insta::assert_snapshot!(read("<html>").unwrap_err(), @"line 1: a number is expected behind the series");
        let not_utf_8 = samples(b"x 1\n\xff", |_| ()).unwrap_err();
        insta::assert_snapshot!(not_utf_8, @"line 2: the text is not valid UTF-8");
        assert!(read(&format!("x{{{}}} 1", "a=\"b\",".repeat(65))).is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(
            labels in prop::collection::vec(("[a-z_]{1,5}", "[ -~\n]{0,8}"), 0..4),
            value in any::<f64>().prop_filter("a number", |value| value.is_finite()),
        ) {
            let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let written: Vec<_> = labels.iter().map(|(key, value)| format!("{key}=\"{}\"", quoted(value))).collect();
            let mut read = 0;
            samples(format!("x{{{}}} {value:e}", written.join(",")).as_bytes(), |sample| {
                let back: Vec<_> = sample.labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
                assert_eq!(back, labels);
                assert_eq!(sample.value, value);
                read += 1;
            }).unwrap();
            prop_assert_eq!(read, 1);
        }

        #[test]
        fn no_text_panics(text in "[x{}=\",\\\\ \n#0-9.eE+é-]{0,40}", bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = samples(text.as_bytes(), |_| ());
            let _ = samples(&bytes, |_| ());
        }
    }
}
