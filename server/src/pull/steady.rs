//! From answers to events: only changes, and a sign of life before what was said is forgotten. Pure: time is an argument.
//!
//! Health is not believed at once. Kubernetes' words and numbers: after `failureThreshold` = 3 failures in a row it is down, after
//! `successThreshold` = 1 success it is up. "Degraded" is a success. An answer without a verdict changes nothing, and then what was believed is
//! forgotten after its time to live, which is what "unknown" means on the map.

use std::{collections::BTreeMap, sync::Arc};

use spillway_decode::{
    health::Verdict,
    reading::{Reading, Says},
};
use spillway_model::{
    event::{Event, EventBody, HealthStatus, LimitState, StateOf},
    identity::ServiceKey,
};

/// Failures in a row that are believed.
const FAILURE_THRESHOLD: u32 = 3;
/// The map believes an event for 60 s and targets are asked every 30 s at most, so one that is repeated after this is never forgotten while answers come.
const HEARTBEAT_NS: i64 = 25_000_000_000;
/// What happened longer ago is no news when it is seen for the first time, as after a restart; ids keep it from being stored twice until then.
const NEWS_NS: i64 = 3_600_000_000_000;
/// Breakers and limiters that were not heard of for so long are forgotten, which bounds what one target can have us remember.
const FORGET_NS: i64 = NEWS_NS;

/// What is remembered of one address.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// What is believed of its health, and when that was last said in an event.
    health: Option<(HealthStatus, Arc<str>, i64)>,
    failures: u32,
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
    /// The instance that was asked.
    pub instance: Arc<str>,
}

impl Memory {
    /// What is believed of its health.
    pub fn health(&self) -> Option<HealthStatus> {
        self.health.as_ref().map(|(status, ..)| *status)
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Takes a verdict, and adds the event that follows from it, if any.
    pub fn health_is(&mut self, verdict: &Verdict, owner: &Owner, now_ns: i64, events: &mut Vec<Event>) {
        let Verdict::Says { status, detail } = verdict else { return };
        if *status == HealthStatus::Down {
            self.failures = self.failures.saturating_add(1);
            if self.failures < FAILURE_THRESHOLD {
                return;
            }
        } else {
            self.failures = 0;
        }
        let same = self.health.as_ref().filter(|(known, ..)| known == status);
        if same.is_some_and(|(.., told_ns)| now_ns - told_ns < HEARTBEAT_NS) {
            return;
        }
        let detail: Arc<str> = detail.as_str().into();
        self.health = Some((*status, detail.clone(), now_ns));
        events.push(event(owner, owner.instance.clone(), now_ns, EventBody::Health { status: *status, detail }));
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
fn event(owner: &Owner, instance: Arc<str>, at_ns: i64, body: EventBody) -> Event {
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

    /// Takes a verdict every ten seconds and gives what was said each time.
    fn told(verdicts: &[Verdict]) -> Vec<Option<HealthStatus>> {
        let mut memory = Memory::default();
        let told = verdicts.iter().zip(0..).map(|(verdict, number)| {
            let mut events = Vec::new();
            memory.health_is(verdict, &owner(), NOW + number * 10 * SECOND, &mut events);
            assert!(events.len() <= 1);
            events.pop().map(|event| match event.body {
                EventBody::Health { status, .. } => status,
                _ => panic!("no health"),
            })
        });
        told.collect()
    }

    #[test]
    fn three_failures_in_a_row_are_down_and_one_success_is_up() {
        use HealthStatus::{Degraded, Down, Up};
        let [up, degraded, down] = [Up, Degraded, Down].map(|status| Verdict::says(status, ""));
        let none = Verdict::none("why");

        assert_eq!(
            told(&[up.clone(), down.clone(), down.clone(), up.clone(), down.clone(), down.clone(), down.clone()]),
            // The second "up" goes on with the first, and is its sign of life.
            [Some(Up), None, None, Some(Up), None, None, Some(Down)]
        );
        assert_eq!(
            told(&[down.clone(), down.clone(), down.clone(), none.clone(), degraded.clone(), up.clone()]),
            [None, None, Some(Down), None, Some(Degraded), Some(Up)]
        );
        // Flapping at every question: never down.
        let flapping: Vec<Verdict> = [up, down].into_iter().cycle().take(20).collect();
        assert!(told(&flapping).iter().flatten().all(|status| *status == Up));
        assert_eq!(told(&[none.clone(), none]), [None, None]);
    }

    #[test]
    fn what_goes_on_is_repeated_before_it_is_forgotten_and_not_more_often() {
        let up = Verdict::says(HealthStatus::Up, "");

        let said = told(&vec![up; 10]);

        let repeated: Vec<usize> = (0..10).filter(|place| said[*place].is_some()).collect();
        assert_eq!(repeated, [0, 3, 6, 9]);
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
