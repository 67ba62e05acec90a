//! The oracle: an engine that keeps everything in plain lists and answers by looking at all of it.
//!
//! It is there to be obviously right, not to be fast, and it is what the contract suite compares engines with.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};

use spillway_model::{
    batch::SpanBatch,
    event::Event,
    observation::{Measurement, Subject},
};

use crate::{
    AuditEntry, CompactProgress, Compaction, DecisionRow, PluginRow, PluginSetting, Retention, RetentionReport,
    StoreError, StoredEvent, TickRow, Watermark, Write, WriteOutcome, Writer,
};

mod control;
mod events;
mod rollups;
mod spans;
mod storage;

/// A store in memory. Clones share it, so opening it again is cloning it.
#[derive(Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

/// Writes to a [`MemoryStore`].
pub struct MemoryWriter(MemoryStore);

#[derive(Default)]
struct State {
    log: Vec<Committed>,
    events: Vec<Logged>,
    facts: Vec<(Subject, Measurement)>,
    projected: Option<Watermark>,
    /// When the projection last let the time go on without a batch.
    settled_ns: i64,
    /// Older facts are forgotten.
    rollups_from_s: i64,
    plugins: Vec<(PluginRow, Vec<u8>)>,
    builtin: BTreeMap<String, PluginSetting>,
    kv: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    audit: Vec<AuditEntry>,
    decisions: BTreeMap<String, DecisionRow>,
    ticks: BTreeMap<(String, i64, u64), TickRow>,
}

/// One request's spans.
struct Committed {
    at: Watermark,
    digest: crate::RequestDigest,
    received_at_ns: i64,
    batch: Arc<SpanBatch>,
}

/// One event, and whose id it has.
struct Logged {
    source: Arc<str>,
    stored: StoredEvent,
}

impl MemoryStore {
    /// An empty one, and its writer.
    pub fn new() -> (Self, MemoryWriter) {
        let store = Self::default();
        (store.clone(), MemoryWriter(store))
    }

    /// The writer of this store.
    pub fn writer(&self) -> MemoryWriter {
        MemoryWriter(self.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while it was held")
    }
}

impl Writer for MemoryWriter {
    async fn commit(&mut self, writes: &[Write]) -> Vec<Result<WriteOutcome, StoreError>> {
        let mut state = self.0.state();
        writes.iter().map(|write| Ok(state.commit(write))).collect()
    }

    async fn probe(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl State {
    fn commit(&mut self, write: &Write) -> WriteOutcome {
        match write {
            Write::Spans { digest, batch, received_at_ns } => {
                if self.log.iter().any(|committed| committed.digest == *digest) {
                    return WriteOutcome::Repeated;
                }
                let at = Watermark { segment: 1, block: self.log.len() as u64 + 1 };
                self.log.push(Committed {
                    at,
                    digest: *digest,
                    received_at_ns: *received_at_ns,
                    batch: Arc::clone(batch),
                });
                WriteOutcome::Stored { at }
            }
            Write::Events { source, events, received_at_ns } => self.commit_events(source, events, *received_at_ns),
        }
    }

    fn commit_events(&mut self, source: &Arc<str>, events: &[Event], received_at_ns: i64) -> WriteOutcome {
        const DAY_NS: i64 = 24 * 3600 * 1_000_000_000;
        let mut known: HashMap<&str, Event> = HashMap::new();
        for logged in &self.events {
            if logged.source == *source && logged.stored.received_at_ns > received_at_ns - DAY_NS {
                known.insert(&logged.stored.event.id, logged.stored.event.clone());
            }
        }
        let mut stored = Vec::new();
        for (index, event) in events.iter().enumerate() {
            match known.get(&*event.id) {
                Some(same) if same == event => {}
                Some(_) => return WriteOutcome::Conflict { id: Arc::clone(&event.id) },
                None => {
                    stored.push(index as u32);
                    known.insert(&event.id, event.clone());
                }
            }
        }
        for &index in &stored {
            let seq = self.events.last().map_or(1, |logged| logged.stored.seq + 1);
            let event = events[index as usize].clone();
            self.events.push(Logged { source: Arc::clone(source), stored: StoredEvent { seq, received_at_ns, event } });
        }
        let repeated = (events.len() - stored.len()) as u32;
        WriteOutcome::Events { stored, repeated }
    }
}

impl Compaction for MemoryStore {
    /// Plain lists have nothing to gather.
    async fn compact(&self, _: i64) -> Result<CompactProgress, StoreError> {
        Ok(CompactProgress::default())
    }

    fn uncompacted(&self) -> u64 {
        0
    }
}

impl Retention for MemoryStore {
    async fn expire(&self, spans_before_ns: i64, history_before_ns: i64) -> Result<RetentionReport, StoreError> {
        let mut state = self.state();
        let state = &mut *state;
        let before = state.events.len() + state.decisions.len() + state.ticks.len();
        state.log.retain(|committed| committed.received_at_ns >= spans_before_ns);
        state.events.retain(|logged| logged.stored.received_at_ns >= history_before_ns);
        state.decisions.retain(|_, row| row.renewed_at_ns >= history_before_ns);
        state.ticks.retain(|_, row| row.at_ns >= history_before_ns);
        let after = state.events.len() + state.decisions.len() + state.ticks.len();
        Ok(RetentionReport { segments: 0, bytes: 0, rows: (before - after) as u64 })
    }

    /// There are no files.
    async fn shrink(&self, _most_bytes: u64) -> Result<RetentionReport, StoreError> {
        Ok(RetentionReport::default())
    }
}
