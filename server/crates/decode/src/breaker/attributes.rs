//! Breakers in attributes of spans and their events, by the names of OpenTelemetry's open proposal.
//!
//! Source: open-telemetry/semantic-conventions #2355 (2025-06): `circuitbreaker.name`, `circuitbreaker.state`. Nothing is stable, so the same
//! names with `circuit_breaker.` are taken too.

use crate::reading::{Reading, breaker_state};

/// The breaker that these attributes name, when they also say its state. Its target is `service.peer.name`, `peer.service` or
/// `server.address`, whichever comes first in that order, else the breaker's name.
pub fn reading<'a>(attributes: impl IntoIterator<Item = (&'a str, &'a str)>, at_ns: Option<i64>) -> Option<Reading> {
    const TARGETS: [&str; 3] = ["service.peer.name", "peer.service", "server.address"];
    let (mut name, mut state, mut targets) = (None, None, [None; TARGETS.len()]);
    for (key, value) in attributes {
        match key {
            "circuitbreaker.name" | "circuit_breaker.name" => name = Some(value),
            "circuitbreaker.state" | "circuit_breaker.state" => state = Some(value),
            _ => {
                if let Some(place) = TARGETS.iter().position(|known| *known == key) {
                    targets[place] = Some(value);
                }
            }
        }
    }
    let named = |text: &&str| !text.trim().is_empty() && text.len() <= crate::webhook::MAX_NAME_BYTES;
    let name = name.filter(named)?;
    let target = targets.into_iter().flatten().find(named).unwrap_or(name);
    Some(Reading { at_ns, ..Reading::breaker(target, name, breaker_state(state?)?) })
}

#[cfg(test)]
mod tests {
    use spillway_model::event::BreakerState;

    use super::*;

    #[test]
    fn name_and_state_make_a_reading() {
        let attributes =
            [("circuitbreaker.name", "db"), ("circuitbreaker.state", "HALF_OPEN"), ("peer.service", "orders")];

        assert_eq!(
            reading(attributes, Some(5)),
            Some(Reading { at_ns: Some(5), ..Reading::breaker("orders", "db", BreakerState::HalfOpen) })
        );
        assert_eq!(
            reading([("circuit_breaker.state", "open"), ("circuit_breaker.name", "db")], None),
            Some(Reading::breaker("db", "db", BreakerState::Open))
        );
    }

    #[test]
    fn without_a_name_or_a_state_there_is_none() {
        assert_eq!(reading([("circuitbreaker.name", "db")], None), None);
        assert_eq!(reading([("circuitbreaker.state", "open")], None), None);
        assert_eq!(reading([("circuitbreaker.name", "db"), ("circuitbreaker.state", "ajar")], None), None);
        assert_eq!(reading([("circuitbreaker.name", &*"x".repeat(257)), ("circuitbreaker.state", "open")], None), None);
    }
}
