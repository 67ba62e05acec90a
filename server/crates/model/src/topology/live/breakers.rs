//! Circuit breakers as their owners report them.

use std::{collections::BTreeMap, sync::Arc};

use super::Changed;
use crate::{
    event::BreakerState,
    identity::ServiceKey,
    topology::{BreakerReport, MergedBreaker, SeenBreakerState},
};

/// Which breaker: ordered so that all of one caller towards one target stand together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BreakerKey {
    pub service: ServiceKey,
    /// Whom it guards calls to, as the caller names it.
    pub target: Arc<str>,
    instance: Arc<str>,
    name: Arc<str>,
}

/// Its last report.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported {
    state: BreakerState,
    since_ns: i64,
    at_ns: i64,
    received_at_ns: u64,
}

/// The breakers of one caller towards one target.
pub(super) type Group<'a> = ((&'a ServiceKey, &'a Arc<str>), Vec<(&'a BreakerKey, &'a Reported)>);

/// All of them.
pub(super) struct Breakers {
    max: usize,
    reports: BTreeMap<BreakerKey, Reported>,
}

impl Breakers {
    pub(super) fn new(max: usize) -> Self {
        Self { max, reports: BTreeMap::new() }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one event, taken apart by the only caller")]
    pub(super) fn report(
        &mut self,
        service: &ServiceKey,
        target: &Arc<str>,
        instance: &Arc<str>,
        name: &Arc<str>,
        state: BreakerState,
        at_ns: i64,
        received_at_ns: u64,
    ) -> Changed {
        // A clock that is ahead must not make all later reports look old.
        let at_ns = at_ns.min(i64::try_from(received_at_ns).unwrap_or(i64::MAX));
        let key = BreakerKey {
            service: service.clone(),
            target: target.clone(),
            instance: instance.clone(),
            name: name.clone(),
        };
        let new = Reported { state, since_ns: at_ns, at_ns, received_at_ns };
        let Some(known) = self.reports.get_mut(&key) else {
            if self.reports.len() >= self.max {
                return Changed::NoRoom;
            }
            self.reports.insert(key, new);
            return Changed::State;
        };
        let received_at_ns = received_at_ns.max(known.received_at_ns);
        if known.state == state {
            // It says so again: it has been in that state since the first time. Some repeat the time of the change, some say the present one.
            *known =
                Reported { at_ns: at_ns.max(known.at_ns), received_at_ns, since_ns: known.since_ns.min(at_ns), state };
            return Changed::Nothing;
        }
        if at_ns < known.at_ns || at_ns == known.at_ns && SeenBreakerState::from(state) < known.state.into() {
            return Changed::Nothing;
        }
        *known = Reported { received_at_ns, ..new };
        Changed::State
    }

    pub(super) fn forget(&mut self, since_ns: u64) {
        self.reports.retain(|_, report| report.received_at_ns >= since_ns);
    }

    /// Breakers of one caller towards one target, together.
    pub(super) fn by_target(&self) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        for (key, report) in &self.reports {
            match groups.last_mut() {
                Some((group, members)) if *group == (&key.service, &key.target) => members.push((key, report)),
                _ => groups.push(((&key.service, &key.target), vec![(key, report)])),
            }
        }
        groups
    }
}

/// Merges the breakers of all instances: the worst fresh state, and since when one of them is in it.
pub(super) fn merge(reports: &[(&BreakerKey, &Reported)], now_ns: u64, ttl_ns: u64) -> Option<(MergedBreaker, u64)> {
    let mut instances: Vec<BreakerReport> = reports
        .iter()
        .map(|(key, report)| {
            let expires_at_ns = report.received_at_ns.saturating_add(ttl_ns);
            let (state, since_ns) = if expires_at_ns < now_ns {
                (SeenBreakerState::Unknown, i64::try_from(expires_at_ns).unwrap_or(i64::MAX))
            } else {
                (report.state.into(), report.since_ns)
            };
            BreakerReport { instance: key.instance.clone(), name: key.name.clone(), state, since_ns }
        })
        .collect();
    instances.sort_by(|a, b| (&a.instance, &a.name).cmp(&(&b.instance, &b.name)));
    let state = instances.iter().map(|report| report.state).max()?;
    let since_ns = instances.iter().filter(|report| report.state == state).map(|report| report.since_ns).min()?;
    let open = instances.iter().filter(|report| report.state.refuses()).count();
    let last_seen_ns = reports.iter().map(|(_, report)| report.received_at_ns).max()?;
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Some((MergedBreaker { state, open: count(open), total: count(instances.len()), since_ns, instances }, last_seen_ns))
}
