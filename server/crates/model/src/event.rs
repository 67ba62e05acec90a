//! Health and breaker events in the domain's own terms.

use std::sync::Arc;

use crate::identity::ServiceKey;

/// State of a circuit breaker as its owner reports it; "unknown" is not reported but follows from silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum BreakerState {
    /// Calls pass.
    Closed = 0,
    /// A few calls pass, to probe.
    HalfOpen = 1,
    /// Calls are refused.
    Open = 2,
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
}

/// One event: repeated or late ones change nothing, since `at` orders them and `id` names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Chosen by the sender.
    pub id: Arc<str>,
    /// Whose breaker or health it is.
    pub service: ServiceKey,
    /// `service.instance.id`; empty when not said.
    pub instance: Arc<str>,
    /// When it happened, by the sender's clock.
    pub at_ns: i64,
    /// What happened.
    pub body: EventBody,
}
