//! What the rails need to know about a target.

use std::collections::BTreeMap;

use super::{STALE_REPORT_MS, STALE_TELEMETRY_MS, THIN_REQUESTS};
use crate::rule::{Origin, ServiceId, Signals, Snapshot, Target};

/// The snapshot by target.
pub(super) struct Facts<'a> {
    by_target: BTreeMap<&'a Target, &'a Signals>,
    by_service: BTreeMap<&'a ServiceId, &'a Signals>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let by_target = snapshot.signals.iter().map(|signals| (&signals.target, signals)).collect();
        let whole = |signals: &&Signals| signals.target.route.is_empty() && signals.target.caller.is_none();
        let mut by_service: BTreeMap<_, _> =
            snapshot.signals.iter().map(|signals| (&signals.target.service, signals)).collect();
        // A service's own signals, not those of one of its routes, where both are there.
        by_service.extend(snapshot.signals.iter().filter(whole).map(|signals| (&signals.target.service, signals)));
        Self { by_target, by_service }
    }

    /// The signals of the target, else of its service.
    pub(super) fn signals(&self, target: &Target) -> Option<&'a Signals> {
        self.by_target.get(target).or_else(|| self.by_service.get(&target.service)).copied()
    }

    pub(super) fn knows(&self, service: &ServiceId) -> bool {
        self.by_service.contains_key(service)
    }

    /// Why nothing should be tightened on what is known of this target; `None` when what is known is good enough.
    pub(super) fn doubt(&self, target: &Target) -> Option<String> {
        let name = &target.service.name;
        let Some(signals) = self.signals(target) else {
            return Some(format!("nothing is known of {name} now"));
        };
        let stale_ms = if signals.origin == Origin::Enforcer { STALE_REPORT_MS } else { STALE_TELEMETRY_MS };
        if signals.age_ms > stale_ms {
            return Some(format!("the newest numbers of {name} are {:.0} s old", f64::from(signals.age_ms) / 1_000.0));
        }
        let requests = signals.offered_rps * f64::from(signals.window_ms) / 1_000.0;
        if requests < THIN_REQUESTS {
            return Some(format!(
                "{name} was asked only {requests:.0} times in the last {} s",
                signals.window_ms / 1_000
            ));
        }
        None
    }
}
