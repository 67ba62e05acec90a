//! Decisions: what the host made of the rules' proposals, with everything that explains it.

use serde::{Deserialize, Serialize};

use crate::{Action, Criticality, Match, PluginMode, Timestamp};

/// One rule's part in a decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Contribution {
    /// Id of the plugin.
    pub plugin_id: String,
    /// Its name.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// How it ran; a shadow rule's part is never enforced.
    pub mode: PluginMode,
    /// What it asked for.
    pub action: Action,
    /// Why.
    pub reason: String,
    /// True for the one that decided: the strictest.
    pub binding: bool,
}

/// Whether a decision still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DecisionState {
    /// Renewed each tick.
    InForce,
    /// No rule renews it: enforcers ramp back to admit.
    Ended,
    /// Only shadow rules ask for it: nothing is enforced.
    Shadow,
}

/// One decision: a directive over the time that it was renewed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DecisionRecord {
    /// The directive's id: what `X-Spillway-Decision` of a rejected request says.
    pub id: String,
    /// Whether it still holds.
    pub state: DecisionState,
    /// First tick.
    pub began_at: Timestamp,
    /// Last tick that renewed it.
    pub renewed_at: Timestamp,
    /// Number of the last tick that renewed it.
    pub tick: u64,
    /// Which requests.
    pub r#match: Match,
    /// Class of the requests, and the less important ones.
    pub class: Criticality,
    /// What is enforced now; for the whole service.
    pub action: Action,
    /// The binding rule's reason.
    pub reason: String,
    /// Every rule that had a part.
    pub contributions: Vec<Contribution>,
    /// What the host's rails changed, one sentence each: admit floor, slew, protected class, kill switch.
    pub rails: Vec<String>,
    /// Instances that have applied it.
    pub instances_applied: u32,
    /// Instances that can enforce it.
    pub instances_enforcing: u32,
}

/// A page of decisions, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DecisionList {
    /// The page.
    pub decisions: Vec<DecisionRecord>,
    /// Pass it as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}
