//! Events of health, breakers, limits and changes: what services post to `/webhooks/spillway`, and how they are read back.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// State of a circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// A few calls pass, to probe.
    HalfOpen,
    /// Calls are refused.
    Open,
    /// Calls are refused because somebody said so.
    ForcedOpen,
    /// Calls pass because somebody switched it off.
    Disabled,
    /// Calls pass, and it counts what it would have done.
    MetricsOnly,
    /// No fresh report. Not accepted in an event.
    Unknown,
}

impl BreakerState {
    /// Whether calls are refused.
    pub const fn refuses(self) -> bool {
        matches!(self, Self::Open | Self::ForcedOpen)
    }
}

/// What an instance says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// Fine.
    Up,
    /// Works, but not as it should.
    Degraded,
    /// Does not serve.
    Down,
}

/// A breaker changed state, or repeats the state it is in (a heartbeat keeps it fresh).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BreakerEvent {
    /// Chosen by the sender; the same id again changes nothing, with other content it is refused (409).
    pub id: String,
    /// `deployment.environment.name` of the caller.
    #[serde(default)]
    pub environment: String,
    /// `service.namespace` of the caller.
    #[serde(default)]
    pub namespace: String,
    /// `service.name` of the caller: the one that holds the breaker.
    pub service: String,
    /// `service.instance.id` of the caller.
    #[serde(default)]
    pub instance: String,
    /// Whom it calls: a service name in the same environment and namespace, a host, or a database name.
    pub target: String,
    /// The breaker's own name; the target's when left out.
    #[serde(default)]
    pub name: String,
    /// The state that it is in.
    pub state: BreakerState,
    /// When it entered the state or reported it.
    pub at: Timestamp,
}

/// An instance's health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct HealthEvent {
    /// Chosen by the sender; the same id again changes nothing, with other content it is refused (409).
    pub id: String,
    /// `deployment.environment.name`.
    #[serde(default)]
    pub environment: String,
    /// `service.namespace`.
    #[serde(default)]
    pub namespace: String,
    /// `service.name`.
    pub service: String,
    /// `service.instance.id`.
    #[serde(default)]
    pub instance: String,
    /// How it is.
    pub status: HealthStatus,
    /// When.
    pub at: Timestamp,
    /// Why, for a person.
    #[serde(default)]
    pub detail: String,
}

/// What holds calls back before they are made, besides a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// So many at a time.
    Bulkhead,
    /// So many in a while.
    RateLimiter,
}

/// Whether a bulkhead or limiter lets the next call through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LimitState {
    /// It does.
    Free,
    /// It does not: the call waits or is refused.
    Exhausted,
}

/// A bulkhead or rate limiter filled up, has room again, or repeats its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LimitEvent {
    /// Chosen by the sender; the same id again changes nothing, with other content it is refused (409).
    pub id: String,
    /// `deployment.environment.name`.
    #[serde(default)]
    pub environment: String,
    /// `service.namespace`.
    #[serde(default)]
    pub namespace: String,
    /// `service.name`.
    pub service: String,
    /// `service.instance.id`.
    #[serde(default)]
    pub instance: String,
    /// Which sort.
    pub guard: Guard,
    /// Whom it guards calls to; empty when it guards the service itself.
    #[serde(default)]
    pub target: String,
    /// Its own name; the target's when left out.
    #[serde(default)]
    pub name: String,
    /// Whether it has room.
    pub state: LimitState,
    /// Calls in it now, or made in the present period.
    #[serde(default)]
    pub in_use: Option<u32>,
    /// How many it lets in.
    #[serde(default)]
    pub limit: Option<u32>,
    /// Calls that wait for room.
    #[serde(default)]
    pub waiting: Option<u32>,
    /// When.
    pub at: Timestamp,
}

/// What somebody changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Another version runs.
    Deploy,
    /// Other settings.
    Config,
    /// A feature flag.
    Flag,
    /// More or fewer instances, or other ones.
    Scale,
}

/// Something about a service was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeEvent {
    /// Chosen by the sender; the same id again changes nothing, with other content it is refused (409).
    pub id: String,
    /// `deployment.environment.name`.
    #[serde(default)]
    pub environment: String,
    /// `service.namespace`.
    #[serde(default)]
    pub namespace: String,
    /// `service.name`.
    pub service: String,
    /// `service.instance.id`.
    #[serde(default)]
    pub instance: String,
    /// What.
    pub change: ChangeKind,
    /// The version that runs now.
    #[serde(default)]
    pub version: String,
    /// What was done, for a person.
    #[serde(default)]
    pub title: String,
    /// Where more about it stands: `http` or `https`.
    #[serde(default)]
    pub url: String,
    /// When.
    pub at: Timestamp,
}

/// `GET /api/v1/changes`, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangeList {
    /// The changes.
    pub changes: Vec<ChangeEvent>,
    /// True when there are more than `limit`.
    pub more: bool,
}

/// One event of the native webhook; a request carries one or an array of up to 1,000 (one transaction).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// A circuit breaker's state.
    Breaker(BreakerEvent),
    /// An instance's health.
    Health(HealthEvent),
    /// A bulkhead or rate limiter.
    Limit(LimitEvent),
    /// Something was changed.
    Change(ChangeEvent),
}

/// The answer to a stored webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WebhookAnswer {
    /// Events that were new.
    pub stored: u32,
    /// Events that were known already.
    pub repeated: u32,
    /// What means nothing here, by reason.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub ignored: std::collections::BTreeMap<String, u32>,
    /// Revision of the directives for the sender's service, so that an enforcer knows at once when to fetch.
    pub revision: String,
}

/// A stored event with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventRecord {
    /// Position in the log.
    pub seq: u64,
    /// When the server stored it.
    pub received_at: Timestamp,
    /// The event.
    pub event: Event,
}

/// A page of events, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventList {
    /// The page.
    pub events: Vec<EventRecord>,
    /// Pass it as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}
