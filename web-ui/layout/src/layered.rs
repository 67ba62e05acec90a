//! One connected part of the map, drawn in columns from callers to stores.

use crate::acyclic::acyclic;
use crate::coordinate::{Extents, heights};
use crate::geometry::{Point, Size};
use crate::graph::Lane;
use crate::layout::Spacing;
use crate::order::{Columns, order};
use crate::page;
use crate::rank::rank;

/// Up to so many vertices a long edge has a place holder in each column that it passes, which keeps its way free. Above,
/// long edges are single curves over whatever lies there: it is the only way to stay within a frame at 5,000 edges.
const MOST_VERTICES: usize = 2_000;
/// A place holder is as high as a line with some air.
const HOLDER_HEIGHT: f64 = 6.0;

/// Where the nodes of one part go.
pub(crate) struct Drawn {
    /// Centre of each node; the upper left corner of everything is the origin.
    pub centres: Vec<Point>,
    /// Extent of everything.
    pub size: Size,
}

/// Draws nodes that are given in the order of their keys.
pub(crate) fn layered(sizes: &[Size], lanes: &[Lane], edges: &[(usize, usize)], spacing: &Spacing) -> Drawn {
    let count = sizes.len();
    let first: Vec<bool> = lanes.iter().map(|&lane| lane == Lane::Caller).collect();
    let dag = acyclic(count, edges, &first);
    let ranks = page::columns(&rank(&dag, lanes), &dag);

    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (a, callees) in dag.out.iter().enumerate() {
        // Joined ranks keep some calls within a column: they are drawn, but say nothing about the order.
        let across = callees.iter().filter(|&&b| ranks[a] != ranks[b]);
        pairs.extend(across.map(|&b| if ranks[a] < ranks[b] { (a, b) } else { (b, a) }));
    }
    pairs.sort_unstable();
    pairs.dedup();
    let holders: usize = pairs.iter().map(|&(a, b)| ranks[b].abs_diff(ranks[a]).saturating_sub(1)).sum();
    let (mut columns, vertices) = columns(count, &ranks, &pairs, count + holders <= MOST_VERTICES);
    order(&mut columns);

    let mut height: Vec<f64> = sizes.iter().map(|size| size.height).collect();
    height.resize(vertices, HOLDER_HEIGHT);
    let holder: Vec<bool> = (0..vertices).map(|v| v >= count).collect();
    let y = heights(&columns, &Extents { height: &height, holder: &holder, gap: spacing.node_gap });
    let x = across(&columns, sizes, &y, spacing);

    let rounded = |v: usize| Point::new(x[ranks[v]].round(), y[v].round());
    let mut centres: Vec<Point> = (0..count).map(rounded).collect();
    let corner = centres.iter().zip(sizes).fold(Point::new(f64::INFINITY, f64::INFINITY), |corner, (centre, size)| {
        Point::new(corner.x.min(centre.x - size.width / 2.0), corner.y.min(centre.y - size.height / 2.0))
    });
    let mut size = Size::default();
    for (centre, own) in centres.iter_mut().zip(sizes) {
        centre.x -= corner.x;
        centre.y -= corner.y;
        size.width = size.width.max(centre.x + own.width / 2.0);
        size.height = size.height.max(centre.y + own.height / 2.0);
    }
    Drawn { centres, size }
}

/// Sorts vertices into columns, in the order a depth-first walk from the left meets them: near to what the sweeps want.
fn columns(count: usize, ranks: &[usize], pairs: &[(usize, usize)], with_holders: bool) -> (Columns, usize) {
    let mut right: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut layer_of = ranks.to_vec();
    for &(a, b) in pairs {
        let mut from = a;
        if with_holders {
            for layer in ranks[a] + 1..ranks[b] {
                let holder = right.len();
                right.push(Vec::new());
                layer_of.push(layer);
                right[from].push(holder);
                from = holder;
            }
        }
        right[from].push(b);
    }
    let vertices = right.len();
    let mut left: Vec<Vec<usize>> = vec![Vec::new(); vertices];
    for (a, callees) in right.iter().enumerate() {
        for &b in callees {
            left[b].push(a);
        }
    }

    let mut layers = vec![Vec::new(); layer_of.iter().copied().max().map_or(0, |last| last + 1)];
    let mut seen = vec![false; vertices];
    let mut starts: Vec<usize> = (0..vertices).collect();
    starts.sort_by_key(|&v| layer_of[v]);
    let mut stack = Vec::new();
    for start in starts {
        stack.push(start);
        while let Some(v) = stack.pop() {
            if std::mem::replace(&mut seen[v], true) {
                continue;
            }
            layers[layer_of[v]].push(v);
            stack.extend(right[v].iter().rev().copied().filter(|&w| !seen[w]));
        }
    }
    (Columns { layers, left, right, whole: with_holders }, vertices)
}

/// The middle of each column. Columns between which edges rise steeply stand further apart.
fn across(columns: &Columns, sizes: &[Size], y: &[f64], spacing: &Spacing) -> Vec<f64> {
    let width = |layer: &[usize]| layer.iter().filter_map(|&v| sizes.get(v)).map(|size| size.width).fold(0.0, f64::max);
    let mut x = Vec::with_capacity(columns.layers.len());
    let mut edge = 0.0;
    for layer in &columns.layers {
        let own = width(layer);
        x.push(edge + own / 2.0);
        let rise = layer
            .iter()
            .flat_map(|&v| columns.right[v].iter().map(move |&w| (v, w)))
            .map(|(v, w)| (y[v] - y[w]).abs())
            .fold(0.0, f64::max);
        edge += own + (rise * 0.16).clamp(spacing.rank_gap, spacing.rank_gap * 2.5);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_edge_leaves_room_between_the_boxes_that_it_passes() {
        // 0 → 1 → 2 and 0 → 2: the direct edge has its own lane, so 1 is not on the straight line between 0 and 2.
        let drawn =
            layered(&[Size::new(100.0, 40.0); 3], &[Lane::Service; 3], &[(0, 1), (1, 2), (0, 2)], &Spacing::default());

        let straight = drawn.centres[0].lerp(drawn.centres[2], 0.5).y;
        assert!((drawn.centres[1].y - straight).abs() >= 20.0, "{:?}", drawn.centres);
    }

    #[test]
    fn columns_follow_the_calls() {
        let drawn = layered(&[Size::new(100.0, 40.0); 3], &[Lane::Service; 3], &[(2, 0), (0, 1)], &Spacing::default());

        assert!(drawn.centres[2].x < drawn.centres[0].x && drawn.centres[0].x < drawn.centres[1].x);
    }
}
