//! A canvas context that cannot fail: its calls throw for numbers that are not finite only, and the layout gives none.

use std::f64::consts::TAU;

use spillway_layout::{Cubic, Point, Rect, Size, Viewport};
use wasm_bindgen::JsValue;
use web_sys::CanvasRenderingContext2d;

use crate::components::map::theme::Theme;

/// Draws on one canvas with one theme.
pub struct Pen<'a> {
    context: &'a CanvasRenderingContext2d,
    /// Colours and font.
    pub theme: &'a Theme,
    /// The window onto the map.
    pub view: Viewport,
    ratio: f64,
}

/// Where a text stands on its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

impl<'a> Pen<'a> {
    /// A pen for a canvas with `ratio` pixels a point.
    pub fn new(context: &'a CanvasRenderingContext2d, theme: &'a Theme, view: Viewport, ratio: f64) -> Self {
        context.set_line_join("round");
        context.set_text_baseline("middle");
        Self { context, theme, view, ratio }
    }

    /// Wipes everything.
    pub fn clear(&self, size: Size) {
        self.on_screen();
        self.context.clear_rect(0.0, 0.0, size.width, size.height);
    }

    /// From now on coordinates are those of the screen.
    pub fn on_screen(&self) {
        let _ = self.context.set_transform(self.ratio, 0.0, 0.0, self.ratio, 0.0, 0.0);
    }

    /// From now on coordinates are those of the map.
    pub fn on_map(&self) {
        let (scale, offset) = (self.ratio * self.view.scale, self.view.offset);
        let _ = self.context.set_transform(scale, 0.0, 0.0, scale, offset.x * self.ratio, offset.y * self.ratio);
    }

    /// Begins a new path.
    pub fn begin(&self) {
        self.context.begin_path();
    }

    /// Goes on from `to` without drawing.
    pub fn move_to(&self, to: Point) {
        self.context.move_to(to.x, to.y);
    }

    /// Adds a line.
    pub fn line_to(&self, to: Point) {
        self.context.line_to(to.x, to.y);
    }

    /// Adds a line through all points.
    pub fn polyline(&self, points: &[Point]) {
        let Some((first, rest)) = points.split_first() else { return };
        self.move_to(*first);
        rest.iter().for_each(|point| self.line_to(*point));
    }

    /// Adds a curve, from where the path is.
    pub fn curve(&self, piece: &Cubic) {
        self.context.bezier_curve_to(
            piece.leave.x,
            piece.leave.y,
            piece.arrive.x,
            piece.arrive.y,
            piece.to.x,
            piece.to.y,
        );
    }

    /// Adds a circle.
    pub fn circle(&self, centre: Point, radius: f64) {
        self.context.move_to(centre.x + radius, centre.y);
        let _ = self.context.arc(centre.x, centre.y, radius, 0.0, TAU);
    }

    /// Adds a part of a circle, in turns clockwise from the top.
    pub fn arc(&self, centre: Point, radius: f64, from: f64, to: f64) {
        let angle = |turns: f64| (turns - 0.25) * TAU;
        let _ = self.context.arc(centre.x, centre.y, radius, angle(from), angle(to));
    }

    /// Adds a part of an ellipse, in turns clockwise from the right.
    pub fn ellipse(&self, centre: Point, radii: Size, from: f64, to: f64) {
        let _ = self.context.ellipse(centre.x, centre.y, radii.width, radii.height, 0.0, from * TAU, to * TAU);
    }

    /// Adds a rectangle with round corners.
    pub fn rounded(&self, rect: &Rect, radius: f64) {
        let (c, r) = (self.context, radius.min(rect.height() / 2.0).min(rect.width() / 2.0));
        c.move_to(rect.left + r, rect.top);
        for (corner, next) in [
            ((rect.right, rect.top), (rect.right, rect.bottom)),
            ((rect.right, rect.bottom), (rect.left, rect.bottom)),
            ((rect.left, rect.bottom), (rect.left, rect.top)),
            ((rect.left, rect.top), (rect.right, rect.top)),
        ] {
            let _ = c.arc_to(corner.0, corner.1, next.0, next.1, r);
        }
        c.close_path();
    }

    /// Closes the path.
    pub fn close(&self) {
        self.context.close_path();
    }

    /// Fills the path.
    pub fn fill(&self, colour: &str) {
        self.context.set_fill_style_str(colour);
        self.context.fill();
    }

    /// Draws along the path.
    pub fn stroke(&self, colour: &str, width: f64) {
        self.context.set_stroke_style_str(colour);
        self.context.set_line_width(width);
        self.context.stroke();
    }

    /// From now on lines are drawn in this pattern, with round or flat ends.
    pub fn pattern(&self, pattern: &JsValue, round: bool) {
        let _ = self.context.set_line_dash(pattern);
        self.context.set_line_cap(if round { "round" } else { "butt" });
    }

    /// From now on texts are of this size and weight.
    pub fn font(&self, weight: u16, size: f64) {
        self.context.set_font(&format!("{weight} {size}px {}", self.theme.font));
    }

    /// Writes; `y` is the middle of the line.
    pub fn text(&self, text: &str, at: Point, align: Align, colour: &str) {
        self.context.set_text_align(match align {
            Align::Start => "left",
            Align::Middle => "center",
            Align::End => "right",
        });
        self.context.set_fill_style_str(colour);
        let _ = self.context.fill_text(text, at.x, at.y);
    }

    /// Writes on a seam of the ground's colour, so that lines below do not run through the letters.
    pub fn text_on_seam(&self, text: &str, at: Point, colour: &str) {
        self.context.set_text_align("center");
        self.context.set_stroke_style_str(&self.theme.page);
        self.context.set_line_width(4.0);
        let _ = self.context.set_line_dash(&self.theme.patterns.solid);
        let _ = self.context.stroke_text(text, at.x, at.y);
        self.context.set_fill_style_str(colour);
        let _ = self.context.fill_text(text, at.x, at.y);
    }

    /// How wide `text` is in the present font.
    pub fn measure(&self, text: &str) -> f64 {
        self.context.measure_text(text).map_or(0.0, |metrics| metrics.width())
    }
}
