//! The switches: faults by service, and the load.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rand::Rng as _;
use spillway_api::{DemoDependency, DemoFault, DemoState, DemoSwitch};
use tokio::sync::watch;

/// A slow service takes this many times its service time.
pub(crate) const SLOW: f64 = 10.0;
/// A failing service fails this share of the requests.
pub(crate) const FAILING: f64 = 0.6;

/// Shared by all services, the load generator and the control port.
#[derive(Clone)]
pub(crate) struct Switches(Arc<Inner>);

struct Inner {
    faults: BTreeMap<&'static str, watch::Sender<DemoFault>>,
    load: watch::Sender<f64>,
    counts: Mutex<Counts>,
    offered: AtomicU64,
}

/// Checkouts whose durations are kept for the quantile: a minute at tenfold load.
const RECENT: usize = 4_096;

#[derive(Default)]
struct Counts {
    checkouts: u64,
    checkouts_ok: u64,
    /// Newest last, in milliseconds.
    recent: VecDeque<(Instant, f64)>,
}

/// How far back the quantile looks.
const RECENT_FOR: Duration = Duration::from_secs(15);

impl Switches {
    pub(crate) fn new(services: &[&'static str], load: f64) -> Self {
        Self(Arc::new(Inner {
            faults: services.iter().map(|service| (*service, watch::Sender::new(DemoFault::None))).collect(),
            load: watch::Sender::new(load),
            counts: Mutex::default(),
            offered: AtomicU64::new(0),
        }))
    }

    /// The fault of a service; one that has no switch is never sick.
    pub(crate) fn fault(&self, service: &str) -> DemoFault {
        self.0.faults.get(service).map_or(DemoFault::None, |fault| *fault.borrow())
    }

    /// To wait for changes of a fault.
    pub(crate) fn watch(&self, service: &str) -> Option<watch::Receiver<DemoFault>> {
        self.0.faults.get(service).map(watch::Sender::subscribe)
    }

    /// By how much the work of a service takes longer now.
    pub(crate) fn slowness(&self, service: &str) -> f64 {
        if self.fault(service) == DemoFault::Slow { SLOW } else { 1.0 }
    }

    /// Whether a request fails now.
    pub(crate) fn fails(&self, service: &str) -> bool {
        self.fault(service) == DemoFault::Failing && rand::rng().random_bool(FAILING)
    }

    pub(crate) fn load(&self) -> watch::Receiver<f64> {
        self.0.load.subscribe()
    }

    pub(crate) fn offered(&self) {
        self.0.offered.fetch_add(1, Relaxed);
    }

    pub(crate) fn checkout_ended(&self, ok: bool, took: Duration) {
        let mut counts = self.counts();
        counts.checkouts += 1;
        counts.checkouts_ok += u64::from(ok);
        if counts.recent.len() == RECENT {
            counts.recent.pop_front();
        }
        counts.recent.push_back((Instant::now(), took.as_secs_f64() * 1e3));
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn state(&self) -> DemoState {
        let counts = self.counts();
        let recent = counts.recent.iter().rev().take_while(|(at, _)| at.elapsed() < RECENT_FOR);
        let mut recent: Vec<f64> = recent.map(|(_, ms)| *ms).collect();
        recent.sort_unstable_by(f64::total_cmp);
        DemoState {
            checkout_p99_ms: recent.get((recent.len() * 99).div_ceil(100).saturating_sub(1)).copied(),
            load: *self.0.load.borrow(),
            dependencies: self
                .0
                .faults
                .iter()
                .map(|(service, fault)| DemoDependency { service: (*service).to_owned(), fault: *fault.borrow() })
                .collect(),
            offered: self.0.offered.load(Relaxed),
            checkouts_ok: counts.checkouts_ok,
            checkouts: counts.checkouts,
        }
    }

    /// Switches all or nothing.
    ///
    /// # Errors
    /// What is wrong with the wish.
    pub(crate) fn set(&self, switch: &DemoSwitch) -> Result<DemoState, String> {
        if let Some(load) = switch.load
            && !(0.0..=20.0).contains(&load)
        {
            return Err("load is 0 to 20".into());
        }
        if let Some(unknown) =
            switch.dependencies.iter().find(|wish| !self.0.faults.contains_key(wish.service.as_str()))
        {
            let known: Vec<_> = self.0.faults.keys().copied().collect();
            return Err(format!("no switch for `{}`: there are {}", unknown.service, known.join(", ")));
        }
        if let Some(load) = switch.load {
            self.0.load.send_replace(load);
        }
        for wish in &switch.dependencies {
            if let Some(fault) = self.0.faults.get(wish.service.as_str()) {
                fault.send_replace(wish.fault);
            }
        }
        Ok(self.state())
    }
}
