//! One proposal alone: is it possible at all, and within the rails that do not depend on the past?

use std::collections::BTreeSet;

use super::{
    ADMIT_FLOOR, Contribution, Key, Kind, LEVEL_FLOOR, LEVEL_OPEN, Merged, Mode, RuleRef, TTL_MAX_MS, TTL_MIN_MS,
    facts::Facts,
};
use crate::rule::{Action, Criticality, Directive, Rate};

/// # Errors
/// A sentence that says why the proposal is not considered.
pub(super) fn screen(
    directive: &Directive,
    rule: &RuleRef,
    mode: Mode,
    killed: bool,
    facts: &Facts<'_>,
) -> Result<(Key, Merged), String> {
    let target = &directive.target;
    let service = &target.service;
    if let Some(caller) = &target.caller
        && caller.environment != service.environment
    {
        return Err(format!(
            "{} is in environment `{}`, its caller {} in `{}`: no directive crosses environments",
            service.name, service.environment, caller.name, caller.environment
        ));
    }
    if !facts.knows(service) {
        return Err(format!(
            "there is no service {} in environment `{}` and namespace `{}`",
            service.name, service.environment, service.namespace
        ));
    }
    let mut rails = BTreeSet::new();
    if killed {
        rails.insert("the kill switch is on: nothing is enforced".to_owned());
    }
    let action = floor(&directive.action, &mut rails)?;
    let kind = Kind::of(&action);
    let class = class(directive.class, kind, &mut rails);
    let ttl_ms = directive.ttl_ms.clamp(TTL_MIN_MS, TTL_MAX_MS);
    if ttl_ms != directive.ttl_ms {
        rails.insert(format!("a lease of {} ms became one of {ttl_ms} ms: 1 to 60 s are allowed", directive.ttl_ms));
    }
    let contribution = Contribution {
        rule: rule.clone(),
        mode: if killed { Mode::Shadow } else { mode },
        action: directive.action.clone(),
        reason: directive.reason.clone(),
        binding: true,
    };
    let merged =
        Merged { action, ttl_ms, retry_after_ms: directive.retry_after_ms, contributions: vec![contribution], rails };
    Ok((Key { target: target.clone(), class, kind }, merged))
}

/// Critical-plus is never shed by a rule. A threshold names its classes by itself.
fn class(class: Criticality, kind: Kind, rails: &mut BTreeSet<String>) -> Criticality {
    if kind == Kind::LevelThreshold {
        return Criticality::Critical;
    }
    if class == Criticality::CriticalPlus {
        rails.insert("critical-plus requests are protected: it applies to critical ones and below".to_owned());
        return Criticality::Critical;
    }
    class
}

/// The value itself: refused when it means nothing, raised when it leaves nothing.
fn floor(action: &Action, rails: &mut BTreeSet<String>) -> Result<Action, String> {
    let mut raised = |from: String, to: String, why: &str| {
        rails.insert(format!("{from} was raised to {to}: {why}"));
    };
    match action {
        Action::AdmitRatio(ratio) if !(0.0..=1.0).contains(ratio) => {
            Err(format!("an admit ratio of {ratio} is not within 0 to 1"))
        }
        Action::AdmitRatio(ratio) if *ratio < ADMIT_FLOOR => {
            raised(
                format!("an admit ratio of {ratio}"),
                ADMIT_FLOOR.to_string(),
                "a twentieth always passes, or nobody would see the recovery",
            );
            Ok(Action::AdmitRatio(ADMIT_FLOOR))
        }
        // Three digits: what differs by less is the same to a service, and need not be sent anew.
        Action::AdmitRatio(ratio) => Ok(Action::AdmitRatio((ratio * 1e3).round() / 1e3)),
        Action::LevelThreshold(level) if *level > LEVEL_OPEN => {
            Err(format!("there is no level {level}, only 0 to 511"))
        }
        Action::LevelThreshold(level) if *level < LEVEL_FLOOR => {
            raised(
                format!("threshold {level}"),
                LEVEL_FLOOR.to_string(),
                "critical-plus and a twentieth of the critical requests always pass",
            );
            Ok(Action::LevelThreshold(LEVEL_FLOOR))
        }
        Action::LevelThreshold(_) => Ok(action.clone()),
        Action::ConcurrencyLimit(0) => {
            raised("a limit of 0 at once".into(), "1".into(), "one always passes");
            Ok(Action::ConcurrencyLimit(1))
        }
        Action::ConcurrencyLimit(_) => Ok(action.clone()),
        Action::RateLimit(rate) if !rate.per_second.is_finite() || rate.per_second < 0.0 => {
            Err(format!("{} requests a second is not a rate", rate.per_second))
        }
        Action::RateLimit(rate) => {
            let kept = Rate { per_second: rate.per_second.max(1.0), burst: rate.burst.max(1) };
            if kept.per_second > rate.per_second {
                raised(format!("{} requests a second", rate.per_second), "1".into(), "one always passes");
            }
            if kept.burst > rate.burst {
                raised("a burst of 0".into(), "1".into(), "a bucket without room admits nothing");
            }
            Ok(Action::RateLimit(kept))
        }
        Action::Degrade(variant) if variant.is_empty() => Err("the degraded variant has no name".to_owned()),
        Action::Degrade(_) => Ok(action.clone()),
    }
}
