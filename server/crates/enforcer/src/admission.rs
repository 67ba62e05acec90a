//! Whether one request may pass: a pure function of the request, the directives in force and the time.
//!
//! Several directives may match; the strictest wins, because each of them turns away on its own. Checks that consume
//! something (a token) come last and give it back when a later one says no, so a request that is turned away costs
//! its service nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Instant,
};

use arc_swap::ArcSwap;
use spillway_api::{Criticality, Directive, IgnoredDirective, cohort, level};

mod bucket;
mod rule;
mod spread;
mod table;

use rule::{Check, Rule};
use table::Table;

use crate::Identity;

pub use rule::Notice;

/// What a directive may ask about a request. An empty string means "not known".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestFacts<'a> {
    /// How much it matters.
    pub class: Criticality,
    /// The normalised route.
    pub route: &'a str,
    /// `service.name` of the caller.
    pub caller: &'a str,
    /// The tenant or user.
    pub tenant: &'a str,
    /// The trace it belongs to, 32 hex digits: requests of one trace share their fate, so that a chain of services does
    /// not serve a half that the other half then turns away.
    pub trace_id: &'a str,
}

/// What an admitted request holds until it has ended. Give it back with [`Admission::release`].
#[derive(Debug)]
#[must_use = "a request that is not released counts as in flight for ever"]
pub struct Held {
    class: Criticality,
    /// Directives that count their own requests; nearly always empty, and an empty `Vec` allocates nothing.
    own: Vec<Arc<AtomicU32>>,
}

/// The answer for one request.
#[derive(Debug)]
pub enum Verdict {
    /// Let it run.
    Admit {
        /// The variant to serve instead of the full answer, when a directive asks for one.
        degrade: Option<Arc<str>>,
        /// What it holds while it runs.
        held: Held,
    },
    /// Turn it away.
    Reject(Arc<Notice>),
}

/// The directives in force and the counters behind them.
#[derive(Debug)]
pub struct Admission {
    identity: Identity,
    table: ArcSwap<Table>,
    /// Admitted requests that have not ended, by class: a limit on all requests of a class counts here, so that it
    /// holds from its first moment, with the requests that were there before it.
    in_flight: [AtomicU32; 4],
    /// Numbers the requests that belong to no trace; their spread follows from it evenly.
    requests: AtomicU64,
    /// Hours since 1970. Kept by the background task: reading the wall clock for each request would cost more than
    /// the decision.
    hour: AtomicU64,
    /// What [`Instant`]s are counted from, to fit them into an atomic.
    started: Instant,
}

impl Admission {
    /// Admits everything until [`apply`](Self::apply) says otherwise.
    #[must_use]
    pub fn new(identity: Identity, now: Instant) -> Self {
        Self {
            identity,
            table: ArcSwap::from_pointee(Table::default()),
            in_flight: Default::default(),
            requests: AtomicU64::new(0),
            hour: AtomicU64::new(0),
            started: now,
        }
    }

    /// Puts a set in force, instead of the last one, and returns what of it cannot be obeyed. Leases count from `now`.
    pub fn apply(&self, directives: Vec<Directive>, now: Instant) -> Vec<IgnoredDirective> {
        let (table, ignored) = Table::compile(directives, &self.identity, &self.table.load(), now);
        self.table.store(Arc::new(table));
        ignored
    }

    /// Sets the hour that cohorts are drawn in (hours since 1970).
    pub fn set_hour(&self, hour: u64) {
        self.hour.store(hour, Ordering::Relaxed);
    }

    /// Admitted requests that have not ended.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Decides about one request.
    pub fn decide(&self, facts: &RequestFacts<'_>, now: Instant) -> Verdict {
        // Counted first and taken back on rejection: to look first and count later would let a burst on many threads
        // through together.
        self.in_flight[usize::from(facts.class.index())].fetch_add(1, Ordering::AcqRel);
        let mut held = Held { class: facts.class, own: Vec::new() };
        let table = self.table.load();
        if table.rules.is_empty() {
            return Verdict::Admit { degrade: None, held };
        }
        let mut request = Request { admission: self, facts, cohort: None, spread: None };
        let mut degrade = None;
        for (position, rule) in table.rules.iter().enumerate() {
            let hold = rule.hold(now);
            if hold <= 0.0 || !request.is_meant(rule) || (hold < 1.0 && !request.is_held(rule, hold)) {
                continue;
            }
            if request.passes(rule, hold, now, &mut held, &mut degrade) {
                continue;
            }
            for earlier in &table.rules[..position] {
                request.refund(earlier, now);
            }
            self.release(held);
            return Verdict::Reject(Arc::clone(&rule.notice));
        }
        Verdict::Admit { degrade, held }
    }

    /// Says that an admitted request has ended.
    pub fn release(&self, held: Held) {
        self.in_flight[usize::from(held.class.index())].fetch_sub(1, Ordering::AcqRel);
        for own in held.own {
            own.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Requests in flight of `class` and the less important ones.
    fn in_flight_from(&self, class: Criticality) -> u32 {
        self.in_flight[usize::from(class.index())..].iter().map(|count| count.load(Ordering::Acquire)).sum()
    }

    fn since_start_ns(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.started).as_nanos()).unwrap_or(u64::MAX)
    }
}

/// One request on its way through the table; what is costly to know is found out once, and only when asked.
struct Request<'a> {
    admission: &'a Admission,
    facts: &'a RequestFacts<'a>,
    cohort: Option<u16>,
    spread: Option<u64>,
}

impl Request<'_> {
    /// Whether the directive is about this request.
    fn is_meant(&mut self, rule: &Rule) -> bool {
        let facts = self.facts;
        let wanted = |want: &Option<Box<str>>, have: &str| want.as_deref().is_none_or(|want| want == have);
        facts.class >= rule.class
            && wanted(&rule.route, facts.route)
            && wanted(&rule.caller, facts.caller)
            && wanted(&rule.tenant, facts.tenant)
            && rule.cohorts.as_ref().is_none_or(|cohorts| cohorts.contains(&self.cohort()))
    }

    /// While an expired lease fades, it holds for a shrinking share of the requests. An admit ratio fades by itself.
    fn is_held(&mut self, rule: &Rule, hold: f64) -> bool {
        // Turned, so that who is freed by the fading does not follow who a ratio turns away.
        matches!(rule.check, Check::Ratio(_)) || spread::unit(spread::mix(self.spread())) < hold
    }

    /// Whether it gets past the directive.
    fn passes(
        &mut self,
        rule: &Rule,
        hold: f64,
        now: Instant,
        held: &mut Held,
        degrade: &mut Option<Arc<str>>,
    ) -> bool {
        match &rule.check {
            Check::Level(threshold) => level(self.facts.class, self.cohort()) < *threshold,
            // 1 - hold * (1 - ratio): the whole ratio at first, everything when nothing holds any more.
            Check::Ratio(ratio) => spread::unit(self.spread()) < hold.mul_add(ratio - 1.0, 1.0),
            Check::InFlight(limit) => self.admission.in_flight_from(rule.class) <= *limit,
            Check::OwnInFlight(limit) => {
                let own = &rule.counters.in_flight;
                let before = own.fetch_add(1, Ordering::AcqRel);
                held.own.push(Arc::clone(own));
                before < *limit
            }
            Check::Rate(bucket) => bucket.take(&rule.counters.bucket, self.admission.since_start_ns(now)),
            Check::Degrade(variant) => {
                degrade.get_or_insert_with(|| Arc::clone(variant));
                true
            }
        }
    }

    /// Gives back what the directive took from a request that a later one turned away.
    fn refund(&mut self, rule: &Rule, now: Instant) {
        if let Check::Rate(bucket) = &rule.check {
            let hold = rule.hold(now);
            if hold > 0.0 && self.is_meant(rule) && (hold >= 1.0 || self.is_held(rule, hold)) {
                bucket.give_back(&rule.counters.bucket);
            }
        }
    }

    /// The cohort, by tenant where one is known, else by trace, else by chance.
    fn cohort(&mut self) -> u16 {
        if let Some(cohort) = self.cohort {
            return cohort;
        }
        let hour = self.admission.hour.load(Ordering::Relaxed);
        let cohort = match (self.facts.tenant, self.facts.trace_id) {
            ("", "") => cohort(&self.spread().to_le_bytes(), hour),
            ("", trace_id) => cohort(trace_id.as_bytes(), hour),
            (tenant, _) => cohort(tenant.as_bytes(), hour),
        };
        *self.cohort.insert(cohort)
    }

    /// 64 evenly spread bits: the same for all requests of a trace, else by turns.
    fn spread(&mut self) -> u64 {
        if let Some(spread) = self.spread {
            return spread;
        }
        let spread = match self.facts.trace_id {
            "" => spread::by_turns(self.admission.requests.fetch_add(1, Ordering::Relaxed)),
            trace_id => spread::of(trace_id.as_bytes()),
        };
        *self.spread.insert(spread)
    }
}

#[cfg(test)]
mod tests;
