//! The live map: one thread owns it, everybody else holds a [`LiveHandle`].
//!
//! What was committed goes in, a numbered stream of changes comes out. State changes (health, breakers, shedding, nodes and edges that
//! come or go) are drawn within [`SETTLE`]; numbers once a second, and only where the shown value changed.
//!
//! Spans come by way of the projector: it reads what was committed, in order, and has it paired here ([`Pairing`]); the same facts are
//! summed up for the map and for the rollups. So a busy map is late by what is not projected yet, and leaves nothing out.
//!
//! **Invariant:** the writer never waits for the map. Events and reports that find no room are left out and counted.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use spillway_api::Topology;
use spillway_model::{
    event::Event,
    identity::ServiceKey,
    topology::{Live, LiveLimits, LiveStats, Map, Sampling, UsageSignals},
};
use spillway_store::{EventLog, LatestStates, StoreError};
use tokio::sync::{Notify, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{clock, control, metrics::Metrics};

mod board;
mod frame;
mod hub;
mod pairing;
mod task;
#[cfg(test)]
pub(crate) mod tests;
pub mod view;

pub use frame::Frame;
pub use hub::{Subscription, TooManySubscribers};
pub use pairing::Pairing;

use board::Board;
use hub::Hub;

/// State changes that come together are drawn together; a person does not notice this delay.
pub const SETTLE: Duration = Duration::from_millis(50);

/// Breakers and health reports older than this are forgotten.
const STATES_NS: i64 = 900_000_000_000;
/// Reports of enforcers that may wait for the map: one comes each tick.
const USAGE_INBOX: usize = 64;
/// Events are few and precious (a breaker's state is said once): they wait in a queue of their own.
const EVENT_INBOX: usize = 4_096;

/// What the enforcers of services counted.
type Usage = Vec<(ServiceKey, UsageSignals)>;

struct Events {
    events: Vec<Event>,
    received_at_ns: i64,
}

/// Reads the wall clock, in nanoseconds since the Unix epoch; a parameter, so that a test can set it.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// A map that knows what was stored before the start.
pub struct Rebuilt(Live);

impl Rebuilt {
    /// One that knows nothing. `seed` is a secret of the process for hash tables whose keys strangers choose.
    pub fn empty(seed: u64, sampling: Sampling) -> Self {
        let mut limits = LiveLimits::default();
        limits.pairer.seed = seed;
        limits.pairer.sampling = sampling;
        Self(Live::new(limits))
    }

    fn restore(&mut self, states: &LatestStates, now_ns: i64) {
        for event in &states.events {
            // When it was received is not known; a sender whose clock is ahead must not take the map's time with it.
            self.0.observe_event(event, unsigned(event.at_ns.min(now_ns)));
        }
    }
}

/// Rebuilds what events said from the store. Spans come when the projector warms up its [`Pairing`].
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub async fn rebuild(store: &impl EventLog, now_ns: i64, sampling: Sampling) -> Result<Rebuilt, StoreError> {
    let mut rebuilt = Rebuilt::empty(rand::random(), sampling);
    rebuilt.restore(&store.latest_states(now_ns - STATES_NS, now_ns).await?, now_ns);
    Ok(rebuilt)
}

/// A cheap handle of the live map.
#[derive(Clone)]
pub struct LiveHandle {
    usage: mpsc::Sender<Usage>,
    events: mpsc::Sender<Events>,
    hub: Arc<Hub>,
    metrics: Arc<Metrics>,
}

impl LiveHandle {
    /// Shows events that were committed and were new. Never waits: what finds no room is left out and counted.
    pub fn show_events(&self, events: Vec<Event>, received_at_ns: i64) {
        if self.events.try_send(Events { events, received_at_ns }).is_err() {
            self.metrics.live_missed.fetch_add(1, Relaxed);
        }
    }

    /// Shows what the enforcers of services counted. When the map is busy it is left out: the next one comes within a second.
    pub fn show_usage(&self, usage: Vec<(ServiceKey, UsageSignals)>) {
        if self.usage.try_send(usage).is_err() {
            self.metrics.live_missed.fetch_add(1, Relaxed);
        }
    }

    /// The map as it is shown.
    pub fn snapshot(&self) -> Arc<Topology> {
        self.hub.topology()
    }

    /// The map in the domain's own terms, drawn at most a second ago: what rules see.
    pub fn map(&self) -> Arc<Map> {
        self.hub.map()
    }

    /// Every change from now on, or from the one behind `last_event_id` on while that is still kept; else a snapshot first.
    ///
    /// # Errors
    /// [`TooManySubscribers`].
    pub fn subscribe(&self, last_event_id: Option<&str>) -> Result<Subscription, TooManySubscribers> {
        Hub::subscribe(&self.hub, last_event_id)
    }

    /// Sends a frame to everybody who watches. The newest of each kind is replayed to whoever comes later.
    pub fn publish(&self, event: &'static str, json: Arc<str>) {
        self.hub.publish(event, &json);
    }

    /// Ends all streams: they would keep a stopping server waiting.
    pub fn close(&self) {
        self.hub.close();
    }

    /// What the map left out, and what the pairing did.
    pub fn stats(&self) -> LiveStats {
        self.hub.stats()
    }

    /// Streams that are open.
    pub fn subscribers(&self) -> usize {
        self.hub.subscribers()
    }
}

impl control::World for LiveHandle {
    fn map(&self) -> Arc<Map> {
        Self::map(self)
    }

    fn show_usage(&self, usage: Vec<(ServiceKey, UsageSignals)>) {
        Self::show_usage(self, usage);
    }

    fn publish(&self, event: &'static str, json: Arc<str>) {
        Self::publish(self, event, json);
    }
}

/// Starts the thread that owns the map; what `feed` makes of the map's pairing runs on it as well, until it ends by itself.
///
/// Pairing and drawing are work, and the threads of the runtime answer requests.
///
/// # Errors
/// When the system has no thread left.
pub fn start<F>(
    past: Rebuilt,
    metrics: Arc<Metrics>,
    feed: impl FnOnce(Pairing) -> F + Send + 'static,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> std::io::Result<LiveHandle>
where
    F: Future<Output = ()>,
{
    let (handle, pairing, task) = prepare(past, metrics, Arc::new(clock::unix_ns), stop);
    let runtime = tokio::runtime::Handle::current();
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    std::thread::Builder::new().name("live".to_owned()).spawn(move || {
        runtime.block_on(async { tokio::join!(task.run(), feed(pairing)) });
        drop(ended);
    })?;
    tasks.spawn(async move {
        // It ends when the thread does, whichever way.
        let _ = end.await;
    });
    Ok(handle)
}

fn prepare(
    past: Rebuilt,
    metrics: Arc<Metrics>,
    clock: Clock,
    stop: CancellationToken,
) -> (LiveHandle, Pairing, task::Task) {
    let now_ns = clock();
    // The start's time names the boot: sequence numbers mean nothing beyond it.
    let (mut board, map) = Board::new(past.0, unsigned(now_ns));
    let stats = board.stats();
    let hub = Arc::new(Hub::new(format!("{:x}", now_ns / 1_000_000), board.shown(), map, stats));
    let (usage, usage_inbox) = mpsc::channel(USAGE_INBOX);
    let (events, event_inbox) = mpsc::channel(EVENT_INBOX);
    let handle = LiveHandle { usage, events, hub: hub.clone(), metrics };
    let board = Shared(Arc::new(Mutex::new(board)));
    let changed = Arc::new(Notify::new());
    let pairing = Pairing::new(board.clone(), changed.clone());
    (handle, pairing, task::Task { board, changed, hub, usage_inbox, event_inbox, clock, stop })
}

/// The board, for the two tasks of its thread. Neither holds it across an await, so neither ever waits for it.
#[derive(Clone)]
struct Shared(Arc<Mutex<Board>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Board> {
        // A panic ends the thread, and with it both that hold it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The model counts time unsigned; nothing arrived before 1970.
fn unsigned(ns: i64) -> u64 {
    u64::try_from(ns).unwrap_or(0)
}
