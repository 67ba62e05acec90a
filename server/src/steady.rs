//! From readings to events: only changes, and a sign of life before what was said is forgotten. Pure: time is an argument.

use std::{collections::BTreeMap, sync::Arc};

use spillway_decode::reading::{Reading, Says};
use spillway_model::{
    event::{Event, EventBody, LimitState, StateOf},
    identity::ServiceKey,
};

/// The map believes an event for 60 s, so one that is repeated after this is not forgotten while a source says it, or is asked, every 30 s.
pub(crate) const HEARTBEAT_NS: i64 = 25_000_000_000;
/// What happened longer ago is no news when it is seen for the first time, as after a restart; ids keep it from being stored twice until then.
const NEWS_NS: i64 = 3_600_000_000_000;
/// Breakers and limiters that were not heard of for so long are forgotten, which bounds what one source can have us remember.
const FORGET_NS: i64 = NEWS_NS;

/// Breakers and limiters of one source; what is beyond is left out. A process has tens, a proxy some hundreds.
const MOST_STATES: usize = 1_000;

/// What is remembered of one source.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    states: BTreeMap<StateOf, Known>,
}

#[derive(Clone, Debug)]
struct Known {
    body: EventBody,
    /// When it was last said in an event; `None` when it never was.
    told_ns: Option<i64>,
    /// The newest time that the source itself gave.
    source_ns: Option<i64>,
    seen_ns: i64,
}

/// Whose answers they are.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The service.
    pub service: ServiceKey,
    /// The instance.
    pub instance: Arc<str>,
}

impl Memory {
    /// How many breakers and limiters are remembered.
    pub fn remembered(&self) -> usize {
        self.states.len()
    }

    /// Takes what a feed says, oldest first, and adds the events that follow.
    pub fn reads(&mut self, readings: &[Reading], owner: &Owner, now_ns: i64, events: &mut Vec<Event>) {
        for reading in readings {
            self.read(reading, owner, now_ns, events);
        }
        self.states.retain(|_, known| now_ns - known.seen_ns < FORGET_NS);
    }

    fn read(&mut self, reading: &Reading, owner: &Owner, now_ns: i64, events: &mut Vec<Event>) {
        let body = reading.body();
        let Some(state_of) = body.state_of() else { return };
        let known = self.states.get(&state_of);
        if known.is_none() && self.states.len() >= MOST_STATES {
            return;
        }
        let newest = known.and_then(|known| known.source_ns);
        if reading.at_ns.is_some_and(|at| newest.is_some_and(|newest| at <= newest)) {
            // It came before: sources repeat the last ones.
            if let Some(known) = self.states.get_mut(&state_of) {
                known.seen_ns = now_ns;
            }
            return;
        }
        let old = reading.at_ns.is_some_and(|at| now_ns - at > NEWS_NS);
        let told_ns = known.and_then(|known| known.told_ns);
        let tell = match known {
            _ if old => false,
            Some(known) if body.goes_on(&known.body) => told_ns.is_some_and(|told| now_ns - told >= HEARTBEAT_NS),
            Some(_) => true,
            // That a limiter has room is no news, and a proxy has hundreds of them.
            None => !matches!(reading.says, Says::Limit { state: LimitState::Free, .. }),
        };
        let at_ns = reading.at_ns.unwrap_or(now_ns);
        if tell {
            let instance = reading.instance.clone().unwrap_or_else(|| owner.instance.clone());
            events.push(event(owner, instance, at_ns, body.clone()));
        }
        let told_ns = if tell { Some(now_ns) } else { told_ns };
        let source_ns = reading.at_ns.or(newest);
        self.states.insert(state_of, Known { body, told_ns, source_ns, seen_ns: now_ns });
    }
}

/// An event whose id follows from what it says: told again, after a commit that failed or by another process, it changes nothing.
pub(crate) fn event(owner: &Owner, instance: Arc<str>, at_ns: i64, body: EventBody) -> Event {
    let said = format!("{:?}", (&owner.service, &instance, at_ns, &body));
    let id = blake3::hash(said.as_bytes()).to_hex()[..32].into();
    Event { id, service: owner.service.clone(), instance, at_ns, body }
}

#[cfg(test)]
mod tests {
    use spillway_model::event::{BreakerState, Guard};

    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const NOW: i64 = 1_767_225_600 * SECOND;

    fn owner() -> Owner {
        Owner { service: ServiceKey::new("", "", "cart"), instance: "cart-1".into() }
    }

    fn reading(state: BreakerState, at_ns: Option<i64>) -> Reading {
        Reading { at_ns, ..Reading::breaker("payments", "payments", state) }
    }

    fn read(memory: &mut Memory, readings: &[Reading], now_ns: i64) -> Vec<(BreakerState, i64)> {
        let mut events = Vec::new();
        memory.reads(readings, &owner(), now_ns, &mut events);
        let said = events.iter().map(|event| match event.body {
            EventBody::Breaker { state, .. } => (state, event.at_ns - NOW),
            _ => panic!("no breaker"),
        });
        said.collect()
    }

    #[test]
    fn a_breaker_that_opened_and_closed_between_two_answers_is_told_with_its_times() {
        use BreakerState::{Closed, Open};
        let mut memory = Memory::default();
        assert_eq!(read(&mut memory, &[reading(Closed, None)], NOW), [(Closed, 0)]);

        // Its clock is five seconds behind ours.
        let ring = [reading(Open, Some(NOW - 2 * SECOND)), reading(Closed, Some(NOW - SECOND))];
        let mut all = ring.to_vec();
        all.push(reading(Closed, None));

        assert_eq!(read(&mut memory, &all, NOW + 10 * SECOND), [(Open, -2 * SECOND), (Closed, -SECOND)]);
        // The ring still has them.
        assert_eq!(read(&mut memory, &all, NOW + 20 * SECOND), []);
    }

    #[test]
    fn one_source_has_a_bounded_number_of_breakers() {
        let mut memory = Memory::default();
        for number in 0..MOST_STATES + 5 {
            let reading = Reading::breaker("payments", &number.to_string(), BreakerState::Open);
            read(&mut memory, &[reading], NOW);
        }

        assert_eq!(memory.remembered(), MOST_STATES);
    }

    #[test]
    fn what_happened_long_ago_is_no_news_but_is_known() {
        use BreakerState::{Closed, Open};
        let mut memory = Memory::default();

        assert_eq!(read(&mut memory, &[reading(Open, Some(NOW - 2 * NEWS_NS))], NOW), []);
        assert_eq!(read(&mut memory, &[reading(Closed, None)], NOW), [(Closed, 0)]);
    }

    #[test]
    fn ids_follow_from_what_is_said() {
        let said = |at_ns| {
            let mut events = Vec::new();
            Memory::default().reads(&[reading(BreakerState::Open, Some(at_ns))], &owner(), NOW, &mut events);
            events.pop().map(|event| event.id)
        };

        assert_eq!(said(NOW), said(NOW));
        assert_ne!(said(NOW), said(NOW - 1));
    }

    #[test]
    fn a_limiter_with_room_is_told_only_after_it_had_none() {
        let limit = |state| Reading {
            says: Says::Limit { guard: Guard::Bulkhead, state, in_use: None, limit: None, waiting: None },
            ..reading(BreakerState::Closed, None)
        };
        let mut memory = Memory::default();
        let mut told = |state| {
            let mut events = Vec::new();
            memory.reads(&[limit(state)], &owner(), NOW, &mut events);
            events.len()
        };

        assert_eq!(
            [LimitState::Free, LimitState::Exhausted, LimitState::Exhausted, LimitState::Free].map(&mut told),
            [0, 1, 0, 1]
        );
    }
}
