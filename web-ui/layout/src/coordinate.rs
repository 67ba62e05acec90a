//! Heights inside the columns: chains of calls become straight lines, long edges before anything else.
//!
//! After U. Brandes and B. Köpf, "Fast and Simple Horizontal Coordinate Assignment" (2002), turned by 90°. Four layouts are
//! made, each biased to one corner, and the mean of the two middle values of every vertex is taken; each of the four keeps
//! the distances, so the mean keeps them too. Compaction is by longest path over blocks, as dagre does it: the shift of
//! whole classes in the paper is known to let boxes overlap.

use std::collections::HashSet;

use crate::order::Columns;

/// What [`heights`] must know about each vertex.
pub(crate) struct Extents<'a> {
    /// Height of each vertex.
    pub height: &'a [f64],
    /// Whether the vertex is a place holder of a long edge.
    pub holder: &'a [bool],
    /// Free space between two nodes of one column; half of it beside a place holder.
    pub gap: f64,
}

impl Extents<'_> {
    /// Distance that the centres of two vertical neighbours keep.
    fn apart(&self, upper: usize, lower: usize) -> f64 {
        let gap = match (self.holder[upper], self.holder[lower]) {
            (false, false) => self.gap,
            (true, true) => self.gap * 0.25,
            _ => self.gap * 0.5,
        };
        (self.height[upper] + self.height[lower]) / 2.0 + gap
    }
}

/// The centre of each vertex; the smallest is not at any particular place.
pub(crate) fn heights(columns: &Columns, extents: &Extents<'_>) -> Vec<f64> {
    let count = columns.left.len();
    if !columns.whole {
        return stacked(columns, extents);
    }
    let (left, right) = (adjacent(columns, &columns.left), adjacent(columns, &columns.right));
    let mut place = vec![0; count];
    for layer in &columns.layers {
        for (i, &v) in layer.iter().enumerate() {
            place[v] = i;
        }
    }
    let conflicts = conflicts(&columns.layers, &left, &place, extents.holder);

    let mut four = Vec::with_capacity(4);
    for from_left in [true, false] {
        for from_top in [true, false] {
            let mut layers = columns.layers.clone();
            if !from_left {
                layers.reverse();
            }
            if !from_top {
                layers.iter_mut().for_each(|layer| layer.reverse());
            }
            let neighbours = if from_left { &left } else { &right };
            let blocks = align(&layers, neighbours, &conflicts, count);
            let mut y = compact(&layers, &blocks, extents);
            if !from_top {
                y.iter_mut().for_each(|y| *y = -*y);
            }
            four.push((from_top, y));
        }
    }
    balance(four)
}

/// Each column as tight as it can be, around one middle line. Without place holders most edges do not end in the next column,
/// and aligning along the few that do scatters the rest.
fn stacked(columns: &Columns, extents: &Extents<'_>) -> Vec<f64> {
    let mut y = vec![0.0; columns.left.len()];
    for layer in &columns.layers {
        let mut at = 0.0;
        for (i, &v) in layer.iter().enumerate() {
            if let Some(&above) = i.checked_sub(1).and_then(|above| layer.get(above)) {
                at += extents.apart(above, v);
            }
            y[v] = at;
        }
        layer.iter().for_each(|&v| y[v] -= at / 2.0);
    }
    y
}

/// Neighbours in the very next column, by position.
fn adjacent(columns: &Columns, all: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut layer_of = vec![0_usize; all.len()];
    let mut place = vec![0_usize; all.len()];
    for (at, layer) in columns.layers.iter().enumerate() {
        for (i, &v) in layer.iter().enumerate() {
            layer_of[v] = at;
            place[v] = i;
        }
    }
    let mut near: Vec<Vec<usize>> = Vec::with_capacity(all.len());
    for (v, neighbours) in all.iter().enumerate() {
        let mut kept: Vec<usize> =
            neighbours.iter().copied().filter(|&u| layer_of[u].abs_diff(layer_of[v]) == 1).collect();
        kept.sort_unstable_by_key(|&u| place[u]);
        near.push(kept);
    }
    near
}

/// Short edges that cross a long one: the long one stays straight, so the short one must not align.
fn conflicts(layers: &[Vec<usize>], left: &[Vec<usize>], place: &[usize], holder: &[bool]) -> HashSet<(usize, usize)> {
    let mut found = HashSet::new();
    for pair in layers.windows(2) {
        let (mut low, mut scanned) = (0, 0);
        for (i, &v) in pair[1].iter().enumerate() {
            let inner = left[v].iter().copied().find(|&u| holder[u] && holder[v]);
            if inner.is_none() && i + 1 < pair[1].len() {
                continue;
            }
            let high = inner.map_or(pair[0].len().saturating_sub(1), |u| place[u]);
            for &w in &pair[1][scanned..=i] {
                for &u in &left[w] {
                    if (place[u] < low || place[u] > high) && !(holder[u] && holder[w]) {
                        found.insert((u.min(w), u.max(w)));
                    }
                }
            }
            scanned = i + 1;
            low = high;
        }
    }
    found
}

/// The block (named by its first vertex) that each vertex belongs to: vertices that get one common height.
fn align(
    layers: &[Vec<usize>],
    neighbours: &[Vec<usize>],
    conflicts: &HashSet<(usize, usize)>,
    count: usize,
) -> Vec<usize> {
    let mut place = vec![0_usize; count];
    for layer in layers {
        for (i, &v) in layer.iter().enumerate() {
            place[v] = i;
        }
    }
    let mut root: Vec<usize> = (0..count).collect();
    let mut taken = vec![false; count];
    let mut sorted: Vec<usize> = Vec::new();
    for layer in layers.iter().skip(1) {
        // Position of the last neighbour that was aligned: alignments of one column must not cross.
        let mut last: Option<usize> = None;
        for &v in layer {
            sorted.clear();
            sorted.extend_from_slice(&neighbours[v]);
            sorted.sort_unstable_by_key(|&u| place[u]);
            let Some(top) = sorted.len().checked_sub(1) else {
                continue;
            };
            for median in [top / 2, top.div_ceil(2)] {
                let u = sorted[median];
                let free = !taken[u] && last.is_none_or(|last| last < place[u]);
                if root[v] == v && free && !conflicts.contains(&(u.min(v), u.max(v))) {
                    root[v] = root[u];
                    taken[u] = true;
                    last = Some(place[u]);
                }
            }
        }
    }
    root
}

/// Puts each block as far up as its upper neighbours allow, then closes gaps from below.
fn compact(layers: &[Vec<usize>], root: &[usize], extents: &Extents<'_>) -> Vec<f64> {
    let count = root.len();
    let mut after: Vec<Vec<(usize, f64)>> = vec![Vec::new(); count];
    let mut waiting = vec![0_usize; count];
    for layer in layers {
        for pair in layer.windows(2) {
            let (a, b) = (root[pair[0]], root[pair[1]]);
            after[a].push((b, extents.apart(pair[0], pair[1])));
            waiting[b] += 1;
        }
    }
    let mut ready: Vec<usize> = (0..count).filter(|&v| root[v] == v && waiting[v] == 0).collect();
    let mut y = vec![0.0_f64; count];
    let mut at = 0;
    while at < ready.len() {
        let a = ready[at];
        at += 1;
        for &(b, apart) in &after[a] {
            y[b] = y[b].max(y[a] + apart);
            waiting[b] -= 1;
            if waiting[b] == 0 {
                ready.push(b);
            }
        }
    }
    for &a in ready.iter().rev() {
        let room = after[a].iter().map(|&(b, apart)| y[b] - apart).fold(f64::INFINITY, f64::min);
        if room.is_finite() {
            y[a] = y[a].max(room);
        }
    }
    (0..count).map(|v| y[root[v]]).collect()
}

/// Lays the four over each other at the narrowest one and takes the mean of the two middle values.
fn balance(mut four: Vec<(bool, Vec<f64>)>) -> Vec<f64> {
    let range = |y: &[f64]| {
        (y.iter().copied().fold(f64::INFINITY, f64::min), y.iter().copied().fold(f64::NEG_INFINITY, f64::max))
    };
    let Some((low, high)) = four.iter().map(|(_, y)| range(y)).min_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0)))
    else {
        return Vec::new();
    };
    for (from_top, y) in &mut four {
        let (own_low, own_high) = range(y);
        let shift = if *from_top { low - own_low } else { high - own_high };
        y.iter_mut().for_each(|y| *y += shift);
    }
    let count = four.first().map_or(0, |(_, y)| y.len());
    (0..count)
        .map(|v| {
            let mut values = [four[0].1[v], four[1].1[v], four[2].1[v], four[3].1[v]];
            values.sort_by(f64::total_cmp);
            f64::midpoint(values[1], values[2])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(layers: Vec<Vec<usize>>, edges: &[(usize, usize)]) -> Columns {
        let count = layers.iter().map(Vec::len).sum();
        let mut columns =
            Columns { layers, left: vec![Vec::new(); count], right: vec![Vec::new(); count], whole: true };
        for &(a, b) in edges {
            columns.right[a].push(b);
            columns.left[b].push(a);
        }
        columns
    }

    #[test]
    fn a_chain_is_a_straight_line_beside_a_busy_column() {
        let c = columns(vec![vec![0], vec![1, 2, 3], vec![4]], &[(0, 1), (0, 2), (0, 3), (2, 4)]);

        let y = heights(&c, &Extents { height: &[40.0; 5], holder: &[false; 5], gap: 20.0 });

        assert_eq!((y[0], y[2]), (y[2], y[4]));
    }

    #[test]
    fn a_long_edge_stays_straight_where_a_short_one_crosses_it() {
        // 0 → (holder 2) → (holder 4) → 6, crossed by 3 → 5's neighbour order.
        let c = columns(vec![vec![0, 1], vec![2, 3], vec![5, 4], vec![6]], &[(0, 2), (1, 3), (2, 4), (3, 5), (4, 6)]);
        let holder = [false, false, true, false, true, false, false];

        let y = heights(&c, &Extents { height: &[40.0, 40.0, 4.0, 40.0, 4.0, 40.0, 40.0], holder: &holder, gap: 20.0 });

        assert_eq!(y[2], y[4]);
    }

    #[test]
    fn columns_without_place_holders_are_stacked_around_one_line() {
        let mut c = columns(vec![vec![0], vec![1, 2, 3]], &[(0, 3)]);
        c.whole = false;

        let y = heights(&c, &Extents { height: &[40.0; 4], holder: &[false; 4], gap: 20.0 });

        assert_eq!(y, [0.0, -60.0, 0.0, 60.0]);
    }

    #[test]
    fn neighbours_keep_their_distance() {
        let c = columns(vec![vec![0, 1, 2], vec![3, 4, 5]], &[(0, 5), (1, 5), (2, 5), (2, 3), (0, 4)]);

        let y = heights(&c, &Extents { height: &[40.0; 6], holder: &[false; 6], gap: 20.0 });

        for layer in &c.layers {
            for pair in layer.windows(2) {
                assert!(y[pair[1]] - y[pair[0]] >= 60.0, "{pair:?} at {y:?}");
            }
        }
    }
}
