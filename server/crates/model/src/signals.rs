//! What rules see: usage reports of enforcers where there are any, else the live map.
//!
//! Reports are cumulative and keyed (instance, boot, sequence): one that comes twice changes nothing, one that is lost
//! costs nothing, and one that overtook another is simply the newer one.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    histogram::Histogram,
    identity::ServiceKey,
    rule::{ClassCounts, Criticality, Directive, Latency, Origin, ServiceId, Signals, Target},
    topology::UsageSignals,
};

mod instance;
mod snapshot;

pub use snapshot::{EDGES, SIGNALS, build_snapshot};

use instance::{Instance, Window};

/// Rates are over this time: long enough for ten requests at the rates where shedding matters, short enough to follow it.
pub const WINDOW_NS: u64 = 5_000_000_000;
/// An instance that reported within this time can enforce: three reports.
pub const ENFORCING_NS: u64 = 3_000_000_000;
/// An instance is forgotten after this time; its counters start anew when it comes back.
pub const FORGET_NS: u64 = 60_000_000_000;
/// Instances in all. A report is some hundred bytes in here, so this is some MiB.
pub const INSTANCES: usize = 10_000;

/// Name of the custom number that says how many requests a second ended with a rejection that a callee made. They are part
/// of the goodput: the service did its own part.
pub const RELAYED: &str = "relayed-rps";

/// Counters of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Let through.
    pub admitted: u64,
    /// Turned away.
    pub shed: u64,
    /// Answered well.
    pub ok: u64,
    /// Failed.
    pub failed: u64,
    /// Timed out.
    pub timed_out: u64,
    /// Answered with a rejection of a callee: neither good nor failed.
    pub relayed: u64,
}

impl Counts {
    /// Arrived.
    #[must_use]
    pub fn offered(&self) -> u64 {
        self.admitted + self.shed
    }

    fn add(&mut self, other: &Self) {
        self.admitted += other.admitted;
        self.shed += other.shed;
        self.ok += other.ok;
        self.failed += other.failed;
        self.timed_out += other.timed_out;
        self.relayed += other.relayed;
    }

    /// What came since `before`; `None` when a counter fell, which none does within one boot.
    fn since(&self, before: &Self) -> Option<Self> {
        Some(Self {
            admitted: self.admitted.checked_sub(before.admitted)?,
            shed: self.shed.checked_sub(before.shed)?,
            ok: self.ok.checked_sub(before.ok)?,
            failed: self.failed.checked_sub(before.failed)?,
            timed_out: self.timed_out.checked_sub(before.timed_out)?,
            relayed: self.relayed.checked_sub(before.relayed)?,
        })
    }
}

/// Counters of all classes, and how long what was admitted took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// By class, most important first.
    pub classes: [Counts; 4],
    /// Time to serve.
    pub latency: Histogram,
}

impl Totals {
    /// Adds counters of one class.
    pub fn add(&mut self, class: Criticality, counts: &Counts, latency: &Histogram) {
        self.classes[usize::from(class.rank())].add(counts);
        self.latency.merge(latency);
    }

    fn merge(&mut self, other: &Self) {
        self.classes.iter_mut().zip(&other.classes).for_each(|(mine, other)| mine.add(other));
        self.latency.merge(&other.latency);
    }

    fn since(&self, before: &Self) -> Option<Self> {
        let mut classes = [Counts::default(); 4];
        for (class, counts) in classes.iter_mut().enumerate() {
            *counts = self.classes[class].since(&before.classes[class])?;
        }
        let mut latency = self.latency.clone();
        latency.subtract(&before.latency);
        Some(Self { classes, latency })
    }

    fn sum(&self) -> Counts {
        self.classes.iter().fold(Counts::default(), |mut sum, counts| {
            sum.add(counts);
            sum
        })
    }
}

/// One report of one instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Who.
    pub service: ServiceKey,
    /// Which of them.
    pub instance: Arc<str>,
    /// Changes with every start.
    pub boot: Arc<str>,
    /// Counts up.
    pub seq: u64,
    /// The directives that it applies.
    pub revision: Arc<str>,
    /// Requests in flight.
    pub in_flight: u32,
    /// Its own limit on them.
    pub in_flight_limit: Option<u32>,
    /// Mean wait before the work began.
    pub queue_wait_ms: Option<f64>,
    /// Everything since its start.
    pub totals: Totals,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// It counts.
    New,
    /// It came before, or a newer one did: nothing changed.
    Repeated,
    /// Too many instances report already.
    Full,
}

/// The newest reports of all instances.
#[derive(Clone, Debug, Default)]
pub struct UsageBook {
    services: BTreeMap<ServiceKey, BTreeMap<Arc<str>, Instance>>,
}

impl UsageBook {
    /// Takes a report that was received now.
    pub fn receive(&mut self, report: Report, now_ns: u64) -> Received {
        let known = self.services.get(&report.service).is_some_and(|service| service.contains_key(&report.instance));
        if !known && self.instances() >= INSTANCES {
            return Received::Full;
        }
        let instances = self.services.entry(report.service.clone()).or_default();
        match instances.get_mut(&report.instance) {
            Some(instance) => instance.receive(report, now_ns),
            None => {
                instances.insert(Arc::clone(&report.instance), Instance::new(report, now_ns));
                Received::New
            }
        }
    }

    /// Forgets what is too old to say anything.
    pub fn forget(&mut self, now_ns: u64) {
        self.services.retain(|_, instances| {
            instances.retain(|_, instance| now_ns.saturating_sub(instance.received_ns) < FORGET_NS);
            !instances.is_empty()
        });
    }

    fn instances(&self) -> usize {
        self.services.values().map(BTreeMap::len).sum()
    }

    /// Services that have enforcers.
    pub fn services(&self) -> impl Iterator<Item = &ServiceKey> {
        self.services.keys()
    }

    /// Instances of a service that can enforce now.
    #[must_use]
    pub fn enforcing(&self, service: &ServiceKey, now_ns: u64) -> u32 {
        let instances = self.services.get(service).into_iter().flat_map(BTreeMap::values);
        count(instances.filter(|instance| instance.enforces(now_ns)).count())
    }

    /// Instances that apply what is in force, among those that can enforce: `newest` says whether a revision still counts
    /// as that (one that was replaced a moment ago does, or the number would flicker with every change).
    pub fn applied(&self, service: &ServiceKey, newest: &dyn Fn(&str) -> bool, now_ns: u64) -> u32 {
        let instances = self.services.get(service).into_iter().flat_map(BTreeMap::values);
        count(instances.filter(|instance| instance.enforces(now_ns) && newest(&instance.revision)).count())
    }

    /// What the live map shows of a service; `None` when no instance reported lately.
    #[must_use]
    pub fn usage(
        &self,
        service: &ServiceKey,
        newest: &dyn Fn(&str) -> bool,
        reason: Option<Arc<str>>,
        now_ns: u64,
    ) -> Option<UsageSignals> {
        let sum = Sum::of(self.services.get(service)?, now_ns);
        (sum.enforcing > 0).then(|| {
            let all = sum.totals.sum();
            UsageSignals {
                window_ms: sum.window_ms(),
                offered: all.offered(),
                admitted: all.admitted,
                shed: all.shed,
                ok: all.ok,
                failed: all.failed + all.timed_out,
                in_flight: sum.in_flight,
                latency: sum.totals.latency,
                instances: sum.instances,
                instances_enforcing: sum.enforcing,
                instances_applied: self.applied(service, newest, now_ns),
                reason,
            }
        })
    }

    /// What rules see of a service; `None` when it has no enforcers.
    #[must_use]
    pub fn signals(&self, service: &ServiceKey, applied: Vec<Directive>, now_ns: u64) -> Option<Signals> {
        let sum = Sum::of(self.services.get(service)?, now_ns);
        let all = sum.totals.sum();
        let served = all.ok + all.failed + all.timed_out;
        let share = |part: u64| if served == 0 { 0.0 } else { part as f64 / served as f64 };
        let by_class = Criticality::ALL.into_iter().zip(&sum.totals.classes).filter(|(_, counts)| counts.offered() > 0);
        Some(Signals {
            target: Target::service(service_id(service)),
            origin: Origin::Enforcer,
            age_ms: u32::try_from(now_ns.saturating_sub(sum.newest_ns) / 1_000_000).unwrap_or(u32::MAX),
            sampled_share: 1.0,
            instances: sum.instances,
            instances_enforcing: sum.enforcing,
            window_ms: sum.window_ms(),
            offered_rps: sum.offered_rps,
            goodput_rps: sum.goodput_rps,
            error_ratio: share(all.failed + all.timed_out),
            timeout_ratio: share(all.timed_out),
            inflight: Some(sum.in_flight),
            inflight_limit: sum.in_flight_limit,
            queue_wait_ms: sum.queue_wait_ms(),
            latency: latency(&sum.totals.latency),
            by_class: by_class
                .map(|(class, counts)| ClassCounts {
                    class,
                    offered: counts.offered(),
                    admitted: counts.admitted,
                    shed: counts.shed,
                })
                .collect(),
            applied,
            custom: (sum.relayed_rps > 0.0).then(|| (RELAYED.to_owned(), sum.relayed_rps)).into_iter().collect(),
            ..Signals::default()
        })
    }
}

/// The identity in the words of the contract.
#[must_use]
pub fn service_id(service: &ServiceKey) -> ServiceId {
    ServiceId {
        environment: service.environment.to_string(),
        namespace: service.namespace.to_string(),
        name: service.name.to_string(),
    }
}

fn count(many: usize) -> u32 {
    u32::try_from(many).unwrap_or(u32::MAX)
}

/// Quantiles of a map; the fastest is not kept there, so it is left at 0, "unknown".
fn latency_of(p50_ms: Option<f64>, p95_ms: Option<f64>, p99_ms: Option<f64>, count: i64) -> Latency {
    Latency {
        p50_ms: p50_ms.unwrap_or(0.0),
        p95_ms: p95_ms.unwrap_or(0.0),
        p99_ms: p99_ms.unwrap_or(0.0),
        min_ms: 0.0,
        samples: u32::try_from(count.max(0)).unwrap_or(u32::MAX),
    }
}

fn latency(histogram: &Histogram) -> Latency {
    let quantile = |q| histogram.quantile_ms(q).unwrap_or(0.0);
    Latency {
        p50_ms: quantile(0.5),
        p95_ms: quantile(0.95),
        p99_ms: quantile(0.99),
        min_ms: quantile(0.0),
        samples: u32::try_from(histogram.count().max(0)).unwrap_or(u32::MAX),
    }
}

/// A service's instances together.
#[derive(Default)]
struct Sum {
    totals: Totals,
    offered_rps: f64,
    goodput_rps: f64,
    relayed_rps: f64,
    instances: u32,
    enforcing: u32,
    in_flight: u32,
    in_flight_limit: Option<u32>,
    queue_waits_ms: Vec<f64>,
    newest_ns: u64,
    covered_ns: u64,
}

impl Sum {
    fn of(instances: &BTreeMap<Arc<str>, Instance>, now_ns: u64) -> Self {
        let mut sum = Self::default();
        for instance in instances.values() {
            sum.instances += 1;
            sum.newest_ns = sum.newest_ns.max(instance.received_ns);
            let Window { totals, covered_ns } = instance.window(now_ns);
            // Each instance has its own window: reports come when they come, and a young instance has a short one.
            if covered_ns > 0 {
                let seconds = covered_ns as f64 / 1e9;
                let all = totals.sum();
                sum.offered_rps += all.offered() as f64 / seconds;
                // A rejection that a callee made and this service passed on is work that it did. Were it missing here, rules
                // would shed at every service on the way to the overloaded one, and requests that never go there.
                sum.goodput_rps += (all.ok + all.relayed) as f64 / seconds;
                sum.relayed_rps += all.relayed as f64 / seconds;
            }
            sum.covered_ns = sum.covered_ns.max(covered_ns);
            sum.totals.merge(&totals);
            if instance.enforces(now_ns) {
                sum.enforcing += 1;
                sum.in_flight = sum.in_flight.saturating_add(instance.in_flight);
                sum.in_flight_limit = match (sum.in_flight_limit, instance.in_flight_limit) {
                    (Some(sum), Some(one)) => Some(sum.saturating_add(one)),
                    (sum, one) => sum.or(one),
                };
                sum.queue_waits_ms.extend(instance.queue_wait_ms);
            }
        }
        sum
    }

    fn window_ms(&self) -> u32 {
        u32::try_from(self.covered_ns / 1_000_000).unwrap_or(u32::MAX)
    }

    fn queue_wait_ms(&self) -> Option<f64> {
        let count = self.queue_waits_ms.len();
        (count > 0).then(|| self.queue_waits_ms.iter().sum::<f64>() / count as f64)
    }
}

#[cfg(test)]
mod tests;
