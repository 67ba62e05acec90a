//! From the model to the wire and the store.

use spillway_api as api;
use spillway_model::{
    arbitrate::{Contribution, Decision, Kind, Mode, State},
    identity::ServiceKey,
    rule::{Action, Criticality, ServiceId, Target},
};
use spillway_store::{DecisionRow, RuleMode};

use super::ControlError;

/// Version of the stored form of a decision; the JSON behind it is that of the public API.
const STORED_VERSION: u8 = 1;

pub(super) fn timestamp_ms(ms: u64) -> api::Timestamp {
    api::Timestamp::from_unix_ms(i64::try_from(ms).unwrap_or(i64::MAX))
}

pub(super) const fn mode(mode: RuleMode) -> api::PluginMode {
    match mode {
        RuleMode::Off => api::PluginMode::Off,
        RuleMode::Shadow => api::PluginMode::Shadow,
        RuleMode::Active => api::PluginMode::Active,
    }
}

pub(super) const fn rule_mode(mode: api::PluginMode) -> RuleMode {
    match mode {
        api::PluginMode::Off => RuleMode::Off,
        api::PluginMode::Shadow => RuleMode::Shadow,
        api::PluginMode::Active => RuleMode::Active,
    }
}

pub(super) const fn class(class: Criticality) -> api::Criticality {
    match class {
        Criticality::CriticalPlus => api::Criticality::CriticalPlus,
        Criticality::Critical => api::Criticality::Critical,
        Criticality::SheddablePlus => api::Criticality::SheddablePlus,
        Criticality::Sheddable => api::Criticality::Sheddable,
    }
}

pub(super) fn action(action: &Action) -> api::Action {
    match action {
        Action::AdmitRatio(ratio) => api::Action::AdmitRatio { ratio: *ratio },
        Action::LevelThreshold(level) => api::Action::LevelThreshold { level: *level },
        Action::ConcurrencyLimit(limit) => api::Action::ConcurrencyLimit { limit: *limit },
        Action::RateLimit(rate) => api::Action::RateLimit { per_second: rate.per_second, burst: rate.burst },
        Action::Degrade(variant) => api::Action::Degrade { variant: variant.clone() },
    }
}

pub(super) fn service_key(service: &ServiceId) -> ServiceKey {
    ServiceKey::new(&service.environment, &service.namespace, &service.name)
}

/// A threshold names its classes by itself, so it must meet every request.
pub(super) fn matches(target: &Target, of: Criticality, kind: Kind) -> api::Match {
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    api::Match {
        environment: target.service.environment.clone(),
        namespace: target.service.namespace.clone(),
        service: target.service.name.clone(),
        caller: target.caller.as_ref().map(|caller| caller.name.clone()),
        route: said(&target.route),
        tenant: said(&target.tenant),
        class: (kind != Kind::LevelThreshold).then(|| class(of)),
        ..api::Match::default()
    }
}

fn contribution(of: &Contribution) -> api::Contribution {
    api::Contribution {
        plugin_id: of.rule.id.to_string(),
        plugin: of.rule.name.to_string(),
        version: of.rule.version.to_string(),
        mode: match of.mode {
            Mode::Shadow => api::PluginMode::Shadow,
            Mode::Active => api::PluginMode::Active,
        },
        action: action(&of.action),
        reason: of.reason.clone(),
        binding: of.binding && of.mode == Mode::Active,
    }
}

/// What else a record says besides the decision.
pub(super) struct Circumstances {
    pub(super) tick: u64,
    pub(super) now_ms: u64,
    pub(super) instances_applied: u32,
    pub(super) instances_enforcing: u32,
}

/// A decision of this tick. One that ends, or that nobody asks for any more, remembers from its last record who asked.
pub(super) fn record(
    decision: &Decision,
    last: Option<api::DecisionRecord>,
    of: &Circumstances,
) -> api::DecisionRecord {
    let ended = decision.state == State::Ended;
    let state = match decision.state {
        State::InForce => api::DecisionState::InForce,
        State::Shadow => api::DecisionState::Shadow,
        State::Ended => api::DecisionState::Ended,
    };
    if ended && let Some(last) = last {
        return api::DecisionRecord { state, ..last };
    }
    let contributions = if decision.contributions.is_empty() {
        last.map(|last| last.contributions).unwrap_or_default()
    } else {
        decision.contributions.iter().map(contribution).collect()
    };
    api::DecisionRecord {
        id: decision.id.to_string(),
        state,
        began_at: timestamp_ms(decision.began_ms),
        renewed_at: timestamp_ms(of.now_ms),
        tick: of.tick,
        r#match: matches(&decision.target, decision.class, Kind::of(&decision.action)),
        class: class(decision.class),
        action: action(&decision.action),
        reason: decision.reason.clone(),
        contributions,
        rails: decision.rails.clone(),
        instances_applied: of.instances_applied,
        instances_enforcing: of.instances_enforcing,
    }
}

/// Who is behind an enforced decision.
pub(super) fn author(record: &api::DecisionRecord) -> api::Author {
    let binding = record.contributions.iter().find(|one| one.binding).or_else(|| record.contributions.first());
    match binding {
        Some(one) => api::Author::Rule { plugin: one.plugin.clone(), version: one.version.clone(), mode: one.mode },
        // Every decision began with a rule that asked; after a restart the last of it may be forgotten.
        None => api::Author::Rule { plugin: "unknown".into(), version: String::new(), mode: api::PluginMode::Active },
    }
}

/// For the store.
pub(super) fn row(record: &api::DecisionRecord, ended: bool) -> DecisionRow {
    let mut body = vec![STORED_VERSION];
    serde_json::to_writer(&mut body, record).expect("a record is plain text and finite numbers");
    DecisionRow {
        id: record.id.clone(),
        began_at_ns: record.began_at.unix_ns(),
        renewed_at_ns: record.renewed_at.unix_ns(),
        ended,
        service: record.r#match.service.clone(),
        body,
    }
}

/// From the store. It is not in memory any more, so whatever it was, it is over.
pub(super) fn stored(row: &DecisionRow) -> Result<api::DecisionRecord, ControlError> {
    let record = stored_as_it_was(row)?;
    Ok(api::DecisionRecord { state: api::DecisionState::Ended, ..record })
}

/// From the store, in the state in which it was stored.
pub(super) fn stored_as_it_was(row: &DecisionRow) -> Result<api::DecisionRecord, ControlError> {
    let corrupt = |why: String| {
        ControlError::Store(spillway_store::StoreError::Corrupt { what: format!("decision {}", row.id), why })
    };
    match row.body.split_first() {
        Some((&STORED_VERSION, json)) => serde_json::from_slice(json).map_err(|error| corrupt(error.to_string())),
        Some((version, _)) => Err(corrupt(format!("its version is {version}, this program knows {STORED_VERSION}"))),
        None => Err(corrupt("it is empty".into())),
    }
}

/// Where a page of decisions ended.
pub(super) fn cursor(row: &DecisionRow) -> String {
    format!("{}.{}", row.began_at_ns, row.id)
}

/// Reads the cursor of a page.
pub fn parse_cursor(text: &str) -> Option<(i64, String)> {
    let (began_at_ns, id) = text.split_once('.')?;
    Some((began_at_ns.parse().ok()?, id.to_owned()))
}
