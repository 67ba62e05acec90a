//! What people do to rules: upload, set, delete. Memory changes after the commit, and both in one order.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use spillway_api as api;
use spillway_plugin_host::{Kv, limits::CONFIGURATION_BYTES};
use spillway_store::{
    AuditEntry, ControlStore, DecisionLog, DecisionQuery, DecisionRow, PluginRow, PluginSetting, RuleMode, StoreError,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    ControlError, Shared,
    rule::{LoadFailure, Loaded, Loader},
    rules::RuleState,
    view,
};

/// Uploaded versions: compiled code stays in memory, up to some MiB each.
const UPLOADED: usize = 100;

/// What became of an upload.
#[derive(Clone, Debug, PartialEq)]
pub enum Uploaded {
    /// It is stored now, and off.
    New(api::Plugin),
    /// The same bytes were there before: nothing changed.
    Known(api::Plugin),
}

/// Erases the types of the store and the loader, so that the handle has none.
pub(super) trait Registry: Send + Sync {
    fn upload(&self, wasm: Bytes, actor: String) -> BoxFuture<'_, Result<Uploaded, ControlError>>;
    fn set_mode(
        &self,
        id: String,
        mode: api::PluginMode,
        actor: String,
    ) -> BoxFuture<'_, Result<api::Plugin, ControlError>>;
    fn set_config(&self, id: String, config: String, actor: String)
    -> BoxFuture<'_, Result<api::Plugin, ControlError>>;
    fn delete(&self, id: String, actor: String) -> BoxFuture<'_, Result<(), ControlError>>;
    fn decisions(&self, query: DecisionQuery) -> BoxFuture<'_, Result<Vec<DecisionRow>, StoreError>>;
    fn decision(&self, id: String) -> BoxFuture<'_, Result<Option<DecisionRow>, StoreError>>;
}

pub(super) struct Registrar<S, L> {
    shared: Arc<Shared>,
    store: S,
    loader: L,
    tasks: TaskTracker,
}

impl<S, L> Registrar<S, L>
where
    S: ControlStore + DecisionLog + Clone + Send + Sync + 'static,
    L: Loader,
{
    pub(super) fn new(shared: Arc<Shared>, store: S, loader: L, tasks: TaskTracker) -> Self {
        Self { shared, store, loader, tasks }
    }

    /// Compiles the stored rules again: native code is never kept on disk.
    pub(super) async fn load_stored(self: Arc<Self>, stop: CancellationToken) {
        let ids = self.shared.rules().unloaded();
        for id in ids {
            let loaded = tokio::select! {
                loaded = self.load_one(&id) => loaded,
                () = stop.cancelled() => return,
            };
            let mut rules = self.shared.rules();
            let Some(rule) = rules.get_mut(&id) else { continue };
            match loaded {
                Ok(loaded) => rule.rule = Some(loaded.rule),
                Err(why) => {
                    tracing::error!(plugin.id = id, "stored rule {} does not run: {why}", rule.row.name);
                    rule.load_error = Some(why);
                }
            }
        }
    }

    async fn load_one(&self, id: &str) -> Result<Loaded, String> {
        let wasm = self.store.plugin_wasm(id).await.map_err(|error| error.to_string())?;
        let wasm = wasm.ok_or("its code is not in the store")?;
        self.loader.load(&wasm).await.map_err(|failure| failure.to_string())
    }

    /// Runs a change to its end, even when whoever asked for it has gone: between a commit and the change of memory nothing
    /// may be dropped.
    async fn run<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, ControlError>> + Send + 'static,
    ) -> Result<T, ControlError> {
        let done = self.tasks.spawn(change).await;
        done.map_err(|error| ControlError::Broken(format!("a change of the rules ended early: {error}")))?
    }

    fn audit(&self, actor: String, action: &str, object: &str, detail: String) -> AuditEntry {
        AuditEntry { at_ns: self.shared.now_ns(), actor, action: action.into(), object: object.into(), detail }
    }

    fn known(&self, id: &str) -> Option<api::Plugin> {
        self.shared.rules().get(id).map(RuleState::view)
    }

    async fn take_in(&self, wasm: Bytes, actor: String) -> Result<Uploaded, ControlError> {
        let id = hex(&Sha256::digest(&wasm));
        if let Some(known) = self.known(&id) {
            return Ok(Uploaded::Known(known));
        }
        if self.shared.rules().uploaded() >= UPLOADED {
            return Err(ControlError::Conflict(format!("{UPLOADED} rules are stored already: delete one that is off")));
        }
        let Loaded { rule, manifest, configuration } = self.loader.load(&wasm).await.map_err(refused)?;
        let row = PluginRow {
            id: id.clone(),
            name: manifest.name,
            version: manifest.version,
            description: manifest.description,
            config_schema: manifest.config_schema,
            tick_ms: manifest.tick_ms,
            size_bytes: wasm.len() as u64,
            uploaded_at_ns: self.shared.now_ns(),
            setting: PluginSetting { mode: RuleMode::Off, config: configuration, demoted: false },
        };
        let audit =
            self.audit(actor, "plugin.upload", &id, format!("{} {}, {} bytes", row.name, row.version, wasm.len()));
        let (store, shared) = (self.store.clone(), Arc::clone(&self.shared));
        self.run(async move {
            let _order = shared.changes.lock().await;
            if let Some(known) = shared.rules().get(&row.id).map(RuleState::view) {
                return Ok(Uploaded::Known(known));
            }
            store.insert_plugin(&row, &wasm, &audit).await?;
            tracing::info!(plugin.id = row.id, "rule {} {} uploaded", row.name, row.version);
            let state = RuleState::new(row, false, Some(rule), Kv::default());
            let view = state.view();
            shared.rules().insert(state);
            Ok(Uploaded::New(view))
        })
        .await
    }

    async fn change_mode(&self, id: String, mode: api::PluginMode, actor: String) -> Result<api::Plugin, ControlError> {
        let (store, shared) = (self.store.clone(), Arc::clone(&self.shared));
        let audit = self.audit(actor, "plugin.mode", &id, format!("{mode:?}").to_lowercase());
        self.run(async move {
            let _order = shared.changes.lock().await;
            let setting = {
                let rules = shared.rules();
                let rule = rules.get(&id).ok_or_else(|| ControlError::no_rule(&id))?;
                ready(rule, mode)?;
                PluginSetting { mode: view::rule_mode(mode), config: rule.row.setting.config.clone(), demoted: false }
            };
            let retired = store.set_plugin(&id, &setting, &audit).await?.ok_or_else(|| ControlError::no_rule(&id))?;
            let mut rules = shared.rules();
            for other in retired {
                if let Some(rule) = rules.get_mut(&other) {
                    let setting = PluginSetting { mode: RuleMode::Off, ..rule.row.setting.clone() };
                    rule.set(setting);
                }
            }
            let rule = rules.get_mut(&id).ok_or_else(|| ControlError::no_rule(&id))?;
            tracing::info!(plugin.id = id, "rule {} is now {mode:?}", rule.row.name);
            rule.set(setting);
            Ok(rule.view())
        })
        .await
    }

    async fn change_config(&self, id: String, config: String, actor: String) -> Result<api::Plugin, ControlError> {
        let invalid = |detail| ControlError::Invalid { pointer: "/config".into(), detail };
        if config.len() > CONFIGURATION_BYTES {
            return Err(invalid(format!("it has {} bytes, at most {CONFIGURATION_BYTES} are allowed", config.len())));
        }
        let rule = {
            let rules = self.shared.rules();
            let rule = rules.get(&id).ok_or_else(|| ControlError::no_rule(&id))?;
            ready(rule, api::PluginMode::Active)?;
            rule.rule.clone().ok_or_else(|| ControlError::no_rule(&id))?
        };
        let asked = config.clone();
        // One at a time: the change below waits for the one before it as well.
        let order = Arc::clone(&self.shared);
        let checked = {
            let _turn =
                order.checks.acquire().await.map_err(|_| ControlError::Busy("the server is stopping".into()))?;
            tokio::task::spawn_blocking(move || rule.check(&asked)).await
        };
        let checked = checked.map_err(|error| ControlError::Broken(format!("checking it ended early: {error}")))?;
        checked.map_err(|words| invalid(format!("the rule does not accept it: {words}")))?;
        let (store, shared) = (self.store.clone(), Arc::clone(&self.shared));
        let audit = self.audit(actor, "plugin.config", &id, config.chars().take(1_000).collect());
        self.run(async move {
            let _order = shared.changes.lock().await;
            let setting = {
                let rules = shared.rules();
                let rule = rules.get(&id).ok_or_else(|| ControlError::no_rule(&id))?;
                PluginSetting { config, ..rule.row.setting.clone() }
            };
            store.set_plugin(&id, &setting, &audit).await?.ok_or_else(|| ControlError::no_rule(&id))?;
            let mut rules = shared.rules();
            let rule = rules.get_mut(&id).ok_or_else(|| ControlError::no_rule(&id))?;
            rule.set(setting);
            Ok(rule.view())
        })
        .await
    }

    async fn remove(&self, id: String, actor: String) -> Result<(), ControlError> {
        let (store, shared) = (self.store.clone(), Arc::clone(&self.shared));
        let audit = self.audit(actor, "plugin.delete", &id, String::new());
        self.run(async move {
            let _order = shared.changes.lock().await;
            {
                let rules = shared.rules();
                let rule = rules.get(&id).ok_or_else(|| ControlError::no_rule(&id))?;
                if rule.builtin {
                    return Err(ControlError::Conflict(format!(
                        "{} is built in: it can be off, not gone",
                        rule.row.name
                    )));
                }
                if rule.row.setting.mode != RuleMode::Off {
                    return Err(ControlError::Conflict(format!("{} is not off: switch it off first", rule.row.name)));
                }
            }
            if !store.delete_plugin(&id, &audit).await? {
                return Err(ControlError::no_rule(&id));
            }
            shared.rules().remove(&id);
            Ok(())
        })
        .await
    }
}

/// Only a rule whose code is loaded can run.
fn ready(rule: &RuleState, mode: api::PluginMode) -> Result<(), ControlError> {
    let name = &rule.row.name;
    match (&rule.rule, &rule.load_error) {
        (Some(_), _) => Ok(()),
        (None, _) if mode == api::PluginMode::Off => Ok(()),
        (None, Some(why)) => Err(ControlError::Conflict(format!("{name} does not run: {why}"))),
        (None, None) => {
            Err(ControlError::Conflict(format!("{name} is being compiled after the start: try again soon")))
        }
    }
}

fn refused(failure: LoadFailure) -> ControlError {
    match failure {
        LoadFailure::Rejected(why) => ControlError::Rejected(why),
        LoadFailure::TooLarge(why) => ControlError::TooLarge(why),
        LoadFailure::Busy(why) => ControlError::Busy(why),
        LoadFailure::Broken(why) => ControlError::Broken(why),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
        hex
    })
}

impl<S, L> Registry for Registrar<S, L>
where
    S: ControlStore + DecisionLog + Clone + Send + Sync + 'static,
    L: Loader,
{
    fn upload(&self, wasm: Bytes, actor: String) -> BoxFuture<'_, Result<Uploaded, ControlError>> {
        Box::pin(self.take_in(wasm, actor))
    }

    fn set_mode(
        &self,
        id: String,
        mode: api::PluginMode,
        actor: String,
    ) -> BoxFuture<'_, Result<api::Plugin, ControlError>> {
        Box::pin(self.change_mode(id, mode, actor))
    }

    fn set_config(
        &self,
        id: String,
        config: String,
        actor: String,
    ) -> BoxFuture<'_, Result<api::Plugin, ControlError>> {
        Box::pin(self.change_config(id, config, actor))
    }

    fn delete(&self, id: String, actor: String) -> BoxFuture<'_, Result<(), ControlError>> {
        Box::pin(self.remove(id, actor))
    }

    fn decisions(&self, query: DecisionQuery) -> BoxFuture<'_, Result<Vec<DecisionRow>, StoreError>> {
        Box::pin(async move { self.store.decisions(&query).await })
    }

    fn decision(&self, id: String) -> BoxFuture<'_, Result<Option<DecisionRow>, StoreError>> {
        Box::pin(async move { self.store.decision(&id).await })
    }
}
