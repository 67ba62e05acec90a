//! Plugins: uploaded rules and the built-in ones.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What is done with a rule's output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PluginMode {
    /// It does not run.
    #[default]
    Off,
    /// It runs and is recorded, nothing is enforced.
    Shadow,
    /// Its directives are enforced.
    Active,
}

/// Where a rule comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PluginOrigin {
    /// Part of Spillway, in Rust.
    Builtin,
    /// A Wasm component that somebody uploaded.
    Uploaded,
}

/// How the last evaluation ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PluginOutcome {
    /// When.
    pub at: Timestamp,
    /// `proposed`, `refused`, `trapped`, `out_of_fuel`, `timed_out`, `out_of_memory` or `malformed`.
    pub outcome: String,
    /// What went wrong, or what it proposed in short.
    pub message: String,
    /// Directives that it proposed.
    pub directives: u32,
    /// Wasm instructions that it took; 0 for a built-in rule.
    pub fuel: u64,
    /// Wall time that it took.
    pub elapsed_us: u64,
}

/// A plugin's own circuit breaker: three bad endings in a row open it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PluginBreaker {
    /// Its state.
    pub state: crate::BreakerState,
    /// Bad endings in a row.
    pub failures: u32,
    /// When it will be tried again.
    pub retry_at: Option<Timestamp>,
}

/// One version of a rule. Immutable: `id` is the SHA-256 of what was uploaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Plugin {
    /// SHA-256 in hex; `builtin:<name>` for a built-in rule.
    pub id: String,
    /// As the rule describes itself.
    pub name: String,
    /// As the rule describes itself.
    pub version: String,
    /// As the rule describes itself.
    pub description: String,
    /// Where it comes from.
    pub origin: PluginOrigin,
    /// What is done with its output.
    pub mode: PluginMode,
    /// Size of the upload.
    pub size_bytes: u64,
    /// When it was uploaded; null for a built-in rule.
    pub uploaded_at: Option<Timestamp>,
    /// Its configuration, JSON text.
    pub config: String,
    /// JSON Schema (2020-12) of the configuration, as text.
    pub config_schema: String,
    /// How often it wants to run.
    pub tick_ms: u32,
    /// How its last evaluation ended.
    pub last_outcome: Option<PluginOutcome>,
    /// Its breaker.
    pub breaker: PluginBreaker,
    /// True when a run of bad endings put it back to shadow.
    pub demoted: bool,
}

/// All the rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PluginList {
    /// Active first, then by name and time of upload.
    pub plugins: Vec<Plugin>,
}

/// `PUT /api/v1/plugins/{id}/mode`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PluginModeChange {
    /// The mode to set. `active` retires another active version of the same name in the same transaction.
    pub mode: PluginMode,
}

/// `PUT /api/v1/plugins/{id}/config`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PluginConfigChange {
    /// JSON text; the rule itself is asked whether it accepts it.
    pub config: String,
}

/// A line that a rule logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PluginLog {
    /// When.
    pub at: Timestamp,
    /// The tick that it was logged in.
    pub tick: u64,
    /// `trace`, `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// The line.
    pub message: String,
}

/// The newest lines of a rule, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PluginLogList {
    /// At most 500.
    pub lines: Vec<PluginLog>,
    /// Lines that were cut off because the rule logged too much.
    pub dropped: u64,
}
