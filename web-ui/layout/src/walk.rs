//! Where an arrow key leads: along a call when there is one in that direction, else to the next box there.

use crate::geometry::Point;

/// An arrow key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards the callers.
    Left,
    /// Towards the callees.
    Right,
    /// Up the column.
    Up,
    /// Down the column.
    Down,
}

/// The node that `direction` leads to from `from`, or none at the edge of the map.
#[must_use]
pub fn neighbour(centres: &[Point], edges: &[(usize, usize)], from: usize, direction: Direction) -> Option<usize> {
    let here = *centres.get(from)?;
    let joined = edges.iter().filter_map(|&(a, b)| match (a == from, b == from) {
        (true, false) => Some(b),
        (false, true) => Some(a),
        _ => None,
    });
    // Sideways a call is followed even if it is steep; up and down a call must really go there, else the column is meant.
    let slope = match direction {
        Direction::Left | Direction::Right => 12.0,
        Direction::Up | Direction::Down => 0.5,
    };
    best(centres, joined, here, direction, slope)
        .or_else(|| best(centres, (0..centres.len()).filter(|&v| v != from), here, direction, 2.0))
}

fn best(
    centres: &[Point],
    candidates: impl Iterator<Item = usize>,
    here: Point,
    direction: Direction,
    slope: f64,
) -> Option<usize> {
    candidates
        .filter_map(|v| {
            let there = centres.get(v)?;
            let (dx, dy) = (there.x - here.x, there.y - here.y);
            let (ahead, aside) = match direction {
                Direction::Left => (-dx, dy.abs()),
                Direction::Right => (dx, dy.abs()),
                Direction::Up => (-dy, dx.abs()),
                Direction::Down => (dy, dx.abs()),
            };
            (ahead > 0.5 && aside <= ahead * slope).then_some((ahead + 2.0 * aside, v))
        })
        .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
        .map(|(_, v)| v)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0 calls 1 (straight), 2 (steep) and 3 stands alone under 0.
    fn map() -> (Vec<Point>, Vec<(usize, usize)>) {
        let at = |x, y| Point::new(x, y);
        (vec![at(0.0, 0.0), at(200.0, 0.0), at(200.0, 300.0), at(0.0, 120.0)], vec![(0, 1), (0, 2)])
    }

    #[test]
    fn right_follows_the_straightest_call_and_left_comes_back() {
        let (centres, edges) = map();

        assert_eq!(neighbour(&centres, &edges, 0, Direction::Right), Some(1));
        assert_eq!(neighbour(&centres, &edges, 2, Direction::Left), Some(0));
    }

    #[test]
    fn down_goes_to_the_box_below_when_no_call_leads_there() {
        let (centres, edges) = map();

        assert_eq!(neighbour(&centres, &edges, 1, Direction::Down), Some(2));
        assert_eq!(neighbour(&centres, &edges, 0, Direction::Down), Some(3));
    }

    #[test]
    fn the_edge_of_the_map_leads_nowhere() {
        let (centres, edges) = map();

        assert_eq!(neighbour(&centres, &edges, 0, Direction::Left), None);
        assert_eq!(neighbour(&centres, &edges, 9, Direction::Left), None);
    }
}
