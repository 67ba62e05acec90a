//! Where on the border of a box an edge leaves or arrives.

use crate::geometry::{Point, Rect};

/// Side of a box. Edges use only the two upright ones: the map is read from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

impl Side {
    /// Which way is outwards.
    pub(super) fn sign(self) -> f64 {
        match self {
            Self::Left => -1.0,
            Self::Right => 1.0,
        }
    }
}

/// One end of an edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Port {
    pub at: Point,
    pub side: Side,
}

/// Distance between two edges on one side of a box, where there is room.
const APART: f64 = 8.0;
/// Corners are round: no edge ends nearer to one.
const CORNER: f64 = 9.0;

/// Both ends of each edge. The edge that runs most level keeps the middle of the side; others keep apart from it in the order
/// of where they lead, so that no two cross right at the box.
pub(super) fn ports(boxes: &[Rect], edges: &[(usize, usize)]) -> Vec<(Port, Port)> {
    let mut ends: Vec<(Port, Port)> = edges
        .iter()
        .map(|&(a, b)| {
            let (from, to) = sides(&boxes[a], &boxes[b]);
            (on(&boxes[a], from), on(&boxes[b], to))
        })
        .collect();
    // (box, right side) → (height of the other end, x of the other end, edge, which end)
    let mut meet: Vec<Vec<(f64, f64, usize, bool)>> = vec![Vec::new(); boxes.len() * 2];
    for (e, &(a, b)) in edges.iter().enumerate() {
        if a == b {
            continue;
        }
        let (from, to) = (boxes[a].centre(), boxes[b].centre());
        meet[a * 2 + usize::from(ends[e].0.side == Side::Right)].push((to.y, to.x, e, true));
        meet[b * 2 + usize::from(ends[e].1.side == Side::Right)].push((from.y, from.x, e, false));
    }
    for (slot, here) in meet.iter_mut().enumerate() {
        if here.len() < 2 {
            continue;
        }
        let own = &boxes[slot / 2];
        // Of two edges to the same box the call comes first and the call back second, at both boxes alike.
        here.sort_by(|x, y| {
            x.0.total_cmp(&y.0)
                .then(x.1.total_cmp(&y.1))
                .then_with(|| back(boxes, edges[x.2]).cmp(&back(boxes, edges[y.2])))
                .then(x.2.cmp(&y.2))
        });
        let centre = own.centre().y;
        let level = (0..here.len())
            .min_by(|&i, &j| (here[i].0 - centre).abs().total_cmp(&(here[j].0 - centre).abs()))
            .unwrap_or(0);
        let reach = level.max(here.len() - 1 - level) as f64;
        let apart = APART.min((own.height() / 2.0 - CORNER).max(0.0) / reach);
        for (i, &(_, _, e, leaves)) in here.iter().enumerate() {
            let shift = (i as f64 - level as f64) * apart;
            let end = if leaves { &mut ends[e].0 } else { &mut ends[e].1 };
            end.at.y = centre + shift;
        }
    }
    ends
}

/// Whether an edge leads to the left (or up). Told by places, not by indices, which mean nothing.
fn back(boxes: &[Rect], (a, b): (usize, usize)) -> bool {
    let (from, to) = (boxes[a].centre(), boxes[b].centre());
    (to.x, to.y) < (from.x, from.y)
}

/// Sides that face each other; the same side twice for boxes above one another.
fn sides(from: &Rect, to: &Rect) -> (Side, Side) {
    if to.left >= from.right {
        (Side::Right, Side::Left)
    } else if to.right <= from.left {
        (Side::Left, Side::Right)
    } else {
        (Side::Right, Side::Right)
    }
}

fn on(rect: &Rect, side: Side) -> Port {
    let x = match side {
        Side::Left => rect.left,
        Side::Right => rect.right,
    };
    Port { at: Point::new(x, rect.centre().y), side }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;

    fn at(x: f64, y: f64) -> Rect {
        Rect::around(Point::new(x, y), Size::new(100.0, 44.0))
    }

    #[test]
    fn the_level_edge_keeps_the_middle_and_others_fan_out_in_order() {
        let boxes = [at(0.0, 0.0), at(300.0, -100.0), at(300.0, 0.0), at(300.0, 100.0)];

        let ends = ports(&boxes, &[(0, 3), (0, 2), (0, 1)]);

        let ys: Vec<f64> = ends.iter().map(|(from, _)| from.at.y).collect();
        assert_eq!(ys, [8.0, 0.0, -8.0]);
    }

    #[test]
    fn many_edges_stay_on_the_side_of_a_small_box() {
        let mut boxes = vec![at(0.0, 0.0)];
        boxes.extend((0..60).map(|i| at(300.0, f64::from(i) * 60.0)));
        let edges: Vec<_> = (1..=60).map(|v| (0, v)).collect();

        assert!(ports(&boxes, &edges).iter().all(|(from, _)| from.at.y.abs() <= 22.0 - CORNER + 1e-9));
    }
}
