//! The control loop: what enforcers report and the map shows → rules → arbitration → what enforcers are told.
//!
//! One task ticks each second and owns what is in force. Everybody else holds a [`Control`], a cheap handle: enforcers wait
//! on it for directives, handlers ask it about rules and decisions. What is told to enforcers comes from memory: when the
//! store is away, decisions go on and their records wait (counted, and logged). What a person sets (a mode, a configuration,
//! an upload) changes memory only after its commit.
//!
//! **Invariant:** a rule only proposes. Between it and an enforcer stand [`spillway_model::arbitrate`] and a lease.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use spillway_api as api;
use spillway_model::{
    arbitrate::{Arbiter, Enforcement},
    identity::ServiceKey,
    signals::{Received, UsageBook},
};
use spillway_store::{ControlStore, DecisionLog, DecisionQuery};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

mod breaker;
mod error;
mod history;
mod logs;
mod recorder;
mod registry;
mod restore;
mod rule;
mod rules;
mod table;
mod tick;
mod usage;
mod view;
mod world;

pub use error::ControlError;
pub use registry::Uploaded;
pub use rule::{LoadFailure, Loaded, Loader, NativeRule, Rule, WasmLoader};
pub use table::Fetched;
pub use view::parse_cursor;
pub use world::World;

use history::History;
use registry::{Registrar, Registry};
use rules::Rules;
use table::DirectiveTable;
use tick::Ticker;

use crate::live::LiveHandle;

/// Reads the wall clock; a parameter, so that a test can set it.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Longest wait of a long poll.
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What the tick task and the handles share.
struct Shared {
    /// Held for look-ups and small changes, never across an await: the tick evaluates outside of it.
    rules: Mutex<Rules>,
    /// Held while one report is counted or one snapshot is made, never across an await.
    usage: Mutex<UsageBook>,
    table: DirectiveTable,
    history: History,
    /// Held over a commit and the change of memory that follows it, so that both happen in one order.
    changes: tokio::sync::Mutex<()>,
    /// Turns for asking a rule about a configuration: CPU work of up to two seconds.
    checks: tokio::sync::Semaphore,
    killed: AtomicBool,
    counters: Counters,
    clock: Clock,
}

/// What the control loop counts of itself.
#[derive(Debug, Default)]
struct Counters {
    ticks: AtomicU64,
    reports: AtomicU64,
    record_failures: AtomicU64,
    records_dropped: AtomicU64,
}

impl Shared {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        // A panic while holding it would be a bug of ours in a step that leaves the map consistent.
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn usage(&self) -> MutexGuard<'_, UsageBook> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ns(&self) -> i64 {
        (self.clock)()
    }

    fn enforcement(&self) -> Enforcement {
        if self.killed.load(Ordering::Relaxed) { Enforcement::Killed } else { Enforcement::On }
    }
}

/// The handle.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
    registry: Arc<dyn Registry>,
    stop: CancellationToken,
}

/// Starts the loop with the rules that are in the store. Compiling them again goes on in the background: a server is ready
/// before a rule of 18 MB is.
///
/// # Errors
/// A sentence, when the store cannot be read or this machine cannot run WebAssembly.
pub async fn start<S>(
    store: S,
    live: LiveHandle,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> Result<Control, String>
where
    S: ControlStore + DecisionLog + Clone + Send + Sync + 'static,
{
    let loader = WasmLoader::new().map_err(|error| error.to_string())?;
    let clock: Clock = Arc::new(crate::clock::unix_ns);
    start_with(store, live, loader, clock, tasks, stop).await.map_err(|error| error.to_string())
}

/// The same with other parts.
///
/// # Errors
/// When the store cannot be read.
pub async fn start_with<S, W, L>(
    store: S,
    world: W,
    loader: L,
    clock: Clock,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> Result<Control, spillway_store::StoreError>
where
    S: ControlStore + DecisionLog + Clone + Send + Sync + 'static,
    W: World,
    L: Loader,
{
    let mut rules = Rules::read(&store).await?;
    let now_ns = clock();
    let records = restore::read(&store, now_ns).await?;
    let mut arbiter = Arbiter::default();
    let now_ms = u64::try_from(now_ns / 1_000_000).unwrap_or_default();
    let leases = restore::apply(&records, &mut arbiter, &mut rules, now_ms);
    let warm_up = if leases.is_empty() { 0 } else { restore::WARM_UP_TICKS };
    let shared = Arc::new(Shared {
        rules: Mutex::new(rules),
        usage: Mutex::default(),
        table: DirectiveTable::new(rand::random()),
        history: History::default(),
        changes: tokio::sync::Mutex::default(),
        checks: tokio::sync::Semaphore::new(1),
        killed: AtomicBool::new(false),
        counters: Counters::default(),
        clock,
    });
    shared.table.replace(leases, Instant::now());
    shared.history.replace(records.into_iter().map(|record| (record.id.clone(), record)).collect(), Vec::new());
    let registrar = Arc::new(Registrar::new(Arc::clone(&shared), store.clone(), loader, tasks.clone()));
    tasks.spawn(Arc::clone(&registrar).load_stored(stop.clone()));
    let ticker = Ticker::new(Arc::clone(&shared), store, world, arbiter, warm_up);
    tasks.spawn(ticker.run(stop.clone()));
    Ok(Control { shared, registry: registrar, stop })
}

impl Control {
    /// The newest directive revision of a service.
    #[must_use]
    pub fn revision(&self, service: &ServiceKey) -> String {
        self.shared.table.revision(service)
    }

    /// The directives of a service: at once when `known` is not their revision; else when they change, when their leases
    /// need renewal, or when `wait` is over.
    pub async fn directives(&self, service: &ServiceKey, known: Option<&str>, wait: Duration) -> Fetched {
        let wait = wait.min(LONGEST_WAIT);
        tokio::select! {
            fetched = self.shared.table.fetch(service, known, wait) => fetched,
            // Enforcers come back to whoever listens next; their leases outlast a restart.
            () = self.stop.cancelled() => self.shared.table.current(service, known),
        }
    }

    /// Counts a report. A repeated one changes nothing.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] when it makes no sense, [`ControlError::Busy`] when too many instances report already.
    pub fn receive(&self, report: &api::UsageReport) -> Result<api::UsageAnswer, ControlError> {
        let report = usage::read(report)?;
        let service = report.service.clone();
        let now_ns = u64::try_from(self.shared.now_ns()).unwrap_or_default();
        self.shared.counters.reports.fetch_add(1, Ordering::Relaxed);
        match self.shared.usage().receive(report, now_ns) {
            Received::New | Received::Repeated => Ok(api::UsageAnswer { revision: self.revision(&service) }),
            Received::Full => Err(ControlError::Busy("too many instances report usage already".into())),
        }
    }

    /// Turns all enforcement off, or on again. In memory: whoever restarts the server has looked at it.
    pub fn set_enforcement(&self, enforcement: Enforcement) {
        self.shared.killed.store(enforcement == Enforcement::Killed, Ordering::Relaxed);
    }

    /// All rules.
    #[must_use]
    pub fn plugins(&self) -> api::PluginList {
        api::PluginList { plugins: self.shared.rules().list() }
    }

    /// Takes a rule in: validates, compiles, tests and stores it. The same bytes again change nothing.
    ///
    /// # Errors
    /// [`ControlError`] with one sentence for whoever uploads.
    pub async fn upload(&self, wasm: Bytes, actor: &str) -> Result<Uploaded, ControlError> {
        self.registry.upload(wasm, actor.to_owned()).await
    }

    /// Sets how a rule runs. Setting a version active switches another active one of the same name off.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Conflict`] while its code is not ready, or the store's.
    pub async fn set_mode(&self, id: &str, mode: api::PluginMode, actor: &str) -> Result<api::Plugin, ControlError> {
        self.registry.set_mode(id.to_owned(), mode, actor.to_owned()).await
    }

    /// Sets a rule's configuration, if the rule accepts it.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] with the rule's own words when it does not.
    pub async fn set_config(&self, id: &str, config: String, actor: &str) -> Result<api::Plugin, ControlError> {
        self.registry.set_config(id.to_owned(), config, actor.to_owned()).await
    }

    /// Deletes an uploaded rule that is off.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] when it is not off, or built in.
    pub async fn delete(&self, id: &str, actor: &str) -> Result<(), ControlError> {
        self.registry.delete(id.to_owned(), actor.to_owned()).await
    }

    /// What a rule logged, newest first.
    ///
    /// # Errors
    /// [`ControlError::NotFound`] when there is no such rule.
    pub fn logs(&self, id: &str) -> Result<api::PluginLogList, ControlError> {
        self.shared.rules().get(id).map(|rule| rule.logs.list()).ok_or_else(|| ControlError::no_rule(id))
    }

    /// A page of decisions, newest first; what is in force now as it is now.
    ///
    /// # Errors
    /// The store's.
    pub async fn decisions(&self, query: DecisionQuery) -> Result<api::DecisionList, ControlError> {
        let limit = query.limit;
        let rows = self.registry.decisions(query).await?;
        let next_cursor = (rows.len() == limit as usize).then(|| rows.last().map(view::cursor)).flatten();
        let decisions = rows.iter().map(|row| self.as_of_now(row)).collect::<Result<_, _>>()?;
        Ok(api::DecisionList { decisions, next_cursor })
    }

    /// One decision, by its id or by what a rejected request carries (`<id>.<request>`).
    ///
    /// # Errors
    /// [`ControlError::NotFound`], or the store's.
    pub async fn decision(&self, id: &str) -> Result<api::DecisionRecord, ControlError> {
        let id = id.split_once('.').map_or(id, |(decision, _)| decision);
        if let Some(current) = self.shared.history.get(id) {
            return Ok(current);
        }
        let row = self.registry.decision(id.to_owned()).await?;
        let row =
            row.ok_or_else(|| ControlError::NotFound(format!("there is no decision `{id}`, or it is too old")))?;
        self.as_of_now(&row)
    }

    /// The store is a moment behind memory, and what it shows as in force from before a crash has ended.
    fn as_of_now(&self, row: &spillway_store::DecisionRow) -> Result<api::DecisionRecord, ControlError> {
        match self.shared.history.get(&row.id) {
            Some(current) => Ok(current),
            None => view::stored(row),
        }
    }

    /// What the loop counted of itself: name, help and value, for the metrics page.
    #[must_use]
    pub fn metrics(&self) -> Vec<(&'static str, &'static str, f64)> {
        let counters = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        vec![
            ("spillway_control_ticks", "Ticks of the control loop since the start.", read(&counters.ticks)),
            ("spillway_control_usage_reports", "Usage reports received since the start.", read(&counters.reports)),
            (
                "spillway_control_record_failures",
                "Ticks whose record could not be stored.",
                read(&counters.record_failures),
            ),
            (
                "spillway_control_records_dropped",
                "Tick records given up while the store was away.",
                read(&counters.records_dropped),
            ),
            (
                "spillway_control_waiting_enforcers",
                "Enforcers that wait for a change.",
                self.shared.table.waiting() as f64,
            ),
        ]
    }
}

/// Maps by service are small and read often.
type ByService<T> = BTreeMap<ServiceKey, T>;

/// A value that is replaced as a whole.
type Swapped<T> = ArcSwap<T>;

#[cfg(test)]
pub(crate) mod tests;
