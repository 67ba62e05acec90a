//! What this instance counts, since its start: the content of the usage reports.
//!
//! Counters are cumulative, so that a lost report costs nothing and one that comes twice changes nothing. At most 1,000
//! rows: routes come from the service's own code, but a service that passes raw paths as routes must not eat memory.

use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use spillway_api::{Criticality, RouteUsage, ShedSample};

mod latency;

use latency::Latencies;

/// The row of all routes beyond the bound.
const OTHER: &str = "__other__";
/// Routes that have rows of their own: with four classes each, and the row of the others, 1,000 rows.
const ROUTES: usize = 249;
/// Samples of requests turned away, a report.
const SAMPLES: usize = 20;

/// How an admitted request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Answered well.
    Ok,
    /// Answered with 5xx, or not at all.
    Failed,
    /// 504, or the caller gave up.
    TimedOut,
    /// A callee shed it, and its rejection was passed on.
    Relayed,
}

/// Counters of one class on one route.
#[derive(Debug, Default)]
struct Row {
    admitted: AtomicU64,
    shed: AtomicU64,
    ok: AtomicU64,
    failed: AtomicU64,
    timed_out: AtomicU64,
    relayed: AtomicU64,
    latency: Latencies,
}

/// Counters of one route. A class that never comes costs a pointer.
#[derive(Debug)]
pub(crate) struct Route {
    name: Box<str>,
    classes: [OnceLock<Box<Row>>; 4],
}

impl Route {
    fn new(name: &str) -> Arc<Self> {
        Arc::new(Self { name: name.into(), classes: Default::default() })
    }

    fn row(&self, class: Criticality) -> &Row {
        self.classes[usize::from(class.index())].get_or_init(Box::default)
    }

    pub(crate) fn admitted(&self, class: Criticality) {
        self.row(class).admitted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn shed(&self, class: Criticality) {
        self.row(class).shed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self, class: Criticality, ending: Ending, took: Duration) {
        let row = self.row(class);
        let counter = match ending {
            Ending::Ok => &row.ok,
            Ending::Failed => &row.failed,
            Ending::TimedOut => &row.timed_out,
            Ending::Relayed => &row.relayed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        // A rejection is quick wherever it is made, and says nothing about how long the work takes.
        if ending != Ending::Relayed {
            row.latency.observe(took);
        }
    }
}

/// All counters of an instance.
#[derive(Debug)]
pub(crate) struct Meter {
    /// Read for each request, copied for each new route: there are few of those, and only at first.
    routes: ArcSwap<HashMap<Box<str>, Arc<Route>>>,
    other: Arc<Route>,
    /// A mutex, because samples are rare and the report takes all of them at once; no await happens inside.
    samples: Mutex<Vec<ShedSample>>,
    queue: Arc<QueueCounters>,
}

#[derive(Debug, Default)]
struct QueueCounters {
    waited_ns: AtomicU64,
    waits: AtomicU64,
}

/// Tells the enforcer how long requests wait before work on them starts: the earliest sign of overload. A cheap handle.
#[derive(Clone, Debug)]
pub struct QueueMeter(Arc<QueueCounters>);

impl QueueMeter {
    /// Counts one request that waited so long.
    pub fn waited(&self, wait: Duration) {
        let ns = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        self.0.waited_ns.fetch_add(ns, Ordering::Relaxed);
        self.0.waits.fetch_add(1, Ordering::Relaxed);
    }
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self { routes: ArcSwap::default(), other: Route::new(OTHER), samples: Mutex::default(), queue: Arc::default() }
    }

    /// The counters of a route.
    pub(crate) fn route(&self, name: &str) -> Arc<Route> {
        if let Some(route) = self.routes.load().get(name) {
            return Arc::clone(route);
        }
        self.routes.rcu(|routes| {
            if routes.len() >= ROUTES || routes.contains_key(name) {
                return Arc::clone(routes);
            }
            let mut grown = HashMap::clone(routes);
            grown.insert(name.into(), Route::new(name));
            Arc::new(grown)
        });
        self.routes.load().get(name).map_or_else(|| Arc::clone(&self.other), Arc::clone)
    }

    pub(crate) fn queue(&self) -> QueueMeter {
        QueueMeter(Arc::clone(&self.queue))
    }

    /// Mean wait since the last call; `None` when nobody told.
    pub(crate) fn take_queue_wait_ms(&self) -> Option<f64> {
        let waits = self.queue.waits.swap(0, Ordering::Relaxed);
        let waited_ns = self.queue.waited_ns.swap(0, Ordering::Relaxed);
        (waits > 0).then(|| waited_ns as f64 / 1e6 / waits as f64)
    }

    /// Keeps a request that was turned away as a sample, if there is room left in this report.
    pub(crate) fn sample(&self, sample: impl FnOnce() -> ShedSample) {
        // Whoever meets the lock taken goes on: a sample is not worth waiting for.
        if let Ok(mut samples) = self.samples.try_lock()
            && samples.len() < SAMPLES
        {
            samples.push(sample());
        }
    }

    pub(crate) fn take_samples(&self) -> Vec<ShedSample> {
        mem::take(&mut *self.samples.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// All rows that ever counted something, by route and class.
    pub(crate) fn usage(&self) -> Vec<RouteUsage> {
        let routes = self.routes.load();
        let mut all: Vec<&Arc<Route>> = routes.values().chain([&self.other]).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        let rows = all.into_iter().flat_map(|route| {
            let classes = Criticality::ALL.into_iter().zip(&route.classes);
            classes.filter_map(move |(class, row)| Some((route, class, row.get()?)))
        });
        rows.map(|(route, class, row)| usage(route, class, row)).collect()
    }
}

fn usage(route: &Route, class: Criticality, row: &Row) -> RouteUsage {
    // Endings before beginnings: a request that ends in between is then counted as in flight, never as ended before it
    // came. What is offered follows from the two that make it up.
    let read = |counter: &AtomicU64| counter.load(Ordering::Acquire);
    let (ok, failed, timed_out, relayed) = (read(&row.ok), read(&row.failed), read(&row.timed_out), read(&row.relayed));
    let latency = row.latency.to_wire();
    let (admitted, shed) = (read(&row.admitted), read(&row.shed));
    let route = route.name.to_string();
    RouteUsage { class, route, offered: admitted + shed, admitted, shed, ok, failed, timed_out, relayed, latency }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_beyond_the_bound_share_one_row_and_the_report_stays_bounded() {
        let meter = Meter::new();

        for route in 0..2_000 {
            for class in Criticality::ALL {
                meter.route(&format!("/{route}")).shed(class);
            }
        }

        let usage = meter.usage();
        assert_eq!(usage.len(), 1_000);
        assert_eq!(usage.iter().map(|row| row.shed).sum::<u64>(), 8_000);
        assert_eq!(usage.iter().filter(|row| row.route == OTHER).map(|row| row.shed).sum::<u64>(), (2_000 - 249) * 4);
    }

    #[test]
    fn the_mean_wait_is_that_of_the_time_since_the_last_report() {
        let meter = Meter::new();
        assert_eq!(meter.take_queue_wait_ms(), None);

        meter.queue().waited(Duration::from_millis(10));
        meter.queue().waited(Duration::from_millis(30));

        assert_eq!(meter.take_queue_wait_ms(), Some(20.0));
        assert_eq!(meter.take_queue_wait_ms(), None);
    }
}
