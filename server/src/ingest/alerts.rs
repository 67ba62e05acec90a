//! Alerts that fire: Alertmanager repeats one every few hours, and health is believed for a minute.
//!
//! So those that fire are held here and shown again, until they are resolved or were not repeated for `HELD`. After a restart they are
//! read from the log of events.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use spillway_decode::webhook::ALERT_ID;
use spillway_model::{
    event::{Event, EventBody, HealthStatus},
    identity::ServiceKey,
};
use spillway_store::{EventKind, EventLog, EventQuery};
use tokio_util::sync::CancellationToken;

use crate::{clock, live::LiveHandle};

/// A little more than the 4 hours after which Alertmanager and Grafana repeat an alert unless they are told otherwise.
const HELD: Duration = Duration::from_secs(5 * 3_600);
/// Health is believed for a minute.
const SHOWN_EVERY: Duration = Duration::from_secs(20);
/// Alerts that are held; a team with more has another problem than those that are not shown.
const MOST: usize = 4_096;
/// Events that a restart looks at, newest first.
const PAGES: usize = 50;
const PAGE: u32 = 1_000;

/// Which alert: the service and the instance that it is shown as.
type Key = (ServiceKey, Arc<str>);

struct Held {
    event: Event,
    until_ns: i64,
}

/// Those that fire. A cheap handle.
#[derive(Clone, Default)]
pub struct Alerts(Arc<Mutex<BTreeMap<Key, Held>>>);

impl Alerts {
    /// Never held across an await.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a notification, also of one that was repeated.
    pub fn note(&self, events: &[Event], now_ns: i64) {
        let mut held = self.lock();
        for event in events {
            let EventBody::Health { status, .. } = &event.body else { continue };
            let key = (event.service.clone(), event.instance.clone());
            let full = held.len() >= MOST;
            let until_ns = now_ns.saturating_add(i64::try_from(HELD.as_nanos()).unwrap_or(i64::MAX));
            match (held.entry(key), status) {
                (Entry::Occupied(known), _) if known.get().event.at_ns > event.at_ns => {}
                (Entry::Occupied(known), HealthStatus::Up) => drop(known.remove()),
                (Entry::Occupied(mut known), _) => *known.get_mut() = Held { event: event.clone(), until_ns },
                (Entry::Vacant(_), HealthStatus::Up) => {}
                (Entry::Vacant(place), _) if !full => drop(place.insert(Held { event: event.clone(), until_ns })),
                (Entry::Vacant(_), _) => {}
            }
        }
    }

    /// Those that still fire.
    fn firing(&self, now_ns: i64) -> Vec<Event> {
        let mut held = self.lock();
        held.retain(|_, held| held.until_ns > now_ns);
        held.values().map(|held| held.event.clone()).collect()
    }

    /// Reads what fired before the start. What came since is newer.
    async fn restore(&self, store: &impl EventLog, now_ns: i64) {
        let since_ns = now_ns.saturating_sub(i64::try_from(HELD.as_nanos()).unwrap_or(i64::MAX));
        let mut query =
            EventQuery { kind: Some(EventKind::Health), from_ns: Some(since_ns), limit: PAGE, ..EventQuery::default() };
        let mut found = Vec::new();
        for _ in 0..PAGES {
            let page = match store.events(&query).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!("alerts of before the start are not shown until they are repeated: {error}");
                    return;
                }
            };
            let alerts = page.events.into_iter().filter(|stored| stored.event.id.starts_with(ALERT_ID));
            found.extend(alerts.map(|stored| (stored.received_at_ns, stored.event)));
            query.before_seq = page.next;
            if page.next.is_none() {
                break;
            }
        }
        for (received_at_ns, event) in found.into_iter().rev() {
            self.note(std::slice::from_ref(&event), received_at_ns);
        }
    }
}

/// Shows what fires, again and again, until `stop`.
pub async fn run(alerts: Alerts, store: impl EventLog, live: LiveHandle, stop: CancellationToken) {
    alerts.restore(&store, clock::unix_ns()).await;
    loop {
        let now_ns = clock::unix_ns();
        let firing = alerts.firing(now_ns);
        if !firing.is_empty() {
            live.show_events(firing, now_ns);
        }
        tokio::select! {
            () = tokio::time::sleep(SHOWN_EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use spillway_store::{Write, Writer};
    use spillway_store_sqlite::{OpenOptions, SqliteStore};

    use super::*;

    const NOW: i64 = 1_767_225_600_000_000_000;
    const HOUR: i64 = 3_600_000_000_000;

    fn alert(name: &str, status: HealthStatus, at_ns: i64) -> Event {
        Event {
            id: format!("{ALERT_ID}{name}-{at_ns}").into(),
            service: ServiceKey::new("", "", "checkout"),
            instance: name.into(),
            at_ns,
            body: EventBody::Health { status, detail: "".into() },
        }
    }

    fn names(events: Vec<Event>) -> Vec<String> {
        events.into_iter().map(|event| event.instance.to_string()).collect()
    }

    #[test]
    fn an_alert_is_held_until_it_is_resolved_or_no_longer_repeated() {
        let alerts = Alerts::default();
        alerts.note(&[alert("Slow", HealthStatus::Degraded, NOW), alert("Dead", HealthStatus::Down, NOW)], NOW);
        assert_eq!(names(alerts.firing(NOW + 4 * HOUR)), ["Dead", "Slow"]);

        // It is repeated as it was; a late notification of the past changes nothing.
        alerts.note(&[alert("Slow", HealthStatus::Degraded, NOW)], NOW + 4 * HOUR);
        alerts.note(&[alert("Dead", HealthStatus::Up, NOW - 1)], NOW + 4 * HOUR);
        assert_eq!(names(alerts.firing(NOW + 4 * HOUR)), ["Dead", "Slow"]);

        assert_eq!(names(alerts.firing(NOW + 6 * HOUR)), ["Slow"]);
        alerts.note(&[alert("Slow", HealthStatus::Up, NOW + HOUR)], NOW + 6 * HOUR);
        assert_eq!(names(alerts.firing(NOW + 6 * HOUR)), Vec::<String>::new());
    }

    #[tokio::test]
    async fn what_fired_before_a_restart_fires_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let (store, mut writer) = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();
        let own = Event { id: "heartbeat".into(), ..alert("checkout-1", HealthStatus::Down, NOW) };
        let events = [
            alert("Slow", HealthStatus::Degraded, NOW),
            alert("Dead", HealthStatus::Down, NOW),
            alert("Dead", HealthStatus::Up, NOW + HOUR),
            own,
        ];
        let write = Write::Events { source: "alertmanager".into(), events: events.into(), received_at_ns: NOW };
        writer.commit(&[write]).await.remove(0).unwrap();

        let alerts = Alerts::default();
        alerts.restore(&store, NOW + 2 * HOUR).await;

        assert_eq!(names(alerts.firing(NOW + 2 * HOUR)), ["Slow"]);
    }
}
