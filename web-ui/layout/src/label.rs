//! Room for labels: the important one is written first, and whatever would lie on it is left out.

use std::collections::HashMap;

use crate::geometry::{Point, Rect};

const CELL: f64 = 64.0;
/// A label longer than this many cells is a mistake of the caller, not something to draw.
const MOST_CELLS: i64 = 256;

/// The part of the screen that labels have taken.
#[derive(Clone, Debug, Default)]
pub struct LabelField {
    taken: Vec<Rect>,
    cells: HashMap<(i64, i64), Vec<usize>>,
}

impl LabelField {
    /// Takes `rect` when it is free, and says whether it did.
    pub fn take(&mut self, rect: Rect) -> bool {
        if !self.free(&rect) {
            return false;
        }
        self.block(rect);
        true
    }

    /// Takes `rect` whether it is free or not: a box that no label may cover.
    pub fn block(&mut self, rect: Rect) {
        let index = self.taken.len();
        self.taken.push(rect);
        let Some(cells) = cells(&rect) else { return };
        for cell in cells {
            self.cells.entry(cell).or_default().push(index);
        }
    }

    /// Whether nothing has been written or blocked there.
    #[must_use]
    pub fn free(&self, rect: &Rect) -> bool {
        cells(rect).is_some_and(|mut cells| {
            cells.all(|cell| {
                self.cells.get(&cell).is_none_or(|here| here.iter().all(|&index| !self.taken[index].overlaps(rect)))
            })
        })
    }
}

fn cells(rect: &Rect) -> Option<impl Iterator<Item = (i64, i64)> + use<>> {
    let corner = |point: Point| ((point.x / CELL).floor() as i64, (point.y / CELL).floor() as i64);
    let (left, top) = corner(Point::new(rect.left, rect.top));
    let (right, bottom) = corner(Point::new(rect.right, rect.bottom));
    let count =
        right.saturating_sub(left).saturating_add(1).saturating_mul(bottom.saturating_sub(top).saturating_add(1));
    (count <= MOST_CELLS).then(|| (left..=right).flat_map(move |x| (top..=bottom).map(move |y| (x, y))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;

    #[test]
    fn the_second_label_on_the_same_ground_is_refused() {
        let mut field = LabelField::default();
        let label = |x| Rect::around(Point::new(x, 0.0), Size::new(80.0, 14.0));

        assert!(field.take(label(0.0)));
        assert!(!field.take(label(70.0)));
        assert!(field.take(label(81.0)));
    }

    #[test]
    fn a_box_keeps_labels_away() {
        let mut field = LabelField::default();
        field.block(Rect::around(Point::default(), Size::new(100.0, 40.0)));

        assert!(!field.take(Rect::around(Point::new(0.0, 22.0), Size::new(30.0, 14.0))));
    }

    #[test]
    fn a_label_without_end_is_refused() {
        assert!(!LabelField::default().take(Rect { left: -1e12, top: 0.0, right: 1e12, bottom: 14.0 }));
    }
}
