//! The log of events: health, breakers, limits and changes.

use std::future::Future;

use spillway_model::event::Event;

use crate::StoreError;

/// Which kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// Circuit breakers.
    Breaker,
    /// Health.
    Health,
    /// Bulkheads and rate limiters.
    Limit,
    /// Changes.
    Change,
}

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Only this kind.
    pub kind: Option<EventKind>,
    /// Only events of this service name (in any environment), or of breakers and limits towards it.
    pub service: Option<String>,
    /// Only events at or after this.
    pub from_ns: Option<i64>,
    /// Only events before this.
    pub to_ns: Option<i64>,
    /// Only events before this place in the log.
    pub before_seq: Option<u64>,
    /// Events a page, 1 to 1,000.
    pub limit: u32,
}

/// A stored event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Place in the log.
    pub seq: u64,
    /// When it was stored.
    pub received_at_ns: i64,
    /// The event.
    pub event: Event,
}

/// A page, newest first by place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPage {
    /// The events.
    pub events: Vec<StoredEvent>,
    /// Pass as `before_seq`; `None` at the end.
    pub next: Option<u64>,
}

/// The newest event of every breaker and limit (service, instance, target, name) and of every instance's health, as of an instant. Changes have no state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatestStates {
    /// In the order of `at_ns`. For each breaker and limit also the event with which its current state began, when that is another.
    pub events: Vec<Event>,
}

/// Reading events. They are written by [`crate::Writer`].
pub trait EventLog: Send + Sync {
    /// A page of events.
    fn events(&self, query: &EventQuery) -> impl Future<Output = Result<EventPage, StoreError>> + Send;

    /// States as of `at_ns`, from events no older than `since_ns`.
    fn latest_states(&self, since_ns: i64, at_ns: i64)
    -> impl Future<Output = Result<LatestStates, StoreError>> + Send;
}
