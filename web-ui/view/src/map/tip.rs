//! What floats beside the pointer: who it is, how it is and why, and its numbers.

use spillway_api::{Edge, Node, ServiceHealth, Topology};

use super::scene;
use crate::{format, incident::SICK_RATIO, selection::Selection, words};

/// The words of a tip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TipText {
    /// `payments`, or `checkout → payments`.
    pub title: String,
    /// `service · healthy`, or `HTTP`.
    pub kind: String,
    /// The state, for its glyph.
    pub health: Option<ServiceHealth>,
    /// Why it is not well, in a sentence.
    pub reason: Option<String>,
    /// Name and value.
    pub rows: Vec<(&'static str, String)>,
}

impl TipText {
    /// About `selection`; none when it is not on the map any more.
    #[must_use]
    pub fn about(selection: &Selection, topology: &Topology) -> Option<Self> {
        match selection {
            Selection::Node(id) => topology.nodes.iter().find(|node| node.id == *id).map(node_text),
            Selection::Edge(key) => {
                let same = |edge: &&Edge| {
                    edge.source == key.source && edge.target == key.target && edge.protocol == key.protocol
                };
                topology.edges.iter().find(same).map(|edge| edge_text(edge, topology))
            }
        }
    }
}

fn node_text(node: &Node) -> TipText {
    let health = scene::health(node);
    let mut rows = vec![("Requests", format::rate_of(node)), ("Errors", format::percent(node.error_ratio))];
    rows.push(("p50 · p99", both(node.p50_ms, node.p99_ms)));
    if node.instances > 0 {
        rows.push(("Instances", node.instances.to_string()));
    }
    if let Some(version) = &node.version {
        rows.push(("Version", version.clone()));
    }
    if let Some(shedding) = node.shedding.as_ref().filter(|shedding| shedding.ratio > 0.0) {
        let applied = format!("applied on {} of {}", shedding.instances_applied, shedding.instances_enforcing);
        rows.push(("Sheds", format!("{}, {applied}", format::percent(Some(shedding.ratio)))));
    }
    let stale = (node.stale && health == ServiceHealth::Unknown)
        .then(|| "Nothing has come from it lately; the numbers are old.".to_owned());
    TipText {
        title: node.name.clone(),
        kind: format!("{} · {}", words::kind(node.kind), words::health(health)),
        health: Some(health),
        reason: stale
            .or_else(|| node.health_reason.clone().filter(|_| health != ServiceHealth::Healthy))
            .or_else(|| node.shedding.as_ref().and_then(|shedding| shedding.reason.clone())),
        rows,
    }
}

fn edge_text(edge: &Edge, topology: &Topology) -> TipText {
    let name = |id: &str| {
        topology.nodes.iter().find(|node| node.id == id).map_or_else(|| id.to_owned(), |node| node.name.clone())
    };
    let calls =
        if edge.estimated { format!("{} (estimated)", format::rate(edge.rate)) } else { format::rate(edge.rate) };
    let mut rows = vec![
        ("Calls", calls),
        ("Errors", format::percent(edge.error_ratio)),
        ("p50 · p99", both(edge.p50_ms, edge.p99_ms)),
    ];
    if let Some(breaker) = &edge.breaker {
        let count =
            if breaker.state.refuses() { format!(" on {} of {}", breaker.open, breaker.total) } else { String::new() };
        rows.push(("Breaker", format!("{}{count}", words::breaker(breaker.state))));
    }
    let disagree = match (&edge.caller, &edge.callee) {
        (Some(caller), Some(callee)) if (caller.error_ratio - callee.error_ratio).abs() >= SICK_RATIO => Some(format!(
            "The caller counts {} errors, the callee {}: look at the network or a queue between them.",
            format::percent(Some(caller.error_ratio)),
            format::percent(Some(callee.error_ratio))
        )),
        _ if edge.provisional => Some("Only one half of these calls has been seen.".to_owned()),
        _ => None,
    };
    let mode = if edge.asynchronous { " · nobody waits for the answer" } else { "" };
    TipText {
        title: format!("{} → {}", name(&edge.source), name(&edge.target)),
        kind: format!("{}{mode}", words::protocol(edge.protocol)),
        health: None,
        reason: disagree,
        rows,
    }
}

fn both(p50_ms: Option<f64>, p99_ms: Option<f64>) -> String {
    if p50_ms.is_none() && p99_ms.is_none() {
        return format::NONE.to_owned();
    }
    format!("{} · {}", format::millis(p50_ms), format::millis(p99_ms))
}

#[cfg(test)]
mod tests {
    use spillway_api::EdgeSide;

    use super::*;
    use crate::sample;

    fn value(text: &TipText, row: &str) -> Option<String> {
        text.rows.iter().find(|(name, _)| *name == row).map(|(_, value)| value.replace('\u{a0}', " "))
    }

    #[test]
    fn a_node_says_how_it_is_and_why() {
        let mut topology = sample::sick();
        topology.nodes.iter_mut().for_each(|node| node.health_reason = Some("38 % of requests fail".into()));
        let id = "service:production/shop/payments".to_owned();

        let text = TipText::about(&Selection::Node(id), &topology).expect("payments is on the map");

        assert_eq!((text.title.as_str(), text.kind.as_str()), ("payments", "service · failing"));
        assert_eq!(text.reason.as_deref(), Some("38 % of requests fail"));
        assert_eq!(value(&text, "Errors").as_deref(), Some("38 %"));
        assert_eq!(value(&text, "p50 · p99").as_deref(), Some("12 ms · 310 ms"));
    }

    #[test]
    fn an_edge_names_its_breaker_and_a_quarrel_of_its_ends() {
        let mut topology = sample::calm();
        let side = |error_ratio| EdgeSide { rate: 1.0, error_ratio, p50_ms: None, p95_ms: None, p99_ms: None };
        let edge =
            topology.edges.iter_mut().find(|edge| edge.target.ends_with("payments")).expect("checkout calls payments");
        edge.breaker = Some(sample::breaker(2, 0));
        edge.caller = Some(side(0.4));
        edge.callee = Some(side(0.02));
        let key = edge.key();

        let text = TipText::about(&Selection::Edge(key), &topology).expect("the edge is on the map");

        assert_eq!(text.title, "checkout → payments");
        assert_eq!(value(&text, "Breaker").as_deref(), Some("open on 2 of 3"));
        let quarrel = text.reason.expect("they disagree").replace('\u{a0}', " ");
        assert!(quarrel.starts_with("The caller counts 40 % errors, the callee 2 %"), "{quarrel}");
    }

    #[test]
    fn what_has_gone_has_no_tip() {
        assert_eq!(TipText::about(&Selection::Node("gone".into()), &sample::calm()), None);
    }
}
