//! Decisions in words: who is told what, about which requests.

use spillway_api::{Action, Criticality, DecisionRecord, Match};

use crate::{format, words};

/// The requests that an action is about: "sheddable", "critical and below", "everything".
pub fn class(class: Criticality) -> String {
    match class {
        Criticality::CriticalPlus => "everything".to_owned(),
        Criticality::Sheddable => "sheddable".to_owned(),
        other => format!("{} and below", words::class(other)),
    }
}

/// What is done: "admits 62 % of sheddable".
pub fn action(action: &Action, of: Criticality) -> String {
    match action {
        Action::AdmitRatio { ratio } if *ratio <= 0.0 => format!("rejects all of {}", class(of)),
        Action::AdmitRatio { ratio } => format!("admits {} of {}", format::percent(Some(*ratio)), class(of)),
        Action::LevelThreshold { level } => level_words(*level),
        Action::ConcurrencyLimit { limit } => format!("≤ {limit} in flight of {}", class(of)),
        Action::RateLimit { per_second, .. } => format!("≤ {} of {}", format::rate(Some(*per_second)), class(of)),
        Action::Degrade { variant } => format!("serves {} as “{variant}”", class(of)),
    }
}

fn level_words(level: u16) -> String {
    if level >= spillway_api::LEVELS {
        return "rejects nothing".to_owned();
    }
    let (at, cohort) = (level / spillway_api::COHORTS, level % spillway_api::COHORTS);
    let class = Criticality::ALL[usize::from(at).min(3)];
    let kept = f64::from(cohort) / f64::from(spillway_api::COHORTS);
    let below = if class == Criticality::Sheddable { "" } else { ", none below" };
    format!("admits {} of {}{below} (level {level})", format::percent(Some(kept)), words::class(class))
}

/// Which requests, beyond the service: "GET /pay from gateway, tenant acme".
pub fn narrowing(requests: &Match) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(route) = &requests.route {
        parts.push(route.clone());
    }
    if let Some(caller) = &requests.caller {
        parts.push(format!("from {caller}"));
    }
    if let Some(tenant) = &requests.tenant {
        parts.push(format!("tenant {tenant}"));
    }
    if requests.cohort_from.is_some() || requests.cohort_to.is_some() {
        parts.push(format!(
            "cohorts {}–{}",
            requests.cohort_from.unwrap_or(0),
            requests.cohort_to.unwrap_or(spillway_api::COHORTS - 1)
        ));
    }
    if let Some(instance) = &requests.instance {
        parts.push(format!("only {instance}"));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// "applied on 7 of 9", or a warning where nobody can enforce it.
pub fn applied(decision: &DecisionRecord) -> String {
    match decision.instances_enforcing {
        0 => "nobody can enforce it here".to_owned(),
        all => format!("applied on {} of {all}", decision.instances_applied),
    }
}

/// The rule that decided, with its version: "breaker-aware 1.4.0".
pub fn author(decision: &DecisionRecord) -> Option<String> {
    let binding = decision.contributions.iter().find(|part| part.binding).or_else(|| decision.contributions.first())?;
    Some(format!("{} {}", binding.plugin, binding.version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: String) -> String {
        text.replace('\u{a0}', " ")
    }

    #[test]
    fn every_action_reads_as_a_sentence() {
        for (act, of, text) in [
            (Action::AdmitRatio { ratio: 0.62 }, Criticality::Sheddable, "admits 62 % of sheddable"),
            (Action::AdmitRatio { ratio: 0.0 }, Criticality::SheddablePlus, "rejects all of sheddable-plus and below"),
            (Action::ConcurrencyLimit { limit: 64 }, Criticality::CriticalPlus, "≤ 64 in flight of everything"),
            (
                Action::RateLimit { per_second: 1_200.0, burst: 5 },
                Criticality::Critical,
                "≤ 1.2k/s of critical and below",
            ),
            (Action::LevelThreshold { level: 512 }, Criticality::Sheddable, "rejects nothing"),
            (
                Action::LevelThreshold { level: 320 },
                Criticality::Sheddable,
                "admits 50 % of sheddable-plus, none below (level 320)",
            ),
            (
                Action::Degrade { variant: "no-recommendations".into() },
                Criticality::Sheddable,
                "serves sheddable as “no-recommendations”",
            ),
        ] {
            assert_eq!(plain(action(&act, of)), text);
        }
    }

    #[test]
    fn only_what_narrows_is_told() {
        assert_eq!(narrowing(&Match::default()), None);
        let requests = Match { route: Some("GET /pay".into()), caller: Some("gateway".into()), ..Match::default() };
        assert_eq!(narrowing(&requests).as_deref(), Some("GET /pay, from gateway"));
    }
}
