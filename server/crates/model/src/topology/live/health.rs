//! How sick a node is, and a sentence that says why.

use super::node::HealthReport;
use crate::{
    event::HealthStatus,
    topology::{Numbers, ServiceHealth},
};
use std::sync::Arc;

/// Fewer requests say nothing: one failure of three is no third of anything.
const REQUESTS_MIN: i64 = 10;

/// At this failed share a node is degraded: more than the occasional bad request, noticeable to people.
const DEGRADED_RATIO: f64 = 0.05;

/// At this failed share a node is failing: retries no longer hide it.
const FAILING_RATIO: f64 = 0.25;

/// Health with its reason.
pub(super) type Judged = (ServiceHealth, Option<String>);

/// Calls to a node, as its callers measured them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Calls {
    pub count: i64,
    pub failed: i64,
}

/// The worse of what the instances say and what was measured. `heard`: something came from it within the time to live.
pub(super) fn judge(
    reports: &[(&Arc<str>, &HealthReport)],
    numbers: Option<&Numbers>,
    calls: Calls,
    heard: bool,
) -> Judged {
    let said = by_reports(reports);
    let measured = by_numbers(numbers).max(by_callers(numbers, calls));
    match (said, measured) {
        // At the same level its own words say more than a ratio.
        (Some(said), Some(measured)) => {
            if measured.0 > said.0 {
                measured
            } else {
                said
            }
        }
        (Some(judged), None) | (None, Some(judged)) => judged,
        (None, None) if heard || !reports.is_empty() || numbers.is_some() => (ServiceHealth::Healthy, None),
        (None, None) => (ServiceHealth::Unknown, Some("nothing was heard of it for over a minute".to_owned())),
    }
}

fn by_reports(reports: &[(&Arc<str>, &HealthReport)]) -> Option<Judged> {
    let down = reports.iter().filter(|(_, report)| report.status == HealthStatus::Down).count();
    let degraded = reports.iter().filter(|(_, report)| report.status == HealthStatus::Degraded).count();
    // While most instances serve, callers get through.
    let (health, status, count, word) = match (down, degraded) {
        (0, 0) => return None,
        (0, degraded) => (ServiceHealth::Degraded, HealthStatus::Degraded, degraded, "degraded"),
        (down, _) if down * 2 >= reports.len() => (ServiceHealth::Failing, HealthStatus::Down, down, "down"),
        (down, _) => (ServiceHealth::Degraded, HealthStatus::Down, down, "down"),
    };
    let (instance, detail) = reports
        .iter()
        .find(|(_, report)| report.status == status)
        .map(|(instance, report)| (&***instance, &*report.detail))?;
    let who = match (reports.len(), instance) {
        (1, "") => format!("it reports {word}"),
        (1, instance) => format!("{instance} reports {word}"),
        (all, _) => format!("{count} of {all} instances report {word}"),
    };
    Some((health, Some(if detail.is_empty() { who } else { format!("{who}: {detail}") })))
}

fn by_numbers(numbers: Option<&Numbers>) -> Option<Judged> {
    let numbers = numbers.filter(|numbers| numbers.count >= REQUESTS_MIN)?;
    let health = match numbers.error_ratio {
        ratio if ratio >= FAILING_RATIO => ServiceHealth::Failing,
        ratio if ratio >= DEGRADED_RATIO => ServiceHealth::Degraded,
        _ => return None,
    };
    Some((health, Some(format!("{:.0} % of its requests fail", numbers.error_ratio * 100.0))))
}

/// A dead service measures nothing, but its callers do. Their view counts only where most calls never arrived: of those that did the service
/// knows better what a failure is (a 404 is one for a client).
fn by_callers(numbers: Option<&Numbers>, calls: Calls) -> Option<Judged> {
    let served = numbers.map_or(0, |numbers| numbers.count);
    if calls.count < REQUESTS_MIN || served * 2 >= calls.count {
        return None;
    }
    let ratio = calls.failed as f64 / calls.count as f64;
    let share = format!("{:.0} % of the calls to it fail, and most do not reach it", ratio * 100.0);
    (ratio >= FAILING_RATIO).then_some((ServiceHealth::Failing, Some(share)))
}

/// What the instances say, counted, worst first: `1 down, 2 up`.
pub(super) fn reported(reports: &[(&Arc<str>, &HealthReport)]) -> Option<String> {
    let words = [(HealthStatus::Down, "down"), (HealthStatus::Degraded, "degraded"), (HealthStatus::Up, "up")];
    let counts: Vec<String> = words
        .into_iter()
        .map(|(status, word)| (reports.iter().filter(|(_, report)| report.status == status).count(), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    (!counts.is_empty()).then(|| counts.join(", "))
}
