//! Traffic as moving dots: their number and speed follow the rate, and as many of them are failing as calls fail.

use spillway_layout::Rect;
use spillway_view::map::Stage;

use super::{
    Emphasis,
    lines::{GAP, sign_at},
    pen::Pen,
};

/// Dots drawn at most: a map of a thousand busy edges is read by its lines.
const MOST: usize = 900;
/// Below this zoom a dot is dust.
const SMALLEST: f64 = 0.3;
/// Fractions of its multiples are spread evenly: which dots of a row are failing looks neither regular nor clustered.
const GOLDEN: f64 = 0.618_033_988_75;

/// Draws the dots of `now_ms`; true when there are any.
pub fn paint(pen: &Pen<'_>, stage: &Stage, emphasis: &Emphasis, seen: &Rect, now_ms: f64) -> bool {
    if pen.view.scale < SMALLEST {
        return false;
    }
    pen.on_map();
    // (bright, failing): one path and one fill for all dots of a colour.
    let mut left = MOST;
    for (bright, failing) in [(false, false), (true, false), (false, true), (true, true)] {
        pen.begin();
        for (e, edge) in stage.scene().edges.iter().enumerate() {
            let Some(flow) = edge.flow else { continue };
            let track = &stage.tracks()[e];
            if emphasis.edges.get(e) != Some(&bright) || left == 0 || !stage.routes()[e].bounds().overlaps(seen) {
                continue;
            }
            let gap = sign_at(stage, e, edge).filter(|(_, state)| state.refuses()).map(|(at, _)| at);
            let travelled = now_ms / 1_000.0 * flow.speed;
            let newest = (travelled / flow.spacing).floor();
            let mut along = travelled - newest * flow.spacing;
            let mut number = newest;
            while along < track.length() - 8.0 && left > 0 {
                let fails = (number * GOLDEN).rem_euclid(1.0) < edge.error_share;
                let in_gap = gap.is_some_and(|gap| (along - gap).abs() < GAP);
                if fails == failing && !in_gap {
                    pen.circle(track.at(along), 1.5 + edge.width * 0.38);
                    left -= 1;
                }
                along += flow.spacing;
                number -= 1.0;
            }
        }
        let failing_ink = &pen.theme.health(spillway_api::ServiceHealth::Failing).ink;
        pen.fill(if failing { failing_ink.css(bright) } else { pen.theme.dot.css(bright) });
    }
    left < MOST
}
