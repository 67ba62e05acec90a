//! A way measured by its length: where a dot is after so many pixels.

use crate::geometry::Point;

/// Points joined by straight lines, with the length up to each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Track {
    points: Vec<(f64, Point)>,
}

impl Track {
    /// Measures `points`.
    #[must_use]
    pub fn new(points: Vec<Point>) -> Self {
        let mut length = 0.0;
        let mut last = None;
        let measured = points.into_iter().map(|point| {
            length += last.replace(point).map_or(0.0, |last: Point| last.distance(point));
            (length, point)
        });
        Self { points: measured.collect() }
    }

    /// How long it is.
    #[must_use]
    pub fn length(&self) -> f64 {
        self.points.last().map_or(0.0, |(length, _)| *length)
    }

    /// Where one is after `distance`; the nearer end when that is outside.
    #[must_use]
    pub fn at(&self, distance: f64) -> Point {
        let next = self.points.partition_point(|(length, _)| *length < distance);
        match (next.checked_sub(1).and_then(|before| self.points.get(before)), self.points.get(next)) {
            (Some(&(from_length, from)), Some(&(to_length, to))) if to_length > from_length => {
                from.lerp(to, (distance - from_length) / (to_length - from_length))
            }
            (Some(&(_, point)), _) | (None, Some(&(_, point))) => point,
            (None, None) => Point::default(),
        }
    }

    /// The part between two distances, ends included.
    #[must_use]
    pub fn part(&self, from: f64, to: f64) -> Vec<Point> {
        let inner = self.points.iter().filter(|(length, _)| *length > from && *length < to).map(|(_, point)| *point);
        std::iter::once(self.at(from)).chain(inner).chain(std::iter::once(self.at(to))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corner() -> Track {
        Track::new(vec![Point::new(0.0, 0.0), Point::new(30.0, 0.0), Point::new(30.0, 40.0)])
    }

    #[test]
    fn distance_is_walked_round_the_corner_and_stops_at_the_ends() {
        let track = corner();

        assert_eq!(track.length(), 70.0);
        assert_eq!(track.at(15.0), Point::new(15.0, 0.0));
        assert_eq!(track.at(50.0), Point::new(30.0, 20.0));
        assert_eq!((track.at(-5.0), track.at(99.0)), (Point::new(0.0, 0.0), Point::new(30.0, 40.0)));
    }

    #[test]
    fn a_part_keeps_the_corner_inside_it() {
        assert_eq!(corner().part(20.0, 40.0), [Point::new(20.0, 0.0), Point::new(30.0, 0.0), Point::new(30.0, 10.0)]);
    }

    #[test]
    fn nothing_and_a_single_point_are_tracks_too() {
        assert_eq!(Track::default().at(3.0), Point::default());
        assert_eq!(Track::new(vec![Point::new(1.0, 2.0)]).at(3.0), Point::new(1.0, 2.0));
    }
}
