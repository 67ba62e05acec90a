//! Text to values. Each error says what would be right.

use std::{net::SocketAddr, time::Duration};

use spillway_api::{TargetOrigin, TargetSpec};
use spillway_decode::webhook::signature::Signer;
use spillway_model::topology::{Sampled, Sampling};

use super::{Listen, LogFormat};
use crate::pull::{Target, Trust};

pub(super) fn listen(text: &str) -> Result<Listen, String> {
    if text == "off" {
        return Ok(Listen::Off);
    }
    let text = text.replace("localhost:", "127.0.0.1:");
    text.parse::<SocketAddr>()
        .map(Listen::On)
        .map_err(|_| "expected an address with a port such as 127.0.0.1:7070 or [::1]:7070, or `off`".into())
}

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" | "" => Ok(false),
        _ => Err("expected `true` or `false`".into()),
    }
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("expected `text` or `json`".into()),
    }
}

pub(super) fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// Senders of webhooks and their secrets.
pub(super) fn signers(text: &str) -> Result<Vec<Signer>, String> {
    list(text).iter().map(|item| Signer::parse(item)).collect::<Result<_, _>>().map_err(|expected| {
        format!("{expected}; several stand with commas between, such as github:<secret>,ci:whsec_<base64>")
    })
}

/// Targets in JSON. Whoever writes the configuration may ask private addresses.
pub(super) fn targets(text: &str) -> Result<Vec<Target>, String> {
    let text = if text.is_empty() { "[]" } else { text };
    let specs: Vec<TargetSpec> = serde_json::from_str(text)
        .map_err(|error| format!("expected a list of tables with at least `service` and `url`: {error}"))?;
    let judged = specs.into_iter().enumerate().map(|(index, spec)| {
        Target::new(spec, TargetOrigin::Config, Trust::Operator)
            .map_err(|error| format!("target {}: {error}", index + 1))
    });
    judged.collect()
}

/// A whole number and its unit.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    Some((number.parse().ok()?, unit.trim()))
}

fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let factor: u64 = match unit {
        "" | "B" => 1,
        "kB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        "TB" => 1_000_000_000_000,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Space on a disk; `None` when there is no limit.
pub(super) fn space(text: &str) -> Result<Option<u64>, String> {
    match text {
        "off" => Ok(None),
        // One file of the log and one compacted file are always there, each with its log.
        _ => bytes(text)
            .filter(|bytes| *bytes >= 64 << 20)
            .map(Some)
            .ok_or_else(|| "expected a size of at least 64MiB such as 50GiB, or `off`".into()),
    }
}

/// A part of what is stored; `None` when it is off.
pub(super) fn share(text: &str) -> Result<Option<f64>, String> {
    if text == "off" {
        return Ok(None);
    }
    // What is kept is kept again when its next file goes: with a quarter, all of it is at most a third of the store.
    text.strip_suffix('%')
        .and_then(|number| number.trim().parse::<f64>().ok())
        .filter(|percent| *percent > 0.0 && *percent <= 25.0)
        .map(|percent| Some(percent / 100.0))
        .ok_or_else(|| "expected a share of at most 25% such as 1%, or `off`".into())
}

/// `checkout=1%, legacy=tail`.
pub(super) fn sampling(text: &str) -> Result<Sampling, String> {
    let one = |item: String| {
        let (service, how) = item.split_once('=')?;
        let (service, how) = (service.trim(), how.trim());
        let sampled = match how {
            "tail" => Sampled::Tail,
            _ => {
                let percent: f64 = how.strip_suffix('%')?.trim().parse().ok()?;
                Sampled::Head(Some(percent / 100.0).filter(|share| *share > 0.0 && *share <= 1.0)?)
            }
        };
        (!service.is_empty()).then(|| (service.to_owned(), sampled))
    };
    list(text)
        .into_iter()
        .map(|item| one(item.clone()).ok_or_else(|| format!("`{item}` is not SERVICE=PERCENT% or SERVICE=tail")))
        .collect()
}

pub(super) fn size(text: &str) -> Result<usize, String> {
    let bytes = bytes(text).and_then(|bytes| usize::try_from(bytes).ok());
    // The store addresses a batch with 32 bits.
    bytes
        .filter(|bytes| (1..=1 << 31).contains(bytes))
        .ok_or_else(|| "expected a size up to 2GiB such as 64MiB or 500kB".into())
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration = number_and_unit(text).and_then(|(number, unit)| {
        let seconds: u64 = match unit {
            "ms" => return Some(Duration::from_millis(number)),
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        number.checked_mul(seconds).map(Duration::from_secs)
    });
    // A hundred years keep arithmetic in nanoseconds far from its end.
    duration
        .filter(|duration| !duration.is_zero() && *duration <= Duration::from_secs(100 * 365 * 86_400))
        .ok_or_else(|| "expected a time such as 7d, 12h, 30min, 10s or 500ms".into())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn sampling_is_read_service_by_service() {
        let read = sampling("checkout=1%, legacy = tail, edge=12.5 %").unwrap();
        let expected: Sampling = [
            ("checkout".to_owned(), Sampled::Head(0.01)),
            ("edge".to_owned(), Sampled::Head(0.125)),
            ("legacy".to_owned(), Sampled::Tail),
        ]
        .into_iter()
        .collect();
        assert_eq!(read, expected);
        assert_eq!(sampling(""), Ok(Sampling::default()));
        for bad in ["checkout", "checkout=", "=1%", "checkout=0%", "checkout=101%", "checkout=1", "checkout=NaN%"] {
            assert_eq!(sampling(bad), Err(format!("`{bad}` is not SERVICE=PERCENT% or SERVICE=tail")));
        }
    }

    #[test]
    fn sizes_and_times_are_read_with_their_units() {
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert_eq!(size("500kB"), Ok(500_000));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(604_800)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for bad in ["", "MiB", "1XB", "-1", "99999999999GiB", "0"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        for bad in ["", "7", "0s", "99999999999999d", "d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn space_is_read_with_its_unit_or_is_off() {
        assert_eq!(space("off"), Ok(None));
        assert_eq!(space("50GiB"), Ok(Some(50 << 30)));
        assert_eq!(space("2TB"), Ok(Some(2_000_000_000_000)));
        for bad in ["", "0", "1MiB", "50", "x", "99999999999TiB"] {
            assert!(space(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_share_is_read_in_per_cent_or_is_off() {
        assert_eq!(share("off"), Ok(None));
        assert_eq!(share("1%"), Ok(Some(0.01)));
        assert_eq!(share("0.5 %"), Ok(Some(0.005)));
        for bad in ["", "1", "0%", "-1%", "26%", "NaN%", "x%"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn targets_are_judged_one_by_one() {
        let one = r#"{"service": "cart", "url": "http://127.0.0.1:1/"}"#;

        assert_eq!(targets("[]").map(|targets| targets.len()), Ok(0));
        assert_eq!(targets(&format!("[{one}, {one}]")).map(|targets| targets.len()), Ok(2));
        let error = targets(&format!("[{one}, {{\"service\": \"\", \"url\": \"http://a/\"}}]")).map(drop);
        assert_eq!(error, Err("target 2: service: must not be empty".into()));
        assert!(targets("cart").is_err() && targets(r#"[{"service": "cart"}]"#).is_err());
    }

    #[test]
    fn addresses_are_read_or_refused() {
        assert_eq!(listen("off"), Ok(Listen::Off));
        assert!(matches!(listen("localhost:0"), Ok(Listen::On(_))));
        assert!(matches!(listen("[::1]:80"), Ok(Listen::On(_))));
        assert!(listen(":7070").is_err() && listen("example.com").is_err());
    }
}
