//! Events in the domain's own terms: health, breakers, what limits concurrency and rate, and changes.

use std::sync::Arc;

use crate::identity::ServiceKey;

/// State of a circuit breaker as its owner reports it; "unknown" is not reported but follows from silence.
///
/// The words are resilience4j's; the numbers stand in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum BreakerState {
    /// Calls pass.
    Closed = 0,
    /// A few calls pass, to probe.
    HalfOpen = 1,
    /// Calls are refused.
    Open = 2,
    /// Calls are refused because somebody said so, whatever becomes of them.
    ForcedOpen = 3,
    /// Calls pass because somebody switched it off.
    Disabled = 4,
    /// Calls pass, and it counts what it would have done.
    MetricsOnly = 5,
}

impl BreakerState {
    /// All of them, by number.
    pub const ALL: [Self; 6] =
        [Self::Closed, Self::HalfOpen, Self::Open, Self::ForcedOpen, Self::Disabled, Self::MetricsOnly];
}

/// What an instance says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum HealthStatus {
    /// Fine.
    Up = 0,
    /// Works, but not as it should.
    Degraded = 1,
    /// Does not serve.
    Down = 2,
}

impl HealthStatus {
    /// All of them, by number.
    pub const ALL: [Self; 3] = [Self::Up, Self::Degraded, Self::Down];
}

/// What holds calls back before they are made, besides a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Guard {
    /// So many at a time: a semaphore, a thread pool, a proxy's largest number of connections or requests.
    Bulkhead = 0,
    /// So many in a while.
    RateLimiter = 1,
}

impl Guard {
    /// All of them, by number.
    pub const ALL: [Self; 2] = [Self::Bulkhead, Self::RateLimiter];
}

/// Whether a [`Guard`] lets the next call through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum LimitState {
    /// It does.
    Free = 0,
    /// It does not: the call waits or is refused.
    Exhausted = 1,
}

impl LimitState {
    /// All of them, by number.
    pub const ALL: [Self; 2] = [Self::Free, Self::Exhausted];
}

/// What somebody changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ChangeKind {
    /// Another version runs.
    Deploy = 0,
    /// Other settings.
    Config = 1,
    /// A feature flag.
    Flag = 2,
    /// More or fewer instances, or other ones.
    Scale = 3,
}

impl ChangeKind {
    /// All of them, by number.
    pub const ALL: [Self; 4] = [Self::Deploy, Self::Config, Self::Flag, Self::Scale];
}

/// What the event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventBody {
    /// A breaker of `service`'s `instance` towards `target`.
    Breaker {
        /// Whom it guards calls to, as the sender names it.
        target: Arc<str>,
        /// The breaker's own name.
        name: Arc<str>,
        /// Its state.
        state: BreakerState,
    },
    /// The health of `service`'s `instance`.
    Health {
        /// How it is.
        status: HealthStatus,
        /// Why, for a person.
        detail: Arc<str>,
    },
    /// A bulkhead or rate limiter of `service`'s `instance`.
    Limit {
        /// Which sort.
        guard: Guard,
        /// Whom it guards calls to, as the sender names it; empty when it guards the service itself.
        target: Arc<str>,
        /// Its own name.
        name: Arc<str>,
        /// Whether it has room.
        state: LimitState,
        /// Calls in it now, or made in the present period.
        in_use: Option<u32>,
        /// How many it lets in.
        limit: Option<u32>,
        /// Calls that wait for room.
        waiting: Option<u32>,
    },
    /// Something about `service` was changed. It has no state: it happened once.
    Change {
        /// What.
        change: ChangeKind,
        /// The version that runs now; empty when not said.
        version: Arc<str>,
        /// What was done, for a person.
        title: Arc<str>,
        /// Where more about it stands: `http` or `https`, or empty.
        url: Arc<str>,
    },
}

/// What has a state that events tell of. Events of the same one supersede each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateOf {
    /// The instance.
    Health,
    /// A breaker, by target and name.
    Breaker(Arc<str>, Arc<str>),
    /// A bulkhead or limiter, by target and name.
    Limit(Guard, Arc<str>, Arc<str>),
}

impl EventBody {
    /// Whose state it tells; `None` for what has none.
    pub fn state_of(&self) -> Option<StateOf> {
        match self {
            Self::Health { .. } => Some(StateOf::Health),
            Self::Breaker { target, name, .. } => Some(StateOf::Breaker(target.clone(), name.clone())),
            Self::Limit { guard, target, name, .. } => Some(StateOf::Limit(*guard, target.clone(), name.clone())),
            Self::Change { .. } => None,
        }
    }

    /// Whether the state that `before` told goes on with this. Health has no begin of its own.
    pub fn goes_on(&self, before: &Self) -> bool {
        match (before, self) {
            (Self::Breaker { state: before, .. }, Self::Breaker { state, .. }) => before == state,
            (Self::Limit { state: before, .. }, Self::Limit { state, .. }) => before == state,
            _ => false,
        }
    }
}

/// One event: repeated or late ones change nothing, since `at` orders them and `id` names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Chosen by the sender.
    pub id: Arc<str>,
    /// Whose it is.
    pub service: ServiceKey,
    /// `service.instance.id`; empty when not said.
    pub instance: Arc<str>,
    /// When it happened, by the sender's clock.
    pub at_ns: i64,
    /// What happened.
    pub body: EventBody,
}
