//! Words beside lines and, from afar, beside boxes: the important first, and none on top of another.

use spillway_api::ServiceHealth;
use spillway_layout::{LabelField, Point, Rect, Size, Track};
use spillway_view::map::Stage;

use super::{Emphasis, Look, boxes::WORDS, lines::sign_at, pen::Pen};

/// From this zoom even healthy edges say their rate, where there is room.
const CLOSE: f64 = 1.6;
/// Labels drawn at most: beyond, words are noise and measuring them costs a frame.
const MOST: usize = 160;
const HEIGHT: f64 = 15.0;
/// Half of a box, on the map.
const CLEAR: f64 = 20.0;
/// Below this zoom boxes are marks, and only what is sick is told.
const FAR: f64 = 0.42;
/// Lines kept clear of words: the sick ones, while they are few enough to be followed at all.
const MOST_CLEAR: usize = 40;

/// What a label stands beside, on the screen.
enum Beside {
    /// A point of a line that runs in a direction, and how far the label keeps from it.
    Line(Vec<(Point, (f64, f64), f64)>),
    /// A box.
    Box(Rect),
}

struct Label {
    text: String,
    importance: f64,
    colour: String,
    weight: u16,
    /// Whether it may cover healthy boxes seen from afar.
    loud: bool,
    beside: Beside,
}

/// Writes what there is room for.
pub fn paint(pen: &Pen<'_>, stage: &Stage, emphasis: &Emphasis, look: &Look, size: Size) {
    pen.on_screen();
    let screen = Rect { left: 0.0, top: 0.0, right: size.width, bottom: size.height };
    let (mut taken, mut calm) = (LabelField::default(), LabelField::default());
    for (rect, node) in stage.rects().iter().zip(&stage.scene().nodes) {
        // A badge on top of the box must not be written over either.
        let badge = if node.badge.is_some() { 17.0 * look.view.scale } else { 0.0 };
        let own = on_screen(rect, look);
        // From afar a sick name matters more than the healthy boxes that it covers.
        let field = if look.view.scale < FAR && !node.loud { &mut calm } else { &mut taken };
        field.block(Rect { top: own.top - badge, ..own });
    }
    let lines = clear_lines(stage, look);
    let mut labels = edge_labels(pen, stage, emphasis, look);
    if look.view.scale < WORDS {
        labels.extend(node_labels(pen, stage, emphasis, look));
    }
    labels.sort_by(|a, b| b.importance.total_cmp(&a.importance));
    for label in labels.iter().take(MOST) {
        pen.font(label.weight, 12.0);
        let own = Size::new(pen.measure(&label.text) + 6.0, HEIGHT);
        let free = |rect: &Rect| rect.overlaps(&screen) && taken.free(rect) && (label.loud || calm.free(rect));
        let places: Vec<Rect> = places(&label.beside, own, &screen, look.view.scale).into_iter().filter(free).collect();
        if let Some(rect) = places.iter().find(|rect| lines.free(rect)).or(places.first()) {
            taken.block(*rect);
            pen.text_on_seam(&label.text, rect.centre(), &label.colour);
        }
    }
}

/// Where a label of `own` size could stand, best first.
fn places(beside: &Beside, own: Size, screen: &Rect, scale: f64) -> Vec<Rect> {
    match beside {
        Beside::Box(rect) => {
            // A long name at the edge of the screen moves inwards rather than be cut.
            let reach = own.width / 2.0 + 2.0;
            let x = rect.centre().x.clamp(reach, (screen.right - reach).max(reach));
            let half = own.height / 2.0 + 2.0;
            [rect.bottom + half, rect.top - half].into_iter().map(|y| Rect::around(Point::new(x, y), own)).collect()
        }
        Beside::Line(points) => points
            .iter()
            .flat_map(|&(at, (dx, dy), gap)| {
                // As far from the line as its box is thick in that direction: above a level line, beside a steep one.
                let away = gap + dy.abs() * own.width / 2.0 + dx.abs() * own.height / 2.0;
                let beside = [(dy * away, -dx * away), (-dy * away, dx * away)];
                let (wide, high) = (gap + own.width / 2.0 + 2.0, gap + own.height / 2.0);
                // The last ones stand clear of boxes that a short line joins.
                let clear = high + CLEAR * scale;
                let around = [(wide, 0.0), (-wide, 0.0), (0.0, -high), (0.0, high), (0.0, -clear), (0.0, clear)];
                beside.into_iter().chain(around).map(move |(x, y)| Rect::around(Point::new(at.x + x, at.y + y), own))
            })
            .collect(),
    }
}

fn on_screen(rect: &Rect, look: &Look) -> Rect {
    let (from, to) = (
        look.view.to_screen(Point::new(rect.left, rect.top)),
        look.view.to_screen(Point::new(rect.right, rect.bottom)),
    );
    Rect { left: from.x, top: from.y, right: to.x, bottom: to.y }
}

/// The sick lines, which words should not cover.
fn clear_lines(stage: &Stage, look: &Look) -> LabelField {
    let mut field = LabelField::default();
    let loud = stage.scene().edges.iter().zip(stage.tracks()).filter(|(edge, _)| edge.loud).take(MOST_CLEAR);
    for (_, track) in loud {
        let step = 10.0 / look.view.scale;
        let count = (track.length() / step).ceil().min(400.0) as u32;
        for i in 0..=count {
            let at = look.view.to_screen(track.at(f64::from(i) * step));
            field.block(Rect::around(at, Size::new(5.0, 5.0)));
        }
    }
    field
}

/// Points of a line at these shares of its length, with its direction there.
fn along(track: &Track, look: &Look, shares: &[f64], gap: f64) -> Beside {
    let point = |share: &f64| {
        let distance = track.length() * share;
        let (before, after) = (track.at(distance - 6.0), track.at(distance + 6.0));
        let length = before.distance(after).max(1e-6);
        // Always from left to right, so that the first choice is above.
        let turn = if after.x < before.x { -1.0 } else { 1.0 };
        let direction = ((after.x - before.x) / length * turn, (after.y - before.y) / length * turn);
        (look.view.to_screen(track.at(distance)), direction, gap)
    };
    Beside::Line(shares.iter().map(point).collect())
}

fn edge_labels(pen: &Pen<'_>, stage: &Stage, emphasis: &Emphasis, look: &Look) -> Vec<Label> {
    let mut labels = Vec::new();
    for (e, edge) in stage.scene().edges.iter().enumerate() {
        let (bright, lifted) = (emphasis.edges[e], emphasis.lifted[e]);
        let track = &stage.tracks()[e];
        let boost = if lifted { 1_000.0 } else { 0.0 };
        let mut shares = vec![0.5, 0.36, 0.64, 0.24, 0.76];
        if let (Some(mark), Some((at, state))) = (&edge.mark, sign_at(stage, e, edge)) {
            let share = at / track.length().max(1.0);
            labels.push(Label {
                text: mark.text.clone(),
                importance: edge.importance + boost,
                colour: pen.theme.breaker(state).text.css(bright).to_owned(),
                weight: 600,
                loud: true,
                beside: along(track, look, &[share, share + 0.12, share - 0.12], 13.0 * look.view.scale.max(0.6)),
            });
            // Where the sign stands there is no room for more.
            shares.retain(|other| (other - share).abs() > 0.1);
        }
        if let Some(complaint) = edge.complaint.as_ref().filter(|_| lifted || look.view.scale >= FAR) {
            let colour = pen.theme.health(edge.health).text.css(bright).to_owned();
            let beside = along(track, look, &shares, 5.0);
            labels.push(Label {
                text: complaint.clone(),
                importance: edge.importance - 20.0 + boost,
                colour,
                weight: 500,
                loud: true,
                beside,
            });
        } else if edge.flow.is_some() && (lifted || look.view.scale >= CLOSE && bright) {
            let colour = pen.theme.muted.css(bright).to_owned();
            let beside = along(track, look, &shares, 4.0);
            labels.push(Label {
                text: edge.rate.clone(),
                importance: edge.importance - 100.0 + boost,
                colour,
                weight: 400,
                loud: false,
                beside,
            });
        }
    }
    labels
}

fn node_labels(pen: &Pen<'_>, stage: &Stage, emphasis: &Emphasis, look: &Look) -> Vec<Label> {
    let nodes = stage.scene().nodes.iter().zip(stage.rects()).enumerate();
    nodes
        .map(|(v, (node, rect))| {
            let sick = matches!(node.health, ServiceHealth::Failing | ServiceHealth::Degraded);
            let told = node.errors.as_ref().filter(|_| sick).or(node.badge.as_ref());
            let tone = if sick { &pen.theme.health(node.health).text } else { &pen.theme.muted };
            Label {
                text: told.map_or_else(|| node.name.clone(), |told| format!("{} · {told}", node.name)),
                importance: node.importance + if look.focus == Some(v) { 2_000.0 } else { 0.0 },
                colour: tone.css(emphasis.nodes[v]).to_owned(),
                weight: if node.loud { 600 } else { 400 },
                loud: node.loud,
                beside: Beside::Box(on_screen(rect, look)),
            }
        })
        .collect()
}
