//! Hands frames out: to those who watch now, to those who come back after a gap, and to those who come new.

use std::{
    collections::{BTreeMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use arc_swap::ArcSwap;
use futures_util::{Stream, StreamExt as _, stream};
use spillway_api::{Topology, TopologyDelta};
use spillway_model::topology::{LiveStats, Map};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

use super::frame::Frame;

/// Streams at a time: each holds a connection and its place in the queue.
const SUBSCRIBERS: usize = 200;
/// Deltas kept for clients that come back: five minutes of a busy map.
const KEPT: usize = 300;
/// Memory that they may hold.
const KEPT_BYTES: usize = 16 << 20;
/// Frames that a slow client may be behind; then it gets a snapshot instead.
const BEHIND: usize = 64;

/// The stream was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{SUBSCRIBERS} live streams are open, which is the limit")]
pub struct TooManySubscribers;

/// What is sent, and what is kept for later.
pub(super) struct Hub {
    epoch: String,
    map: ArcSwap<Map>,
    topology: ArcSwap<Topology>,
    stats: ArcSwap<LiveStats>,
    room: Arc<Semaphore>,
    closed: CancellationToken,
    /// Held while a frame is made or handed out, never across an await: a subscriber must join between two frames, not within one.
    kept: Mutex<Kept>,
}

struct Kept {
    sender: broadcast::Sender<Frame>,
    deltas: VecDeque<Frame>,
    deltas_bytes: usize,
    /// The newest topology as a frame, once somebody asked for it.
    snapshot: Option<Frame>,
    /// The newest of each other kind.
    others: BTreeMap<&'static str, Frame>,
}

impl Hub {
    pub(super) fn new(epoch: String, topology: Arc<Topology>, map: Arc<Map>, stats: LiveStats) -> Self {
        let kept = Kept {
            sender: broadcast::Sender::new(BEHIND),
            deltas: VecDeque::new(),
            deltas_bytes: 0,
            snapshot: None,
            others: BTreeMap::new(),
        };
        Self {
            epoch,
            map: ArcSwap::new(map),
            topology: ArcSwap::new(topology),
            stats: ArcSwap::from_pointee(stats),
            room: Arc::new(Semaphore::new(SUBSCRIBERS)),
            closed: CancellationToken::new(),
            kept: Mutex::new(kept),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing in there is half done when a thread panics: each change is one assignment.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn topology(&self) -> Arc<Topology> {
        self.topology.load_full()
    }

    pub(super) fn map(&self) -> Arc<Map> {
        self.map.load_full()
    }

    pub(super) fn stats(&self) -> LiveStats {
        **self.stats.load()
    }

    pub(super) fn subscribers(&self) -> usize {
        SUBSCRIBERS - self.room.available_permits()
    }

    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    /// Shows a topology, and tells what changed.
    pub(super) fn show(&self, topology: Arc<Topology>, map: Arc<Map>, delta: Option<&TopologyDelta>, stats: LiveStats) {
        let frame = delta.map(|delta| Frame::new("delta", &self.epoch, Some(delta.seq), &json(delta)));
        self.map.store(map);
        self.stats.store(Arc::new(stats));
        let mut kept = self.kept();
        self.topology.store(topology);
        kept.snapshot = None;
        if let Some(frame) = frame {
            kept.keep(frame.clone());
            // An error means that nobody watches.
            let _ = kept.sender.send(frame);
        }
    }

    /// Sends a frame of another kind.
    pub(super) fn publish(&self, event: &'static str, json: &str) {
        let frame = Frame::new(event, &self.epoch, None, json);
        let mut kept = self.kept();
        kept.others.insert(event, frame.clone());
        let _ = kept.sender.send(frame);
    }

    pub(super) fn subscribe(this: &Arc<Self>, last_event_id: Option<&str>) -> Result<Subscription, TooManySubscribers> {
        let permit = this.room.clone().try_acquire_owned().map_err(|_| TooManySubscribers)?;
        let (first, receiver) = this.join(last_event_id);
        let joined = Joined { hub: this.clone(), _permit: permit, first, receiver };
        let frames =
            stream::unfold(joined, |mut joined| async move { joined.next().await.map(|frame| (frame, joined)) });
        Ok(Subscription { frames: frames.boxed() })
    }

    /// What a client must see first, and everything that comes after it.
    fn join(&self, last_event_id: Option<&str>) -> (VecDeque<Frame>, broadcast::Receiver<Frame>) {
        let mut kept = self.kept();
        let receiver = kept.sender.subscribe();
        let missed = last_event_id.and_then(|id| self.missed(&kept, id));
        let mut first = missed.unwrap_or_else(|| {
            let topology = self.topology.load();
            let snapshot = kept
                .snapshot
                .get_or_insert_with(|| Frame::new("snapshot", &self.epoch, Some(topology.seq), &json(&**topology)));
            VecDeque::from([snapshot.clone()])
        });
        first.extend(kept.others.values().cloned());
        (first, receiver)
    }

    /// The deltas behind that id, if it is of this boot and none of them is forgotten.
    fn missed(&self, kept: &Kept, last_event_id: &str) -> Option<VecDeque<Frame>> {
        let (epoch, seq) = last_event_id.rsplit_once('-')?;
        let seq: u64 = seq.parse().ok()?;
        let newest = self.topology.load().seq;
        if epoch != self.epoch || seq > newest {
            return None;
        }
        let missed: VecDeque<Frame> =
            kept.deltas.iter().filter(|frame| frame.seq().is_some_and(|have| have > seq)).cloned().collect();
        (u64::try_from(missed.len()) == Ok(newest - seq)).then_some(missed)
    }
}

impl Kept {
    fn keep(&mut self, delta: Frame) {
        self.deltas_bytes += delta.bytes().len();
        self.deltas.push_back(delta);
        while self.deltas.len() > KEPT || self.deltas_bytes > KEPT_BYTES {
            let Some(oldest) = self.deltas.pop_front() else { return };
            self.deltas_bytes -= oldest.bytes().len();
        }
    }
}

/// A client's place in the stream.
struct Joined {
    hub: Arc<Hub>,
    _permit: OwnedSemaphorePermit,
    first: VecDeque<Frame>,
    receiver: broadcast::Receiver<Frame>,
}

impl Joined {
    async fn next(&mut self) -> Option<Frame> {
        loop {
            if self.hub.closed.is_cancelled() {
                return None;
            }
            if let Some(frame) = self.first.pop_front() {
                return Some(frame);
            }
            let received = tokio::select! {
                () = self.hub.closed.cancelled() => return None,
                received = self.receiver.recv() => received,
            };
            match received {
                Ok(frame) => return Some(frame),
                // Too slow: what it missed is gone, a snapshot says all.
                Err(broadcast::error::RecvError::Lagged(_)) => (self.first, self.receiver) = self.hub.join(None),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// The frames that one client sees, in order and without a gap. Dropping it makes room for another.
pub struct Subscription {
    frames: stream::BoxStream<'static, Frame>,
}

impl Stream for Subscription {
    type Item = Frame;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        self.frames.poll_next_unpin(context)
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("the API's types are plain text and finite numbers")
}
