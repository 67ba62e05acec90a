//! Edges: width is the logarithm of the rate, colour and pattern the state and the kind, an arrow at the callee.

use spillway_api::{BreakerState, ServiceHealth};
use spillway_layout::{Cubic, Point, Rect};
use spillway_view::map::{Line, SceneEdge, Stage, Target};

use super::{Emphasis, Look, pen::Pen, signs};

/// Half of the gap that an open breaker leaves in its line.
pub const GAP: f64 = 17.0;

/// The thinnest line on the screen.
const HAIR: f64 = 0.7;
const SICK_HAIR: f64 = 1.6;
/// A smaller arrow is a blot.
const LEAST_HEAD: f64 = 3.2;

/// Draws every edge that is on the screen, faded ones first.
pub fn paint(pen: &Pen<'_>, stage: &Stage, emphasis: &Emphasis, look: &Look, seen: &Rect) {
    pen.on_map();
    for pass in [false, true] {
        for (e, edge) in stage.scene().edges.iter().enumerate() {
            if emphasis.edges[e] == pass && stage.routes()[e].bounds().grown(20.0).overlaps(seen) {
                line(pen, stage, e, edge, emphasis, look);
            }
        }
    }
}

fn line(pen: &Pen<'_>, stage: &Stage, e: usize, edge: &SceneEdge, emphasis: &Emphasis, look: &Look) {
    let pieces = stage.routes()[e].pieces();
    let Some(last) = pieces.last() else { return };
    let bright = emphasis.edges[e];
    let colour = colour(pen, edge, bright, emphasis.lifted[e]);
    // From afar a line keeps what the eye needs: a hair when it is well, more when it is sick.
    let width = edge.width.max(if edge.loud { SICK_HAIR } else { HAIR } / pen.view.scale);
    let head = 6.0 + width * 1.6;

    let selected = look.selected == Some(Target::Edge(e));
    if selected {
        pen.pattern(&pen.theme.patterns.solid, true);
        pen.begin();
        whole(pen, pieces, last, 0.0);
        pen.stroke(&pen.theme.accent, width + 5.0);
        pen.begin();
        whole(pen, pieces, last, 0.0);
        pen.stroke(&pen.theme.page, width + 2.0);
    }

    match edge.line {
        Line::Solid => pen.pattern(&pen.theme.patterns.solid, false),
        Line::Dashed => pen.pattern(&pen.theme.patterns.dashed, false),
        Line::Dotted => pen.pattern(&pen.theme.patterns.dotted, true),
    }
    pen.begin();
    match sign_at(stage, e, edge) {
        Some((middle, state)) if state.refuses() => {
            let track = &stage.tracks()[e];
            pen.polyline(&track.part(0.0, middle - GAP));
            pen.polyline(&track.part(middle + GAP, track.length() - head * 0.8));
        }
        _ => whole(pen, pieces, last, head * 0.8),
    }
    pen.stroke(&colour, width);
    if head * pen.view.scale > LEAST_HEAD {
        arrow(pen, last, head, &colour);
    }
    if let (Some(mark), Some((middle, _))) = (&edge.mark, sign_at(stage, e, edge)) {
        signs::breaker(pen, mark.state, stage.tracks()[e].at(middle), bright);
    }
}

/// Adds the whole way, ending `short` before the callee so that a wide line does not stick out of its arrow.
fn whole(pen: &Pen<'_>, pieces: &[Cubic], last: &Cubic, short: f64) {
    pen.move_to(pieces[0].from);
    pieces[..pieces.len() - 1].iter().for_each(|piece| pen.curve(piece));
    let (dx, dy) = direction(last);
    let back = |point: Point| Point::new(point.x - dx * short, point.y - dy * short);
    pen.curve(&Cubic { arrive: back(last.arrive), to: back(last.to), ..*last });
}

fn colour(pen: &Pen<'_>, edge: &SceneEdge, bright: bool, lifted: bool) -> String {
    match edge.health {
        ServiceHealth::Failing | ServiceHealth::Degraded => pen.theme.health(edge.health).ink.css(bright).to_owned(),
        _ if lifted => pen.theme.muted.css(true).to_owned(),
        _ => pen.theme.line.css(bright).to_owned(),
    }
}

fn arrow(pen: &Pen<'_>, last: &Cubic, length: f64, colour: &str) {
    let (dx, dy) = direction(last);
    let half = length * 0.42;
    let base = Point::new(last.to.x - dx * length, last.to.y - dy * length);
    pen.begin();
    pen.move_to(last.to);
    pen.line_to(Point::new(base.x - dy * half, base.y + dx * half));
    pen.line_to(Point::new(base.x + dy * half, base.y - dx * half));
    pen.close();
    pen.fill(colour);
}

/// Where the last piece points.
fn direction(last: &Cubic) -> (f64, f64) {
    let length = last.arrive.distance(last.to);
    if length < 1e-6 {
        (1.0, 0.0)
    } else {
        ((last.to.x - last.arrive.x) / length, (last.to.y - last.arrive.y) / length)
    }
}

/// How far along its edge the breaker's sign stands: near the middle, where no box covers it.
pub fn sign_at(stage: &Stage, e: usize, edge: &SceneEdge) -> Option<(f64, BreakerState)> {
    let mark = edge.mark.as_ref()?;
    let track = &stage.tracks()[e];
    let free = |share: &f64| {
        let at = track.at(track.length() * share);
        stage.rects().iter().all(|rect| !rect.grown(12.0).contains(at))
    };
    let share = [0.5, 0.42, 0.58, 0.34, 0.66, 0.25, 0.75].into_iter().find(free).unwrap_or(0.5);
    Some((track.length() * share, mark.state))
}
