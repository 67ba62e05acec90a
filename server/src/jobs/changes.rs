//! Stores the changes that the spans show, by the same way as events that are sent.

use std::{sync::Arc, time::Duration};

use spillway_model::{
    batch::SpanBatch,
    changes::{Changes, ChangesLimits},
    event::Event,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::ingest::{Ingest, Refused};

/// Changes that may wait to be stored: a whole fleet's rollout.
const INBOX: usize = 1_024;
/// Attempts to store some of them, and the time between: a full disk seldom lasts longer unless somebody acts.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_secs(3);

/// Looks at what was committed, on the thread of the live map.
pub struct Watch {
    changes: Changes,
    told: mpsc::Sender<Vec<Event>>,
}

impl Watch {
    /// A watch, and where its changes come out.
    pub fn new() -> (Self, mpsc::Receiver<Vec<Event>>) {
        let (told, inbox) = mpsc::channel(INBOX);
        (Self { changes: Changes::new(ChangesLimits::default()), told }, inbox)
    }

    /// Takes in what was committed, in order. Never waits: what finds no room is left out and logged.
    pub fn observe(&mut self, batch: &SpanBatch, received_at_ns: i64) {
        let events = self.changes.observe(batch, received_at_ns);
        if !events.is_empty() && self.told.try_send(events).is_err() {
            tracing::warn!("more changes of versions and instances than can be stored at a time: some are left out");
        }
    }
}

/// Stores them until `stop`.
pub async fn run(mut inbox: mpsc::Receiver<Vec<Event>>, ingest: Ingest, stop: CancellationToken) {
    loop {
        let events: Arc<[Event]> = tokio::select! {
            events = inbox.recv() => match events {
                Some(events) => events.into(),
                None => return,
            },
            () = stop.cancelled() => return,
        };
        for attempt in 1..=ATTEMPTS {
            match ingest.told_by_ourselves(events.clone()).await {
                Ok(()) | Err(Refused::Stopping) => break,
                // Taken in again after a restart, with another time than before: what is stored stays.
                Err(Refused::Conflict(_)) => break,
                Err(refused) if attempt == ATTEMPTS => {
                    tracing::warn!(reason = refused.reason(), "a change of version or instances is not stored");
                }
                Err(_) => tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    () = stop.cancelled() => return,
                },
            }
        }
    }
}
