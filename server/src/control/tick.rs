//! The tick: look, ask the rules, decide, tell.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use spillway_api as api;
use spillway_model::{
    arbitrate::{Answer, Arbiter, Decision, Kind, Question, State, share},
    rule::{Outcome, Snapshot},
    signals::build_snapshot,
};
use spillway_plugin_host::Evaluation;
use spillway_store::{ControlStore, DecisionLog, TickRow};
use tokio::{
    sync::Semaphore,
    task::{Id, JoinSet},
    time::{Instant, MissedTickBehavior, interval, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    ByService, Shared, World,
    recorder::Recorder,
    rules::{Finished, Work},
    table::Lease,
    view::{self, Circumstances},
};

/// Time between two ticks.
const TICK: Duration = Duration::from_secs(1);
/// How long a tick waits for the rules. What ends later counts at the next one: one slow rule must not hold up the others.
const PATIENCE: Duration = Duration::from_millis(400);
/// Evaluations at once. They are CPU work, and the machine has other things to do.
const AT_ONCE: usize = 2;

pub(super) struct Ticker<S, W> {
    shared: Arc<Shared>,
    world: W,
    recorder: Recorder<S>,
    arbiter: Arbiter,
    evaluations: JoinSet<Finished>,
    /// Which rule each evaluation is of.
    running: HashMap<Id, (String, u64)>,
    turns: Arc<Semaphore>,
    tick: u64,
    /// Ticks that only look, until there is something to see after a start.
    warm_up: u32,
    published: BTreeMap<&'static str, Arc<str>>,
}

impl<S, W> Ticker<S, W>
where
    S: ControlStore + DecisionLog + Clone + Send + Sync + 'static,
    W: World,
{
    pub(super) fn new(shared: Arc<Shared>, store: S, world: W, arbiter: Arbiter, warm_up: u32) -> Self {
        // Numbers of ticks go on rising over a restart, since there is at most one a second.
        let tick = u64::try_from(shared.now_ns() / 1_000_000_000).unwrap_or_default();
        Self {
            recorder: Recorder::new(store, Arc::clone(&shared)),
            shared,
            world,
            arbiter,
            evaluations: JoinSet::new(),
            running: HashMap::new(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            tick,
            warm_up,
            published: BTreeMap::new(),
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut every = interval(TICK);
        // Late ticks are left out, not made up for: a rule sees the present, and the rails count the time that passed.
        every.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = every.tick() => self.tick().await,
                () = stop.cancelled() => break,
            }
        }
        self.recorder.finish().await;
    }

    async fn tick(&mut self) {
        self.tick += 1;
        let now_ns = self.shared.now_ns();
        let snapshot = Arc::new(self.look(now_ns));
        self.shared.counters.ticks.fetch_add(1, Ordering::Relaxed);
        if let Some(left) = self.warm_up.checked_sub(1) {
            self.warm_up = left;
            self.publish();
            return;
        }
        self.start(&snapshot, now_ns);
        self.collect(now_ns).await;
        let answer = self.decide(&snapshot);
        self.tell(&answer, now_ns);
        self.publish();
        self.recorder.advance().await;
    }

    fn look(&self, now_ns: i64) -> Snapshot {
        let now_ns = u64::try_from(now_ns).unwrap_or_default();
        let map = self.world.map();
        let mut usage = self.shared.usage();
        usage.forget(now_ns);
        build_snapshot(now_ns, self.tick, &usage, &map, &|service| self.arbiter.applied(service))
    }

    /// Starts what is due. The queue in front of the turns is as long as there are rules.
    fn start(&mut self, snapshot: &Arc<Snapshot>, at_ns: i64) {
        let now_ms = snapshot.now_ms;
        let running = |id: &str| self.running.values().any(|(running, _)| running == id);
        let due = self.shared.rules().due(now_ms, running);
        for work in due {
            let key = (work.id.clone(), work.generation);
            let (snapshot, turns, tick) = (Arc::clone(snapshot), Arc::clone(&self.turns), self.tick);
            let handle = self.evaluations.spawn(async move {
                let _turn = turns.acquire_owned().await;
                let evaluated = tokio::task::spawn_blocking(move || evaluate(work, &snapshot, tick, at_ns)).await;
                evaluated.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
            });
            self.running.insert(handle.id(), key);
        }
    }

    async fn collect(&mut self, at_ns: i64) {
        let patience = Instant::now() + PATIENCE;
        while let Ok(Some(ended)) = timeout_at(patience, self.evaluations.join_next_with_id()).await {
            let finished = match ended {
                Ok((id, finished)) => {
                    self.running.remove(&id);
                    finished
                }
                Err(error) => {
                    // A bug of the host's, met by this rule: its breaker keeps it away, everything else goes on.
                    tracing::error!("evaluating a rule failed in the host: {error}");
                    let Some((id, generation)) = self.running.remove(&error.id()) else { continue };
                    crashed(id, generation, self.tick, at_ns)
                }
            };
            self.settle(finished);
        }
    }

    fn settle(&mut self, finished: Finished) {
        let now_ms = u64::try_from(self.shared.now_ns() / 1_000_000).unwrap_or_default();
        let after = self.shared.rules().finish(&finished, now_ms);
        if let Some(kv) = after.kv {
            self.recorder.kv(finished.id.clone(), kv);
        }
        if let Some(generation) = after.demoted {
            self.recorder.demotion(finished.id.clone(), generation);
        }
        if !finished.record.is_empty() {
            let Finished { id, tick, at_ns, record, .. } = finished;
            self.recorder.tick(TickRow { plugin_id: id, tick, at_ns, body: record });
        }
    }

    fn decide(&mut self, snapshot: &Snapshot) -> Answer {
        let proposals = self.shared.rules().proposals(snapshot.now_ms);
        let question = Question {
            now_ms: snapshot.now_ms,
            snapshot,
            proposals: &proposals,
            enforcement: self.shared.enforcement(),
        };
        let answer = self.arbiter.arbitrate(&question);
        let mut refusals: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for refusal in &answer.refused {
            refusals.entry(refusal.rule.id.to_string()).or_default().push(refusal.reason.clone());
        }
        self.shared.rules().note_refusals(&refusals, view::timestamp_ms(snapshot.now_ms), self.tick);
        answer
    }

    /// Enforcers first, then the records: decisions must not wait for the store.
    fn tell(&mut self, answer: &Answer, now_ns: i64) {
        let now = Instant::now();
        let counted_ns = u64::try_from(now_ns).unwrap_or_default();
        let mut current = BTreeMap::new();
        let mut ended = Vec::new();
        let mut leases: ByService<Vec<Lease>> = ByService::new();
        for decision in &answer.decisions {
            let record = self.record(decision, now, counted_ns);
            if decision.state == State::InForce {
                let service = view::service_key(&decision.target.service);
                leases.entry(service).or_default().push(lease(decision, &record, now));
            }
            self.recorder.decision(view::row(&record, decision.state == State::Ended));
            if decision.state == State::Ended {
                ended.push(record);
            } else {
                current.insert(record.id.clone(), record);
            }
        }
        self.shared.table.replace(leases, now);
        self.show_usage(answer, now, counted_ns);
        self.shared.history.replace(current, ended);
    }

    fn record(&self, decision: &Decision, now: Instant, now_ns: u64) -> api::DecisionRecord {
        let service = view::service_key(&decision.target.service);
        let usage = self.shared.usage();
        let enforced = decision.state == State::InForce;
        let applies = |revision: &str| enforced && self.shared.table.applies(&service, revision, now);
        let of = Circumstances {
            tick: self.tick,
            now_ms: now_ns / 1_000_000,
            instances_applied: usage.applied(&service, &applies, now_ns),
            instances_enforcing: usage.enforcing(&service, now_ns),
        };
        view::record(decision, self.shared.history.get(&decision.id), &of)
    }

    fn show_usage(&self, answer: &Answer, now: Instant, now_ns: u64) {
        let reasons: ByService<Arc<str>> = answer
            .decisions
            .iter()
            .filter(|decision| decision.state == State::InForce)
            .map(|decision| (view::service_key(&decision.target.service), Arc::from(decision.reason.as_str())))
            .collect();
        let usage = self.shared.usage();
        let shown = usage.services().filter_map(|service| {
            let applies = |revision: &str| self.shared.table.applies(service, revision, now);
            let signals = usage.usage(service, &applies, reasons.get(service).cloned(), now_ns)?;
            Some((service.clone(), signals))
        });
        let shown = shown.collect();
        drop(usage);
        self.world.show_usage(shown);
    }

    /// Sends what people look at, when it says something new.
    fn publish(&mut self) {
        let decisions = serde_json::to_string(&self.shared.history.list());
        let plugins = serde_json::to_string(&api::PluginList { plugins: self.shared.rules().list() });
        for (event, json) in [("decisions", decisions), ("plugins", plugins)] {
            let json: Arc<str> = json.expect("lists of ours are plain text and finite numbers").into();
            if self.published.get(event) != Some(&json) {
                self.published.insert(event, Arc::clone(&json));
                self.world.publish(event, json);
            }
        }
    }
}

/// On a blocking thread.
fn evaluate(work: Work, snapshot: &Snapshot, tick: u64, at_ns: i64) -> Finished {
    let evaluation = work.rule.evaluate(snapshot, &work.configuration, &work.kv);
    let record = evaluation.record(snapshot.clone(), work.configuration, &work.kv).encode();
    Finished { id: work.id, generation: work.generation, evaluation, tick, at_ns, record }
}

fn crashed(id: String, generation: u64, tick: u64, at_ns: i64) -> Finished {
    let evaluation = Evaluation {
        outcome: Outcome::Trapped { message: "the host failed while it ran; the server's log says more".into() },
        fuel: 0,
        elapsed: Duration::ZERO,
        logs: Vec::new(),
        logs_dropped: 0,
        metrics: Vec::new(),
        metrics_dropped: 0,
        kv_after: None,
    };
    Finished { id, generation, evaluation, tick, at_ns, record: Vec::new() }
}

/// One instance's part of a decision.
fn lease(decision: &Decision, record: &api::DecisionRecord, now: Instant) -> Lease {
    let directive = api::Directive {
        id: decision.id.to_string(),
        r#match: view::matches(&decision.target, decision.class, Kind::of(&decision.action)),
        action: view::action(&share(&decision.action, record.instances_enforcing)),
        ttl_ms: decision.ttl_ms,
        on_expiry: api::OnExpiry::Admit,
        retry_after_ms: decision.retry_after_ms,
        reason: decision.reason.clone(),
        by: view::author(record),
    };
    Lease { directive, ends_at: now + Duration::from_millis(decision.ttl_ms.into()) }
}
