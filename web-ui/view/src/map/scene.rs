//! What each node and edge of the map looks like: shape, state, words, width. No place and no pixel of a screen in it.

use std::collections::HashMap;

use spillway_api::{Breaker, BreakerState, Edge, EdgeKey, Node, NodeKind, ServiceHealth, Topology};
use spillway_layout::{Lane, Size};

use crate::{format, incident::SICK_RATIO, words};

/// From this share of failed calls an edge is failing and not only degraded: the model's own limit for a node.
const FAILING_RATIO: f64 = 0.25;
/// Below this nobody complains of a wait.
const FELT_MS: f64 = 500.0;
/// A name longer than this is shortened in its middle: heads and tails tell services apart.
const MOST_CHARS: usize = 22;

/// The outline that says what a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A service.
    Box,
    /// A database.
    Cylinder,
    /// A queue or topic.
    Pipe,
    /// An external host.
    Pill,
    /// Users.
    Circle,
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// The caller waits.
    Solid,
    /// Nobody waits.
    Dashed,
    /// Only half of the calls was seen, or none lately.
    Dotted,
}

/// A breaker on an edge that is worth a sign: any but a closed one.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Half-open, open or unknown.
    pub state: BreakerState,
    /// `breaker open 2 of 3`.
    pub text: String,
}

/// Dots that run along an edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flow {
    /// Distance between two dots.
    pub spacing: f64,
    /// Pixels a second.
    pub speed: f64,
}

/// A node as it is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct SceneNode {
    /// The topology's id.
    pub id: String,
    /// The name, short enough for its box.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
    /// Its outline.
    pub shape: Shape,
    /// Its state; unknown when its numbers are stale.
    pub health: ServiceHealth,
    /// `251/s`.
    pub rate: String,
    /// `38 %`, when it is worth a word.
    pub errors: Option<String>,
    /// Failed share, the arc of the ring.
    pub error_share: f64,
    /// `sheds 38 %`.
    pub badge: Option<String>,
    /// Extent of the outline.
    pub size: Size,
    /// Preferred side of the map.
    pub lane: Lane,
    /// Whether it stays bright while the rest of a map in trouble fades.
    pub loud: bool,
    /// Who is labelled first where there is no room for all.
    pub importance: f64,
}

/// An edge as it is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct SceneEdge {
    /// What identifies it.
    pub key: EdgeKey,
    /// Index of the caller in [`Scene::nodes`].
    pub source: usize,
    /// Index of the callee in [`Scene::nodes`].
    pub target: usize,
    /// Its state.
    pub health: ServiceHealth,
    /// How the line is drawn.
    pub line: Line,
    /// Logarithm of the rate, in pixels.
    pub width: f64,
    /// The breaker's sign.
    pub mark: Option<Mark>,
    /// What is wrong: `38 % · p99 2.9 s`.
    pub complaint: Option<String>,
    /// `251/s`, for who looks closely.
    pub rate: String,
    /// Moving dots; none without traffic.
    pub flow: Option<Flow>,
    /// Share of the dots that are shown failing.
    pub error_share: f64,
    /// Whether it stays bright.
    pub loud: bool,
    /// Who is labelled first.
    pub importance: f64,
}

/// All that is drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scene {
    /// Nodes, in the order of the topology.
    pub nodes: Vec<SceneNode>,
    /// Edges between them.
    pub edges: Vec<SceneEdge>,
    /// True when something is sick, so that the rest fades.
    pub trouble: bool,
}

impl Scene {
    /// What `topology` looks like. An edge to a node that is not there is left out.
    #[must_use]
    pub fn new(topology: &Topology) -> Self {
        let mut index: HashMap<&str, usize> = HashMap::with_capacity(topology.nodes.len());
        let mut nodes: Vec<SceneNode> = Vec::with_capacity(topology.nodes.len());
        for node in &topology.nodes {
            if !index.contains_key(node.id.as_str()) {
                index.insert(&node.id, nodes.len());
                nodes.push(scene_node(node));
            }
        }
        let ends = |edge: &Edge| Some((*index.get(edge.source.as_str())?, *index.get(edge.target.as_str())?));
        let edges: Vec<SceneEdge> = topology
            .edges
            .iter()
            .filter_map(|edge| {
                ends(edge).map(|(source, target)| scene_edge(edge, source, target, nodes[target].error_share))
            })
            .collect();
        for edge in edges.iter().filter(|edge| edge.loud) {
            // Who suffers is part of the story even while it is well itself; users and stores speak through their edges.
            nodes[edge.source].loud |= nodes[edge.source].kind == NodeKind::Service;
            nodes[edge.target].loud = true;
        }
        let sick = |health| matches!(health, ServiceHealth::Failing | ServiceHealth::Degraded);
        let trouble = nodes.iter().any(|node| sick(node.health)) || edges.iter().any(|edge| edge.loud);
        Self { nodes, edges, trouble }
    }

    /// Whether node `index` is drawn bright.
    #[must_use]
    pub fn bright_node(&self, index: usize) -> bool {
        !self.trouble || self.nodes.get(index).is_some_and(|node| node.loud)
    }

    /// Whether edge `index` is drawn bright.
    #[must_use]
    pub fn bright_edge(&self, index: usize) -> bool {
        !self.trouble || self.edges.get(index).is_some_and(|edge| edge.loud)
    }
}

/// The state that a node is shown in. Users never send anything, so silence says nothing about them.
pub(super) fn health(node: &Node) -> ServiceHealth {
    match (node.kind, node.health) {
        (NodeKind::User, ServiceHealth::Unknown) => ServiceHealth::Healthy,
        (NodeKind::User, health) => health,
        _ if node.stale => ServiceHealth::Unknown,
        (_, health) => health,
    }
}

/// A share in as few digits as a glance takes in: `33 %`, `7.1 %`.
fn percent(share: f64) -> String {
    let whole = (0.0995..0.995).contains(&share);
    format::percent(Some(if whole { (share * 100.0).round() / 100.0 } else { share }))
}

fn scene_node(node: &Node) -> SceneNode {
    let health = health(node);
    let (shape, lane) = match node.kind {
        NodeKind::Service | NodeKind::Other => (Shape::Box, Lane::Service),
        NodeKind::Database => (Shape::Cylinder, Lane::Store),
        NodeKind::Queue => (Shape::Pipe, Lane::Service),
        NodeKind::External => (Shape::Pill, Lane::Service),
        NodeKind::User => (Shape::Circle, Lane::Caller),
    };
    let name = shortened(&node.name);
    let badge = node.shedding.as_ref().filter(|shedding| shedding.ratio > 0.0).map(|shedding| {
        let unheard = shedding.instances_applied < shedding.instances_enforcing;
        let share = format!("sheds {}", percent(shedding.ratio));
        if unheard {
            format!("{share} · {} of {}", shedding.instances_applied, shedding.instances_enforcing)
        } else {
            share
        }
    });
    let error_share = node.error_ratio.filter(|ratio| ratio.is_finite()).unwrap_or(0.0).clamp(0.0, 1.0);
    let severity = match health {
        ServiceHealth::Failing => 300.0,
        ServiceHealth::Degraded => 200.0,
        ServiceHealth::Unknown => 5.0,
        ServiceHealth::Healthy => 0.0,
    };
    SceneNode {
        id: node.id.clone(),
        size: size(shape, &name),
        name,
        kind: node.kind,
        shape,
        health,
        rate: format::rate_of(node),
        errors: (error_share >= 0.005).then(|| percent(error_share)),
        error_share,
        lane,
        loud: severity >= 200.0 || badge.is_some(),
        importance: severity
            + if badge.is_some() { 100.0 } else { 0.0 }
            + error_share * 50.0
            + magnitude(node.rate) * 8.0,
        badge,
    }
}

fn scene_edge(edge: &Edge, source: usize, target: usize, callee_share: f64) -> SceneEdge {
    let error_share = edge.error_ratio.filter(|ratio| ratio.is_finite()).unwrap_or(0.0).clamp(0.0, 1.0);
    let mark = edge.breaker.as_ref().and_then(mark);
    let state = mark.as_ref().map(|mark| mark.state);
    let health = match error_share {
        _ if state.is_some_and(BreakerState::refuses) => ServiceHealth::Failing,
        share if share >= FAILING_RATIO => ServiceHealth::Failing,
        share if share >= SICK_RATIO => ServiceHealth::Degraded,
        _ if edge.rate.is_none() => ServiceHealth::Unknown,
        _ => ServiceHealth::Healthy,
    };
    let sick = matches!(health, ServiceHealth::Failing | ServiceHealth::Degraded);
    let complaint = if sick { complaint(edge, error_share, callee_share) } else { None };
    let flowing = edge.rate.filter(|rate| *rate > 0.0 && rate.is_finite());
    let severity = if health == ServiceHealth::Failing {
        300.0
    } else if sick {
        200.0
    } else {
        0.0
    };
    SceneEdge {
        key: edge.key(),
        source,
        target,
        health,
        line: match (edge.provisional || edge.rate.is_none(), edge.asynchronous) {
            (true, _) => Line::Dotted,
            (_, true) => Line::Dashed,
            _ => Line::Solid,
        },
        width: (1.2 + 0.8 * magnitude(edge.rate)).min(6.0),
        complaint,
        rate: format::rate(edge.rate),
        flow: flowing.map(|rate| {
            let magnitude = magnitude(Some(rate));
            Flow { spacing: (260.0 / (1.0 + magnitude * 1.6)).max(40.0), speed: 40.0 + 14.0 * magnitude }
        }),
        error_share,
        loud: sick || state == Some(BreakerState::HalfOpen),
        importance: severity + if mark.is_some() { 150.0 } else { 0.0 } + magnitude(edge.rate) * 8.0,
        mark,
    }
}

/// What the box of the callee does not say already: another share of errors, and a wait that people feel.
fn complaint(edge: &Edge, error_share: f64, callee_share: f64) -> Option<String> {
    let share = ((error_share - callee_share).abs() >= 0.02).then(|| percent(error_share));
    let wait = edge.p99_ms.filter(|p99| *p99 >= FELT_MS).map(|p99| format!("p99 {}", format::millis(Some(p99))));
    match (share, wait) {
        (Some(share), Some(wait)) => Some(format!("{share} · {wait}")),
        (share, wait) => share.or(wait),
    }
}

fn mark(breaker: &Breaker) -> Option<Mark> {
    let total = breaker.total;
    let text = match breaker.state {
        // Calls pass; who switched it off reads it in the panel.
        BreakerState::Closed | BreakerState::Disabled | BreakerState::MetricsOnly => return None,
        BreakerState::Open | BreakerState::ForcedOpen => format!("breaker {}", words::breakers(breaker)),
        BreakerState::HalfOpen => {
            let probing = breaker.instances.iter().filter(|one| one.state == BreakerState::HalfOpen).count();
            format!("half-open {probing} of {total}")
        }
        BreakerState::Unknown => "breaker unknown".to_owned(),
    };
    Some(Mark { state: breaker.state, text })
}

/// Powers of ten of a rate, 0 without traffic, at most 6.
fn magnitude(rate: Option<f64>) -> f64 {
    rate.filter(|rate| rate.is_finite() && *rate > 0.0).map_or(0.0, |rate| (1.0 + rate).log10().min(6.0))
}

fn shortened(name: &str) -> String {
    let length = name.chars().count();
    if length <= MOST_CHARS {
        return name.to_owned();
    }
    let head: String = name.chars().take(MOST_CHARS - 10).collect();
    let tail: String = name.chars().skip(length - 9).collect();
    format!("{head}…{tail}")
}

/// From the number of characters and not from a measured text: the layout must not depend on the fonts of a machine.
fn size(shape: Shape, name: &str) -> Size {
    let text = name.chars().count() as f64 * 7.4;
    let width = ((text + 50.0) / 4.0).ceil() * 4.0;
    match shape {
        Shape::Box => Size::new(width.max(136.0), 46.0),
        Shape::Cylinder => Size::new(width.max(136.0), 56.0),
        Shape::Pipe => Size::new((width + 14.0).max(140.0), 46.0),
        Shape::Pill => Size::new((width + 14.0).max(140.0), 46.0),
        Shape::Circle => Size::new(46.0, 46.0),
    }
}

#[cfg(test)]
mod tests;
