//! Finds a free place near a wanted one.

use std::collections::HashMap;

use crate::geometry::{Point, Rect, Size};
use crate::layout::Spacing;

/// About the size of a box with its gaps, so that a look-up meets few cells and a cell few boxes.
const CELL: Size = Size::new(220.0, 90.0);
/// A box larger than so many cells would only fill memory; it is kept in a list that every look-up reads.
const MOST_CELLS: f64 = 400.0;

/// The rectangles that are taken.
pub(crate) struct Occupied {
    cells: HashMap<(i64, i64), Vec<usize>>,
    large: Vec<usize>,
    rects: Vec<Rect>,
}

impl Occupied {
    pub(crate) fn new() -> Self {
        Self { cells: HashMap::new(), large: Vec::new(), rects: Vec::new() }
    }

    /// Marks `rect` as taken.
    pub(crate) fn insert(&mut self, rect: Rect) {
        let index = self.rects.len();
        self.rects.push(rect);
        if (rect.width() / CELL.width + 2.0) * (rect.height() / CELL.height + 2.0) > MOST_CELLS {
            self.large.push(index);
            return;
        }
        for cell in cells(&rect) {
            self.cells.entry(cell).or_default().push(index);
        }
    }

    /// Whether nothing taken overlaps `rect`.
    pub(crate) fn free(&self, rect: &Rect) -> bool {
        let clear = |index: &usize| !self.rects[*index].overlaps(rect);
        self.large.iter().all(clear)
            && cells(rect).all(|cell| self.cells.get(&cell).is_none_or(|here| here.iter().all(clear)))
    }

    /// The smallest rectangle around all that is taken.
    pub(crate) fn bounds(&self) -> Rect {
        Rect::around_all(self.rects.iter().copied())
    }

    /// The free centre nearest to `wanted`; rather up or down in its column than in another column. Below everything when
    /// all is full for twenty boxes around.
    pub(crate) fn nearest(&self, wanted: Point, size: Size, spacing: &Spacing) -> Point {
        let step = Size::new(size.width + spacing.rank_gap, (size.height + spacing.node_gap) / 2.0);
        let mut tries: Vec<(f64, Point)> = Vec::new();
        for column in [0, 1, -1, 2, -2] {
            for row in -40..=40 {
                let (dx, dy) = (f64::from(column) * step.width, f64::from(row) * step.height);
                // Below is tried before above at the same distance: the sum keeps that order deterministic.
                let cost =
                    dy.abs() + dx.abs() * 1.5 + if row < 0 { 0.5 } else { 0.0 } + if column < 0 { 0.25 } else { 0.0 };
                tries.push((cost, Point::new((wanted.x + dx).round(), (wanted.y + dy).round())));
            }
        }
        tries.sort_by(|a, b| a.0.total_cmp(&b.0));
        let roomy = |centre: Point| {
            let rect = Rect::around(centre, size);
            let margin = spacing.node_gap / 2.0;
            Rect {
                top: rect.top - margin,
                bottom: rect.bottom + margin,
                left: rect.left - margin,
                right: rect.right + margin,
            }
        };
        tries.iter().map(|&(_, centre)| centre).find(|&centre| self.free(&roomy(centre))).unwrap_or_else(|| {
            let below = self.bounds().bottom + spacing.part_gap + size.height / 2.0;
            Point::new(wanted.x.round(), below.round())
        })
    }
}

fn cells(rect: &Rect) -> impl Iterator<Item = (i64, i64)> + use<> {
    let (left, right) = ((rect.left / CELL.width).floor() as i64, (rect.right / CELL.width).floor() as i64);
    let (top, bottom) = ((rect.top / CELL.height).floor() as i64, (rect.bottom / CELL.height).floor() as i64);
    (left..=right).flat_map(move |x| (top..=bottom).map(move |y| (x, y)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_place_is_taken_as_wanted() {
        let occupied = Occupied::new();

        assert_eq!(
            occupied.nearest(Point::new(10.0, 20.0), Size::new(100.0, 40.0), &Spacing::default()),
            Point::new(10.0, 20.0)
        );
    }

    #[test]
    fn a_taken_place_moves_the_box_within_its_column() {
        let mut occupied = Occupied::new();
        let size = Size::new(100.0, 40.0);
        occupied.insert(Rect::around(Point::default(), size));

        let found = occupied.nearest(Point::default(), size, &Spacing::default());

        assert!(found.x == 0.0 && found.y.abs() >= 40.0, "{found:?}");
    }

    #[test]
    fn a_wall_sends_the_box_below_everything() {
        let mut occupied = Occupied::new();
        occupied.insert(Rect { left: -1e6, top: -1e6, right: 1e6, bottom: 1e6 });

        let found = occupied.nearest(Point::default(), Size::new(100.0, 40.0), &Spacing::default());

        assert!(found.y > 1e6);
    }
}
