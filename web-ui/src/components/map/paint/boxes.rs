//! Nodes: the outline says what it is, ring and sign how it is, two lines of text who it is and how busy.

use spillway_api::{NodeKind, ServiceHealth};
use spillway_layout::{Point, Rect, Size};
use spillway_view::map::{SceneNode, Shape, Stage, Target};

use super::{
    Emphasis, Look,
    pen::{Align, Pen},
    signs,
};

/// Below this zoom the words in a box could not be read; labels beside the most important boxes take over.
pub const WORDS: f64 = 0.62;
/// From the left edge of a box to the middle of its ring.
const RING: f64 = 21.0;
/// Height of the lid of a cylinder.
const LID: f64 = 6.0;

/// Draws every node that is on the screen.
pub fn paint(pen: &Pen<'_>, stage: &Stage, emphasis: &Emphasis, look: &Look, seen: &Rect) {
    pen.on_map();
    for (v, (node, rect)) in stage.scene().nodes.iter().zip(stage.rects()).enumerate() {
        if rect.grown(40.0).overlaps(seen) {
            let state = State {
                bright: emphasis.nodes[v],
                selected: look.selected == Some(Target::Node(v)),
                hovered: look.hover == Some(Target::Node(v)),
                focused: look.focus == Some(v),
            };
            draw(pen, node, rect, state);
        }
    }
}

#[derive(Clone, Copy)]
struct State {
    bright: bool,
    selected: bool,
    hovered: bool,
    focused: bool,
}

fn draw(pen: &Pen<'_>, node: &SceneNode, rect: &Rect, state: State) {
    pen.pattern(&pen.theme.patterns.solid, true);
    if state.selected || state.focused {
        pen.begin();
        outline(pen, node.shape, &rect.grown(5.0));
        pen.stroke(&pen.theme.accent, 2.0 * (0.8 / pen.view.scale).max(1.0));
    }
    pen.begin();
    outline(pen, node.shape, rect);
    pen.fill(pen.theme.health(node.health).tint.css(state.bright));
    border(pen, node, rect, state);
    match node.shape {
        Shape::Circle => {
            signs::person(pen, rect.centre(), pen.theme.muted.css(state.bright));
            if pen.view.scale >= WORDS {
                pen.font(500, 13.0);
                let below = Point::new(rect.centre().x, rect.bottom + 13.0);
                pen.text(&node.name, below, Align::Middle, pen.theme.text.css(state.bright));
            }
        }
        _ if pen.view.scale >= WORDS => inside(pen, node, rect, state.bright),
        // From afar the sign alone, large enough to be told from the others.
        _ => {
            let loud = if node.loud { 6.0 } else { 2.5 };
            let size = (loud / pen.view.scale).min(rect.height() * 0.36);
            signs::health(pen, node.health, rect.centre(), size, state.bright);
        }
    }
    if let Some(badge) = node.badge.as_ref().filter(|_| pen.view.scale >= WORDS) {
        badge_on(pen, badge, rect, state.bright);
    }
}

fn border(pen: &Pen<'_>, node: &SceneNode, rect: &Rect, state: State) {
    let theme = pen.theme;
    let far = (0.7 / pen.view.scale).clamp(1.0, 3.0);
    let own = theme.health(node.health).ink.css(state.bright);
    let (colour, width, pattern) = match node.health {
        ServiceHealth::Failing => (own, 3.0, &theme.patterns.solid),
        ServiceHealth::Degraded => (own, 2.0, &theme.patterns.ring),
        ServiceHealth::Unknown => (own, 1.6, &theme.patterns.dotted),
        ServiceHealth::Healthy if node.badge.is_some() => (theme.shed.css(state.bright), 2.0, &theme.patterns.solid),
        ServiceHealth::Healthy if state.hovered => (theme.muted.css(true), 1.5, &theme.patterns.solid),
        ServiceHealth::Healthy => (theme.outline.css(state.bright), 1.3, &theme.patterns.solid),
    };
    pen.pattern(pattern, node.health == ServiceHealth::Unknown);
    pen.begin();
    outline(pen, node.shape, rect);
    pen.stroke(colour, width * far);
    pen.begin();
    match node.shape {
        // The front of the lid: what makes a box a drum.
        Shape::Cylinder => {
            pen.ellipse(Point::new(rect.centre().x, rect.top + LID), Size::new(rect.width() / 2.0, LID), 0.0, 0.5);
            pen.stroke(colour, width.min(2.0) * far);
        }
        Shape::Pipe => {
            pen.ellipse(
                Point::new(rect.right - LID - 2.0, rect.centre().y),
                Size::new(LID + 2.0, rect.height() / 2.0),
                0.25,
                0.75,
            );
            pen.stroke(colour, width.min(2.0) * far);
        }
        Shape::Box | Shape::Pill | Shape::Circle => {}
    }
}

fn outline(pen: &Pen<'_>, shape: Shape, rect: &Rect) {
    match shape {
        Shape::Box => pen.rounded(rect, 7.0),
        Shape::Pill => pen.rounded(rect, rect.height()),
        Shape::Circle => pen.circle(rect.centre(), rect.width() / 2.0),
        Shape::Cylinder => {
            let (middle, radii) = (rect.centre().x, Size::new(rect.width() / 2.0, LID));
            pen.move_to(Point::new(rect.left, rect.top + LID));
            pen.ellipse(Point::new(middle, rect.top + LID), radii, 0.5, 1.0);
            pen.line_to(Point::new(rect.right, rect.bottom - LID));
            pen.ellipse(Point::new(middle, rect.bottom - LID), radii, 0.0, 0.5);
            pen.close();
        }
        Shape::Pipe => {
            let (middle, radii) = (rect.centre().y, Size::new(LID + 2.0, rect.height() / 2.0));
            pen.move_to(Point::new(rect.left + radii.width, rect.top));
            pen.line_to(Point::new(rect.right - radii.width, rect.top));
            pen.ellipse(Point::new(rect.right - radii.width, middle), radii, -0.25, 0.25);
            pen.line_to(Point::new(rect.left + radii.width, rect.bottom));
            pen.ellipse(Point::new(rect.left + radii.width, middle), radii, 0.25, 0.75);
            pen.close();
        }
    }
}

fn inside(pen: &Pen<'_>, node: &SceneNode, rect: &Rect, bright: bool) {
    let theme = pen.theme;
    let (left, right) = match node.shape {
        Shape::Pill | Shape::Pipe => (4.0, 12.0),
        _ => (0.0, 0.0),
    };
    // The lid takes from the top.
    let middle = rect.centre().y + if node.shape == Shape::Cylinder { LID * 0.75 } else { 0.0 };
    ring(pen, node, Point::new(rect.left + RING + left, middle), bright);
    let x = rect.left + left + 38.0;
    pen.font(if node.loud { 600 } else { 500 }, 13.0);
    let colour = if node.kind == NodeKind::Other { theme.muted.css(bright) } else { theme.text.css(bright) };
    pen.text(&node.name, Point::new(x, middle - 8.5), Align::Start, colour);
    pen.font(400, 12.0);
    pen.text(&node.rate, Point::new(x, middle + 9.0), Align::Start, theme.muted.css(bright));
    if let Some(errors) = &node.errors {
        let sick = matches!(node.health, ServiceHealth::Failing | ServiceHealth::Degraded);
        pen.font(if sick { 650 } else { 400 }, 12.0);
        let colour = if sick { theme.health(node.health).text.css(bright) } else { theme.muted.css(bright) };
        pen.text(errors, Point::new(rect.right - 11.0 - right, middle + 9.0), Align::End, colour);
    }
}

/// The track of the ring, the arc of what fails, and the sign of the state in the middle.
fn ring(pen: &Pen<'_>, node: &SceneNode, at: Point, bright: bool) {
    let theme = pen.theme;
    let radius = 9.5;
    let sick = matches!(node.health, ServiceHealth::Failing | ServiceHealth::Degraded);
    if node.health != ServiceHealth::Unknown {
        pen.pattern(&theme.patterns.solid, false);
        pen.begin();
        pen.circle(at, radius);
        pen.stroke(if sick { theme.outline.css(bright) } else { theme.faint.css(bright) }, 2.4);
    }
    if node.error_share >= 0.001 && node.health != ServiceHealth::Unknown {
        let tone = if sick { theme.health(node.health) } else { theme.health(ServiceHealth::Degraded) };
        pen.begin();
        // Less than this would be a dot that nobody takes for an arc.
        pen.arc(at, radius, 0.0, node.error_share.max(0.03));
        pen.stroke(tone.ink.css(bright), if sick { 3.4 } else { 2.4 });
    }
    let size = if sick { 4.6 } else { 4.4 };
    signs::health(pen, node.health, Point::new(at.x, at.y), size, bright);
}

fn badge_on(pen: &Pen<'_>, badge: &str, rect: &Rect, bright: bool) {
    pen.font(650, 11.5);
    let width = pen.measure(badge) + 30.0;
    let own = Rect::around(Point::new(rect.centre().x, rect.top - 7.0), Size::new(width, 19.0));
    pen.pattern(&pen.theme.patterns.solid, false);
    pen.begin();
    pen.rounded(&own, 10.0);
    pen.fill(pen.theme.shed.css(bright));
    signs::funnel(pen, Point::new(own.left + 12.5, own.centre().y), 4.2, &pen.theme.page);
    pen.text(badge, Point::new(own.left + 21.0, own.centre().y + 0.5), Align::Start, &pen.theme.page);
}
