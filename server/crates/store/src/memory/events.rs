//! Events in the oracle.

use spillway_model::event::{Event, EventBody};

use super::MemoryStore;
use crate::{EventKind, EventLog, EventPage, EventQuery, LatestStates, StoreError, StoredEvent};

fn matches(query: &EventQuery, event: &Event) -> bool {
    let (kind, target) = match &event.body {
        EventBody::Breaker { target, .. } => (EventKind::Breaker, Some(&**target)),
        EventBody::Health { .. } => (EventKind::Health, None),
        EventBody::Limit { target, .. } => (EventKind::Limit, Some(&**target)),
        EventBody::Change { .. } => (EventKind::Change, None),
    };
    let about = |service: &str| *event.service.name == *service || target == Some(service);
    query.kind.is_none_or(|wanted| wanted == kind)
        && query.service.as_deref().is_none_or(about)
        && query.from_ns.is_none_or(|from| event.at_ns >= from)
        && query.to_ns.is_none_or(|to| event.at_ns < to)
}

/// Whether both are about one breaker or limit, or about the health of one instance.
fn same_owner(a: &Event, b: &Event) -> bool {
    a.service == b.service && a.instance == b.instance && a.body.state_of() == b.body.state_of()
}

impl EventLog for MemoryStore {
    async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        let state = self.state();
        let before = query.before_seq.unwrap_or(u64::MAX);
        let mut found = state
            .events
            .iter()
            .rev()
            .map(|logged| &logged.stored)
            .filter(|stored| stored.seq < before && matches(query, &stored.event));
        let events: Vec<StoredEvent> = found.by_ref().take(query.limit.clamp(1, 1_000) as usize).cloned().collect();
        let next = events.last().map(|last| last.seq).filter(|_| found.next().is_some());
        Ok(EventPage { events, next })
    }

    async fn latest_states(&self, since_ns: i64, at_ns: i64) -> Result<LatestStates, StoreError> {
        let state = self.state();
        let mut events: Vec<&StoredEvent> = state
            .events
            .iter()
            .map(|logged| &logged.stored)
            .filter(|stored| (since_ns..=at_ns).contains(&stored.event.at_ns))
            .filter(|stored| !matches!(stored.event.body, EventBody::Change { .. }))
            .collect();
        events.sort_by_key(|stored| (stored.event.at_ns, stored.seq));
        let is_kept = |index: usize| {
            let event = &events[index].event;
            let mine = |other: &&&StoredEvent| same_owner(&other.event, event);
            let Some(next) = events[index + 1..].iter().find(mine) else { return true };
            // Not the newest: kept when the newest state began here.
            let goes_on = |other: &StoredEvent| other.event.body.goes_on(&event.body);
            let began_here = events[..index].iter().rfind(mine).is_none_or(|before| !goes_on(before));
            began_here && goes_on(next) && events[index..].iter().filter(mine).all(|other| goes_on(other))
        };
        let kept = (0..events.len()).filter(|&index| is_kept(index)).map(|index| events[index].event.clone());
        Ok(LatestStates { events: kept.collect() })
    }
}
