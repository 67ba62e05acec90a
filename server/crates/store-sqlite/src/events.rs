//! The log of health and breaker events.

use rustc_hash::FxHashMap;
use spillway_model::{
    event::{BreakerState, Event, EventBody, HealthStatus},
    identity::ServiceKey,
};
use spillway_store::{EventKind, EventLog, EventPage, EventQuery, LatestStates, StoreError, StoredEvent};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use crate::SqliteStore;

const MOST_EVENTS: u32 = 1_000;
/// Events that `latest_states` holds in memory at a time.
const STATES_AT_A_TIME: i64 = 4_096;

macro_rules! columns {
    () => {
        "seq, received_at_ns, at_ns, id, kind, environment, namespace, service, instance, target, name, state, detail"
    };
}

/// Indexes: event_by_service and event_by_target, each read backwards until the page is full.
pub(crate) const PAGE_OF_SERVICE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM event
     WHERE seq IN (
         SELECT seq FROM (
             SELECT seq FROM event INDEXED BY event_by_service
             WHERE service = ?1 AND seq < ?2 AND (?3 IS NULL OR kind = ?3) AND at_ns >= ?4 AND at_ns <= ?5
             ORDER BY seq DESC
             LIMIT ?6)
         UNION
         SELECT seq FROM (
             SELECT seq FROM event INDEXED BY event_by_target
             WHERE target = ?1 AND kind = 0 AND seq < ?2 AND (?3 IS NULL OR kind = ?3) AND at_ns >= ?4 AND at_ns <= ?5
             ORDER BY seq DESC
             LIMIT ?6))
     ORDER BY seq DESC
     LIMIT ?6"
);

/// Index: event_by_time; the events of the range are sorted.
pub(crate) const PAGE_OF_TIME: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM event INDEXED BY event_by_time
     WHERE ?1 IS NULL AND seq < ?2 AND (?3 IS NULL OR kind = ?3) AND at_ns >= ?4 AND at_ns <= ?5
     ORDER BY seq DESC
     LIMIT ?6"
);

/// The primary key, read backwards until the page is full.
pub(crate) const PAGE_OF_ALL: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM event
     WHERE ?1 IS NULL AND seq < ?2 AND (?3 IS NULL OR kind = ?3) AND +at_ns >= ?4 AND +at_ns <= ?5
     ORDER BY seq DESC
     LIMIT ?6"
);

/// Index: event_by_time, in its order.
pub(crate) const STATES: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM event INDEXED BY event_by_time
     WHERE (at_ns, seq) > (?1, ?2) AND at_ns <= ?3
     ORDER BY at_ns, seq
     LIMIT ?4"
);

impl EventLog for SqliteStore {
    #[tracing::instrument(name = "db.events", skip_all, err)]
    async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        let limit = i64::from(query.limit.clamp(1, MOST_EVENTS));
        let Some(last_ns) = query.to_ns.map_or(Some(i64::MAX), |to| to.checked_sub(1)) else {
            return Ok(EventPage { events: Vec::new(), next: None });
        };
        let statement = match query {
            EventQuery { service: Some(_), .. } => PAGE_OF_SERVICE,
            EventQuery { from_ns: None, to_ns: None, .. } => PAGE_OF_ALL,
            _ => PAGE_OF_TIME,
        };
        let history = &self.inner.history;
        let rows = sqlx::query(statement)
            .bind(query.service.as_deref())
            .bind(query.before_seq.map_or(i64::MAX, |seq| i64::try_from(seq).unwrap_or(i64::MAX)))
            .bind(query.kind.map(|kind| match kind {
                EventKind::Breaker => 0,
                EventKind::Health => 1,
            }))
            .bind(query.from_ns.unwrap_or(i64::MIN))
            .bind(last_ns)
            // One more says whether the log goes on.
            .bind(limit + 1)
            .fetch_all(&mut *history.reader().await?)
            .await
            .map_err(history.failed("list events"))?;
        let mut events = rows.iter().map(|row| self.event(row)).collect::<Result<Vec<_>, _>>()?;
        let more = events.len() > limit as usize;
        events.truncate(limit as usize);
        let next = events.last().filter(|_| more).map(|event| event.seq);
        Ok(EventPage { events, next })
    }

    #[tracing::instrument(name = "db.states", skip_all, err)]
    async fn latest_states(&self, since_ns: i64, at_ns: i64) -> Result<LatestStates, StoreError> {
        let mut states = States::default();
        let mut connection = self.inner.history.reader().await?;
        // Every place at `since_ns` lies behind this one: numbers begin at 1.
        let mut after = (since_ns, 0_i64);
        loop {
            let events = self.states_page(&mut connection, after, at_ns).await?;
            let full = events.len() == STATES_AT_A_TIME as usize;
            if let Some(last) = events.last() {
                after = (last.event.at_ns, last.seq as i64);
            }
            events.into_iter().for_each(|event| states.observe(event));
            if !full {
                return Ok(states.finish());
            }
        }
    }
}

impl SqliteStore {
    async fn states_page(
        &self,
        connection: &mut SqliteConnection,
        after: (i64, i64),
        at_ns: i64,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let rows = sqlx::query(STATES)
            .bind(after.0)
            .bind(after.1)
            .bind(at_ns)
            .bind(STATES_AT_A_TIME)
            .fetch_all(connection)
            .await
            .map_err(self.inner.history.failed("read states"))?;
        rows.iter().map(|row| self.event(row)).collect()
    }

    fn event(&self, row: &SqliteRow) -> Result<StoredEvent, StoreError> {
        let corrupt = |why: String| StoreError::Corrupt {
            what: format!("an event in {}", self.inner.history.path.display()),
            why,
        };
        read_event(row)
            .map_err(|error| corrupt(error.to_string()))?
            .ok_or_else(|| corrupt("it has an unknown kind or state".into()))
    }
}

/// `Ok(None)` when kind or state is not one of ours.
fn read_event(row: &SqliteRow) -> Result<Option<StoredEvent>, sqlx::Error> {
    let text = |column: usize| row.try_get::<&str, _>(column);
    let (kind, state): (i64, i64) = (row.try_get(4)?, row.try_get(11)?);
    let body = match (kind, breaker_state(state), health_status(state)) {
        (0, Some(state), _) => EventBody::Breaker { target: text(9)?.into(), name: text(10)?.into(), state },
        (1, _, Some(status)) => EventBody::Health { status, detail: text(12)?.into() },
        _ => return Ok(None),
    };
    let event = Event {
        id: text(3)?.into(),
        service: ServiceKey::new(text(5)?, text(6)?, text(7)?),
        instance: text(8)?.into(),
        at_ns: row.try_get(2)?,
        body,
    };
    Ok(Some(StoredEvent { seq: row.try_get::<i64, _>(0)? as u64, received_at_ns: row.try_get(1)?, event }))
}

fn breaker_state(number: i64) -> Option<BreakerState> {
    [BreakerState::Closed, BreakerState::HalfOpen, BreakerState::Open].into_iter().find(|state| *state as i64 == number)
}

fn health_status(number: i64) -> Option<HealthStatus> {
    [HealthStatus::Up, HealthStatus::Degraded, HealthStatus::Down].into_iter().find(|status| *status as i64 == number)
}

/// What has a state: a breaker by target and name, or the health of an instance.
#[derive(PartialEq, Eq, Hash)]
struct Owner {
    service: ServiceKey,
    instance: std::sync::Arc<str>,
    breaker: Option<(std::sync::Arc<str>, std::sync::Arc<str>)>,
}

/// Folds events in their order to the newest of each owner.
#[derive(Default)]
struct States {
    /// The event with which the state began, and the newest one.
    by_owner: FxHashMap<Owner, (StoredEvent, StoredEvent)>,
}

impl States {
    fn observe(&mut self, event: StoredEvent) {
        let breaker = match &event.event.body {
            EventBody::Breaker { target, name, .. } => Some((target.clone(), name.clone())),
            EventBody::Health { .. } => None,
        };
        let owner = Owner { service: event.event.service.clone(), instance: event.event.instance.clone(), breaker };
        match self.by_owner.get_mut(&owner) {
            Some((_, newest)) if goes_on(&newest.event.body, &event.event.body) => *newest = event,
            Some(both) => *both = (event.clone(), event),
            None => {
                self.by_owner.insert(owner, (event.clone(), event));
            }
        }
    }

    fn finish(self) -> LatestStates {
        let mut events: Vec<StoredEvent> = Vec::with_capacity(self.by_owner.len() * 2);
        for (owner, (began, newest)) in self.by_owner {
            if owner.breaker.is_some() && began.seq != newest.seq {
                events.push(began);
            }
            events.push(newest);
        }
        events.sort_unstable_by_key(|event| (event.event.at_ns, event.seq));
        LatestStates { events: events.into_iter().map(|event| event.event).collect() }
    }
}

/// Whether a breaker's state stays the same. Health has no begin of its own to keep.
fn goes_on(before: &EventBody, after: &EventBody) -> bool {
    matches!((before, after), (EventBody::Breaker { state: before, .. }, EventBody::Breaker { state: after, .. }) if before == after)
}
