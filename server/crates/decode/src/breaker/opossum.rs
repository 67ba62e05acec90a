//! What opossum's `circuit.toJSON()` gives (Node), one or an array of them.
//!
//! Source: nodeshift/opossum, `lib/circuit.js` `toJSON`: `{"state": {"name", "enabled", "closed", "open", "halfOpen", "warmUp", "shutdown",
//! "lastTimerAt"}, "status": {…counters…}}`. `circuit.stats` alone has no state, so it is refused; it is no JSON either when it was printed.

use spillway_model::event::BreakerState;

use crate::{
    json::Reader,
    otlp::error::Read,
    reading::{Reading, Readings, Unreadable},
};

/// Reads one breaker or an array of them. The name is the target too.
///
/// # Errors
/// [`Unreadable`] when the body is neither, with a word about counters when it is those.
pub fn to_json(body: &[u8]) -> Result<Readings, Unreadable> {
    let mut readings = Readings::default();
    let mut reader = Reader::new(body)?;
    let read = match reader.next_byte() {
        Some(b'[') => reader.items(|reader| circuit(reader, &mut readings)),
        _ => circuit(&mut reader, &mut readings),
    };
    let is_counters = |text: &[u8]| memchr::memmem::find(text, b"semaphoreRejections").is_some();
    match read.and_then(|()| reader.end()) {
        Ok(()) if readings.readings.is_empty() && is_counters(body) => Err(only_counters()),
        Err(_) if is_counters(body) && !body.windows(7).any(|window| window == b"\"state\"") => Err(only_counters()),
        Ok(()) => Ok(readings),
        Err(error) => Err(error.into()),
    }
}

fn only_counters() -> Unreadable {
    Unreadable("these are opossum's counters, which say no state: send what `circuit.toJSON()` gives".into())
}

fn circuit(reader: &mut Reader<'_>, readings: &mut Readings) -> Read<()> {
    let mut name = None;
    // `open`, `halfOpen`, `closed`, `shutdown`; `enabled` is true where it is not said.
    let [mut open, mut half_open, mut closed, mut shutdown, mut enabled] = [false, false, false, false, true];
    let mut found = false;
    reader.members(|reader, key| {
        if key != "state" || reader.next_byte() != Some(b'{') {
            return reader.skip();
        }
        found = true;
        reader.members(|reader, key| {
            let flag = match key {
                "name" => {
                    name = reader.string_or_skip()?;
                    return Ok(());
                }
                "open" => &mut open,
                "halfOpen" => &mut half_open,
                "closed" => &mut closed,
                "shutdown" => &mut shutdown,
                "enabled" => &mut enabled,
                _ => return reader.skip(),
            };
            if let Some(value) = reader.bool_or_skip()? {
                *flag = value;
            }
            Ok(())
        })
    })?;
    let name = name.as_deref().unwrap_or_default();
    if !found {
        readings.ignored.count("(an object)", "it has no `state`");
        return Ok(());
    }
    let state = match (half_open, open, closed) {
        _ if shutdown => {
            readings.ignored.count(name, "it is shut down");
            return Ok(());
        }
        _ if !enabled => BreakerState::Disabled,
        // Half open first: opossum's other flags are not both off then in every version.
        (true, _, _) => BreakerState::HalfOpen,
        (_, true, _) => BreakerState::Open,
        (_, _, true) => BreakerState::Closed,
        _ => {
            readings.ignored.count(name, "it says no state");
            return Ok(());
        }
    };
    readings.push(Reading::breaker(name, name, state));
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn flags_make_a_state() {
        use BreakerState::{Closed, Disabled, HalfOpen, Open};
        for (flags, expected) in [
            (json!({"name": "mail", "enabled": true, "closed": true, "open": false, "halfOpen": false}), Some(Closed)),
            (json!({"name": "mail", "enabled": true, "closed": false, "open": true, "halfOpen": false}), Some(Open)),
            (json!({"name": "mail", "closed": false, "open": false, "halfOpen": true}), Some(HalfOpen)),
            (json!({"name": "mail", "enabled": false, "closed": true}), Some(Disabled)),
            (json!({"name": "mail", "shutdown": true, "open": true}), None),
            (json!({"name": "mail", "warmUp": false}), None),
            (json!({"closed": true}), None),
        ] {
            let body = json!([{"state": flags, "status": {"failures": 1}}]).to_string();
            let readings = to_json(body.as_bytes()).unwrap();
            let expected = expected.map(|state| Reading::breaker("mail", "mail", state));
            assert_eq!(readings.readings, Vec::from_iter(expected), "{body}");
            assert_eq!(readings.readings.is_empty(), !readings.ignored.is_empty(), "{body}");
        }
        let one = json!({"status": {"failures": 11}, "state": {"name": "mail", "open": true}});
        assert_eq!(to_json(one.to_string().as_bytes()).unwrap().readings.len(), 1);
    }

    #[test]
    fn counters_alone_are_refused_with_what_to_send() {
        for body in [r#"{"failures": 11, "semaphoreRejections": 0}"#, "{ failures: 11,\n semaphoreRejections: 0 }"] {
            let error = to_json(body.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("circuit.toJSON()"), "{error}");
        }
        insta::assert_snapshot!(to_json(b"{ open: true }").unwrap_err(), @"expected a string, found `open:` (line 1, column 3)");
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), noise in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut body = json!([{"state": {"name": "é", "open": true}}]).to_string().into_bytes();
            let at = at.index(body.len());
            body[at] = byte;
            let _ = to_json(&body);
            let _ = to_json(&noise);
        }
    }
}
