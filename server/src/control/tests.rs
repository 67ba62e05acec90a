#![expect(clippy::unwrap_used, reason = "a test may panic")]
//! The loop with doubles of its neighbours: a store in memory that can fail, a map that stands still, rules of a line of code.

use std::{
    sync::{Condvar, atomic::AtomicI64},
    time::Duration,
};

use spillway_model::{
    rule::{Action, Criticality, Directive, Manifest, Outcome, ServiceId, Snapshot, Target},
    topology::{Map, UsageSignals},
};
use spillway_plugin_host::{Evaluation, Kv};
use spillway_store::{
    AuditEntry, DecisionRow, InsertedPlugin, PluginRow, PluginSetting, RuleMode, StoreError, TickRow,
};
use tokio::time::{Instant, sleep};

use super::*;

/// What the store was told.
#[derive(Default)]
pub(crate) struct Stored {
    plugins: BTreeMap<String, (PluginRow, Vec<u8>)>,
    builtin: BTreeMap<String, PluginSetting>,
    kv: BTreeMap<String, Vec<(String, Vec<u8>)>>,
    audit: Vec<AuditEntry>,
    decisions: BTreeMap<String, DecisionRow>,
    ticks: Vec<TickRow>,
}

#[derive(Clone, Default)]
pub(crate) struct MemoryStore {
    stored: Arc<Mutex<Stored>>,
    away: Arc<AtomicBool>,
}

impl MemoryStore {
    fn get(&self) -> Result<MutexGuard<'_, Stored>, StoreError> {
        if self.away.load(Ordering::Relaxed) {
            let source = std::io::Error::other("unplugged").into();
            return Err(StoreError::Io { action: "write".into(), source });
        }
        Ok(self.stored.lock().unwrap())
    }
}

impl ControlStore for MemoryStore {
    async fn insert_plugin(
        &self,
        row: &PluginRow,
        wasm: &[u8],
        audit: &AuditEntry,
    ) -> Result<InsertedPlugin, StoreError> {
        let mut stored = self.get()?;
        stored.audit.push(audit.clone());
        stored.plugins.insert(row.id.clone(), (row.clone(), wasm.to_vec()));
        Ok(InsertedPlugin::New)
    }

    async fn plugins(&self) -> Result<Vec<PluginRow>, StoreError> {
        Ok(self.get()?.plugins.values().map(|(row, _)| row.clone()).collect())
    }

    async fn plugin_wasm(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.get()?.plugins.get(id).map(|(_, wasm)| wasm.clone()))
    }

    async fn builtin_settings(&self) -> Result<Vec<(String, PluginSetting)>, StoreError> {
        Ok(self.get()?.builtin.clone().into_iter().collect())
    }

    async fn set_plugin(
        &self,
        id: &str,
        setting: &PluginSetting,
        audit: &AuditEntry,
    ) -> Result<Option<Vec<String>>, StoreError> {
        let mut stored = self.get()?;
        stored.audit.push(audit.clone());
        if id.starts_with("builtin:") {
            stored.builtin.insert(id.into(), setting.clone());
            return Ok(Some(Vec::new()));
        }
        let Some((row, _)) = stored.plugins.get_mut(id) else { return Ok(None) };
        row.setting = setting.clone();
        let name = row.name.clone();
        let mut retired = Vec::new();
        for (other, (row, _)) in &mut stored.plugins {
            if other != id
                && row.name == name
                && setting.mode == RuleMode::Active
                && row.setting.mode == RuleMode::Active
            {
                row.setting.mode = RuleMode::Off;
                retired.push(other.clone());
            }
        }
        Ok(Some(retired))
    }

    async fn delete_plugin(&self, id: &str, audit: &AuditEntry) -> Result<bool, StoreError> {
        let mut stored = self.get()?;
        stored.audit.push(audit.clone());
        Ok(stored.plugins.remove(id).is_some())
    }

    async fn plugin_kv(&self, id: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        Ok(self.get()?.kv.get(id).cloned().unwrap_or_default())
    }

    async fn set_plugin_kv(&self, id: &str, kv: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        self.get()?.kv.insert(id.into(), kv.to_vec());
        Ok(())
    }

    async fn audit(&self, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        Ok(self.get()?.audit.iter().rev().take(limit as usize).cloned().collect())
    }
}

impl DecisionLog for MemoryStore {
    async fn record(&self, ticks: &[TickRow], decisions: &[DecisionRow]) -> Result<(), StoreError> {
        let mut stored = self.get()?;
        stored.ticks.extend_from_slice(ticks);
        stored.decisions.extend(decisions.iter().map(|row| (row.id.clone(), row.clone())));
        Ok(())
    }

    async fn decisions(&self, query: &DecisionQuery) -> Result<Vec<DecisionRow>, StoreError> {
        let mut rows: Vec<DecisionRow> = self.get()?.decisions.values().cloned().collect();
        rows.sort_by(|a, b| (b.began_at_ns, &b.id).cmp(&(a.began_at_ns, &a.id)));
        rows.retain(|row| query.service.as_ref().is_none_or(|service| *service == row.service));
        rows.retain(|row| query.before.as_ref().is_none_or(|before| (row.began_at_ns, row.id.clone()) < *before));
        rows.truncate(query.limit as usize);
        Ok(rows)
    }

    async fn decision(&self, id: &str) -> Result<Option<DecisionRow>, StoreError> {
        Ok(self.get()?.decisions.get(id).cloned())
    }

    async fn ticks(&self, plugin_id: &str, _: i64, _: i64, _: u32) -> Result<Vec<TickRow>, StoreError> {
        Ok(self.get()?.ticks.iter().filter(|row| row.plugin_id == plugin_id).cloned().collect())
    }
}

/// A map without nodes: services come from usage reports.
#[derive(Clone, Default)]
pub(crate) struct Still {
    shown: Arc<Mutex<ByService<UsageSignals>>>,
    published: Arc<Mutex<BTreeMap<&'static str, String>>>,
}

impl World for Still {
    fn map(&self) -> Arc<Map> {
        Arc::default()
    }

    fn show_usage(&self, usage: Vec<(ServiceKey, UsageSignals)>) {
        self.shown.lock().unwrap().extend(usage);
    }

    fn publish(&self, event: &'static str, json: Arc<str>) {
        self.published.lock().unwrap().insert(event, json.to_string());
    }
}

/// What a rule of these tests does, by the text that was "uploaded".
struct Script(String);

/// Holds slow rules until the test lets them go.
static GATE: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

fn evaluation(outcome: Outcome) -> Evaluation {
    Evaluation {
        outcome,
        fuel: 7,
        elapsed: Duration::from_millis(1),
        logs: Vec::new(),
        logs_dropped: 0,
        metrics: Vec::new(),
        metrics_dropped: 0,
        kv_after: None,
    }
}

impl Rule for Script {
    fn evaluate(&self, snapshot: &Snapshot, configuration: &str, kv: &Kv) -> Evaluation {
        let first: Option<&str> = self.0.split(' ').nth(1);
        match first {
            Some("crash") => panic!("as the test wants"),
            Some("trap") => evaluation(Outcome::Trapped { message: "unreachable".into() }),
            Some("wait") => {
                let mut open = GATE.0.lock().unwrap();
                while !*open {
                    open = GATE.1.wait(open).unwrap();
                }
                evaluation(Outcome::Proposed { directives: Vec::new() })
            }
            Some("trap-on-config") if configuration == "trap" => {
                evaluation(Outcome::Trapped { message: "config".into() })
            }
            _ => {
                let ratio = if configuration == "calm" { None } else { Some(0.5) };
                let wish = |target: &Target| Directive {
                    target: target.clone(),
                    class: Criticality::Critical,
                    action: Action::AdmitRatio(ratio.unwrap_or(1.0)),
                    ttl_ms: 5_000,
                    retry_after_ms: None,
                    reason: "too much".into(),
                };
                let mut directives: Vec<Directive> =
                    snapshot.signals.iter().filter(|_| ratio.is_some()).map(|signals| wish(&signals.target)).collect();
                if first == Some("elsewhere") {
                    directives =
                        vec![wish(&Target::service(ServiceId { name: "nobody".into(), ..ServiceId::default() }))];
                }
                let runs = kv.get("runs").and_then(|bytes| bytes.first().copied()).unwrap_or(0);
                Evaluation {
                    kv_after: Kv::from_entries([("runs".to_owned(), vec![runs.saturating_add(1)])]).ok(),
                    ..evaluation(Outcome::Proposed { directives })
                }
            }
        }
    }

    fn check(&self, configuration: &str) -> Result<(), String> {
        if configuration.starts_with('!') { Err("no exclamation marks".into()) } else { Ok(()) }
    }
}

#[derive(Clone, Default)]
pub(crate) struct Scripts;

impl Loader for Scripts {
    async fn load(&self, wasm: &[u8]) -> Result<Loaded, LoadFailure> {
        let text = String::from_utf8_lossy(wasm).into_owned();
        let Some(name) = text.strip_prefix("rule:").and_then(|rest| rest.split(' ').next()).map(str::to_owned) else {
            return Err(LoadFailure::Rejected("this is not WebAssembly: it is text".into()));
        };
        let manifest = Manifest {
            name,
            version: "1".into(),
            description: "a rule of a test".into(),
            config_schema: "{}".into(),
            tick_ms: 1_000,
        };
        Ok(Loaded { rule: Arc::new(Script(text)), manifest, configuration: "{}".into() })
    }
}

pub(crate) struct Harness {
    pub(crate) control: Control,
    pub(crate) store: MemoryStore,
    world: Still,
    tasks: TaskTracker,
    stop: CancellationToken,
    seq: u64,
}

/// 2026-01-01, and on with tokio's clock.
fn clock() -> Clock {
    let began_at = Instant::now();
    let base = AtomicI64::new(1_767_225_600_000_000_000);
    Arc::new(move || base.load(Ordering::Relaxed) + i64::try_from(began_at.elapsed().as_nanos()).unwrap())
}

impl Harness {
    pub(crate) async fn start() -> Self {
        Self::with(MemoryStore::default()).await
    }

    async fn with(store: MemoryStore) -> Self {
        let (world, tasks, stop) = (Still::default(), TaskTracker::new(), CancellationToken::new());
        let control = start_with(store.clone(), world.clone(), Scripts, clock(), &tasks, stop.clone()).await.unwrap();
        // What tests look at is then half a second after the last tick.
        sleep(Duration::from_millis(500)).await;
        Self { control, store, world, tasks, stop, seq: 0 }
    }

    async fn stop(self) -> MemoryStore {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.store
    }

    pub(crate) async fn upload(&self, text: &str) -> api::Plugin {
        match self.control.upload(Bytes::from(format!("rule:{text}")), "admin").await.unwrap() {
            Uploaded::New(plugin) | Uploaded::Known(plugin) => plugin,
        }
    }

    async fn run(&self, text: &str, mode: api::PluginMode) -> String {
        let id = self.upload(text).await.id;
        self.control.set_mode(&id, mode, "admin").await.unwrap();
        id
    }

    /// Lets seconds go by, with a report of two instances in each.
    async fn seconds(&mut self, count: u64) {
        for _ in 0..count {
            self.seq += 1;
            for instance in ["a", "b"] {
                self.control.receive(&report(instance, self.seq, &self.control.revision(&service()))).unwrap();
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    fn plugin(&self, id: &str) -> api::Plugin {
        self.control.plugins().plugins.into_iter().find(|plugin| plugin.id == id).unwrap()
    }

    fn directives(&self) -> Vec<api::Directive> {
        match self.control.shared.table.current(&service(), None) {
            Fetched::Set(set) => set.directives,
            Fetched::Unchanged { .. } => Vec::new(),
        }
    }

    fn decisions(&self) -> Vec<api::DecisionRecord> {
        self.control.shared.history.list().decisions
    }
}

fn service() -> ServiceKey {
    ServiceKey::new("prod", "shop", "checkout")
}

pub(crate) fn report(instance: &str, seq: u64, revision: &str) -> api::UsageReport {
    let row = api::RouteUsage {
        class: api::Criticality::Critical,
        route: "/".into(),
        offered: seq * 100,
        admitted: seq * 100,
        shed: 0,
        ok: seq * 50,
        failed: seq * 50,
        timed_out: 0,
        relayed: 0,
        latency: api::HistogramWire { scale: 4, count: seq, sum_ms: 20.0, zero: 0, buckets: vec![(69, seq * 100)] },
    };
    api::UsageReport {
        environment: "prod".into(),
        namespace: "shop".into(),
        service: "checkout".into(),
        instance: instance.into(),
        boot: "1".into(),
        seq,
        at: api::Timestamp::default(),
        revision: revision.into(),
        ignored: Vec::new(),
        in_flight: 3,
        in_flight_limit: None,
        queue_wait_ms: None,
        usage: vec![row],
        shed_samples: Vec::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_active_rule_reaches_enforcers_step_by_step_and_lets_go_when_switched_off() {
    let mut harness = Harness::start().await;
    harness.seconds(3).await;
    let id = harness.run("guard", api::PluginMode::Active).await;

    harness.seconds(1).await;
    let first = harness.directives();
    harness.seconds(3).await;
    let settled = harness.directives();

    assert_eq!(first[0].action, api::Action::AdmitRatio { ratio: 0.6 });
    assert_eq!(settled[0].action, api::Action::AdmitRatio { ratio: 0.5 });
    assert_eq!(first[0].id, settled[0].id);
    assert_eq!(settled[0].r#match.class, Some(api::Criticality::Critical));
    assert_eq!(
        settled[0].by,
        api::Author::Rule { plugin: "guard".into(), version: "1".into(), mode: api::PluginMode::Active }
    );
    let decision = &harness.decisions()[0];
    assert_eq!(
        (decision.state, decision.instances_enforcing, decision.instances_applied),
        (api::DecisionState::InForce, 2, 2)
    );
    assert_eq!(harness.plugin(&id).last_outcome.unwrap().message, "too much");
    let shown = harness.world.shown.lock().unwrap()[&service()].clone();
    assert_eq!((shown.instances_enforcing, shown.reason.as_deref()), (2, Some("too much")));

    harness.control.set_mode(&id, api::PluginMode::Off, "admin").await.unwrap();
    harness.seconds(4).await;

    assert_eq!(harness.directives(), []);
    let ended = harness.decisions()[0].clone();
    assert_eq!((ended.state, ended.contributions.len()), (api::DecisionState::Ended, 1));
    let store = harness.stop().await;
    let stored = store.stored.lock().unwrap();
    assert!(stored.decisions.values().all(|row| row.ended), "{:?}", stored.decisions.keys());
    assert!(stored.ticks.iter().all(|row| row.plugin_id == id));
    let record = spillway_model::rule::record::TickRecord::decode(&stored.ticks[0].body).unwrap();
    assert_eq!((record.fuel, record.snapshot.signals.len()), (7, 1));
    assert_eq!(
        stored.audit.iter().map(|entry| entry.action.as_str()).collect::<Vec<_>>(),
        ["plugin.upload", "plugin.mode", "plugin.mode"]
    );
    assert_eq!(stored.kv[&id][0].0, "runs");
}

#[tokio::test(start_paused = true)]
async fn a_shadow_rule_is_recorded_and_not_enforced() {
    let mut harness = Harness::start().await;
    harness.run("guard", api::PluginMode::Shadow).await;

    harness.seconds(5).await;

    assert_eq!(harness.directives(), []);
    assert_eq!(harness.decisions()[0].state, api::DecisionState::Shadow);
    let published = harness.world.published.lock().unwrap();
    let list: api::DecisionList = serde_json::from_str(&published["decisions"]).unwrap();
    assert_eq!(list.decisions[0].state, api::DecisionState::Shadow);
    let plugins: api::PluginList = serde_json::from_str(&published["plugins"]).unwrap();
    assert_eq!(
        plugins.plugins.iter().map(|plugin| plugin.name.as_str()).collect::<Vec<_>>(),
        ["guard", "adaptive-throttle", "concurrency-gradient"]
    );
}

#[tokio::test(start_paused = true)]
async fn built_in_rules_protect_before_the_first_upload() {
    let mut harness = Harness::start().await;
    harness.control.set_mode("builtin:adaptive-throttle", api::PluginMode::Active, "anonymous").await.unwrap();

    harness.seconds(6).await;

    // Half of what is offered succeeds, and 1.3 times that is admitted.
    let api::Action::AdmitRatio { ratio } = harness.directives()[0].action else { panic!("a ratio") };
    assert!((0.6..0.7).contains(&ratio), "{ratio}");
}

#[tokio::test(start_paused = true)]
async fn decisions_go_on_while_the_store_is_away_and_are_stored_when_it_is_back() {
    let mut harness = Harness::start().await;
    let id = harness.run("guard", api::PluginMode::Active).await;
    harness.store.away.store(true, Ordering::Relaxed);

    harness.seconds(6).await;

    assert_eq!(harness.directives().len(), 1);
    assert!(harness.control.shared.counters.record_failures.load(Ordering::Relaxed) >= 3);
    let refused = harness.control.set_mode(&id, api::PluginMode::Off, "admin").await;
    assert!(matches!(refused, Err(ControlError::Store(_))), "{refused:?}");
    assert_eq!(harness.plugin(&id).mode, api::PluginMode::Active, "memory changes only after the commit");

    harness.store.away.store(false, Ordering::Relaxed);
    harness.seconds(3).await;
    let stored = harness.store.stored.lock().unwrap();
    assert_eq!(stored.decisions.len(), 1);
    assert!(stored.ticks.len() >= 8, "{}", stored.ticks.len());
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_keeps_failing_is_paused_and_then_put_back_to_shadow_by_the_guard() {
    let mut harness = Harness::start().await;
    let id = harness.run("bad trap", api::PluginMode::Active).await;

    harness.seconds(4).await;
    let paused = harness.plugin(&id);
    assert_eq!(paused.breaker.state, api::BreakerState::Open);
    assert_eq!(paused.last_outcome.unwrap().outcome, "trapped");

    harness.seconds(40).await;
    let demoted = harness.plugin(&id);
    assert_eq!((demoted.mode, demoted.demoted), (api::PluginMode::Shadow, true));
    let stored = harness.store.stored.lock().unwrap();
    let last = stored.audit.last().unwrap();
    assert_eq!((last.actor.as_str(), last.object.as_str()), ("guard", id.as_str()));
    assert_eq!(stored.plugins[&id].0.setting.mode, RuleMode::Shadow);
}

#[tokio::test(start_paused = true)]
async fn a_crash_of_the_host_costs_one_rule_not_the_loop() {
    let mut harness = Harness::start().await;
    let bad = harness.run("bad crash", api::PluginMode::Active).await;
    harness.run("guard", api::PluginMode::Active).await;

    harness.seconds(6).await;

    assert_eq!(harness.plugin(&bad).last_outcome.unwrap().outcome, "trapped");
    assert_eq!(harness.directives().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_failing_rule_asked_for_before_runs_out_with_its_lease() {
    let mut harness = Harness::start().await;
    let id = harness.run("guard trap-on-config", api::PluginMode::Active).await;
    harness.seconds(4).await;
    assert_eq!(harness.directives()[0].action, api::Action::AdmitRatio { ratio: 0.5 });

    harness.control.set_config(&id, "trap".into(), "admin").await.unwrap();
    harness.seconds(3).await;
    assert_eq!(harness.directives()[0].action, api::Action::AdmitRatio { ratio: 0.5 }, "its lease holds");
    harness.seconds(6).await;

    assert_eq!(harness.directives(), []);
}

#[tokio::test(start_paused = true)]
async fn a_configuration_that_the_rule_refuses_changes_nothing() {
    let harness = Harness::start().await;
    let id = harness.upload("guard").await.id;

    let refused = harness.control.set_config(&id, "!".into(), "admin").await.unwrap_err();

    assert!(refused.to_string().contains("no exclamation marks"), "{refused}");
    assert_eq!(harness.plugin(&id).config, "{}");
    assert!(matches!(harness.control.set_config("nobody", "{}".into(), "admin").await, Err(ControlError::NotFound(_))));
}

#[tokio::test(start_paused = true)]
async fn activating_a_version_retires_the_other_and_uploading_twice_changes_nothing() {
    let harness = Harness::start().await;
    let first = harness.run("guard one", api::PluginMode::Active).await;
    let second = harness.run("guard two", api::PluginMode::Active).await;

    assert_eq!(
        (harness.plugin(&first).mode, harness.plugin(&second).mode),
        (api::PluginMode::Off, api::PluginMode::Active)
    );
    assert_eq!(harness.upload("guard one").await.id, first);
    assert_eq!(harness.store.stored.lock().unwrap().plugins.len(), 2);
    assert!(matches!(harness.control.delete(&second, "admin").await, Err(ControlError::Conflict(_))));
    harness.control.delete(&first, "admin").await.unwrap();
    assert!(matches!(harness.control.delete(&first, "admin").await, Err(ControlError::NotFound(_))));
    assert!(matches!(
        harness.control.delete("builtin:adaptive-throttle", "admin").await,
        Err(ControlError::Conflict(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_the_rules_run_as_they_were() {
    let mut harness = Harness::start().await;
    let id = harness.run("guard", api::PluginMode::Active).await;
    harness.control.set_mode("builtin:concurrency-gradient", api::PluginMode::Shadow, "admin").await.unwrap();
    harness.seconds(4).await;
    let store = harness.stop().await;

    let mut harness = Harness::with(store).await;
    harness.seconds(5).await;

    assert_eq!(harness.plugin(&id).mode, api::PluginMode::Active);
    assert_eq!(harness.plugin("builtin:concurrency-gradient").mode, api::PluginMode::Shadow);
    let runs = harness.store.stored.lock().unwrap().kv[&id][0].1[0];
    assert!(runs >= 6, "it remembers over the restart: {runs}");
}

#[tokio::test(start_paused = true)]
async fn a_service_stays_protected_over_a_restart() {
    let mut harness = Harness::start().await;
    harness.run("guard", api::PluginMode::Active).await;
    harness.seconds(4).await;
    let before = harness.directives();
    assert_eq!(before[0].action, api::Action::AdmitRatio { ratio: 0.5 });
    let store = harness.stop().await;

    let mut harness = Harness::with(store).await;
    for second in 0..8 {
        let now = harness.directives();
        assert_eq!(
            (&now[0].id, &now[0].action, &now[0].by),
            (&before[0].id, &before[0].action, &before[0].by),
            "{second}"
        );
        assert!(now[0].ttl_ms > 500, "{second}: {}", now[0].ttl_ms);
        harness.seconds(1).await;
    }
    assert_eq!(harness.decisions()[0].id, before[0].id);
}

#[tokio::test(start_paused = true)]
async fn a_decision_whose_rule_does_not_come_back_is_released_step_by_step() {
    let mut harness = Harness::start().await;
    let id = harness.run("guard", api::PluginMode::Active).await;
    harness.seconds(4).await;
    let before = harness.directives()[0].id.clone();
    let store = harness.stop().await;
    store.stored.lock().unwrap().plugins.remove(&id);

    let mut harness = Harness::with(store).await;
    let mut ratios = Vec::new();
    for _ in 0..8 {
        harness.seconds(1).await;
        ratios.extend(harness.directives().first().map(|directive| match directive.action {
            api::Action::AdmitRatio { ratio } => ratio,
            _ => 0.0,
        }));
    }

    assert_eq!(ratios, [0.5, 0.5, 0.7, 0.9]);
    let listed = harness.control.decisions(DecisionQuery { limit: 10, ..DecisionQuery::default() }).await.unwrap();
    assert_eq!((&listed.decisions[0].id, listed.decisions[0].state), (&before, api::DecisionState::Ended));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_considered_stands_in_the_log_of_the_rule_once() {
    let mut harness = Harness::start().await;
    let id = harness.run("lost elsewhere", api::PluginMode::Active).await;

    harness.seconds(5).await;

    let lines = harness.control.logs(&id).unwrap().lines;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].message.contains("there is no service nobody"), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn the_kill_switch_stops_everything_at_the_next_tick() {
    let mut harness = Harness::start().await;
    harness.run("guard", api::PluginMode::Active).await;
    harness.seconds(4).await;
    assert_eq!(harness.directives().len(), 1);

    harness.control.set_enforcement(Enforcement::Killed);
    harness.seconds(1).await;

    assert_eq!(harness.directives(), []);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_brings_a_decision_at_once_and_ends_with_the_server() {
    let mut harness = Harness::start().await;
    harness.seconds(3).await;
    let control = harness.control.clone();
    let known = control.revision(&service());
    let poll = tokio::spawn(async move { control.directives(&service(), Some(&known), Duration::from_secs(25)).await });
    harness.run("guard", api::PluginMode::Active).await;
    harness.seconds(2).await;

    let Fetched::Set(set) = poll.await.unwrap() else { panic!("a change") };
    assert_eq!(set.directives.len(), 1);

    let (control, other) = (harness.control.clone(), ServiceKey::new("", "", "other"));
    let known = control.revision(&other);
    let poll = tokio::spawn(async move { control.directives(&other, Some(&known), Duration::from_secs(25)).await });
    sleep(Duration::from_millis(10)).await;
    let began_at = Instant::now();
    harness.stop().await;
    assert!(matches!(poll.await.unwrap(), Fetched::Unchanged { .. }));
    assert!(began_at.elapsed() < Duration::from_secs(1));
}

/// Real time: a paused clock stands still while a thread blocks.
#[tokio::test]
async fn a_rule_that_is_slow_does_not_hold_up_the_others() {
    let harness = Harness::start().await;
    let slow = harness.run("slow wait", api::PluginMode::Active).await;
    let mut harness = harness;
    harness.run("guard", api::PluginMode::Active).await;

    harness.seconds(4).await;

    assert_eq!(harness.directives().len(), 1);
    assert_eq!(harness.plugin(&slow).last_outcome, None);
    *GATE.0.lock().unwrap() = true;
    GATE.1.notify_all();
    harness.seconds(2).await;
    assert_eq!(harness.plugin(&slow).last_outcome.unwrap().outcome, "proposed");
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_is_no_rule_says_why() {
    let harness = Harness::start().await;

    let refused = harness.control.upload(Bytes::from_static(b"hello"), "admin").await.unwrap_err();

    assert_eq!(refused.to_string(), "the upload was rejected: this is not WebAssembly: it is text");
}

#[tokio::test(start_paused = true)]
async fn a_decision_is_found_by_what_a_rejected_request_carries() {
    let mut harness = Harness::start().await;
    harness.run("guard", api::PluginMode::Active).await;
    harness.seconds(4).await;
    let id = harness.directives()[0].id.clone();

    assert_eq!(harness.control.decision(&format!("{id}.x7k2pq")).await.unwrap().id, id);
    assert!(matches!(harness.control.decision("d-nothing").await, Err(ControlError::NotFound(_))));
}
