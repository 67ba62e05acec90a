//! The two ways to make a picture: all anew ([`tidy`]) or with everything known left where it is ([`extend`]).

use std::collections::BTreeMap;

use crate::acyclic::acyclic;
use crate::component::components;
use crate::geometry::{Point, Rect, Size};
use crate::graph::{Graph, Lane};
use crate::layered::layered;
use crate::pack::{grid, shelves};
use crate::place::Occupied;
use crate::rank::rank;
use crate::route::{Route, routes};

/// Centres by key: what a page keeps between two pictures and what a saved view holds.
pub type Positions = BTreeMap<String, Point>;

/// Free space between things, in pixels at zoom 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spacing {
    /// Between two columns; room for a curve, a breaker and a label.
    pub rank_gap: f64,
    /// Between two boxes of one column.
    pub node_gap: f64,
    /// Between two parts that no call connects.
    pub part_gap: f64,
}

impl Default for Spacing {
    fn default() -> Self {
        Self { rank_gap: 104.0, node_gap: 36.0, part_gap: 72.0 }
    }
}

/// A finished picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// Centre of each node, in the order of [`Graph::nodes`].
    pub positions: Vec<Point>,
    /// How many calls deep each node lies, in the order of [`Graph::nodes`].
    pub ranks: Vec<usize>,
    /// Way of each edge, in the order of [`Graph::edges`].
    pub routes: Vec<Route>,
    /// The smallest rectangle around all of it.
    pub bounds: Rect,
}

impl Layout {
    /// The centres by key, to give to [`extend`] later.
    #[must_use]
    pub fn saved(&self, graph: &Graph) -> Positions {
        graph.nodes().iter().zip(&self.positions).map(|(node, centre)| (node.key.clone(), *centre)).collect()
    }
}

/// Draws everything anew. Only pinned nodes stay where they are; what would lie under one moves aside.
#[must_use]
pub fn tidy(graph: &Graph, spacing: &Spacing) -> Layout {
    let all = graph.by_key().to_vec();
    let fresh = parts(graph, &all, spacing);
    let mut placed: Vec<Option<Point>> = graph.nodes().iter().map(|node| node.pinned).collect();
    let mut occupied = Occupied::new();
    for (v, pin) in placed.iter().enumerate() {
        if let Some(pin) = pin {
            occupied.insert(graph.rect(v, *pin));
        }
    }
    for (&v, wanted) in all.iter().zip(fresh) {
        if placed[v].is_none() {
            let centre = if occupied.free(&graph.rect(v, wanted)) {
                wanted
            } else {
                occupied.nearest(wanted, graph.nodes()[v].size, spacing)
            };
            occupied.insert(graph.rect(v, centre));
            placed[v] = Some(centre);
        }
    }
    finish(graph, placed)
}

/// Adds what `known` does not have and moves nothing that it has. A new node goes beside its neighbours; new parts go below.
#[must_use]
pub fn extend(known: &Positions, graph: &Graph, spacing: &Spacing) -> Layout {
    let old = |key: &str| known.get(key).copied().filter(|centre| centre.finite());
    let mut placed: Vec<Option<Point>> =
        graph.nodes().iter().map(|node| node.pinned.or_else(|| old(&node.key))).collect();
    if placed.iter().all(Option::is_none) {
        return tidy(graph, spacing);
    }
    let mut occupied = Occupied::new();
    for (v, centre) in placed.iter().enumerate() {
        if let Some(centre) = centre {
            occupied.insert(graph.rect(v, *centre));
        }
    }

    let mut callers = vec![Vec::new(); placed.len()];
    let mut callees = vec![Vec::new(); placed.len()];
    for &(a, b) in graph.edges() {
        callees[a].push(b);
        callers[b].push(a);
    }
    // In rounds, so that a chain of new nodes grows outwards from what is known.
    loop {
        let ready: Vec<usize> = graph
            .by_key()
            .iter()
            .copied()
            .filter(|&v| placed[v].is_none() && callers[v].iter().chain(&callees[v]).any(|&u| placed[u].is_some()))
            .collect();
        if ready.is_empty() {
            break;
        }
        for v in ready {
            let wanted = beside(graph, v, &callers[v], &callees[v], &placed, spacing);
            let centre = occupied.nearest(wanted, graph.nodes()[v].size, spacing);
            occupied.insert(graph.rect(v, centre));
            placed[v] = Some(centre);
        }
    }

    let rest: Vec<usize> = graph.by_key().iter().copied().filter(|&v| placed[v].is_none()).collect();
    if !rest.is_empty() {
        let bounds = occupied.bounds();
        for (&v, centre) in rest.iter().zip(parts(graph, &rest, spacing)) {
            placed[v] =
                Some(Point::new(centre.x + bounds.left.round(), centre.y + (bounds.bottom + spacing.part_gap).round()));
        }
    }
    finish(graph, placed)
}

/// Where a new node would best stand: one column beside its neighbours, at their mean height.
fn beside(
    graph: &Graph,
    v: usize,
    callers: &[usize],
    callees: &[usize],
    placed: &[Option<Point>],
    spacing: &Spacing,
) -> Point {
    let own = graph.nodes()[v].size.width / 2.0;
    let (mut left, mut right) = (f64::NEG_INFINITY, f64::INFINITY);
    let (mut height, mut count) = (0.0, 0.0);
    for (&u, calls_me) in callers.iter().map(|u| (u, true)).chain(callees.iter().map(|u| (u, false))) {
        let Some(centre) = placed[u] else { continue };
        let apart = graph.nodes()[u].size.width / 2.0 + spacing.rank_gap + own;
        if calls_me {
            left = left.max(centre.x + apart);
        } else {
            right = right.min(centre.x - apart);
        }
        height += centre.y;
        count += 1.0;
    }
    // Callers win when there is no room between the two: left to right is how the map is read.
    let x = if left.is_finite() { left } else { right };
    Point::new(x.round(), (height / count).round())
}

/// Centres of `members` (in the order of their keys) drawn from nothing, connected parts on shelves, single nodes in a grid below.
fn parts(graph: &Graph, members: &[usize], spacing: &Spacing) -> Vec<Point> {
    let mut local = vec![usize::MAX; graph.nodes().len()];
    for (i, &v) in members.iter().enumerate() {
        local[v] = i;
    }
    let edges: Vec<(usize, usize)> = graph
        .edges()
        .iter()
        .map(|&(a, b)| (local[a], local[b]))
        .filter(|&(a, b)| a != usize::MAX && b != usize::MAX && a != b)
        .collect();
    let (singles, mut groups): (Vec<_>, Vec<_>) =
        components(members.len(), &edges).into_iter().partition(|group| group.len() == 1);
    groups.sort_by_key(|group| (std::cmp::Reverse(group.len()), group[0]));

    let mut group_of = vec![usize::MAX; members.len()];
    let mut within = vec![0; members.len()];
    for (g, group) in groups.iter().enumerate() {
        for (i, &v) in group.iter().enumerate() {
            group_of[v] = g;
            within[v] = i;
        }
    }
    let mut edges_of: Vec<Vec<(usize, usize)>> = vec![Vec::new(); groups.len()];
    for &(a, b) in &edges {
        edges_of[group_of[a]].push((within[a], within[b]));
    }

    let mut centres = vec![Point::default(); members.len()];
    let mut drawn = Vec::with_capacity(groups.len());
    for (group, edges) in groups.iter().zip(&edges_of) {
        let sizes: Vec<Size> = group.iter().map(|&v| graph.nodes()[members[v]].size).collect();
        let lanes: Vec<Lane> = group.iter().map(|&v| graph.nodes()[members[v]].lane).collect();
        drawn.push(layered(&sizes, &lanes, edges, spacing));
    }
    let extents: Vec<Size> = drawn.iter().map(|part| part.size).collect();
    let (mut page, mut bottom) = (0.0_f64, 0.0_f64);
    for ((group, part), corner) in groups.iter().zip(&drawn).zip(shelves(&extents, spacing.part_gap)) {
        for (&v, centre) in group.iter().zip(&part.centres) {
            centres[v] = Point::new(centre.x + corner.x, centre.y + corner.y);
        }
        page = page.max(corner.x + part.size.width);
        bottom = bottom.max(corner.y + part.size.height);
    }

    let boxes: Vec<Size> = singles.iter().map(|single| graph.nodes()[members[single[0]]].size).collect();
    let below = if groups.is_empty() { 0.0 } else { bottom + spacing.part_gap };
    for (single, centre) in singles.iter().zip(grid(&boxes, page, spacing.node_gap)) {
        centres[single[0]] = Point::new(centre.x, centre.y + below);
    }
    centres
}

fn finish(graph: &Graph, placed: Vec<Option<Point>>) -> Layout {
    // Every caller has filled every place; a node without one would be drawn at the origin rather than stop the page.
    let positions: Vec<Point> = placed.into_iter().map(Option::unwrap_or_default).collect();
    let rects: Vec<Rect> = positions.iter().enumerate().map(|(v, &centre)| graph.rect(v, centre)).collect();
    let routes = routes(&rects, graph.edges());
    let bounds = Rect::around_all(rects.iter().copied().chain(routes.iter().map(Route::bounds)));
    Layout { ranks: ranks(graph), positions, routes, bounds }
}

fn ranks(graph: &Graph) -> Vec<usize> {
    let order = graph.by_key();
    let mut local = vec![0; order.len()];
    for (i, &v) in order.iter().enumerate() {
        local[v] = i;
    }
    let lanes: Vec<Lane> = order.iter().map(|&v| graph.nodes()[v].lane).collect();
    let first: Vec<bool> = lanes.iter().map(|&lane| lane == Lane::Caller).collect();
    let edges: Vec<(usize, usize)> = graph.edges().iter().map(|&(a, b)| (local[a], local[b])).collect();
    let ranks = rank(&acyclic(order.len(), &edges, &first), &lanes);
    local.iter().map(|&i| ranks[i]).collect()
}
