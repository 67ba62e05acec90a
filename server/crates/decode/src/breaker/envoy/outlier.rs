//! Envoy's outlier event log: one JSON object a line.
//!
//! Source: envoyproxy/data-plane-api, `envoy/data/cluster/v3/outlier_detection_event.proto`, written with its field names:
//! `cluster_name`, `upstream_url` (the host), `action` `EJECT` or `UNEJECT`, `enforced`, `timestamp`. A host that was found to be an
//! outlier but not ejected (`enforced` false or left out, as the percentage to enforce may say) goes on serving: it is not open.

use spillway_model::event::BreakerState;

use super::target_of_cluster;
use crate::{
    json::Reader,
    otlp::error::Read,
    reading::{Reading, Readings, instant},
};

/// Bytes of one line; they have some 400.
const MAX_LINE_BYTES: usize = 16 << 10;

/// Reads lines, in their order; those that are none are counted, since a log that is being written to may end in half of one.
pub fn log(body: &[u8]) -> Readings {
    let mut readings = Readings::default();
    for line in body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        if line.len() > MAX_LINE_BYTES {
            readings.ignored.count("(a line)", "longer than 16 KiB");
        } else if event(line, &mut readings).is_err() {
            readings.ignored.count("(a line)", "not a JSON object");
        }
    }
    readings
}

fn event(line: &[u8], readings: &mut Readings) -> Read<()> {
    let [mut cluster, mut host, mut action] = [None, None, None];
    let (mut enforced, mut at_ns) = (false, None);
    let mut reader = Reader::new(line)?;
    reader.members(|reader, key| {
        match key {
            "cluster_name" => cluster = reader.string_or_skip()?,
            "upstream_url" => host = reader.string_or_skip()?,
            "action" => action = reader.string_or_skip()?,
            "enforced" => enforced = reader.bool_or_skip()?.unwrap_or_default(),
            "timestamp" => at_ns = reader.string_or_skip()?.as_deref().and_then(instant),
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    reader.end()?;
    let (Some(cluster), Some(host)) = (cluster, host) else {
        readings.ignored.count("(a line)", "without `cluster_name` and `upstream_url`");
        return Ok(());
    };
    let state = match action.as_deref() {
        // Zero, which proto3 leaves out.
        Some("EJECT") | None if enforced => BreakerState::Open,
        Some("EJECT") | None => {
            readings.ignored.count(&cluster, "found to be an outlier, but not ejected");
            return Ok(());
        }
        // Only who was ejected is let in again; `enforced` is not set here.
        Some("UNEJECT") => BreakerState::Closed,
        Some(_) => {
            readings.ignored.count(&cluster, "its action is neither EJECT nor UNEJECT");
            return Ok(());
        }
    };
    readings.push(Reading { at_ns, ..Reading::breaker(target_of_cluster(&cluster), &host, state) });
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn ejections_open_and_only_enforced_ones() {
        let line = |action: &str, enforced: bool, second: u32| {
            json!({"type": "CONSECUTIVE_5XX", "cluster_name": "payments", "upstream_url": "10.0.0.1:443",
                   "action": action, "num_ejections": 1, "enforced": enforced, "eject_consecutive_event": {},
                   "timestamp": format!("2026-01-01T00:00:{second:02}.000Z"), "secs_since_last_action": "30"})
        };
        let log_text = format!(
            "{}\n{}\n\n{}\n{{\"cluster_name\": \"payments\"}}\n{{\"half",
            line("EJECT", true, 0),
            line("UNEJECT", false, 30),
            line("EJECT", false, 40)
        );

        let readings = log(log_text.as_bytes());

        let second = 1_767_225_600_000_000_000;
        let at = |at_ns, state| Reading { at_ns: Some(at_ns), ..Reading::breaker("payments", "10.0.0.1:443", state) };
        assert_eq!(
            readings.readings,
            [at(second, BreakerState::Open), at(second + 30_000_000_000, BreakerState::Closed)]
        );
        assert_eq!(
            readings.ignored.iter().collect::<Vec<_>>(),
            [
                ("(a line)", "not a JSON object", 1),
                ("(a line)", "without `cluster_name` and `upstream_url`", 1),
                ("payments", "found to be an outlier, but not ejected", 1)
            ]
        );
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), noise in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut line = json!({"cluster_name": "é", "upstream_url": "a", "action": "EJECT", "enforced": true,
                                  "timestamp": "2026-01-01T00:00:00Z"}).to_string().into_bytes();
            let at = at.index(line.len());
            line[at] = byte;
            log(&line);
            log(&noise);
        }
    }
}
