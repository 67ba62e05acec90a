//! Geometry of the small charts: values to SVG path data. Empty time stays empty.

use std::fmt::Write as _;

use spillway_api::SeriesPoint;

/// The largest value worth a scale: at least `floor`, so that noise near zero is not blown up.
pub fn ceiling(values: &[Option<f64>], floor: f64) -> f64 {
    values.iter().flatten().copied().filter(|value| value.is_finite()).fold(floor, f64::max)
}

/// A zero-based line through `values` in a box of `width` × `height`, as path data. A missing value breaks the line; a
/// value between two missing ones becomes a short dash, so that it is seen at all.
pub fn line(values: &[Option<f64>], width: f64, height: f64, ceiling: f64) -> String {
    let mut path = String::new();
    if values.is_empty() || ceiling <= 0.0 {
        return path;
    }
    let step = if values.len() > 1 { width / (values.len() - 1) as f64 } else { 0.0 };
    let y = |value: f64| height - (value / ceiling).clamp(0.0, 1.0) * height;
    let mut pen_down = false;
    for (index, value) in values.iter().enumerate() {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            pen_down = false;
            continue;
        };
        let (x, y) = (step * index as f64, y(value));
        let alone = !pen_down && values.get(index + 1).copied().flatten().is_none();
        // Writing into a String cannot fail.
        let _ = match (alone, pen_down) {
            (true, _) => write!(path, "M{:.1} {y:.1}h2", (x - 1.0).max(0.0)),
            (false, true) => write!(path, "L{x:.1} {y:.1}"),
            (false, false) => write!(path, "M{x:.1} {y:.1}"),
        };
        pen_down = true;
    }
    path
}

/// The points from where there is something to show, at least the last third of them: a server that started two minutes
/// ago would otherwise show a chart that is nearly all empty.
pub fn from_first(points: &[SeriesPoint]) -> &[SeriesPoint] {
    let first = points.iter().position(|point| point.rate.is_some()).unwrap_or(0);
    &points[first.min(points.len() / 3 * 2)..]
}

/// One bar of the strip under the map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// Left edge, 0 to 1 of the width.
    pub left: f64,
    /// Width, 0 to 1.
    pub width: f64,
    /// Height of all of it, 0 to 1.
    pub height: f64,
    /// Height of the failed part, 0 to `height`.
    pub failed: f64,
}

/// Bars from rates and failed shares; a missing rate leaves its place empty.
pub fn bars(points: &[(Option<f64>, Option<f64>)]) -> Vec<Option<Bar>> {
    let ceiling = points.iter().filter_map(|(rate, _)| *rate).fold(0.0, f64::max);
    let width = 1.0 / points.len().max(1) as f64;
    let bar = |(index, (rate, failed)): (usize, &(Option<f64>, Option<f64>))| {
        let height = rate.filter(|rate| *rate > 0.0 && ceiling > 0.0)? / ceiling;
        Some(Bar { left: index as f64 * width, width, height, failed: height * failed.unwrap_or(0.0).clamp(0.0, 1.0) })
    };
    points.iter().enumerate().map(bar).collect()
}

/// Round steps for a time axis of `duration_ns`: 1, 2 or 5 times a power of ten, at most `most` of them.
pub fn ticks(duration_ns: u64, most: u32) -> Vec<u64> {
    if duration_ns == 0 || most == 0 {
        return vec![0];
    }
    let mut step = 1u64;
    let factors = [2, 5, 10];
    let mut base = 1u64;
    'search: loop {
        for factor in factors {
            if duration_ns / step <= u64::from(most) {
                break 'search;
            }
            step = base.saturating_mul(factor);
        }
        base = base.saturating_mul(10);
    }
    (0..=duration_ns / step).map(|index| index * step).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_gap_breaks_the_line_and_a_lone_value_is_a_dash() {
        let path = line(&[Some(0.0), Some(10.0), None, Some(5.0), None], 40.0, 10.0, 10.0);

        assert_eq!(path, "M0.0 10.0L10.0 0.0M29.0 5.0h2");
    }

    #[test]
    fn nothing_is_drawn_for_nothing() {
        assert_eq!(line(&[], 40.0, 10.0, 1.0), "");
        assert_eq!(line(&[None, None], 40.0, 10.0, 1.0), "");
        assert_eq!(ceiling(&[None, Some(f64::NAN)], 1.0), 1.0);
    }

    #[test]
    fn a_chart_begins_where_there_is_something_but_keeps_a_third() {
        let points = |first: usize| {
            let point = |index: usize| SeriesPoint {
                at: spillway_api::Timestamp::from_unix_ms(index as i64),
                rate: (index >= first).then_some(1.0),
                error_ratio: None,
                p50_ms: None,
                p95_ms: None,
                p99_ms: None,
            };
            (0..9).map(point).collect::<Vec<_>>()
        };

        for (first, kept) in [(0, 9), (4, 5), (8, 3), (99, 9)] {
            assert_eq!(from_first(&points(first)).len(), kept, "from {first}");
        }
        assert_eq!(from_first(&[]), []);
    }

    #[test]
    fn a_bar_is_as_high_as_its_rate_and_its_failed_part_no_higher() {
        let bars = bars(&[(Some(10.0), Some(0.5)), (None, None), (Some(5.0), None)]);

        assert_eq!(bars[0], Some(Bar { left: 0.0, width: 1.0 / 3.0, height: 1.0, failed: 0.5 }));
        assert_eq!(bars[1], None);
        assert_eq!(bars[2].map(|bar| (bar.height, bar.failed)), Some((0.5, 0.0)));
    }

    #[test]
    fn an_axis_counts_in_round_steps() {
        assert_eq!(ticks(1_000, 5), [0, 200, 400, 600, 800, 1_000]);
        assert_eq!(ticks(0, 5), [0]);
    }

    proptest! {
        #[test]
        fn an_axis_never_has_too_many_steps(duration in 1u64..u64::MAX / 20, most in 1u32..12) {
            let ticks = ticks(duration, most);
            prop_assert!(ticks.len() <= most as usize + 1, "{:?}", ticks);
            prop_assert!(ticks.iter().all(|tick| *tick <= duration));
        }
    }
}
