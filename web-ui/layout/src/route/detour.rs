//! Finds the way of an edge through the gaps between boxes.

use std::collections::HashMap;

use super::CLEARANCE;
use super::port::{Port, Side};
use crate::curve::Cubic;
use crate::geometry::{Point, Rect};

/// Gaps looked at in each column: those nearest to the straight line.
const MOST_GAPS: usize = 7;
/// Distance between two edges in one gap.
const LANE: f64 = 8.0;
/// A column nearer than this to an end leaves no room for the curve into its gap.
const ROOM: f64 = 14.0;

/// Remembers which heights earlier detours took.
pub(super) struct Detours {
    /// Each box with its clearance, from left to right.
    sorted: Vec<(usize, Rect)>,
    /// (left, right, height) of the level stretches that edges already run on, by the band of their height.
    taken: HashMap<i64, Vec<(f64, f64, f64)>>,
}

/// Boxes above one another that an edge must pass together.
struct Column {
    left: f64,
    right: f64,
    /// Free heights from top to bottom.
    gaps: Vec<(f64, f64)>,
}

impl Detours {
    pub(super) fn new(boxes: &[Rect]) -> Self {
        let mut sorted: Vec<(usize, Rect)> =
            boxes.iter().enumerate().map(|(v, rect)| (v, rect.grown(CLEARANCE))).collect();
        sorted.sort_by(|(_, x), (_, y)| x.left.total_cmp(&y.left).then(x.top.total_cmp(&y.top)));
        Self { sorted, taken: HashMap::new() }
    }

    /// The way from `from` to `to` clear of all boxes but `a` and `b`; none when the ends do not face each other or leave no room.
    /// `clear` says whether a curve meets no other box.
    pub(super) fn find(
        &mut self,
        a: usize,
        b: usize,
        from: Port,
        to: Port,
        clear: &dyn Fn(&Cubic) -> bool,
    ) -> Option<Vec<Cubic>> {
        if from.side == to.side {
            return None;
        }
        // Worked out from left to right; a call back is turned round at the end.
        let leftwards = from.side == Side::Left;
        let (start, end) = if leftwards { (to.at, from.at) } else { (from.at, to.at) };
        let columns = self.columns(a, b, start, end);
        if columns.is_empty() {
            return None;
        }
        let mut passes: Vec<(f64, f64, f64)> = columns
            .iter()
            .zip(heights(&columns, start, end))
            .map(|(column, (gap, wanted))| (column.left, column.right, self.lane(column, gap, wanted)))
            .collect();
        straighten(&mut passes, start, end, clear);
        let mut pieces = Vec::with_capacity(passes.len() * 2 + 1);
        let mut at = start;
        for (left, right, y) in passes {
            let (enter, leave) = (Point::new(left, y), Point::new(right, y));
            pieces.push(level(at, enter));
            pieces.push(Cubic::line(enter, leave));
            self.taken.entry(band(y)).or_default().push((left, right, y));
            at = leave;
        }
        pieces.push(level(at, end));
        if leftwards {
            pieces.reverse();
            for piece in &mut pieces {
                *piece = Cubic { from: piece.to, leave: piece.arrive, arrive: piece.leave, to: piece.from };
            }
        }
        Some(pieces)
    }

    fn columns(&self, a: usize, b: usize, start: Point, end: Point) -> Vec<Column> {
        let between = self
            .sorted
            .iter()
            .take_while(|(_, rect)| rect.left + CLEARANCE < end.x - ROOM)
            .filter(|(v, rect)| *v != a && *v != b && rect.right - CLEARANCE > start.x + ROOM)
            .map(|&(_, rect)| rect);
        let mut columns: Vec<(f64, f64, Vec<Rect>)> = Vec::new();
        for rect in between {
            match columns.last_mut() {
                Some((_, right, rects)) if rect.left < *right => {
                    *right = right.max(rect.right);
                    rects.push(rect);
                }
                _ => columns.push((rect.left, rect.right, vec![rect])),
            }
        }
        columns
            .into_iter()
            .map(|(left, right, mut rects)| {
                rects.sort_by(|x, y| x.top.total_cmp(&y.top));
                let (mut gaps, mut free_from) = (Vec::new(), f64::NEG_INFINITY);
                for rect in rects {
                    if rect.top >= free_from {
                        gaps.push((free_from, rect.top));
                    }
                    free_from = free_from.max(rect.bottom);
                }
                gaps.push((free_from, f64::INFINITY));
                let (left, right) = (left.max(start.x + ROOM), right.min(end.x - ROOM));
                Column { left, right: right.max(left), gaps }
            })
            .collect()
    }

    /// The height nearest to `wanted` inside the gap on which no other edge runs; `wanted` itself when the gap is full.
    fn lane(&self, column: &Column, (top, bottom): (f64, f64), wanted: f64) -> f64 {
        let used = |y: f64| {
            let near = (band(y) - 1..=band(y) + 1).filter_map(|band| self.taken.get(&band)).flatten();
            let mut meets = near.map(|&(left, right, other)| {
                left < column.right && right > column.left && (other - y).abs() < LANE - 0.5
            });
            meets.any(|meets| meets)
        };
        (0..12)
            .flat_map(|step| [wanted + f64::from(step) * LANE, wanted - f64::from(step) * LANE])
            .find(|&y| y >= top && y <= bottom && !used(y))
            .unwrap_or(wanted)
    }
}

/// A height at which an edge could pass a column.
struct Choice {
    /// Rise and fall up to here.
    cost: f64,
    gap: (f64, f64),
    y: f64,
    /// Which choice of the column before leads here.
    before: usize,
}

/// The gap and the height in it for each column, with the least rise and fall in sum.
fn heights(columns: &[Column], start: Point, end: Point) -> Vec<((f64, f64), f64)> {
    let mut steps: Vec<Vec<Choice>> = Vec::with_capacity(columns.len());
    for column in columns {
        let share = ((f64::midpoint(column.left, column.right) - start.x) / (end.x - start.x).max(1.0)).clamp(0.0, 1.0);
        let line = start.lerp(end, share).y;
        let mut near: Vec<(f64, (f64, f64))> =
            column.gaps.iter().map(|&(top, bottom)| ((line.clamp(top, bottom) - line).abs(), (top, bottom))).collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        near.truncate(MOST_GAPS);
        let mut choices = Vec::with_capacity(near.len() * 3);
        for (_, (top, bottom)) in near {
            for wanted in [line, start.y, end.y] {
                let y = wanted.clamp(top, bottom);
                let best = match steps.last() {
                    None => ((y - start.y).abs(), 0),
                    Some(before) => before
                        .iter()
                        .enumerate()
                        .map(|(i, choice)| (choice.cost + (y - choice.y).abs(), i))
                        .min_by(|a, b| a.0.total_cmp(&b.0))
                        .unwrap_or((0.0, 0)),
                };
                // A small price on leaving the straight line decides between ways that rise and fall alike.
                let cost = best.0 + (y - line).abs() * 0.1;
                choices.push(Choice { cost, gap: (top, bottom), y, before: best.1 });
            }
        }
        steps.push(choices);
    }
    let last = steps.last().map_or(0, |choices| {
        let total = |i: &usize| choices[*i].cost + (choices[*i].y - end.y).abs();
        (0..choices.len()).min_by(|a, b| total(a).total_cmp(&total(b))).unwrap_or(0)
    });
    let mut chosen = Vec::with_capacity(steps.len());
    let mut at = last;
    for choices in steps.iter().rev() {
        let choice = &choices[at];
        chosen.push((choice.gap, choice.y));
        at = choice.before;
    }
    chosen.reverse();
    chosen
}

/// Drops every pass through a column that one curve from the pass before to the pass after clears as well: else a long way
/// through half-empty columns would be a staircase.
fn straighten(passes: &mut Vec<(f64, f64, f64)>, start: Point, end: Point, clear: &dyn Fn(&Cubic) -> bool) {
    let mut i = 0;
    while i < passes.len() {
        let before = i.checked_sub(1).map_or(start, |before| Point::new(passes[before].1, passes[before].2));
        let after = passes.get(i + 1).map_or(end, |after| Point::new(after.0, after.2));
        if passes.len() > 1 && clear(&level(before, after)) {
            passes.remove(i);
            // What was kept for its sake may be superfluous now.
            i = i.saturating_sub(1);
        } else {
            i += 1;
        }
    }
}

/// Two heights that are too near to each other lie in one band or in neighbouring ones.
fn band(y: f64) -> i64 {
    (y / LANE).floor() as i64
}

fn level(from: Point, to: Point) -> Cubic {
    let reach = (to.x - from.x) * 0.5;
    Cubic { from, leave: Point::new(from.x + reach, from.y), arrive: Point::new(to.x - reach, to.y), to }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn the_cheapest_way_through_two_columns_uses_the_gap_that_serves_both() {
        let wall = |left: f64, gaps: Vec<(f64, f64)>| Column { left, right: left + 50.0, gaps };
        let columns =
            [wall(100.0, vec![(-200.0, -190.0), (40.0, 60.0)]), wall(300.0, vec![(-200.0, -190.0), (50.0, 60.0)])];

        let chosen = heights(&columns, Point::new(0.0, 0.0), Point::new(500.0, 0.0));

        assert!(chosen.iter().all(|&(_, y)| (40.0..=60.0).contains(&y)), "{chosen:?}");
    }

    #[test]
    fn a_pass_that_is_not_needed_is_dropped() {
        let mut passes = vec![(100.0, 200.0, 10.0), (300.0, 400.0, 50.0), (500.0, 600.0, 20.0)];

        straighten(&mut passes, Point::new(0.0, 0.0), Point::new(700.0, 0.0), &|piece| {
            piece.from.x > 300.0 || piece.to.x < 400.0
        });

        assert_eq!(passes, [(300.0, 400.0, 50.0)]);
    }

    #[test]
    fn a_way_back_to_the_left_is_found_too() {
        let boxes = [
            Rect { left: 0.0, top: 0.0, right: 100.0, bottom: 40.0 },
            Rect { left: 200.0, top: 0.0, right: 300.0, bottom: 40.0 },
            Rect { left: 400.0, top: 0.0, right: 500.0, bottom: 40.0 },
        ];
        let from = Port { at: Point::new(400.0, 20.0), side: Side::Left };
        let to = Port { at: Point::new(100.0, 20.0), side: Side::Right };

        let pieces = Detours::new(&boxes).find(2, 0, from, to, &|_| false).unwrap();

        assert_eq!((pieces[0].from, pieces[pieces.len() - 1].to), (from.at, to.at));
        assert!(pieces.windows(2).all(|pair| pair[0].to == pair[1].from));
    }
}
