//! What is known of one node now.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Changed, shared,
    window::{Span, Window},
};
use crate::{event::HealthStatus, observation::Measurement, topology::UsageSignals};

/// Versions remembered for one service: a rollout has two.
const VERSIONS_MAX: usize = 8;

/// What an instance said of itself.
#[derive(Clone, Debug)]
pub(super) struct HealthReport {
    pub status: HealthStatus,
    pub detail: Arc<str>,
    at_ns: i64,
    pub received_at_ns: u64,
}

/// A version and when it was seen.
#[derive(Clone, Debug)]
struct Version {
    text: Arc<str>,
    first_seen_ns: u64,
    last_seen_ns: u64,
}

/// A node, its window and its reports.
#[derive(Clone, Debug, Default)]
pub(super) struct LiveNode {
    pub window: Window,
    pub last_seen_ns: u64,
    /// When a request was counted that stands for several.
    sampled_at_ns: Option<u64>,
    instances: BTreeMap<Arc<str>, u64>,
    versions: Vec<Version>,
    pub reports: BTreeMap<Arc<str>, HealthReport>,
    usage: Option<(UsageSignals, u64)>,
}

impl LiveNode {
    pub(super) fn new(span: Span) -> Self {
        Self { window: Window::new(span), ..Self::default() }
    }

    pub(super) fn see(&mut self, at_ns: u64) {
        self.last_seen_ns = self.last_seen_ns.max(at_ns);
    }

    /// Adds a fact to the window of that second.
    pub(super) fn add(&mut self, fact: &Measurement, at_s: u64, now_ns: u64) {
        if fact.times.abs() > 1 {
            self.sampled_at_ns = Some(now_ns);
        }
        self.window.add(fact, at_s);
    }

    /// Whether its numbers rest on sampled spans.
    pub(super) fn estimated(&self, since_ns: u64) -> bool {
        self.sampled_at_ns.is_some_and(|at_ns| at_ns >= since_ns)
    }

    pub(super) fn see_instance(&mut self, instance: &str, now_ns: u64, room: usize) -> Changed {
        if let Some(seen_at_ns) = self.instances.get_mut(instance) {
            *seen_at_ns = now_ns.max(*seen_at_ns);
        } else if self.instances.len() < room {
            self.instances.insert(shared(instance), now_ns);
        } else {
            return Changed::NoRoom;
        }
        Changed::Nothing
    }

    pub(super) fn see_version(&mut self, version: &str, now_ns: u64) {
        if version.is_empty() {
            return;
        }
        if let Some(known) = self.versions.iter_mut().find(|known| *known.text == *version) {
            known.last_seen_ns = now_ns.max(known.last_seen_ns);
            return;
        }
        if self.versions.len() >= VERSIONS_MAX
            && let Some(oldest) = (0..self.versions.len()).min_by_key(|&at| self.versions[at].last_seen_ns)
        {
            self.versions.swap_remove(oldest);
        }
        self.versions.push(Version { text: shared(version), first_seen_ns: now_ns, last_seen_ns: now_ns });
    }

    pub(super) fn report(
        &mut self,
        instance: &Arc<str>,
        status: HealthStatus,
        detail: &Arc<str>,
        at_ns: i64,
        received_at_ns: u64,
        room: usize,
    ) -> Changed {
        // A clock that is ahead must not make all later reports look old.
        let at_ns = at_ns.min(i64::try_from(received_at_ns).unwrap_or(i64::MAX));
        let full = self.reports.len() >= room;
        match self.reports.get_mut(instance) {
            // A late report changes nothing, but the same one again is a sign of life.
            Some(known) if at_ns < known.at_ns => {
                if known.status == status {
                    known.received_at_ns = known.received_at_ns.max(received_at_ns);
                }
                Changed::Nothing
            }
            Some(known) => {
                // Of two at the same instant the worse counts, whichever comes first.
                if at_ns == known.at_ns && status < known.status {
                    return Changed::Nothing;
                }
                let changed = known.status != status || known.detail != *detail;
                *known = HealthReport {
                    status,
                    detail: detail.clone(),
                    at_ns,
                    received_at_ns: received_at_ns.max(known.received_at_ns),
                };
                if changed { Changed::State } else { Changed::Nothing }
            }
            None if full => Changed::NoRoom,
            None => {
                self.reports
                    .insert(instance.clone(), HealthReport { status, detail: detail.clone(), at_ns, received_at_ns });
                Changed::State
            }
        }
    }

    /// Notes new numbers of the enforcers; true when shedding began or ended.
    pub(super) fn apply_usage(&mut self, usage: UsageSignals, now_ns: u64) -> bool {
        let shed_before = self.usage.as_ref().is_some_and(|(usage, _)| usage.shed > 0);
        let sheds = usage.shed > 0;
        self.usage = Some((usage, now_ns));
        shed_before != sheds
    }

    /// What enforcers counted, while that is fresh.
    pub(super) fn usage(&self, since_ns: u64) -> Option<&UsageSignals> {
        self.usage.as_ref().filter(|(_, at_ns)| *at_ns >= since_ns).map(|(usage, _)| usage)
    }

    /// Fresh health reports.
    pub(super) fn fresh_reports(&self, since_ns: u64) -> impl Iterator<Item = (&Arc<str>, &HealthReport)> {
        self.reports.iter().filter(move |(_, report)| report.received_at_ns >= since_ns)
    }

    /// Instances seen since then, by whichever way more are known.
    pub(super) fn instance_count(&self, since_ns: u64, reports_since_ns: u64, usage: Option<&UsageSignals>) -> u32 {
        let reported = self
            .fresh_reports(reports_since_ns)
            .map(|(instance, _)| instance)
            .filter(|instance| self.instances.get(*instance).is_none_or(|&at_ns| at_ns < since_ns));
        let named =
            self.instances.iter().filter(|(instance, at_ns)| **at_ns >= since_ns && !instance.is_empty()).count()
                + reported.filter(|instance| !instance.is_empty()).count();
        // Instances without an id count as one.
        let any = self.instances.get("").is_some_and(|&at_ns| at_ns >= since_ns)
            || self.fresh_reports(reports_since_ns).next().is_some();
        let seen = u32::try_from(named).unwrap_or(u32::MAX).max(u32::from(any));
        seen.max(usage.map_or(0, |usage| usage.instances))
    }

    /// The version that came up last, of those seen since then.
    pub(super) fn version(&self, since_ns: u64) -> Option<Arc<str>> {
        let fresh = self.versions.iter().filter(|version| version.last_seen_ns >= since_ns);
        fresh
            .max_by(|a, b| (a.first_seen_ns, &a.text).cmp(&(b.first_seen_ns, &b.text)))
            .map(|version| version.text.clone())
    }

    pub(super) fn forget(&mut self, since_ns: u64) {
        self.instances.retain(|_, seen_at_ns| *seen_at_ns >= since_ns);
        self.reports.retain(|_, report| report.received_at_ns >= since_ns);
    }
}
