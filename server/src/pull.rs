//! Asking: health, breakers and limiters of services that do not send them.
//!
//! A task a target asks at intervals with some chance in them, so that many targets do not ask at once; a semaphore bounds how many
//! questions are open. What an answer says goes the same way as a webhook's events ([`Ingest::pulled`]): only changes, and a sign of life before
//! what was said is forgotten (`steady`). The list of targets is put together from the configuration, from what people added, and
//! from Prometheus' discovery (`discover`).

mod address;
mod ask;
mod discover;
mod fetch;
mod steady;
mod target;
mod task;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use spillway_api as api;
use spillway_store::{AuditEntry, MOST_TARGETS, StoreError, TargetRow, TargetStore as _};
use spillway_store_sqlite::SqliteStore;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use address::Trust;
pub use target::{BadTarget, Target};

use crate::{clock, config::Config, ingest::Ingest};

/// Questions that are open at a time.
const AT_ONCE: usize = 32;
/// Discovery is looked at this often, and when a target was added.
const DISCOVER_EVERY: Duration = Duration::from_secs(5);
/// A person who asks for an answer now waits so long at most: longer than any target's patience.
const NOW_WITHIN: Duration = Duration::from_secs(60);

/// Targets by their id.
type Found = BTreeMap<Arc<str>, Arc<Target>>;

/// Why a target cannot be added, removed or asked.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// What was written cannot be used.
    #[error(transparent)]
    Bad(#[from] BadTarget),
    /// There is one already.
    #[error("there is a target with this service, instance, URL and format already")]
    Known,
    /// There is none of this id.
    #[error("there is no target {0}")]
    NoSuch(String),
    /// It was not added here.
    #[error("target {0} comes from the configuration or from discovery: remove it there")]
    NotHere(String),
    /// It did not come to an end.
    #[error("there was no result in time; the next one will be in the list")]
    Late,
    /// The store cannot do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Handle of the part that asks.
#[derive(Clone)]
pub struct Pull {
    inner: Arc<Inner>,
}

struct Inner {
    store: SqliteStore,
    ingest: Ingest,
    config: Arc<Config>,
    open: Semaphore,
    /// The list has changed.
    changed: Notify,
    /// Held for copies only, never across an `.await`.
    board: Mutex<Board>,
}

/// What is known of the targets.
#[derive(Default)]
struct Board {
    entries: BTreeMap<Arc<str>, Entry>,
    problems: Vec<String>,
}

struct Entry {
    target: Arc<Target>,
    /// By instance.
    checks: BTreeMap<Arc<str>, api::TargetCheck>,
    /// Asks the task to ask now.
    now: mpsc::Sender<oneshot::Sender<()>>,
    stop: CancellationToken,
}

impl Pull {
    /// Starts asking.
    pub fn start(
        store: SqliteStore,
        ingest: Ingest,
        config: Arc<Config>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let inner = Inner {
            store,
            ingest,
            config,
            open: Semaphore::new(AT_ONCE),
            changed: Notify::new(),
            board: Mutex::default(),
        };
        let pull = Self { inner: Arc::new(inner) };
        tasks.spawn(pull.clone().keep_up(tasks.clone(), stop));
        pull
    }

    /// All targets with their last answers.
    pub fn list(&self) -> api::TargetList {
        let board = self.board();
        let mut targets: Vec<api::Target> = board.entries.values().map(wire).collect();
        targets.sort_by(|a, b| (&a.spec.service, &a.spec.url).cmp(&(&b.spec.service, &b.spec.url)));
        api::TargetList { targets, problems: board.problems.clone(), most: MOST_TARGETS as u32 }
    }

    /// Adds a target for good.
    ///
    /// # Errors
    /// [`PullError`].
    pub async fn add(&self, spec: api::TargetSpec, actor: &str) -> Result<api::Target, PullError> {
        let target = self.judge(spec)?;
        if self.board().entries.contains_key(&target.id) {
            return Err(PullError::Known);
        }
        let spec = serde_json::to_string(&target.spec).map_err(|error| StoreError::Conflict(error.to_string()))?;
        let row = TargetRow { id: (&*target.id).into(), spec, added_at_ns: clock::unix_ns(), actor: actor.into() };
        let audit = audit(actor, "target.add", &target.id, &row.spec);
        if !self.inner.store.add_target(&row, &audit).await? {
            return Err(PullError::Known);
        }
        self.inner.changed.notify_one();
        Ok(api::Target { id: row.id, origin: target.origin, spec: target.spec, checks: Vec::new() })
    }

    /// Forgets a target that was added.
    ///
    /// # Errors
    /// [`PullError`].
    pub async fn remove(&self, id: &str, actor: &str) -> Result<(), PullError> {
        let gone = self.inner.store.remove_target(id, &audit(actor, "target.remove", id, "")).await?;
        let mut board = self.board();
        match board.entries.get(id).map(|entry| entry.target.origin) {
            // Off the board at once: whoever looks next must not see it.
            Some(api::TargetOrigin::Api) | None if gone => {
                if let Some(entry) = board.entries.remove(id) {
                    entry.stop.cancel();
                }
                self.inner.changed.notify_one();
                Ok(())
            }
            Some(api::TargetOrigin::Api) | None => Err(PullError::NoSuch(id.to_owned())),
            Some(_) if gone => Ok(()),
            Some(_) => Err(PullError::NotHere(id.to_owned())),
        }
    }

    /// Asks a target now, and gives what it said.
    ///
    /// # Errors
    /// [`PullError`].
    pub async fn check(&self, id: &str) -> Result<api::Target, PullError> {
        let now = self.board().entries.get(id).map(|entry| entry.now.clone());
        let now = now.ok_or_else(|| PullError::NoSuch(id.to_owned()))?;
        let (done, asked) = oneshot::channel();
        let ask = async {
            now.send(done).await.ok()?;
            asked.await.ok()
        };
        tokio::time::timeout(NOW_WITHIN, ask).await.ok().flatten().ok_or(PullError::Late)?;
        let board = self.board();
        board.entries.get(id).map(wire).ok_or_else(|| PullError::NoSuch(id.to_owned()))
    }

    fn judge(&self, spec: api::TargetSpec) -> Result<Target, BadTarget> {
        let trust = if self.inner.config.pull_allow_private { Trust::Operator } else { Trust::Stranger };
        Target::new(spec, api::TargetOrigin::Api, trust)
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.inner.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps one task for each target that there should be.
    async fn keep_up(self, tasks: TaskTracker, stop: CancellationToken) {
        let mut discovery = discover::Discovery::new(&self.inner.config);
        loop {
            let mut problems = Vec::new();
            let found = self.found(&mut discovery, &mut problems).await;
            self.reconcile(found, problems, &tasks, &stop);
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.inner.changed.notified() => {}
                () = tokio::time::sleep(DISCOVER_EVERY) => {}
            }
        }
    }

    async fn found(&self, discovery: &mut discover::Discovery, problems: &mut Vec<String>) -> Found {
        let mut found = Found::new();
        let mut left = 0_usize;
        let mut add = |target: Target| {
            if found.len() < MOST_TARGETS || found.contains_key(&target.id) {
                found.entry(target.id.clone()).or_insert_with(|| Arc::new(target));
            } else {
                left += 1;
            }
        };
        self.inner.config.pull_targets.iter().cloned().for_each(&mut add);
        match self.inner.store.targets().await {
            Ok(rows) => {
                for row in rows {
                    match serde_json::from_str(&row.spec)
                        .map_err(|error| error.to_string())
                        .and_then(|spec| self.judge(spec).map_err(|error| error.to_string()))
                    {
                        Ok(target) => add(target),
                        Err(error) => problems.push(format!("target {} of the store: {error}", row.id)),
                    }
                }
            }
            Err(error) => problems.push(format!("the targets that were added cannot be read: {error}")),
        }
        discovery.look(problems).await.into_iter().for_each(&mut add);
        if left > 0 {
            problems.push(format!("{left} targets are left out: there are more than {MOST_TARGETS}"));
        }
        found
    }

    fn reconcile(&self, found: Found, problems: Vec<String>, tasks: &TaskTracker, stop: &CancellationToken) {
        let mut board = self.board();
        for problem in problems.iter().filter(|problem| !board.problems.contains(problem)) {
            tracing::warn!("targets: {problem}");
        }
        board.problems = problems;
        board.entries.retain(|id, entry| {
            let stays = found.get(id).is_some_and(|target| **target == *entry.target);
            if !stays {
                entry.stop.cancel();
            }
            stays
        });
        for (id, target) in found {
            if board.entries.contains_key(&id) {
                continue;
            }
            let (now, asked) = mpsc::channel(1);
            let stop = stop.child_token();
            tasks.spawn(task::run(self.clone(), target.clone(), asked, stop.clone()));
            board.entries.insert(id, Entry { target, checks: BTreeMap::new(), now, stop });
        }
    }
}

fn wire(entry: &Entry) -> api::Target {
    api::Target {
        id: (&*entry.target.id).into(),
        origin: entry.target.origin,
        spec: entry.target.spec.clone(),
        checks: entry.checks.values().cloned().collect(),
    }
}

fn audit(actor: &str, action: &str, object: &str, detail: &str) -> AuditEntry {
    AuditEntry {
        at_ns: clock::unix_ns(),
        actor: actor.to_owned(),
        action: action.to_owned(),
        object: object.to_owned(),
        detail: detail.to_owned(),
    }
}
