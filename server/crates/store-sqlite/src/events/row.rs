//! An event as its row, both ways.

use spillway_model::{
    event::{BreakerState, ChangeKind, Event, EventBody, Guard, HealthStatus, LimitState},
    identity::ServiceKey,
};
use spillway_store::{EventKind, StoredEvent};
use sqlx::{Row, sqlite::SqliteRow};

/// The columns, in the order that [`read`] takes them.
macro_rules! columns {
    () => {
        "seq, received_at_ns, at_ns, id, kind, environment, namespace, service, instance, target, name, state, detail, \
         guard, in_use, room, waiting, version, url"
    };
}
pub(crate) use columns;

/// What a body is in columns; those that it does not name are empty or NULL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BodyColumns<'a> {
    pub kind: i64,
    pub target: &'a str,
    pub name: &'a str,
    pub state: i64,
    pub detail: &'a str,
    pub guard: Option<i64>,
    pub in_use: Option<u32>,
    pub room: Option<u32>,
    pub waiting: Option<u32>,
    pub version: Option<&'a str>,
    pub url: Option<&'a str>,
}

/// The number of a kind.
pub(crate) const fn kind(kind: EventKind) -> i64 {
    match kind {
        EventKind::Breaker => 0,
        EventKind::Health => 1,
        EventKind::Limit => 2,
        EventKind::Change => 3,
    }
}

impl<'a> BodyColumns<'a> {
    pub(crate) fn of(body: &'a EventBody) -> Self {
        match body {
            EventBody::Breaker { target, name, state } => {
                Self { kind: kind(EventKind::Breaker), target, name, state: *state as i64, ..Self::default() }
            }
            EventBody::Health { status, detail } => {
                Self { kind: kind(EventKind::Health), state: *status as i64, detail, ..Self::default() }
            }
            EventBody::Limit { guard, target, name, state, in_use, limit, waiting } => Self {
                kind: kind(EventKind::Limit),
                target,
                name,
                state: *state as i64,
                guard: Some(*guard as i64),
                in_use: *in_use,
                room: *limit,
                waiting: *waiting,
                ..Self::default()
            },
            EventBody::Change { change, version, title, url } => Self {
                kind: kind(EventKind::Change),
                state: *change as i64,
                detail: title,
                version: Some(version),
                url: Some(url),
                ..Self::default()
            },
        }
    }

    /// `None` when kind, state or guard is not one of ours.
    pub(crate) fn body(&self) -> Option<EventBody> {
        let state = usize::try_from(self.state).ok()?;
        Some(match self.kind {
            0 => EventBody::Breaker {
                target: self.target.into(),
                name: self.name.into(),
                state: *BreakerState::ALL.get(state)?,
            },
            1 => EventBody::Health { status: *HealthStatus::ALL.get(state)?, detail: self.detail.into() },
            2 => EventBody::Limit {
                guard: *Guard::ALL.get(usize::try_from(self.guard?).ok()?)?,
                target: self.target.into(),
                name: self.name.into(),
                state: *LimitState::ALL.get(state)?,
                in_use: self.in_use,
                limit: self.room,
                waiting: self.waiting,
            },
            3 => EventBody::Change {
                change: *ChangeKind::ALL.get(state)?,
                version: self.version.unwrap_or_default().into(),
                title: self.detail.into(),
                url: self.url.unwrap_or_default().into(),
            },
            _ => return None,
        })
    }
}

/// `Ok(None)` when kind, state or guard is not one of ours.
pub(super) fn read(row: &SqliteRow) -> Result<Option<StoredEvent>, sqlx::Error> {
    let text = |column: usize| row.try_get::<&str, _>(column);
    let columns = BodyColumns {
        kind: row.try_get(4)?,
        target: text(9)?,
        name: text(10)?,
        state: row.try_get(11)?,
        detail: text(12)?,
        guard: row.try_get(13)?,
        in_use: row.try_get(14)?,
        room: row.try_get(15)?,
        waiting: row.try_get(16)?,
        version: row.try_get(17)?,
        url: row.try_get(18)?,
    };
    let Some(body) = columns.body() else { return Ok(None) };
    let event = Event {
        id: text(3)?.into(),
        service: ServiceKey::new(text(5)?, text(6)?, text(7)?),
        instance: text(8)?.into(),
        at_ns: row.try_get(2)?,
        body,
    };
    Ok(Some(StoredEvent { seq: row.try_get::<i64, _>(0)? as u64, received_at_ns: row.try_get(1)?, event }))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_body_is_the_same_after_it_was_columns(event in spillway_store::contract::generate::event()) {
            prop_assert_eq!(BodyColumns::of(&event.body).body().unwrap(), event.body);
        }
    }

    #[test]
    fn numbers_that_nobody_wrote_are_no_event() {
        for (kind, state, guard) in
            [(4, 0, None), (0, 6, None), (1, 3, None), (2, 0, None), (2, 0, Some(2)), (2, 2, Some(0)), (3, -1, None)]
        {
            assert_eq!(
                BodyColumns { kind, state, guard, ..BodyColumns::default() }.body(),
                None,
                "{kind} {state} {guard:?}"
            );
        }
    }
}
