//! resilience4j's Spring Boot actuator endpoints.
//!
//! Source: `resilience4j-spring-boot3/…/monitoring/endpoint` and `resilience4j-framework-common/…/endpoint/*DTO.java` (alike for Boot 2 to 4):
//!
//! | endpoint | body |
//! |---|---|
//! | `/actuator/circuitbreakers` | `{"circuitBreakers": {"<name>": {"state", "failureRate": "0.0%", …}}}` |
//! | `/actuator/circuitbreakerevents` | `{"circuitBreakerEvents": [{"circuitBreakerName", "type", "creationTime", "stateTransition"}]}`, a ring of the newest |
//! | `/actuator/bulkheadevents` | `{"bulkheadEvents": [{"bulkheadName", "type", "creationTime"}]}` |
//! | `/actuator/ratelimiterevents` | `{"rateLimiterEvents": [{"rateLimiterName", "type", "creationTime"}]}` |
//!
//! `/actuator/bulkheads` and `/actuator/ratelimiters` list names and nothing else: how full they are is only in metrics
//! ([`crate::series`]). A breaker's name is also its target, as for webhooks: callers name breakers after whom they call.

use std::collections::BTreeMap;

use spillway_model::event::{BreakerState, Guard, LimitState};

use crate::{
    json::Reader,
    otlp::error::Read,
    reading::{Reading, Readings, Says, Unreadable, breaker_state, instant},
};

/// Reads `/actuator/circuitbreakers`: the state of each breaker now.
///
/// # Errors
/// [`Unreadable`] when the body is not such a document.
pub fn circuit_breakers(body: &[u8]) -> Result<Readings, Unreadable> {
    let mut readings = Readings::default();
    let found = member(body, "circuitBreakers", |reader| {
        reader.members(|reader, name| {
            let mut state = None;
            reader.members(|reader, key| {
                match key {
                    "state" => state = reader.string_or_skip()?,
                    _ => reader.skip()?,
                }
                Ok(())
            })?;
            match state.as_deref().map(breaker_state) {
                Some(Some(state)) => readings.push(Reading::breaker(name, name, state)),
                Some(None) => readings.ignored.count(name, "its state is none that is known"),
                None => readings.ignored.count(name, "it says no state"),
            }
            Ok(())
        })
    })?;
    found.then_some(readings).ok_or_else(|| Unreadable("`circuitBreakers` is missing".into()))
}

/// Reads `/actuator/circuitbreakerevents`: when breakers went from state to state, oldest first. Calls are passed over.
///
/// # Errors
/// [`Unreadable`] when the body is not such a document.
pub fn circuit_breaker_events(body: &[u8]) -> Result<Readings, Unreadable> {
    let mut readings = Readings::default();
    let found = events(body, "circuitBreakerEvents", "circuitBreakerName", |event| {
        let state = match &*event.kind {
            "STATE_TRANSITION" => {
                let (_, to) = event.transition.split_once("_TO_").unwrap_or_default();
                let Some(state) = breaker_state(to) else {
                    readings.ignored.count(&event.name, "its transition leads to no state that is known");
                    return;
                };
                state
            }
            "RESET" => BreakerState::Closed,
            "FORCED_OPEN" => BreakerState::ForcedOpen,
            "DISABLED" => BreakerState::Disabled,
            _ => return readings.ignored.count(&event.kind, "an event of a call, not of a state"),
        };
        match event.at_ns {
            None => readings.ignored.count(&event.name, "its time cannot be read"),
            at_ns => readings.push(Reading { at_ns, ..Reading::breaker(&event.name, &event.name, state) }),
        }
    })?;
    readings.readings.sort_by_key(|reading| reading.at_ns);
    found.then_some(readings).ok_or_else(|| Unreadable("`circuitBreakerEvents` is missing".into()))
}

/// Reads `/actuator/bulkheadevents` or `/actuator/ratelimiterevents`: each one's last event says whether it had room.
///
/// # Errors
/// [`Unreadable`] when the body is neither.
pub fn limit_events(body: &[u8]) -> Result<Readings, Unreadable> {
    let mut ignored = Readings::default();
    let mut last: BTreeMap<(Guard, String), (Option<i64>, LimitState)> = BTreeMap::new();
    let mut found = false;
    for (guard, list, name) in [
        (Guard::Bulkhead, "bulkheadEvents", "bulkheadName"),
        (Guard::RateLimiter, "rateLimiterEvents", "rateLimiterName"),
    ] {
        found |= events(body, list, name, |event| {
            let state = match &*event.kind {
                "CALL_REJECTED" | "FAILED_ACQUIRE" => LimitState::Exhausted,
                "CALL_PERMITTED" | "CALL_FINISHED" | "SUCCESSFUL_ACQUIRE" => LimitState::Free,
                _ => return ignored.ignored.count(&event.kind, "no event of a limiter that is known"),
            };
            if last.len() >= crate::reading::MAX_READINGS {
                return ignored.ignored.count("(further ones)", "more than 1,000 in one document");
            }
            let known = last.entry((guard, event.name)).or_insert((event.at_ns, state));
            if event.at_ns >= known.0 {
                *known = (event.at_ns, state);
            }
        })?;
    }
    let mut readings = Readings { ignored: ignored.ignored, ..Readings::default() };
    for ((guard, name), (at_ns, state)) in last {
        let says = Says::Limit { guard, state, in_use: None, limit: None, waiting: None };
        readings.push(Reading { target: (&*name).into(), name: name.into(), instance: None, says, at_ns });
    }
    found.then_some(readings).ok_or_else(|| Unreadable("`bulkheadEvents` or `rateLimiterEvents` is missing".into()))
}

/// One event of any of the lists; texts are cut where they are longer than any that counts.
struct Event {
    name: String,
    kind: String,
    transition: String,
    at_ns: Option<i64>,
}

/// Calls `each` for the events of a list; false when there is no such list.
fn events(body: &[u8], list: &str, name_key: &str, mut each: impl FnMut(Event)) -> Read<bool> {
    let text = |reader: &mut Reader<'_>| -> Read<String> {
        let text = reader.string_or_skip()?.unwrap_or_default();
        // One byte beyond the limit of names, so that a long name is refused as such.
        Ok(text[..text.floor_char_boundary(crate::webhook::MAX_NAME_BYTES + 4)].to_owned())
    };
    member(body, list, |reader| {
        reader.items(|reader| {
            let mut event = Event { name: String::new(), kind: String::new(), transition: String::new(), at_ns: None };
            reader.members(|reader, key| {
                match key {
                    "type" => event.kind = text(reader)?,
                    "stateTransition" => event.transition = text(reader)?,
                    "creationTime" => event.at_ns = reader.string_or_skip()?.as_deref().and_then(instant),
                    key if key == name_key => event.name = text(reader)?,
                    _ => reader.skip()?,
                }
                Ok(())
            })?;
            each(event);
            Ok(())
        })
    })
}

/// Reads one member of the document's object; false when there is none.
fn member<'a>(body: &'a [u8], wanted: &str, mut read: impl FnMut(&mut Reader<'a>) -> Read<()>) -> Read<bool> {
    let mut reader = Reader::new(body)?;
    let mut found = false;
    reader.members(|reader, key| {
        if key == wanted {
            found = true;
            read(reader)
        } else {
            reader.skip()
        }
    })?;
    reader.end()?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const SECOND: i64 = 1_767_225_600_000_000_000;

    #[test]
    fn states_are_read_in_all_of_its_words() {
        let body = json!({"circuitBreakers": {
            "orders": {"failureRate": "-1.0%", "state": "CLOSED"}, "payments": {"state": "OPEN", "bufferedCalls": 10},
            "mail": {"state": "HALF_OPEN"}, "ads": {"state": "FORCED_OPEN"}, "off": {"state": "DISABLED"},
            "watch": {"state": "METRICS_ONLY"}, "odd": {"state": "AJAR"}, "none": {"failureRate": "0.0%"}}});

        let readings = circuit_breakers(body.to_string().as_bytes()).unwrap();

        let said: Vec<_> = readings.readings.iter().map(|reading| (&*reading.name, reading.says)).collect();
        let breaker = |name, state| (name, Says::Breaker(state));
        // `json!` sorts.
        assert_eq!(
            said,
            [
                breaker("ads", BreakerState::ForcedOpen),
                breaker("mail", BreakerState::HalfOpen),
                breaker("off", BreakerState::Disabled),
                breaker("orders", BreakerState::Closed),
                breaker("payments", BreakerState::Open),
                breaker("watch", BreakerState::MetricsOnly),
            ]
        );
        let ignored: Vec<_> = readings.ignored.iter().collect();
        assert_eq!(ignored, [("none", "it says no state", 1), ("odd", "its state is none that is known", 1)]);
    }

    #[test]
    fn transitions_come_with_their_time_oldest_first() {
        let event = |kind: &str, transition: &str, at: &str| {
            json!({"circuitBreakerName": "payments", "type": kind, "creationTime": at, "stateTransition": transition,
                   "errorMessage": null, "durationInMs": null})
        };
        let body = json!({"circuitBreakerEvents": [
            event("STATE_TRANSITION", "OPEN_TO_HALF_OPEN", "2026-01-01T01:00:10+01:00[Europe/Berlin]"),
            event("STATE_TRANSITION", "CLOSED_TO_OPEN", "2026-01-01T01:00+01:00[Europe/Berlin]"),
            event("ERROR", "", "2026-01-01T01:00:00+01:00[Europe/Berlin]"),
            event("NOT_PERMITTED", "", "2026-01-01T01:00:00+01:00[Europe/Berlin]"),
            event("STATE_TRANSITION", "HALF_OPEN_TO_CLOSED", "2026-01-01T00:00:11.5Z[UTC]"),
            event("STATE_TRANSITION", "CLOSED_TO_OPEN", "now"),
        ]});

        let readings = circuit_breaker_events(body.to_string().as_bytes()).unwrap();

        let at = |at_ns, state| Reading { at_ns: Some(at_ns), ..Reading::breaker("payments", "payments", state) };
        assert_eq!(
            readings.readings,
            [
                at(SECOND, BreakerState::Open),
                at(SECOND + 10_000_000_000, BreakerState::HalfOpen),
                at(SECOND + 11_500_000_000, BreakerState::Closed)
            ]
        );
        assert_eq!(
            readings.ignored.iter().collect::<Vec<_>>(),
            [
                ("ERROR", "an event of a call, not of a state", 1),
                ("NOT_PERMITTED", "an event of a call, not of a state", 1),
                ("payments", "its time cannot be read", 1)
            ]
        );
    }

    #[test]
    fn the_last_event_of_a_limiter_says_whether_it_has_room() {
        let event = |kind: &str, at: &str| json!({"bulkheadName": "db", "type": kind, "creationTime": at});
        let body = json!({"bulkheadEvents": [
            event("CALL_PERMITTED", "2026-01-01T00:00:00Z"), event("CALL_REJECTED", "2026-01-01T00:00:02Z"),
            event("CALL_FINISHED", "2026-01-01T00:00:01Z")]});

        let readings = limit_events(body.to_string().as_bytes()).unwrap();

        assert_eq!(readings.readings.len(), 1);
        assert_eq!(readings.readings[0].at_ns, Some(SECOND + 2_000_000_000));
        assert!(matches!(
            readings.readings[0].says,
            Says::Limit { guard: Guard::Bulkhead, state: LimitState::Exhausted, .. }
        ));
        let limiter = json!({"rateLimiterEvents": [{"rateLimiterName": "mail", "type": "SUCCESSFUL_ACQUIRE",
                                                    "creationTime": "2026-01-01T00:00:00Z"}]});
        let readings = limit_events(limiter.to_string().as_bytes()).unwrap();
        assert!(matches!(
            readings.readings[0].says,
            Says::Limit { guard: Guard::RateLimiter, state: LimitState::Free, .. }
        ));
    }

    #[test]
    fn other_documents_are_refused_with_the_reason() {
        let refused = |body: &str| circuit_breakers(body.as_bytes()).unwrap_err().to_string();

        insta::assert_snapshot!(refused("{}"), @"`circuitBreakers` is missing");
        insta::assert_snapshot!(refused("<html>"), @"expected an object, found `<html>` (line 1, column 1)");
        insta::assert_snapshot!(refused("{\"circuitBreakers\": []}"), @"circuitBreakers: expected an object, found an array (line 1, column 21)");
        // Names and nothing else: there is no state in it.
        let names = limit_events(b"{\"bulkheads\": [\"db\"]}").unwrap_err().to_string();
        insta::assert_snapshot!(names, @"`bulkheadEvents` or `rateLimiterEvents` is missing");
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(), noise in prop::collection::vec(any::<u8>(), 0..64)) {
            let states = json!({"circuitBreakers": {"orders": {"state": "CLOSED", "failureRate": "-1.0%"}}}).to_string().into_bytes();
            let events = json!({"circuitBreakerEvents": [{"circuitBreakerName": "é", "type": "STATE_TRANSITION",
                "stateTransition": "OPEN_TO_CLOSED", "creationTime": "2026-01-01T00:00:00Z[UTC]"}]}).to_string().into_bytes();
            for mut body in [states, events, noise] {
                for read in [circuit_breakers, circuit_breaker_events, limit_events] {
                    let _ = read(&body);
                    if !body.is_empty() {
                        let _ = read(&body[..cut.index(body.len())]);
                    }
                }
                if !body.is_empty() {
                    let at = at.index(body.len());
                    body[at] = byte;
                    for read in [circuit_breakers, circuit_breaker_events, limit_events] {
                        let _ = read(&body);
                    }
                }
            }
        }
    }
}
