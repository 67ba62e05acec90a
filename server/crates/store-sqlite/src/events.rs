//! The log of events.

use rustc_hash::FxHashMap;
use spillway_model::{event::StateOf, identity::ServiceKey};
use spillway_store::{EventKind, EventLog, EventPage, EventQuery, LatestStates, StoreError, StoredEvent};
use sqlx::{SqliteConnection, sqlite::SqliteRow};

pub(crate) mod row;

use crate::SqliteStore;
use row::columns;

const MOST_EVENTS: u32 = 1_000;
/// Events that `latest_states` holds in memory at a time.
const STATES_AT_A_TIME: i64 = 4_096;

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
             WHERE target = ?1 AND kind IN (0, 2) AND seq < ?2 AND (?3 IS NULL OR kind = ?3) AND at_ns >= ?4 AND at_ns <= ?5
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

/// Index: event_by_change; those of the range are sorted.
pub(crate) const PAGE_OF_CHANGES: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM event INDEXED BY event_by_change
     WHERE kind = 3 AND (?1 IS NULL OR service = ?1) AND seq < ?2 AND (?3 IS NULL OR kind = ?3) AND at_ns >= ?4 AND at_ns <= ?5
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
            EventQuery { kind: Some(EventKind::Change), .. } => PAGE_OF_CHANGES,
            EventQuery { service: Some(_), .. } => PAGE_OF_SERVICE,
            EventQuery { from_ns: None, to_ns: None, .. } => PAGE_OF_ALL,
            _ => PAGE_OF_TIME,
        };
        let history = &self.inner.history;
        let rows = sqlx::query(statement)
            .bind(query.service.as_deref())
            .bind(query.before_seq.map_or(i64::MAX, |seq| i64::try_from(seq).unwrap_or(i64::MAX)))
            .bind(query.kind.map(row::kind))
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
        row::read(row)
            .map_err(|error| corrupt(error.to_string()))?
            .ok_or_else(|| corrupt("it has an unknown kind, state or guard".into()))
    }
}

/// What has a state, and where.
#[derive(PartialEq, Eq, Hash)]
struct Owner {
    service: ServiceKey,
    instance: std::sync::Arc<str>,
    state_of: StateOf,
}

/// Folds events in their order to the newest of each owner.
#[derive(Default)]
struct States {
    /// The event with which the state began, and the newest one.
    by_owner: FxHashMap<Owner, (StoredEvent, StoredEvent)>,
}

impl States {
    fn observe(&mut self, event: StoredEvent) {
        let Some(state_of) = event.event.body.state_of() else { return };
        let owner = Owner { service: event.event.service.clone(), instance: event.event.instance.clone(), state_of };
        match self.by_owner.get_mut(&owner) {
            Some((_, newest)) if event.event.body.goes_on(&newest.event.body) => *newest = event,
            Some(both) => *both = (event.clone(), event),
            None => {
                self.by_owner.insert(owner, (event.clone(), event));
            }
        }
    }

    fn finish(self) -> LatestStates {
        let mut events: Vec<StoredEvent> = Vec::with_capacity(self.by_owner.len() * 2);
        for (owner, (began, newest)) in self.by_owner {
            if owner.state_of != StateOf::Health && began.seq != newest.seq {
                events.push(began);
            }
            events.push(newest);
        }
        events.sort_unstable_by_key(|event| (event.event.at_ns, event.seq));
        LatestStates { events: events.into_iter().map(|event| event.event).collect() }
    }
}
