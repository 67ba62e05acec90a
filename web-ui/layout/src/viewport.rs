//! The window through which the map is seen.

use crate::geometry::{Point, Rect, Size};

/// Smallest and largest zoom: below, a box is a dot on the largest screen; above, one box fills it.
const ZOOM: (f64, f64) = (0.02, 4.0);

/// Maps the map's plane to the screen: `screen = world * scale + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Viewport {
    /// Screen pixels per unit of the map.
    pub scale: f64,
    /// Where the map's origin is on the screen.
    pub offset: Point,
}

impl Default for Viewport {
    fn default() -> Self {
        Self { scale: 1.0, offset: Point::default() }
    }
}

impl Viewport {
    /// The window that shows all of `bounds` in the middle of a screen of `size` with `margin` around, no larger than
    /// `largest`. An empty map or screen gives the plain window.
    #[must_use]
    pub fn fit(bounds: Rect, size: Size, margin: f64, largest: f64) -> Self {
        let room = Size::new(size.width - 2.0 * margin, size.height - 2.0 * margin);
        if !(bounds.width() > 0.0 && bounds.height() > 0.0 && room.width > 0.0 && room.height > 0.0) {
            return Self::default();
        }
        let scale = (room.width / bounds.width()).min(room.height / bounds.height()).min(largest).clamp(ZOOM.0, ZOOM.1);
        let centre = bounds.centre();
        Self { scale, offset: Point::new(size.width / 2.0 - centre.x * scale, size.height / 2.0 - centre.y * scale) }
    }

    /// Where a point of the map is on the screen.
    #[must_use]
    pub fn to_screen(&self, world: Point) -> Point {
        Point::new(world.x * self.scale + self.offset.x, world.y * self.scale + self.offset.y)
    }

    /// Which point of the map is at a place on the screen.
    #[must_use]
    pub fn to_world(&self, screen: Point) -> Point {
        Point::new((screen.x - self.offset.x) / self.scale, (screen.y - self.offset.y) / self.scale)
    }

    /// Zooms by `factor` and keeps what is under `screen` where it is.
    #[must_use]
    pub fn zoomed(&self, screen: Point, factor: f64) -> Self {
        let wanted = self.scale * factor;
        let scale = if wanted.is_finite() { wanted.clamp(ZOOM.0, ZOOM.1) } else { self.scale };
        let held = self.to_world(screen);
        Self { scale, offset: Point::new(screen.x - held.x * scale, screen.y - held.y * scale) }
    }

    /// Moves the map under the window by screen pixels.
    #[must_use]
    pub fn panned(&self, dx: f64, dy: f64) -> Self {
        Self { scale: self.scale, offset: Point::new(self.offset.x + dx, self.offset.y + dy) }
    }

    /// The smallest move that brings `world` onto the screen with `margin` around.
    #[must_use]
    pub fn revealing(&self, world: Rect, size: Size, margin: f64) -> Self {
        let (a, b) =
            (self.to_screen(Point::new(world.left, world.top)), self.to_screen(Point::new(world.right, world.bottom)));
        let shift = |low: f64, high: f64, extent: f64| {
            if low < margin {
                margin - low
            } else if high > extent - margin {
                (extent - margin - high).max(margin - low)
            } else {
                0.0
            }
        };
        self.panned(shift(a.x, b.x, size.width), shift(a.y, b.y, size.height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCREEN: Size = Size::new(1_000.0, 600.0);

    #[test]
    fn fit_shows_everything_in_the_middle() {
        let bounds = Rect { left: -500.0, top: 100.0, right: 2_500.0, bottom: 900.0 };

        let view = Viewport::fit(bounds, SCREEN, 50.0, 1.5);

        let (a, b) = (view.to_screen(Point::new(-500.0, 100.0)), view.to_screen(Point::new(2_500.0, 900.0)));
        assert!(a.x >= 50.0 - 1e-9 && b.x <= 950.0 + 1e-9 && a.y >= 50.0 && b.y <= 550.0);
        assert!((a.x + b.x - 1_000.0).abs() < 1e-9 && (a.y + b.y - 600.0).abs() < 1e-9);
    }

    #[test]
    fn a_small_map_is_not_blown_up_and_an_empty_one_is_not_an_error() {
        assert_eq!(
            Viewport::fit(Rect { left: 0.0, top: 0.0, right: 10.0, bottom: 10.0 }, SCREEN, 50.0, 1.25).scale,
            1.25
        );
        assert_eq!(Viewport::fit(Rect::default(), SCREEN, 50.0, 1.0), Viewport::default());
    }

    #[test]
    fn zoom_keeps_the_point_under_the_pointer_and_its_limits() {
        let view = Viewport { scale: 0.8, offset: Point::new(13.0, -7.0) };
        let pointer = Point::new(321.0, 123.0);

        let near = view.zoomed(pointer, 1.7);

        assert!(near.to_world(pointer).distance(view.to_world(pointer)) < 1e-9);
        assert_eq!(view.zoomed(pointer, 1e9).scale, 4.0);
        assert_eq!(view.zoomed(pointer, 0.0).scale, 0.02);
        assert_eq!(view.zoomed(pointer, f64::NAN).scale, 0.8);
    }

    #[test]
    fn reveal_moves_only_what_is_outside() {
        let view = Viewport::default();
        let inside = Rect { left: 100.0, top: 100.0, right: 200.0, bottom: 140.0 };
        let outside = inside.moved(1_500.0, 0.0);

        assert_eq!(view.revealing(inside, SCREEN, 20.0), view);
        assert_eq!(
            view.revealing(outside, SCREEN, 20.0).to_screen(Point::new(1_700.0, 100.0)),
            Point::new(980.0, 100.0)
        );
    }
}
