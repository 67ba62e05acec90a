//! Plugins, decisions, ticks and the audit log: small and precious.

use std::future::Future;

use crate::StoreError;

/// What is done with a rule's output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RuleMode {
    /// It does not run.
    #[default]
    Off = 0,
    /// It runs and is recorded, nothing is enforced.
    Shadow = 1,
    /// Its directives are enforced.
    Active = 2,
}

/// One uploaded version. Immutable but for mode, configuration and demotion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginRow {
    /// SHA-256 of the upload, in hex.
    pub id: String,
    /// As it describes itself.
    pub name: String,
    /// As it describes itself.
    pub version: String,
    /// As it describes itself.
    pub description: String,
    /// JSON Schema of its configuration.
    pub config_schema: String,
    /// How often it wants to run.
    pub tick_ms: u32,
    /// Size of the upload.
    pub size_bytes: u64,
    /// When it was uploaded.
    pub uploaded_at_ns: i64,
    /// How it runs.
    pub setting: PluginSetting,
}

/// What a person (or the guard that demotes) sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginSetting {
    /// How it runs.
    pub mode: RuleMode,
    /// JSON text.
    pub config: String,
    /// True when bad endings put it back to shadow.
    pub demoted: bool,
}

/// Who did what; written in the same transaction as the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at_ns: i64,
    /// Who: `admin`, `anonymous` on an open loopback server, or `guard`.
    pub actor: String,
    /// What: `plugin.upload`, `plugin.mode`, `plugin.config`, `plugin.delete`, `trace.pin`, `trace.unpin`.
    pub action: String,
    /// To what.
    pub object: String,
    /// With which detail.
    pub detail: String,
}

/// Whether an upload was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertedPlugin {
    /// It is stored now.
    New,
    /// The same bytes were there before: nothing changed.
    Known,
}

/// Plugins and settings.
pub trait ControlStore: Send + Sync {
    /// Stores an upload.
    fn insert_plugin(
        &self,
        row: &PluginRow,
        wasm: &[u8],
        audit: &AuditEntry,
    ) -> impl Future<Output = Result<InsertedPlugin, StoreError>> + Send;

    /// All uploads, sorted by name and time.
    fn plugins(&self) -> impl Future<Output = Result<Vec<PluginRow>, StoreError>> + Send;

    /// The bytes of one upload.
    fn plugin_wasm(&self, id: &str) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> + Send;

    /// Settings of rules that are built in, by id (`builtin:<name>`).
    fn builtin_settings(&self) -> impl Future<Output = Result<Vec<(String, PluginSetting)>, StoreError>> + Send;

    /// Sets how a rule runs, uploaded or built in. Setting one to active puts every other active version of the same name to off,
    /// in the same transaction; their ids are returned. `Ok(None)` when there is no such rule.
    fn set_plugin(
        &self,
        id: &str,
        setting: &PluginSetting,
        audit: &AuditEntry,
    ) -> impl Future<Output = Result<Option<Vec<String>>, StoreError>> + Send;

    /// Deletes an upload that is off. `Ok(false)` when there is none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is not off.
    fn delete_plugin(&self, id: &str, audit: &AuditEntry) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// What a rule has in its key-value store.
    fn plugin_kv(&self, id: &str) -> impl Future<Output = Result<Vec<(String, Vec<u8>)>, StoreError>> + Send;

    /// Replaces it.
    fn set_plugin_kv(&self, id: &str, kv: &[(String, Vec<u8>)]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Newest entries first.
    fn audit(&self, limit: u32) -> impl Future<Output = Result<Vec<AuditEntry>, StoreError>> + Send;
}

/// A decision over the time that it lasted. What it says is opaque here: the control plane owns that format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRow {
    /// Its id.
    pub id: String,
    /// First tick.
    pub began_at_ns: i64,
    /// Last tick that renewed it.
    pub renewed_at_ns: i64,
    /// True when no rule renews it.
    pub ended: bool,
    /// Service that it is about.
    pub service: String,
    /// Everything else, in a format with a version of its own.
    pub body: Vec<u8>,
}

/// One evaluation of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TickRow {
    /// Which rule.
    pub plugin_id: String,
    /// Number of the tick.
    pub tick: u64,
    /// When.
    pub at_ns: i64,
    /// The record, in the model's versioned encoding.
    pub body: Vec<u8>,
}

/// Which decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecisionQuery {
    /// Only decisions about this service name.
    pub service: Option<String>,
    /// Only those that began before (time, id): where the last page ended.
    pub before: Option<(i64, String)>,
    /// Decisions a page, 1 to 1,000.
    pub limit: u32,
}

/// What the control plane did.
pub trait DecisionLog: Send + Sync {
    /// Stores a tick's records and the decisions that it began, renewed or ended (by id: a row replaces the one before).
    fn record(
        &self,
        ticks: &[TickRow],
        decisions: &[DecisionRow],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Newest first by (began, id).
    fn decisions(&self, query: &DecisionQuery) -> impl Future<Output = Result<Vec<DecisionRow>, StoreError>> + Send;

    /// One decision.
    fn decision(&self, id: &str) -> impl Future<Output = Result<Option<DecisionRow>, StoreError>> + Send;

    /// Ticks of a rule within a range, oldest first.
    fn ticks(
        &self,
        plugin_id: &str,
        from_ns: i64,
        to_ns: i64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<TickRow>, StoreError>> + Send;
}
