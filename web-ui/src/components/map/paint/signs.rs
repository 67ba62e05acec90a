//! The glyphs of states, the same shapes as in tables and in the legend.

use spillway_api::{BreakerState, ServiceHealth};
use spillway_layout::Point;

use super::pen::{Align, Pen};

/// The sign of a node's state, about `size` from its middle to its edge.
pub fn health(pen: &Pen<'_>, health: ServiceHealth, at: Point, size: f64, bright: bool) {
    let colour = pen.theme.health(health).ink.css(bright);
    pen.pattern(&pen.theme.patterns.solid, true);
    match health {
        ServiceHealth::Healthy => {
            pen.begin();
            pen.circle(at, size * 0.55);
            pen.fill(colour);
        }
        ServiceHealth::Degraded => {
            pen.begin();
            pen.move_to(Point::new(at.x, at.y - size));
            pen.line_to(Point::new(at.x + size, at.y + size * 0.75));
            pen.line_to(Point::new(at.x - size, at.y + size * 0.75));
            pen.close();
            pen.fill(colour);
        }
        ServiceHealth::Failing => {
            let arm = size * 0.72;
            pen.begin();
            pen.polyline(&[Point::new(at.x - arm, at.y - arm), Point::new(at.x + arm, at.y + arm)]);
            pen.polyline(&[Point::new(at.x - arm, at.y + arm), Point::new(at.x + arm, at.y - arm)]);
            pen.stroke(colour, size * 0.5);
        }
        ServiceHealth::Unknown => {
            pen.font(700, size * 2.2);
            pen.text("?", Point::new(at.x, at.y + 0.5), Align::Middle, pen.theme.health(health).text.css(bright));
        }
    }
}

/// The sign of a breaker on its edge.
pub fn breaker(pen: &Pen<'_>, state: BreakerState, at: Point, bright: bool) {
    let colour = pen.theme.breaker(state).ink.css(bright);
    let radius = 9.5;
    pen.pattern(&pen.theme.patterns.solid, true);
    pen.begin();
    pen.circle(at, radius);
    pen.fill(&pen.theme.page);
    pen.stroke(colour, 2.2);
    pen.begin();
    match state {
        BreakerState::Open | BreakerState::ForcedOpen => {
            let arm = radius * 0.62;
            pen.polyline(&[Point::new(at.x - arm, at.y + arm), Point::new(at.x + arm, at.y - arm)]);
            pen.stroke(colour, 2.2);
        }
        BreakerState::HalfOpen => {
            pen.arc(at, radius - 2.6, 0.5, 1.0);
            pen.close();
            pen.fill(colour);
        }
        _ => {
            pen.font(700, 12.0);
            pen.text("?", Point::new(at.x, at.y + 0.5), Align::Middle, pen.theme.breaker(state).text.css(bright));
        }
    }
}

/// The funnel of shedding.
pub fn funnel(pen: &Pen<'_>, at: Point, size: f64, colour: &str) {
    let point = |x: f64, y: f64| Point::new(at.x + x * size, at.y + y * size);
    pen.begin();
    pen.polyline(&[
        point(-1.0, -0.85),
        point(1.0, -0.85),
        point(0.25, 0.1),
        point(0.25, 0.95),
        point(-0.25, 0.65),
        point(-0.25, 0.1),
    ]);
    pen.close();
    pen.fill(colour);
}

/// Head and shoulders.
pub fn person(pen: &Pen<'_>, at: Point, colour: &str) {
    pen.pattern(&pen.theme.patterns.solid, true);
    pen.begin();
    pen.circle(Point::new(at.x, at.y - 5.0), 4.6);
    pen.stroke(colour, 1.7);
    pen.begin();
    pen.arc(Point::new(at.x, at.y + 11.5), 9.0, 0.78, 1.22);
    pen.stroke(colour, 1.7);
}
