//! Consul's `/v1/health/service/…` (entries with `Checks`), `/v1/health/checks/…` and `/v1/health/node/…` (checks): the worst counts.

use spillway_model::event::HealthStatus;

use super::{Verdict, parts::Parts, plain_word, unreadable};
use crate::{json::Reader, otlp::error::Read};

/// Reads an array of checks, or of entries with checks.
pub fn consul(status: u16, body: &[u8]) -> Verdict {
    let (mut worst, mut parts) = (None, Parts::default());
    let mut read = || {
        let mut reader = Reader::new(body)?;
        reader.items(|reader| item(reader, &mut worst, &mut parts, Level::Top))?;
        reader.end()
    };
    match (read(), worst) {
        (Err(why), _) => unreadable(status, &why),
        (Ok(()), None) => Verdict::none("Consul knows no check of it"),
        (Ok(()), Some(worst)) => Verdict::says(worst, parts.sentence()),
    }
}

/// Where an object stands: an entry has checks, a check has none, so recursion ends.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Top,
    Check,
}

fn item(reader: &mut Reader<'_>, worst: &mut Option<HealthStatus>, parts: &mut Parts, level: Level) -> Read<()> {
    let [mut name, mut status, mut output] = [None, None, None];
    reader.members(|reader, key| {
        match key {
            "Name" | "CheckID" => name = reader.string_or_skip()?,
            "Status" => status = reader.string_or_skip()?,
            "Output" => output = reader.string_or_skip()?,
            "Checks" if level == Level::Top && reader.next_byte() == Some(b'[') => {
                reader.items(|reader| item(reader, worst, parts, Level::Check))?;
            }
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    let Some(word) = status else { return Ok(()) };
    let judged = match &*plain_word(&word) {
        "passing" => HealthStatus::Up,
        "warning" | "maintenance" => HealthStatus::Degraded,
        "critical" => HealthStatus::Down,
        _ => return Ok(()),
    };
    *worst = Some(worst.map_or(judged, |worst| worst.max(judged)));
    if judged != HealthStatus::Up {
        parts.push(name.as_deref().unwrap_or("a check"), &word, output.as_deref().unwrap_or_default());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_worst_check_counts() {
        let entries = json!([{"Node": {"Node": "a"}, "Service": {"ID": "x"}, "Checks": [
            {"Name": "Serf", "Status": "passing"}, {"Name": "http", "Status": "critical", "Output": "refused"}]},
            {"Checks": [{"Name": "disk", "Status": "warning"}]}]);
        let read = |body: &serde_json::Value| consul(200, body.to_string().as_bytes());

        assert_eq!(read(&entries), Verdict::says(HealthStatus::Down, "http critical (refused), disk warning"));
        assert_eq!(read(&json!([{"Name": "a", "Status": "passing"}])), Verdict::says(HealthStatus::Up, ""));
        assert_eq!(read(&json!([])), Verdict::none("Consul knows no check of it"));
        assert_eq!(
            consul(500, b"rpc error"),
            Verdict::says(HealthStatus::Down, "it answers 500, and no document that can be read")
        );
        // However deep: each level of `Checks` costs one of the stack, so a deep one must not end the process.
        let deep = format!("{}{}", "[{\"Checks\":".repeat(100_000), "]");
        let _ = consul(200, deep.as_bytes());
    }
}
