//! The sentence on top of the map: what is wrong, for whom, how much, and where it probably begins.
//!
//! The callee at the end of a chain of failing calls is the probable origin: its callers fail because it does. Where
//! several chains end, the one that fails the most calls a second is told and the others are counted.

use spillway_api::{Edge, Node, NodeKind, SeriesPoint, ServiceHealth, Timestamp, Topology};

use crate::{
    format,
    order::{self, name as name_of},
    selection::Selection,
};

/// A share of failed calls from which an edge counts as sick. Below it, retries hide the failures from users.
pub const SICK_RATIO: f64 = 0.05;

/// What the bar says.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// True for failing, false for degraded.
    pub severe: bool,
    /// "payments fails 38 % of checkout's calls".
    pub headline: String,
    /// More, in short clauses.
    pub clauses: Vec<String>,
    /// What to look at.
    pub origin: Selection,
    /// Name, namespace and environment of the service whose traces show it.
    pub service: String,
    /// Environment of that service.
    pub environment: String,
    /// When the breakers opened, where one tells: a series tells better, where there is one.
    pub since: Option<Timestamp>,
}

/// Where one failing chain ends.
#[derive(Clone, Copy, Debug)]
struct Origin<'a> {
    edge: &'a Edge,
    failed_per_s: f64,
}

fn open_breaker(edge: &Edge) -> bool {
    edge.breaker.as_ref().is_some_and(|breaker| breaker.state.refuses())
}

fn sick(edge: &Edge) -> bool {
    !edge.asynchronous && (edge.error_ratio.is_some_and(|ratio| ratio >= SICK_RATIO) || open_breaker(edge))
}

/// The worst thing on the map, or `None` when nothing is wrong.
pub fn find(topology: &Topology) -> Option<Incident> {
    let passes_on = |id: &str| topology.edges.iter().any(|edge| edge.source == id && sick(edge));
    let mut origins: Vec<Origin<'_>> = topology
        .edges
        .iter()
        .filter(|edge| sick(edge) && !passes_on(&edge.target))
        .map(|edge| Origin { edge, failed_per_s: edge.rate.unwrap_or(0.0) * edge.error_ratio.unwrap_or(0.0) })
        .collect();
    // A cycle of failing calls has no end: then every sick edge is one.
    if origins.is_empty() {
        origins = topology
            .edges
            .iter()
            .filter(|edge| sick(edge))
            .map(|edge| Origin { edge, failed_per_s: edge.rate.unwrap_or(0.0) * edge.error_ratio.unwrap_or(0.0) })
            .collect();
    }
    order::sort_by(&mut origins, |a, b| {
        open_breaker(b.edge).cmp(&open_breaker(a.edge)).then(b.failed_per_s.total_cmp(&a.failed_per_s))
    });
    match origins.first() {
        Some(worst) => Some(of_edge(topology, worst.edge, &origins)),
        None => of_nodes(topology),
    }
}

fn of_edge(topology: &Topology, edge: &Edge, origins: &[Origin<'_>]) -> Incident {
    let (source, target) = (name_of(topology, &edge.source), name_of(topology, &edge.target));
    let callee = order::node(topology, &edge.target);
    let failed = edge.error_ratio.filter(|ratio| *ratio >= SICK_RATIO);
    let headline = match (failed, &edge.breaker) {
        (Some(ratio), _) => {
            format!("{target} fails {} of {}", format::percent(Some(ratio)), calls_of(topology, &edge.source, source))
        }
        (None, Some(breaker)) => {
            format!("{source} has stopped calling {target}: breaker open on {} of {}", breaker.open, breaker.total)
        }
        (None, None) => format!("{target} is sick"),
    };
    let mut clauses = Vec::new();
    clauses.extend(breakers(topology, edge, failed.is_some()));
    if let Some(reason) = callee.and_then(|node| node.health_reason.as_deref()) {
        clauses.push(reason.to_owned());
    }
    let felt = felt_by(topology, &edge.target, &edge.source);
    if !felt.is_empty() {
        clauses.push(format!("felt by {}", felt.join(", ")));
    }
    clauses.extend(shedding(topology));
    let others = order::distinct(
        origins.iter().map(|origin| origin.edge.target.as_str()).filter(|id| *id != edge.target).collect(),
    );
    if !others.is_empty() {
        clauses.push(format!("also {}", others.iter().map(|id| name_of(topology, id)).collect::<Vec<_>>().join(", ")));
    }
    // Traces of a database or external host are found under its caller.
    let service = callee.filter(|node| node.kind == NodeKind::Service).or_else(|| order::node(topology, &edge.source));
    let severe = open_breaker(edge)
        || edge.error_ratio.is_some_and(|ratio| ratio >= 0.25)
        || callee.is_some_and(|node| node.health == ServiceHealth::Failing);
    Incident {
        severe,
        headline,
        clauses,
        origin: if callee.is_some() { Selection::Node(edge.target.clone()) } else { Selection::Edge(edge.key()) },
        service: service.map_or_else(String::new, |node| node.name.clone()),
        environment: service.map_or_else(String::new, |node| node.environment.clone()),
        since: edge.breaker.as_ref().filter(|breaker| breaker.state.refuses()).map(|breaker| breaker.since),
    }
}

fn of_nodes(topology: &Topology) -> Option<Incident> {
    let bad = |node: &&Node| matches!(node.health, ServiceHealth::Failing | ServiceHealth::Degraded);
    let failed = |node: &Node| node.rate.unwrap_or(0.0) * node.error_ratio.unwrap_or(0.0);
    let worst = topology.nodes.iter().filter(bad).min_by(|a, b| {
        crate::words::severity(a.health).cmp(&crate::words::severity(b.health)).then(failed(b).total_cmp(&failed(a)))
    })?;
    let headline = match (worst.error_ratio.filter(|ratio| *ratio >= SICK_RATIO), &worst.health_reason) {
        (Some(ratio), _) => format!("{} fails {} of its requests", worst.name, format::percent(Some(ratio))),
        (None, Some(reason)) => format!("{}: {reason}", worst.name),
        (None, None) => format!("{} is {}", worst.name, crate::words::health(worst.health)),
    };
    let others = topology.nodes.iter().filter(bad).count() - 1;
    let mut clauses: Vec<String> = shedding(topology).into_iter().collect();
    if others > 0 {
        clauses.push(format!("{} more {} not healthy", others, if others == 1 { "node is" } else { "nodes are" }));
    }
    Some(Incident {
        severe: worst.health == ServiceHealth::Failing,
        headline,
        clauses,
        origin: Selection::Node(worst.id.clone()),
        service: worst.name.clone(),
        environment: worst.environment.clone(),
        since: None,
    })
}

fn calls_of(topology: &Topology, id: &str, name: &str) -> String {
    let user = topology.nodes.iter().any(|node| node.id == id && node.kind == NodeKind::User);
    match (user, name.ends_with('s')) {
        (true, _) => "its users' requests".to_owned(),
        (false, true) => format!("{name}' calls"),
        (false, false) => format!("{name}'s calls"),
    }
}

/// The other sick nodes up the chain of callers, nearest first, at most three.
fn felt_by(topology: &Topology, origin: &str, told: &str) -> Vec<String> {
    let mut reached = vec![origin];
    let mut at = 0;
    while at < reached.len() {
        let callee = reached[at];
        at += 1;
        for edge in topology.edges.iter().filter(|edge| edge.target == callee && sick(edge)) {
            if !reached.contains(&edge.source.as_str()) {
                reached.push(&edge.source);
            }
        }
    }
    let is_user = |id: &str| topology.nodes.iter().any(|node| node.id == id && node.kind == NodeKind::User);
    reached
        .into_iter()
        .filter(|id| *id != origin && *id != told)
        .take(3)
        .map(|id| if is_user(id) { "users".to_owned() } else { name_of(topology, id).to_owned() })
        .collect()
}

/// The open breaker nearest to the origin; `own` when the edge itself may be told, because the headline does not.
fn breakers(topology: &Topology, edge: &Edge, own: bool) -> Option<String> {
    let upstream = |other: &&Edge| open_breaker(other) && (other.target == edge.target || other.target == edge.source);
    let told = |other: &&Edge| own || other.key() != edge.key();
    let nearest =
        topology.edges.iter().filter(upstream).filter(told).max_by_key(|other| other.target == edge.target)?;
    let breaker = nearest.breaker.as_ref()?;
    let (source, target) = (name_of(topology, &nearest.source), name_of(topology, &nearest.target));
    Some(format!("{source} → {target} breakers open ({} of {})", breaker.open, breaker.total))
}

fn shedding(topology: &Topology) -> Option<String> {
    let shedding =
        topology.nodes.iter().filter_map(|node| node.shedding.as_ref().map(|shedding| (node, shedding.ratio)));
    let (node, ratio) = shedding.filter(|(_, ratio)| *ratio > 0.0).max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(format!("{} sheds {}", node.name, format::percent(Some(ratio))))
}

/// When the errors that go on at the end of `points` began: the start of the first sick step after which at most one step
/// in a row was well. `None` when the last steps are well, or when all of them are sick (it began before).
pub fn onset(points: &[SeriesPoint]) -> Option<Timestamp> {
    let is_sick = |point: &SeriesPoint| point.error_ratio.is_some_and(|ratio| ratio >= SICK_RATIO);
    let mut began = None;
    let mut well_in_a_row = 0;
    for (index, point) in points.iter().enumerate().rev() {
        if is_sick(point) {
            began = Some(index);
            well_in_a_row = 0;
        } else {
            well_in_a_row += 1;
            if well_in_a_row == 2 {
                break;
            }
        }
    }
    began.filter(|index| *index > 0).map(|index| points[index].at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn plain(text: &str) -> String {
        text.replace('\u{a0}', " ")
    }

    #[test]
    fn a_calm_map_has_nothing_to_tell() {
        assert_eq!(find(&sample::calm()), None);
    }

    #[test]
    fn the_deepest_failing_callee_is_the_origin() {
        let incident = find(&sample::sick()).expect("payments fails");

        assert_eq!(plain(&incident.headline), "payments fails 38 % of checkout's calls");
        assert_eq!(incident.origin, Selection::Node("service:production/shop/payments".into()));
        assert_eq!(incident.service, "payments");
        assert!(incident.severe);
        assert_eq!(incident.clauses, ["felt by gateway"]);
    }

    #[test]
    fn an_open_breaker_is_told_even_when_no_call_gets_through() {
        let mut topology = sample::calm();
        let edge =
            topology.edges.iter_mut().find(|edge| edge.target.ends_with("payments")).expect("checkout calls payments");
        edge.rate = None;
        edge.error_ratio = None;
        edge.breaker = Some(sample::breaker(2, 900_000));

        let incident = find(&topology).expect("the breaker is open");

        assert_eq!(incident.headline, "checkout has stopped calling payments: breaker open on 2 of 3");
        assert_eq!(incident.since, Some(Timestamp::from_unix_ms(900_000)));
    }

    #[test]
    fn a_cycle_of_failing_calls_still_has_a_sentence() {
        let mut topology = sample::calm();
        topology.edges =
            vec![sample::edge("checkout", "payments", 10.0, 0.5), sample::edge("payments", "checkout", 10.0, 0.2)];

        assert_eq!(plain(&find(&topology).expect("both fail").headline), "payments fails 50 % of checkout's calls");
    }

    #[test]
    fn a_node_that_says_it_is_down_is_told_without_traffic() {
        let mut topology = sample::calm();
        topology.edges.clear();
        topology.nodes[0].health = ServiceHealth::Failing;
        topology.nodes[0].health_reason = Some("catalog-1 reports down: disk full".into());

        assert_eq!(find(&topology).expect("it is down").headline, "catalog: catalog-1 reports down: disk full");
    }

    #[test]
    fn the_onset_is_the_first_step_of_the_errors_that_still_go_on() {
        let points = |ratios: &[Option<f64>]| {
            let point = |(index, ratio): (usize, &Option<f64>)| SeriesPoint {
                at: Timestamp::from_unix_ms(index as i64 * 10_000),
                rate: Some(1.0),
                error_ratio: *ratio,
                p50_ms: None,
                p95_ms: None,
                p99_ms: None,
            };
            ratios.iter().enumerate().map(point).collect::<Vec<_>>()
        };

        assert_eq!(
            onset(&points(&[Some(0.4), Some(0.0), Some(0.0), Some(0.3), Some(0.0), Some(0.4), Some(0.4)])),
            Some(Timestamp::from_unix_ms(30_000))
        );
        assert_eq!(onset(&points(&[Some(0.4), Some(0.0), None])), None);
        assert_eq!(onset(&points(&[Some(0.4), Some(0.4)])), None);
        assert_eq!(onset(&[]), None);
    }
}
