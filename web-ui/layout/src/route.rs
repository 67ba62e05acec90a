//! The way of each edge from box to box, worked out from where the boxes are and nothing else.
//!
//! So a box that was dragged or added gets the same care as one that was laid out. An edge leaves on the side that faces
//! its callee. When the plain curve would run through a box, it goes through the gaps of the columns in between, found by a
//! shortest-path search over gaps; edges that share a gap keep apart.

mod detour;
mod port;

use crate::curve::Cubic;
use crate::geometry::{Point, Rect};
use crate::hit::HitGrid;
use detour::Detours;
use port::{Port, ports};

/// Up to so many boxes and edges, edges go round boxes. Beyond it the map is read from afar, where nobody could tell.
const DETOUR_BOXES: usize = 250;
const DETOUR_EDGES: usize = 500;

/// The way of one edge from caller to callee.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Route {
    pieces: Vec<Cubic>,
}

impl Route {
    /// The curves, each starting where the one before ends.
    #[must_use]
    pub fn pieces(&self) -> &[Cubic] {
        &self.pieces
    }

    /// Distance of `point` to the way.
    #[must_use]
    pub fn distance(&self, point: Point) -> f64 {
        self.pieces.iter().map(|piece| piece.distance(point)).fold(f64::INFINITY, f64::min)
    }

    /// A rectangle around the whole way.
    #[must_use]
    pub fn bounds(&self) -> Rect {
        Rect::around_all(self.pieces.iter().map(Cubic::bounds))
    }

    /// Points along the way, about `step` apart and never more than 256: what a dot or a badge travels on.
    #[must_use]
    pub fn trace(&self, step: f64) -> Vec<Point> {
        let mut points: Vec<Point> = self.pieces.first().map(|piece| piece.from).into_iter().collect();
        let share = (256 / self.pieces.len().max(1)).max(1);
        for piece in &self.pieces {
            let hull =
                piece.from.distance(piece.leave) + piece.leave.distance(piece.arrive) + piece.arrive.distance(piece.to);
            let count = ((hull / step.max(1.0)).ceil() as usize).clamp(1, share);
            points.extend((1..=count).map(|i| piece.at(i as f64 / count as f64)));
        }
        points
    }
}

/// The way of each of `edges` (caller, callee) between `boxes`.
#[must_use]
pub fn routes(boxes: &[Rect], edges: &[(usize, usize)]) -> Vec<Route> {
    let ports = ports(boxes, edges);
    let go_round = boxes.len() <= DETOUR_BOXES && edges.len() <= DETOUR_EDGES;
    let grid = go_round.then(|| HitGrid::new(boxes.iter().map(|rect| rect.grown(CLEARANCE - 1.0)).collect()));
    let mut detours = Detours::new(boxes);
    let mut order: Vec<usize> = (0..edges.len()).collect();
    // Who takes a gap first matters where several want it: decided by place on the map, not by order of arrival.
    order.sort_by(|&a, &b| {
        let key = |e: usize| (ports[e].0.at, ports[e].1.at);
        let (ka, kb) = (key(a), key(b));
        ka.0.x
            .total_cmp(&kb.0.x)
            .then(ka.0.y.total_cmp(&kb.0.y))
            .then(ka.1.x.total_cmp(&kb.1.x))
            .then(ka.1.y.total_cmp(&kb.1.y))
            .then(a.cmp(&b))
    });
    let mut found = vec![Route::default(); edges.len()];
    for e in order {
        let (a, b) = edges[e];
        let (from, to) = ports[e];
        let direct = if a == b { loop_around(&boxes[a]) } else { direct(from, to) };
        let blocked = a != b && grid.as_ref().is_some_and(|grid| meets_box(&direct, grid, a, b));
        let clear = |piece: &Cubic| grid.as_ref().is_some_and(|grid| !meets_box(&[*piece], grid, a, b));
        let pieces = if blocked { detours.find(a, b, from, to, &clear).unwrap_or(direct) } else { direct };
        found[e] = Route { pieces };
    }
    found
}

/// How near to a box an edge may pass.
const CLEARANCE: f64 = 9.0;

/// The plain curve: level at both ends, so that arrows point into the side of a box.
fn direct(from: Port, to: Port) -> Vec<Cubic> {
    let (start, end) = (from.at, to.at);
    let reach = if from.side == to.side {
        // Both boxes lie in one column: bulge out beside it.
        28.0 + ((end.y - start.y).abs() * 0.18).min(120.0)
    } else {
        ((end.x - start.x).abs() * 0.45).max(18.0)
    };
    vec![Cubic {
        from: start,
        leave: Point::new(start.x + from.side.sign() * reach, start.y),
        arrive: Point::new(end.x + to.side.sign() * reach, end.y),
        to: end,
    }]
}

/// A service that calls itself: a small handle on the upper right corner.
fn loop_around(own: &Rect) -> Vec<Cubic> {
    let reach = 26.0;
    let start = Point::new(own.right - own.width().min(60.0) * 0.45, own.top);
    let end = Point::new(own.right, own.top + own.height() * 0.3);
    vec![Cubic {
        from: start,
        leave: Point::new(start.x, start.y - reach),
        arrive: Point::new(end.x + reach, end.y),
        to: end,
    }]
}

fn meets_box(pieces: &[Cubic], grid: &HitGrid, a: usize, b: usize) -> bool {
    pieces.iter().any(|piece| {
        let steps = (piece.from.distance(piece.to) / 10.0).clamp(8.0, 96.0) as u32;
        (1..steps).any(|i| grid.hit(piece.at(f64::from(i) / f64::from(steps))).is_some_and(|v| v != a && v != b))
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::geometry::Size;

    fn at(x: f64, y: f64) -> Rect {
        Rect::around(Point::new(x, y), Size::new(100.0, 40.0))
    }

    fn inside(route: &Route, rect: &Rect) -> bool {
        route.trace(4.0).iter().any(|point| rect.grown(-1.0).contains(*point))
    }

    #[test]
    fn an_edge_leaves_right_and_arrives_left_and_is_level_at_both() {
        let found = routes(&[at(0.0, 0.0), at(300.0, 80.0)], &[(0, 1)]);

        let piece = found[0].pieces()[0];
        assert_eq!((piece.from, piece.to), (Point::new(50.0, 0.0), Point::new(250.0, 80.0)));
        assert_eq!((piece.leave.y, piece.arrive.y), (0.0, 80.0));
    }

    #[test]
    fn an_edge_goes_round_a_box_in_its_way() {
        let boxes = [at(0.0, 0.0), at(300.0, 0.0), at(600.0, 0.0)];

        let found = routes(&boxes, &[(0, 2)]);

        assert!(!inside(&found[0], &boxes[1]), "{:?}", found[0]);
        assert_eq!(found[0].pieces().last().map(|piece| piece.to), Some(Point::new(550.0, 0.0)));
    }

    #[test]
    fn two_edges_through_one_gap_keep_apart() {
        let boxes = [at(0.0, -10.0), at(0.0, 60.0), at(300.0, 0.0), at(600.0, -10.0), at(600.0, 60.0)];

        let found = routes(&boxes, &[(0, 3), (1, 4)]);

        let middle = |r: &Route| {
            r.trace(2.0).into_iter().min_by(|p, q| (p.x - 300.0).abs().total_cmp(&(q.x - 300.0).abs())).unwrap()
        };
        assert!(middle(&found[0]).distance(middle(&found[1])) >= 7.0);
    }

    #[test]
    fn calls_in_both_directions_are_two_lines() {
        let found = routes(&[at(0.0, 0.0), at(300.0, 0.0)], &[(0, 1), (1, 0)]);

        let apart = found[0].pieces()[0].at(0.5).distance(found[1].pieces()[0].at(0.5));
        assert!(apart >= 5.0, "{apart}");
    }

    #[test]
    fn boxes_in_one_column_are_joined_beside_it() {
        let boxes = [at(0.0, 0.0), at(0.0, 100.0)];

        let found = routes(&boxes, &[(0, 1)]);

        assert!(!inside(&found[0], &boxes[0]) && !inside(&found[0], &boxes[1]));
    }

    #[test]
    fn a_self_call_is_a_visible_handle() {
        let found = routes(&[at(0.0, 0.0)], &[(0, 0)]);

        assert!(found[0].bounds().top < -30.0);
    }

    #[test]
    fn a_trace_starts_and_ends_with_the_edge_and_is_bounded() {
        let found = routes(&[at(0.0, 0.0), at(1e6, 0.0)], &[(0, 1)]);

        let trace = found[0].trace(1.0);

        assert!(trace.len() <= 257);
        assert_eq!((trace[0].x, trace[trace.len() - 1].x), (50.0, 1e6 - 50.0));
    }
}
