//! One directive, checked and made ready for the request path.

use std::{
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64},
    },
    time::{Duration, Instant},
};

use spillway_api::{Action, COHORTS, Criticality, Directive, LEVELS};

use super::bucket::Bucket;

/// How long an expired lease takes to fade. At once would throw the whole load at a service that was just protected from
/// it.
pub(super) const RAMP: Duration = Duration::from_secs(3);

/// What a rejection says of its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The directive's id.
    pub id: Box<str>,
    /// One sentence.
    pub reason: Box<str>,
    /// Least time that the caller should wait.
    pub retry_after: Duration,
}

/// Waiting time of a rejection whose directive names none.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What survives a renewal of the directive.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// When the token bucket is full again, in nanoseconds since the admission started.
    pub(super) bucket: AtomicU64,
    /// Requests in flight that only this directive counts.
    pub(super) in_flight: Arc<AtomicU32>,
}

/// What is done with a matching request.
#[derive(Debug)]
pub(super) enum Check {
    /// Reject at or above.
    Level(u16),
    /// Admit this share.
    Ratio(f64),
    /// At most so many of the class and the less important ones.
    InFlight(u32),
    /// At most so many of those that match the directive.
    OwnInFlight(u32),
    /// A token each.
    Rate(Bucket),
    /// Never rejects.
    Degrade(Arc<str>),
}

impl Check {
    /// Sorts what consumes nothing before what does, and the stricter before the milder, so that the directive that a
    /// rejection names is the one that binds.
    pub(super) fn order(&self) -> (u8, f64) {
        match self {
            Self::Level(level) => (0, f64::from(*level)),
            Self::Ratio(ratio) => (1, *ratio),
            Self::InFlight(limit) => (2, f64::from(*limit)),
            Self::OwnInFlight(limit) => (3, f64::from(*limit)),
            Self::Rate(_) => (4, 0.0),
            Self::Degrade(_) => (5, 0.0),
        }
    }
}

/// One directive.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) class: Criticality,
    pub(super) route: Option<Box<str>>,
    pub(super) caller: Option<Box<str>>,
    pub(super) tenant: Option<Box<str>>,
    pub(super) cohorts: Option<RangeInclusive<u16>>,
    pub(super) check: Check,
    pub(super) expires_at: Instant,
    pub(super) notice: Arc<Notice>,
    pub(super) counters: Arc<Counters>,
}

impl Rule {
    /// # Errors
    /// A sentence about what cannot be obeyed.
    pub(super) fn new(directive: Directive, counters: Arc<Counters>, now: Instant) -> Result<Self, String> {
        let Directive { id, r#match, action, ttl_ms, on_expiry: _, retry_after_ms, reason, by: _ } = directive;
        let cohorts = match (r#match.cohort_from, r#match.cohort_to) {
            (None, None) => None,
            (from, to) => {
                let (from, to) = (from.unwrap_or(0), to.unwrap_or(COHORTS - 1));
                if from > to || to >= COHORTS {
                    return Err(format!("cohorts {from} to {to} are not a range within 0 to {}", COHORTS - 1));
                }
                Some(from..=to)
            }
        };
        // The admission counts requests in flight by class; whatever else a limit distinguishes it counts itself.
        let counted_by_class =
            r#match.route.is_none() && r#match.caller.is_none() && r#match.tenant.is_none() && cohorts.is_none();
        let check = match action {
            Action::AdmitRatio { ratio } if (0.0..=1.0).contains(&ratio) => Check::Ratio(ratio),
            Action::AdmitRatio { ratio } => return Err(format!("admit ratio {ratio} is not within 0 to 1")),
            Action::LevelThreshold { level } if level <= LEVELS => Check::Level(level),
            Action::LevelThreshold { level } => return Err(format!("level {level} is above {LEVELS}")),
            Action::ConcurrencyLimit { limit } if counted_by_class => Check::InFlight(limit),
            Action::ConcurrencyLimit { limit } => Check::OwnInFlight(limit),
            Action::RateLimit { per_second, burst } => Check::Rate(
                Bucket::new(per_second, burst)
                    .ok_or_else(|| format!("{per_second} a second is not a positive rate"))?,
            ),
            Action::Degrade { variant } => Check::Degrade(variant.into()),
        };
        Ok(Self {
            class: r#match.class.unwrap_or(Criticality::CriticalPlus),
            route: r#match.route.map(Into::into),
            caller: r#match.caller.map(Into::into),
            tenant: r#match.tenant.map(Into::into),
            cohorts,
            check,
            expires_at: now + Duration::from_millis(ttl_ms.into()),
            notice: Arc::new(Notice {
                id: id.into(),
                reason: reason.into(),
                retry_after: retry_after_ms.map_or(RETRY_AFTER, |ms| Duration::from_millis(ms.into())),
            }),
            counters,
        })
    }

    /// How much of it is left: 1 while the lease lasts, then falling to 0 within [`RAMP`].
    pub(super) fn hold(&self, now: Instant) -> f64 {
        let late = now.saturating_duration_since(self.expires_at);
        if late.is_zero() { 1.0 } else { 1.0 - late.as_secs_f64() / RAMP.as_secs_f64() }
    }
}
