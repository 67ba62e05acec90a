//! Decisions outlive a restart. A service that is being protected from ten times its load must not be thrown back into it
//! because the server was updated.
//!
//! What was in force a moment before the start is in force again at once, with a fresh lease, and the rules that asked for
//! it get some seconds to come back: their code has to be compiled and the enforcers have to report before a rule can see
//! anything. If they do not come back, the leases end and the shares rise again step by step.

use std::time::Duration;

use spillway_api as api;
use spillway_model::{
    arbitrate::{Arbiter, share},
    identity::ServiceKey,
    rule::{Action, Criticality, Directive, Rate, ServiceId, Target},
};
use spillway_store::{DecisionLog, DecisionQuery, StoreError};
use tokio::time::Instant;

use super::{ByService, rules::Rules, table::Lease, view};

/// Older decisions have faded at the enforcers already.
const YOUNG_NS: i64 = 15_000_000_000;
/// Decisions that are looked at: as many as can be in force.
const DECISIONS: u32 = 1_000;
/// The lease of what is restored: the warm-up and some more.
const TTL: Duration = Duration::from_secs(5);
/// How long a rule may take to come back before what it asked for is released.
const ABSENCE_MS: u64 = 10_000;
/// Ticks without rules and decisions after a start that restored something. After three seconds every enforcer has reported
/// twice, and there are rates to see.
pub(super) const WARM_UP_TICKS: u32 = 3;

/// Decisions that were in force a moment ago.
pub(super) async fn read(store: &impl DecisionLog, now_ns: i64) -> Result<Vec<api::DecisionRecord>, StoreError> {
    let rows = store.decisions(&DecisionQuery { service: None, before: None, limit: DECISIONS }).await?;
    let young = rows.iter().filter(|row| !row.ended && now_ns.saturating_sub(row.renewed_at_ns) < YOUNG_NS);
    let records = young.filter_map(|row| match view::stored_as_it_was(row) {
        Ok(record) => Some(record),
        Err(error) => {
            tracing::warn!("a decision is not restored: {error}");
            None
        }
    });
    Ok(records.filter(|record| record.state == api::DecisionState::InForce).collect())
}

/// Puts the records in force again; the leases for the table.
pub(super) fn apply(
    records: &[api::DecisionRecord],
    arbiter: &mut Arbiter,
    rules: &mut Rules,
    now_ms: u64,
) -> ByService<Vec<Lease>> {
    let ends_at = Instant::now() + TTL;
    let mut leases: ByService<Vec<Lease>> = ByService::new();
    for record in records {
        let Some(directive) = directive(record) else { continue };
        let began_ms = u64::try_from(record.began_at.unix_ms()).unwrap_or_default();
        arbiter.restore(&record.id, began_ms, &directive);
        if let Some(binding) = record.contributions.iter().find(|one| one.binding) {
            rules.restore(&binding.plugin_id, directive.clone(), now_ms + ABSENCE_MS);
        }
        let service = ServiceKey::new(&record.r#match.environment, &record.r#match.namespace, &record.r#match.service);
        let directive = api::Directive {
            id: record.id.clone(),
            r#match: record.r#match.clone(),
            action: view::action(&share(&directive.action, record.instances_enforcing)),
            ttl_ms: directive.ttl_ms,
            on_expiry: api::OnExpiry::Admit,
            retry_after_ms: directive.retry_after_ms,
            reason: record.reason.clone(),
            by: view::author(record),
        };
        leases.entry(service).or_default().push(Lease { directive, ends_at });
    }
    leases
}

/// `None` for what the record does not hold completely: of a caller it has only the name.
fn directive(record: &api::DecisionRecord) -> Option<Directive> {
    let api::Match { environment, namespace, service, caller, route, tenant, .. } = &record.r#match;
    if caller.is_some() {
        return None;
    }
    let service = ServiceId { environment: environment.clone(), namespace: namespace.clone(), name: service.clone() };
    let target = Target {
        service,
        caller: None,
        route: route.clone().unwrap_or_default(),
        tenant: tenant.clone().unwrap_or_default(),
    };
    let action = match &record.action {
        api::Action::AdmitRatio { ratio } => Action::AdmitRatio(*ratio),
        api::Action::LevelThreshold { level } => Action::LevelThreshold(*level),
        api::Action::ConcurrencyLimit { limit } => Action::ConcurrencyLimit(*limit),
        api::Action::RateLimit { per_second, burst } => {
            Action::RateLimit(Rate { per_second: *per_second, burst: *burst })
        }
        api::Action::Degrade { variant } => Action::Degrade(variant.clone()),
    };
    Some(Directive {
        target,
        class: Criticality::ALL[usize::from(record.class.index())],
        action,
        ttl_ms: u32::try_from(TTL.as_millis()).unwrap_or(u32::MAX),
        retry_after_ms: None,
        reason: record.reason.clone(),
    })
}
