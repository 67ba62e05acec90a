//! From answers to events: only changes, and a sign of life before what was said is forgotten. Pure: time is an argument. Breakers and limiters are
//! [`crate::steady`]'s.
//!
//! Health is not believed at once. Kubernetes' words and numbers: after `failureThreshold` = 3 failures in a row it is down, after
//! `successThreshold` = 1 success it is up. "Degraded" is a success. An answer without a verdict changes nothing, and then what was believed is
//! forgotten after its time to live, which is what "unknown" means on the map.

use std::sync::Arc;

use spillway_decode::{health::Verdict, reading::Reading};
use spillway_model::event::{Event, EventBody, HealthStatus};

use crate::steady::{self, HEARTBEAT_NS, Owner, event};

/// Failures in a row that are believed.
const FAILURE_THRESHOLD: u32 = 3;

/// What is remembered of one address.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// What is believed of its health, and when that was last said in an event.
    health: Option<(HealthStatus, Arc<str>, i64)>,
    failures: u32,
    states: steady::Memory,
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
        self.states.reads(readings, owner, now_ns, events);
    }
}

#[cfg(test)]
mod tests {
    use spillway_model::identity::ServiceKey;

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
}
