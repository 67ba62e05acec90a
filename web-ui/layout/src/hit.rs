//! What lies under the pointer, without looking at every box.

use std::collections::HashMap;

use crate::geometry::{Point, Rect};

/// Side of a cell: about one box, so that a look-up reads a handful of them.
const CELL: f64 = 128.0;
/// A rectangle that covers more cells than this is compared on every look-up instead of being spread over the grid.
const MOST_CELLS: i64 = 1_024;

/// Rectangles sorted into cells. A later rectangle lies over an earlier one, as it is drawn.
#[derive(Clone, Debug, Default)]
pub struct HitGrid {
    rects: Vec<Rect>,
    cells: HashMap<(i64, i64), Vec<usize>>,
    large: Vec<usize>,
}

impl HitGrid {
    /// Sorts `rects`.
    #[must_use]
    pub fn new(rects: Vec<Rect>) -> Self {
        let mut grid = Self { cells: HashMap::new(), large: Vec::new(), rects: Vec::new() };
        for (index, rect) in rects.iter().enumerate() {
            let (left, top) = cell(Point::new(rect.left, rect.top));
            let (right, bottom) = cell(Point::new(rect.right, rect.bottom));
            if right.saturating_sub(left).saturating_add(1).saturating_mul(bottom.saturating_sub(top).saturating_add(1))
                > MOST_CELLS
            {
                grid.large.push(index);
                continue;
            }
            for x in left..=right {
                for y in top..=bottom {
                    grid.cells.entry((x, y)).or_default().push(index);
                }
            }
        }
        grid.rects = rects;
        grid
    }

    /// The uppermost rectangle at `point`.
    #[must_use]
    pub fn hit(&self, point: Point) -> Option<usize> {
        let here = self.cells.get(&cell(point)).map_or(&[][..], Vec::as_slice);
        here.iter().chain(&self.large).copied().filter(|&index| self.rects[index].contains(point)).max()
    }
}

fn cell(point: Point) -> (i64, i64) {
    ((point.x / CELL).floor() as i64, (point.y / CELL).floor() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;

    #[test]
    fn the_uppermost_box_is_hit_and_empty_ground_is_not() {
        let size = Size::new(100.0, 40.0);
        let grid =
            HitGrid::new(vec![Rect::around(Point::new(0.0, 0.0), size), Rect::around(Point::new(40.0, 10.0), size)]);

        assert_eq!(grid.hit(Point::new(-40.0, 0.0)), Some(0));
        assert_eq!(grid.hit(Point::new(20.0, 5.0)), Some(1));
        assert_eq!(grid.hit(Point::new(500.0, 5.0)), None);
    }

    #[test]
    fn a_huge_rectangle_is_hit_without_filling_the_grid() {
        let grid = HitGrid::new(vec![Rect { left: -1e9, top: -1e9, right: 1e9, bottom: 1e9 }]);

        assert_eq!(grid.hit(Point::new(5e8, -5e8)), Some(0));
        assert!(grid.cells.is_empty());
    }
}
