//! Cubic Bézier curves: what an edge is made of.

use crate::geometry::{Point, Rect};

/// One cubic Bézier curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cubic {
    /// Where it starts.
    pub from: Point,
    /// What it leaves towards.
    pub leave: Point,
    /// What it arrives from.
    pub arrive: Point,
    /// Where it ends.
    pub to: Point,
}

impl Cubic {
    /// The straight line between two points.
    #[must_use]
    pub fn line(from: Point, to: Point) -> Self {
        Self { from, leave: from.lerp(to, 1.0 / 3.0), arrive: from.lerp(to, 2.0 / 3.0), to }
    }

    /// The point at parameter `t` in `0.0..=1.0`.
    #[must_use]
    pub fn at(&self, t: f64) -> Point {
        let u = 1.0 - t;
        let (a, b, c, d) = (u * u * u, 3.0 * u * u * t, 3.0 * u * t * t, t * t * t);
        Point::new(
            a * self.from.x + b * self.leave.x + c * self.arrive.x + d * self.to.x,
            a * self.from.y + b * self.leave.y + c * self.arrive.y + d * self.to.y,
        )
    }

    /// Distance of `point` to the curve, to within about a pixel on a curve of map size.
    #[must_use]
    pub fn distance(&self, point: Point) -> f64 {
        const STEPS: u32 = 16;
        let mut nearest = f64::INFINITY;
        let mut from = self.from;
        for step in 1..=STEPS {
            let to = self.at(f64::from(step) / f64::from(STEPS));
            nearest = nearest.min(distance_to_segment(point, from, to));
            from = to;
        }
        nearest
    }

    /// A rectangle that holds the curve: the hull of its control points, which is cheap and never too small.
    #[must_use]
    pub fn bounds(&self) -> Rect {
        let xs = [self.from.x, self.leave.x, self.arrive.x, self.to.x];
        let ys = [self.from.y, self.leave.y, self.arrive.y, self.to.y];
        Rect {
            left: xs.iter().copied().fold(f64::INFINITY, f64::min),
            top: ys.iter().copied().fold(f64::INFINITY, f64::min),
            right: xs.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            bottom: ys.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

fn distance_to_segment(point: Point, from: Point, to: Point) -> f64 {
    let (dx, dy) = (to.x - from.x, to.y - from.y);
    let square = dx * dx + dy * dy;
    let t = if square == 0.0 {
        0.0
    } else {
        (((point.x - from.x) * dx + (point.y - from.y) * dy) / square).clamp(0.0, 1.0)
    };
    point.distance(from.lerp(to, t))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_walked_evenly_and_measured_exactly() {
        let line = Cubic::line(Point::new(0.0, 0.0), Point::new(100.0, 0.0));

        assert!((line.at(0.25).x - 25.0).abs() < 1e-9);
        assert!((line.distance(Point::new(50.0, 7.0)) - 7.0).abs() < 1e-9);
        assert!((line.distance(Point::new(-3.0, 4.0)) - 5.0).abs() < 1e-9);
    }

    #[test]
    fn the_distance_agrees_with_a_dense_search() {
        let curve = Cubic {
            from: Point::new(0.0, 0.0),
            leave: Point::new(120.0, 0.0),
            arrive: Point::new(80.0, 200.0),
            to: Point::new(200.0, 200.0),
        };
        for (x, y) in [(100.0, 100.0), (0.0, 200.0), (150.0, 20.0), (210.0, 210.0)] {
            let point = Point::new(x, y);

            let dense =
                (0..=10_000).map(|i| curve.at(f64::from(i) / 10_000.0).distance(point)).fold(f64::INFINITY, f64::min);

            assert!(
                (curve.distance(point) - dense).abs() < 1.0,
                "{point:?}: {} against {dense}",
                curve.distance(point)
            );
        }
    }
}
