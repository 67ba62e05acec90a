//! Stores what the loop did, without ever making it wait.
//!
//! One write is under way at a time; what comes meanwhile gathers and goes with the next. When the store is away, decisions
//! (small, and only the last state of each counts) wait for it, and records of ticks are given up, oldest first.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use spillway_store::{AuditEntry, ControlStore, DecisionLog, DecisionRow, StoreError, TickRow};
use tokio::{task::JoinHandle, time::timeout};

use super::Shared;

/// Records of ticks that wait: a minute of ten rules.
const TICKS: usize = 600;
/// Decisions that wait: four times what can be in force.
const DECISIONS: usize = 4_000;
/// Time for the last write of a server that stops.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// What waits to be stored.
#[derive(Default)]
struct Pending {
    ticks: VecDeque<TickRow>,
    decisions: BTreeMap<String, DecisionRow>,
    kv: BTreeMap<String, Vec<(String, Vec<u8>)>>,
    /// Rules that the guard put back to shadow, with the generation that did.
    demotions: BTreeMap<String, u64>,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.ticks.is_empty() && self.decisions.is_empty() && self.kv.is_empty() && self.demotions.is_empty()
    }

    /// Puts back what a failed write took; what came since is newer.
    fn put_back(&mut self, failed: Self) {
        for tick in failed.ticks.into_iter().rev() {
            self.ticks.push_front(tick);
        }
        for (id, row) in failed.decisions {
            self.decisions.entry(id).or_insert(row);
        }
        for (id, kv) in failed.kv {
            self.kv.entry(id).or_insert(kv);
        }
        for (id, generation) in failed.demotions {
            self.demotions.entry(id).or_insert(generation);
        }
    }
}

pub(super) struct Recorder<S> {
    store: S,
    shared: Arc<Shared>,
    pending: Pending,
    write: Option<JoinHandle<Result<(), (Pending, StoreError)>>>,
    failing: bool,
}

impl<S> Recorder<S>
where
    S: ControlStore + DecisionLog + Clone + Send + Sync + 'static,
{
    pub(super) fn new(store: S, shared: Arc<Shared>) -> Self {
        Self { store, shared, pending: Pending::default(), write: None, failing: false }
    }

    pub(super) fn tick(&mut self, row: TickRow) {
        self.pending.ticks.push_back(row);
    }

    pub(super) fn decision(&mut self, row: DecisionRow) {
        self.pending.decisions.insert(row.id.clone(), row);
    }

    pub(super) fn kv(&mut self, id: String, entries: Vec<(String, Vec<u8>)>) {
        self.pending.kv.insert(id, entries);
    }

    pub(super) fn demotion(&mut self, id: String, generation: u64) {
        self.pending.demotions.insert(id, generation);
    }

    /// Starts the next write when the last one is done. Never waits.
    pub(super) async fn advance(&mut self) {
        if let Some(write) = self.write.take_if(|write| write.is_finished()) {
            self.settle(write.await);
        }
        self.bound();
        if self.write.is_none() && !self.pending.is_empty() {
            let pending = std::mem::take(&mut self.pending);
            let (store, shared) = (self.store.clone(), Arc::clone(&self.shared));
            self.write = Some(tokio::spawn(write(store, shared, pending)));
        }
    }

    /// Writes what is left, for a server that stops.
    pub(super) async fn finish(mut self) {
        let last = async {
            if let Some(write) = self.write.take() {
                let written = write.await;
                self.settle(written);
            }
            self.advance().await;
            if let Some(write) = self.write.take() {
                let written = write.await;
                self.settle(written);
            }
        };
        if timeout(LAST_WRITE, last).await.is_err() {
            tracing::warn!("the last decisions could not be stored in time");
        }
    }

    fn settle(&mut self, written: Result<Result<(), (Pending, StoreError)>, tokio::task::JoinError>) {
        match written {
            Ok(Ok(())) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("decisions are stored again");
                }
            }
            Ok(Err((pending, error))) => {
                self.shared.counters.record_failures.fetch_add(1, Ordering::Relaxed);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!("cannot store decisions, they go on from memory: {error}");
                }
                self.pending.put_back(pending);
            }
            Err(error) => {
                self.shared.counters.record_failures.fetch_add(1, Ordering::Relaxed);
                tracing::error!("storing decisions ended early: {error}");
            }
        }
    }

    fn bound(&mut self) {
        let surplus = self.pending.ticks.len().saturating_sub(TICKS);
        self.pending.ticks.drain(..surplus);
        let mut dropped = surplus;
        while self.pending.decisions.len() > DECISIONS {
            self.pending.decisions.pop_first();
            dropped += 1;
        }
        self.shared.counters.records_dropped.fetch_add(dropped as u64, Ordering::Relaxed);
    }
}

async fn write<S>(store: S, shared: Arc<Shared>, mut pending: Pending) -> Result<(), (Pending, StoreError)>
where
    S: ControlStore + DecisionLog,
{
    while let Some((id, generation)) = pending.demotions.pop_first() {
        if let Err(error) = demote(&store, &shared, &id, generation).await {
            pending.demotions.insert(id, generation);
            return Err((pending, error));
        }
    }
    while let Some((id, kv)) = pending.kv.pop_first() {
        if let Err(error) = store.set_plugin_kv(&id, &kv).await {
            pending.kv.insert(id, kv);
            return Err((pending, error));
        }
    }
    let decisions: Vec<DecisionRow> = pending.decisions.values().cloned().collect();
    if pending.ticks.is_empty() && decisions.is_empty() {
        return Ok(());
    }
    match store.record(pending.ticks.make_contiguous(), &decisions).await {
        Ok(()) => Ok(()),
        Err(error) => Err((pending, error)),
    }
}

/// Memory was changed at once, for safety. The commit follows, unless a person has set something else meanwhile.
async fn demote<S: ControlStore>(store: &S, shared: &Shared, id: &str, generation: u64) -> Result<(), StoreError> {
    let _order = shared.changes.lock().await;
    let (setting, name) = match shared.rules().get(id) {
        Some(rule) if rule.generation == generation => (rule.row.setting.clone(), rule.row.name.clone()),
        _ => return Ok(()),
    };
    let audit = AuditEntry {
        at_ns: shared.now_ns(),
        actor: "guard".into(),
        action: "plugin.mode".into(),
        object: id.into(),
        detail: format!("{name} keeps failing: put back to shadow"),
    };
    store.set_plugin(id, &setting, &audit).await.map(drop)
}
