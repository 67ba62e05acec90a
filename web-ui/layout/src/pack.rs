//! Lays finished parts beside and below each other, in rows like books on shelves.

use crate::geometry::{Point, Size};

/// A screen is wider than high; so is the page that the shelves fill.
const ASPECT: f64 = 1.7;

/// Upper left corner of each part, in the order given. Rows are as wide as the widest part, or as a page of all parts.
pub(crate) fn shelves(parts: &[Size], gap: f64) -> Vec<Point> {
    let area: f64 = parts.iter().map(|part| (part.width + gap) * (part.height + gap)).sum();
    let widest = parts.iter().map(|part| part.width).fold(0.0, f64::max);
    let page = widest.max((area * ASPECT).sqrt());
    let mut corner = Point::default();
    let mut row_height = 0.0_f64;
    let mut corners = Vec::with_capacity(parts.len());
    for part in parts {
        if corner.x > 0.0 && corner.x + part.width > page {
            corner = Point::new(0.0, corner.y + row_height + gap);
            row_height = 0.0;
        }
        corners.push(corner);
        corner.x += part.width + gap;
        row_height = row_height.max(part.height);
    }
    corners
}

/// Centres of boxes in a grid of equal cells under a page that is `page` wide.
pub(crate) fn grid(boxes: &[Size], page: f64, gap: f64) -> Vec<Point> {
    let cell = boxes
        .iter()
        .fold(Size::default(), |cell, one| Size::new(cell.width.max(one.width), cell.height.max(one.height)));
    let square = (boxes.len() as f64 * ASPECT * cell.height / cell.width.max(1.0)).sqrt().ceil();
    let fitting = ((page + gap) / (cell.width + gap)).floor();
    // At least the page, at least a reasonable rectangle when there is no page to go under.
    let per_row = fitting.max(square).max(1.0) as usize;
    (0..boxes.len())
        .map(|i| {
            let (column, row) = ((i % per_row) as f64, (i / per_row) as f64);
            Point::new(column * (cell.width + gap) + cell.width / 2.0, row * (cell.height + gap) + cell.height / 2.0)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Rect;

    #[test]
    fn parts_on_shelves_do_not_overlap() {
        let parts: Vec<Size> =
            (1..20).map(|i| Size::new(f64::from(i * 37 % 300 + 20), f64::from(i * 53 % 200 + 20))).collect();

        let corners = shelves(&parts, 20.0);

        let rects: Vec<Rect> = corners
            .iter()
            .zip(&parts)
            .map(|(c, s)| Rect { left: c.x, top: c.y, right: c.x + s.width, bottom: c.y + s.height })
            .collect();
        for (i, a) in rects.iter().enumerate() {
            assert!(rects[i + 1..].iter().all(|b| !a.overlaps(b)));
        }
    }

    #[test]
    fn the_grid_is_wider_than_high_without_a_page() {
        let centres = grid(&[Size::new(100.0, 40.0); 12], 0.0, 20.0);

        let (w, h) = centres.iter().fold((0.0_f64, 0.0_f64), |(w, h), c| (w.max(c.x), h.max(c.y)));
        assert!(w > h, "{centres:?}");
    }
}
