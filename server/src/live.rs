//! The live map: one task owns it, everybody else holds a [`LiveHandle`].
//!
//! What was committed goes in, a numbered stream of changes comes out. State changes (health, breakers, shedding, nodes and edges that
//! come or go) are drawn within [`SETTLE`]; numbers once a second, and only where the shown value changed.
//!
//! **Invariant:** the writer never waits for the map. When the map cannot keep up, batches are left out and counted: the map then
//! shows too little for half a minute, but no sender waits and nothing that was stored is lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use spillway_api::Topology;
use spillway_model::{
    batch::SpanBatch,
    event::Event,
    identity::ServiceKey,
    topology::{Live, LiveLimits, LiveStats, Map, UsageSignals},
};
use spillway_store::{EventLog, LatestStates, ReplayedBatch, SpanReader, StoreError};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{clock, control, metrics::Metrics};

mod board;
mod frame;
mod hub;
mod task;
#[cfg(test)]
pub(crate) mod tests;
pub mod view;

pub use frame::Frame;
pub use hub::{Subscription, TooManySubscribers};

use board::Board;
use hub::Hub;

/// State changes that come together are drawn together; a person does not notice this delay.
pub const SETTLE: Duration = Duration::from_millis(50);

/// The window and the time that half-seen calls wait: what came before does not show any more.
const REBUILD_NS: i64 = 60_000_000_000;
/// Breakers and health reports older than this are forgotten.
const STATES_NS: i64 = 900_000_000_000;
/// Spans of one page of the replay: bounds the memory that a start needs.
const REPLAY_SPANS: usize = 20_000;

/// Commits that may wait for the map.
const INBOX: usize = 1_024;
/// Memory that the batches among them may hold.
const INBOX_BYTES: usize = 64 << 20;
/// Events are few and precious (a breaker's state is said once): they wait in a queue of their own.
const EVENT_INBOX: usize = 4_096;

/// What was committed, for the map.
#[derive(Clone, Debug)]
pub enum Committed {
    /// Spans.
    Spans {
        /// The spans.
        batch: Arc<SpanBatch>,
        /// When they arrived.
        received_at_ns: i64,
    },
    /// Events that were new.
    Events {
        /// The events.
        events: Vec<Event>,
        /// When they arrived.
        received_at_ns: i64,
    },
}

/// What is told to the task.
enum Told {
    Spans { batch: Arc<SpanBatch>, received_at_ns: i64, size: usize },
    Usage(Vec<(ServiceKey, UsageSignals)>),
}

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
    pub fn empty(seed: u64) -> Self {
        let mut limits = LiveLimits::default();
        limits.pairer.seed = seed;
        Self(Live::new(limits))
    }

    fn replay(&mut self, batch: &ReplayedBatch) {
        self.0.observe_batch(&batch.batch, unsigned(batch.received_at_ns));
    }

    fn restore(&mut self, states: &LatestStates, now_ns: i64) {
        for event in &states.events {
            // When it was received is not known; a sender whose clock is ahead must not take the map's time with it.
            self.0.observe_event(event, unsigned(event.at_ns.min(now_ns)));
        }
    }
}

/// Rebuilds the map from the store, a page at a time.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub async fn rebuild(store: &(impl SpanReader + EventLog), now_ns: i64) -> Result<Rebuilt, StoreError> {
    let mut rebuilt = Rebuilt::empty(rand::random());
    // Events first: they are older, and the map's time only goes forward.
    rebuilt.restore(&store.latest_states(now_ns - STATES_NS, now_ns).await?, now_ns);
    let mut after = store.watermark_before(now_ns - REBUILD_NS).await?;
    loop {
        let page = store.replay(after, REPLAY_SPANS).await?;
        let Some(last) = page.last() else { return Ok(rebuilt) };
        after = Some(last.at);
        page.iter().for_each(|batch| rebuilt.replay(batch));
        tokio::task::yield_now().await;
    }
}

/// A cheap handle of the live map.
#[derive(Clone)]
pub struct LiveHandle {
    told: mpsc::Sender<Told>,
    events: mpsc::Sender<Events>,
    waiting_bytes: Arc<AtomicUsize>,
    hub: Arc<Hub>,
    metrics: Arc<Metrics>,
}

impl LiveHandle {
    /// Shows what was committed. Never waits: what finds no room is left out and counted.
    pub fn observe(&self, committed: Committed) {
        let taken = match committed {
            Committed::Events { events, received_at_ns } => {
                self.events.try_send(Events { events, received_at_ns }).is_ok()
            }
            Committed::Spans { batch, received_at_ns } => self.observe_spans(batch, received_at_ns),
        };
        if !taken {
            self.metrics.live_missed.fetch_add(1, Relaxed);
        }
    }

    fn observe_spans(&self, batch: Arc<SpanBatch>, received_at_ns: i64) -> bool {
        let size = batch.size_bytes();
        // A single batch larger than the budget still goes in alone.
        let waiting = self.waiting_bytes.fetch_add(size, Relaxed);
        let fits = waiting == 0 || waiting.saturating_add(size) <= INBOX_BYTES;
        let taken = fits && self.told.try_send(Told::Spans { batch, received_at_ns, size }).is_ok();
        if !taken {
            self.waiting_bytes.fetch_sub(size, Relaxed);
        }
        taken
    }

    /// Shows what the enforcers of services counted. When the map is busy it is left out: the next one comes within a second.
    pub fn show_usage(&self, usage: Vec<(ServiceKey, UsageSignals)>) {
        if self.told.try_send(Told::Usage(usage)).is_err() {
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

/// Starts the task that owns the map.
///
/// It has a thread of its own: pairing and drawing are work, and the threads of the runtime answer requests.
pub fn start(past: Rebuilt, metrics: Arc<Metrics>, tasks: &TaskTracker, stop: CancellationToken) -> LiveHandle {
    let (handle, task) = prepare(past, metrics, Arc::new(clock::unix_ns), stop);
    let runtime = tokio::runtime::Handle::current();
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::Builder::new().name("live".to_owned()).spawn(move || {
        runtime.block_on(task.run());
        drop(ended);
    });
    if let Err(error) = thread {
        tracing::error!(error = &error as &dyn std::error::Error, "the live map has no thread and stands still");
    }
    tasks.spawn(async move {
        // It ends when the thread does, whichever way.
        let _ = end.await;
    });
    handle
}

fn prepare(past: Rebuilt, metrics: Arc<Metrics>, clock: Clock, stop: CancellationToken) -> (LiveHandle, task::Task) {
    let now_ns = clock();
    // The start's time names the boot: sequence numbers mean nothing beyond it.
    let (mut board, map) = Board::new(past.0, unsigned(now_ns));
    let stats = board.stats();
    let hub = Arc::new(Hub::new(format!("{:x}", now_ns / 1_000_000), board.shown(), map, stats));
    let (told, inbox) = mpsc::channel(INBOX);
    let (events, event_inbox) = mpsc::channel(EVENT_INBOX);
    let waiting_bytes = Arc::new(AtomicUsize::new(0));
    let handle = LiveHandle { told, events, waiting_bytes: waiting_bytes.clone(), hub: hub.clone(), metrics };
    (handle, task::Task { board, hub, inbox, event_inbox, waiting_bytes, clock, stop })
}

/// The model counts time unsigned; nothing arrived before 1970.
fn unsigned(ns: i64) -> u64 {
    u64::try_from(ns).unwrap_or(0)
}
