//! All rules and what is known of each: its settings, its memory, its breaker, its last words, and what it asks for.

use std::{collections::BTreeMap, sync::Arc};

use spillway_api as api;
use spillway_model::{
    arbitrate::{Mode, Proposal, RuleRef, TTL_MAX_MS, TTL_MIN_MS},
    builtin::Builtin,
    rule::{Directive, Outcome},
};
use spillway_plugin_host::{Evaluation, Kv, default_configuration};
use spillway_store::{ControlStore, PluginRow, PluginSetting, RuleMode, StoreError};

use super::{
    breaker::{Breaker, Verdict},
    logs::Logs,
    rule::{NativeRule, Rule},
    view,
};

/// A tick that comes a little early must not skip a rule that wants one a second.
const EARLY_MS: u64 = 100;

/// What a rule asked for, and until when.
#[derive(Clone, Debug)]
struct Lease {
    directive: Directive,
    ends_ms: u64,
}

/// One rule.
pub(super) struct RuleState {
    pub(super) row: PluginRow,
    pub(super) builtin: bool,
    /// Changes with every setting: what an older one still computes is not obeyed.
    pub(super) generation: u64,
    /// `None` while its code is compiled after a start, or when that failed.
    pub(super) rule: Option<Arc<dyn Rule>>,
    /// Why there is none.
    pub(super) load_error: Option<String>,
    pub(super) logs: Logs,
    kv: Kv,
    breaker: Breaker,
    last: Option<api::PluginOutcome>,
    leases: Vec<Lease>,
    refused: Vec<String>,
    due_ms: u64,
}

/// One evaluation to do.
pub(super) struct Work {
    pub(super) id: String,
    pub(super) generation: u64,
    pub(super) rule: Arc<dyn Rule>,
    pub(super) configuration: String,
    pub(super) kv: Kv,
}

/// One evaluation that is done.
pub(super) struct Finished {
    pub(super) id: String,
    pub(super) generation: u64,
    pub(super) evaluation: Evaluation,
    pub(super) tick: u64,
    pub(super) at_ns: i64,
    /// The record of the tick, encoded.
    pub(super) record: Vec<u8>,
}

/// What has to be stored after an evaluation.
#[derive(Default)]
pub(super) struct After {
    /// Its memory changed.
    pub(super) kv: Option<Vec<(String, Vec<u8>)>>,
    /// The guard put it back to shadow, by this generation.
    pub(super) demoted: Option<u64>,
}

/// All of them, by id.
#[derive(Default)]
pub(super) struct Rules {
    rules: BTreeMap<String, RuleState>,
}

impl RuleState {
    pub(super) fn new(row: PluginRow, builtin: bool, rule: Option<Arc<dyn Rule>>, kv: Kv) -> Self {
        Self {
            row,
            builtin,
            generation: 0,
            rule,
            load_error: None,
            logs: Logs::default(),
            kv,
            breaker: Breaker::default(),
            last: None,
            leases: Vec::new(),
            refused: Vec::new(),
            due_ms: 0,
        }
    }

    /// A person's setting: it starts with a clean slate.
    pub(super) fn set(&mut self, setting: PluginSetting) {
        self.generation += 1;
        self.breaker = Breaker::default();
        self.due_ms = 0;
        if setting.mode == RuleMode::Off {
            self.leases.clear();
        }
        self.row.setting = setting;
    }

    pub(super) fn view(&self) -> api::Plugin {
        let retry_at = self.breaker.retry_at_ms().map(view::timestamp_ms);
        let state = match retry_at {
            None => api::BreakerState::Closed,
            Some(_) if self.breaker.trying() => api::BreakerState::HalfOpen,
            Some(_) => api::BreakerState::Open,
        };
        let row = &self.row;
        let broken = self.load_error.as_ref().map(|message| api::PluginOutcome {
            at: api::Timestamp::from_unix_ns(row.uploaded_at_ns),
            outcome: "refused".into(),
            message: format!("it does not run: {message}"),
            directives: 0,
            fuel: 0,
            elapsed_us: 0,
        });
        api::Plugin {
            id: row.id.clone(),
            name: row.name.clone(),
            version: row.version.clone(),
            description: row.description.clone(),
            origin: if self.builtin { api::PluginOrigin::Builtin } else { api::PluginOrigin::Uploaded },
            mode: view::mode(row.setting.mode),
            size_bytes: row.size_bytes,
            uploaded_at: (!self.builtin).then(|| api::Timestamp::from_unix_ns(row.uploaded_at_ns)),
            config: row.setting.config.clone(),
            config_schema: row.config_schema.clone(),
            tick_ms: row.tick_ms,
            last_outcome: broken.or_else(|| self.last.clone()),
            breaker: api::PluginBreaker { state, failures: self.breaker.failures(), retry_at },
            demoted: row.setting.demoted,
        }
    }

    fn work(&mut self, now_ms: u64) -> Option<Work> {
        let rule = self.rule.as_ref()?;
        let due = self.row.setting.mode != RuleMode::Off && now_ms + EARLY_MS >= self.due_ms;
        if !due || !self.breaker.admit(now_ms) {
            return None;
        }
        self.due_ms = now_ms + u64::from(self.row.tick_ms);
        Some(Work {
            id: self.row.id.clone(),
            generation: self.generation,
            rule: Arc::clone(rule),
            configuration: self.row.setting.config.clone(),
            kv: self.kv.clone(),
        })
    }

    fn finish(&mut self, finished: &Finished, now_ms: u64) -> After {
        let Finished { evaluation, at_ns, tick, .. } = finished;
        let at = api::Timestamp::from_unix_ns(*at_ns);
        self.logs.add(evaluation, at, *tick);
        self.last = Some(outcome(evaluation, at));
        let mut after = After::default();
        if finished.generation != self.generation {
            return after;
        }
        if evaluation.outcome.faulty() {
            // What it asked for before runs out by itself.
            match self.breaker.failed(now_ms) {
                Verdict::Closed => {}
                Verdict::Opened => {
                    tracing::warn!(plugin.id = self.row.id, "rule {} keeps failing: paused", self.row.name)
                }
                Verdict::Demote => after.demoted = self.demote(),
            }
            return after;
        }
        self.breaker.succeeded();
        if let Outcome::Proposed { directives } = &evaluation.outcome {
            let lease = |directive: &Directive| {
                let ttl_ms = directive.ttl_ms.clamp(TTL_MIN_MS, TTL_MAX_MS);
                Lease { directive: directive.clone(), ends_ms: now_ms + u64::from(ttl_ms) }
            };
            self.leases = directives.iter().map(lease).collect();
        }
        if let Some(kv) = &evaluation.kv_after {
            self.kv = kv.clone();
            after.kv = Some(kv.to_entries());
        }
        after
    }

    /// Back to shadow at once, before the commit: here not to be obeyed any more is the safe side.
    fn demote(&mut self) -> Option<u64> {
        if self.row.setting.mode != RuleMode::Active {
            return None;
        }
        tracing::error!(plugin.id = self.row.id, "rule {} keeps failing: put back to shadow", self.row.name);
        self.row.setting.mode = RuleMode::Shadow;
        self.row.setting.demoted = true;
        self.leases.clear();
        self.generation += 1;
        Some(self.generation)
    }

    fn proposal(&self, now_ms: u64) -> Option<Proposal> {
        let mode = match self.row.setting.mode {
            RuleMode::Off => return None,
            RuleMode::Shadow => Mode::Shadow,
            RuleMode::Active => Mode::Active,
        };
        let live = self.leases.iter().filter(|lease| lease.ends_ms > now_ms);
        let directives = live.map(|lease| {
            // What is left of the lease. Its last second is not cut short further: a rail would have to say so.
            let left_ms = u32::try_from(lease.ends_ms - now_ms).unwrap_or(u32::MAX);
            Directive { ttl_ms: left_ms.max(TTL_MIN_MS), ..lease.directive.clone() }
        });
        let rule = RuleRef {
            id: self.row.id.as_str().into(),
            name: self.row.name.as_str().into(),
            version: self.row.version.as_str().into(),
        };
        Some(Proposal { rule, mode, directives: directives.collect() })
    }
}

fn outcome(evaluation: &Evaluation, at: api::Timestamp) -> api::PluginOutcome {
    let directives = evaluation.outcome.directives();
    let message = match (&evaluation.outcome, directives.first()) {
        (Outcome::Proposed { .. }, None) => "asks for nothing".to_owned(),
        (Outcome::Proposed { .. }, Some(first)) => first.reason.clone(),
        (other, _) => other.message().unwrap_or_default().to_owned(),
    };
    api::PluginOutcome {
        at,
        // The contract writes with hyphens, the API with underscores.
        outcome: evaluation.outcome.as_str().replace('-', "_"),
        message,
        directives: u32::try_from(directives.len()).unwrap_or(u32::MAX),
        fuel: evaluation.fuel,
        elapsed_us: u64::try_from(evaluation.elapsed.as_micros()).unwrap_or(u64::MAX),
    }
}

impl Rules {
    /// All rules of the store and the built-in ones. The code of uploaded ones is not loaded yet.
    pub(super) async fn read(store: &impl ControlStore) -> Result<Self, StoreError> {
        let mut rules = Self::default();
        for row in store.plugins().await? {
            let kv = kv(&row.id, store.plugin_kv(&row.id).await?);
            rules.insert(RuleState::new(row, false, None, kv));
        }
        let settings: BTreeMap<String, PluginSetting> = store.builtin_settings().await?.into_iter().collect();
        for builtin in Builtin::ALL {
            let (id, manifest) = (builtin.id(), builtin.manifest());
            let defaults = default_configuration(&manifest.config_schema).unwrap_or_else(|_| "{}".into());
            let setting = settings.get(&id).cloned().unwrap_or(PluginSetting {
                mode: RuleMode::Off,
                config: defaults,
                demoted: false,
            });
            let kv = kv(&id, store.plugin_kv(&id).await?);
            let row = PluginRow {
                id,
                name: manifest.name,
                version: manifest.version,
                description: manifest.description,
                config_schema: manifest.config_schema,
                tick_ms: manifest.tick_ms,
                size_bytes: 0,
                uploaded_at_ns: 0,
                setting,
            };
            rules.insert(RuleState::new(row, true, Some(Arc::new(NativeRule(builtin))), kv));
        }
        Ok(rules)
    }

    /// Gives a rule back what it had asked for before a restart, if it still may ask.
    pub(super) fn restore(&mut self, id: &str, directive: Directive, ends_ms: u64) {
        if let Some(rule) = self.rules.get_mut(id) {
            rule.leases.push(Lease { directive, ends_ms });
        }
    }

    pub(super) fn insert(&mut self, rule: RuleState) {
        self.rules.insert(rule.row.id.clone(), rule);
    }

    pub(super) fn remove(&mut self, id: &str) {
        self.rules.remove(id);
    }

    pub(super) fn get(&self, id: &str) -> Option<&RuleState> {
        self.rules.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut RuleState> {
        self.rules.get_mut(id)
    }

    pub(super) fn uploaded(&self) -> usize {
        self.rules.values().filter(|rule| !rule.builtin).count()
    }

    /// Ids of rules whose code is not loaded, those that are needed first.
    pub(super) fn unloaded(&self) -> Vec<String> {
        let mut missing: Vec<&RuleState> = self.rules.values().filter(|rule| rule.rule.is_none()).collect();
        missing.sort_by_key(|rule| std::cmp::Reverse(rule.row.setting.mode));
        missing.into_iter().map(|rule| rule.row.id.clone()).collect()
    }

    /// Active first, then by name and time of upload.
    pub(super) fn list(&self) -> Vec<api::Plugin> {
        let mut list: Vec<api::Plugin> = self.rules.values().map(RuleState::view).collect();
        list.sort_by(|a, b| (b.mode, &a.name, a.uploaded_at, &a.id).cmp(&(a.mode, &b.name, b.uploaded_at, &b.id)));
        list
    }

    /// What has to run now, except for what still does.
    pub(super) fn due(&mut self, now_ms: u64, running: impl Fn(&str) -> bool) -> Vec<Work> {
        let idle = self.rules.values_mut().filter(|rule| !running(&rule.row.id));
        idle.filter_map(|rule| rule.work(now_ms)).collect()
    }

    /// Takes in how an evaluation ended.
    pub(super) fn finish(&mut self, finished: &Finished, now_ms: u64) -> After {
        self.rules.get_mut(&finished.id).map(|rule| rule.finish(finished, now_ms)).unwrap_or_default()
    }

    /// What all of them ask for now.
    pub(super) fn proposals(&self, now_ms: u64) -> Vec<Proposal> {
        self.rules.values().filter_map(|rule| rule.proposal(now_ms)).collect()
    }

    /// Writes into a rule's log what was not considered of its proposals, when that is something new.
    pub(super) fn note_refusals(&mut self, refusals: &BTreeMap<String, Vec<String>>, at: api::Timestamp, tick: u64) {
        for (id, rule) in &mut self.rules {
            let refused = refusals.get(id).cloned().unwrap_or_default();
            for reason in refused.iter().filter(|reason| !rule.refused.contains(reason)) {
                rule.logs.note(format!("not considered: {reason}"), at, tick);
            }
            rule.refused = refused;
        }
    }
}

/// A memory that breaks a limit was not written by us; the rule starts without it.
fn kv(id: &str, entries: Vec<(String, Vec<u8>)>) -> Kv {
    Kv::from_entries(entries).unwrap_or_else(|error| {
        tracing::warn!(plugin.id = id, "the stored memory of a rule is left out: {error}");
        Kv::default()
    })
}
