//! Pointer and wheel: one finger or the button pans, drags a node or selects; two fingers and the wheel zoom.

use std::collections::BTreeMap;

use spillway_layout::Point;
use spillway_view::map::Target;
use wasm_bindgen::JsCast as _;
use web_sys::{HtmlElement, PointerEvent, WheelEvent};

use leptos::prelude::*;

use super::{Handle, board::Board, ticker::act};

/// A press that moves less than this is a click: hands tremble.
const TREMBLE: f64 = 4.0;
/// Zoom of one pixel of the wheel.
const WHEEL: f64 = 0.0016;
/// Pixels of a wheel that counts in lines.
const LINE: f64 = 18.0;

/// Fingers on the map, by the browser's number for each.
#[derive(Default)]
pub struct Gesture {
    fingers: BTreeMap<i32, Point>,
    press: Option<Press>,
}

struct Press {
    from: Point,
    /// What it began on.
    target: Option<Target>,
    /// From the pointer to the middle of the node that is dragged, on the map.
    hold: Option<Point>,
    moved: bool,
}

fn at(event: &PointerEvent) -> Point {
    Point::new(f64::from(event.offset_x()), f64::from(event.offset_y()))
}

fn cursor(event: &PointerEvent, cursor: &str) {
    if let Some(canvas) = event.target().and_then(|target| target.dyn_into::<HtmlElement>().ok()) {
        let _ = canvas.set_attribute("data-cursor", cursor);
    }
}

/// A finger comes down.
pub fn down(board: Handle, event: &PointerEvent) {
    if event.button() > 0 {
        return;
    }
    if let Some(canvas) = event.target().and_then(|target| target.dyn_into::<HtmlElement>().ok()) {
        // The gesture goes on when the pointer leaves the canvas.
        let _ = canvas.set_pointer_capture(event.pointer_id());
    }
    act(board, |board| {
        let from = at(event);
        board.gesture.fingers.insert(event.pointer_id(), from);
        if board.gesture.fingers.len() > 1 {
            board.gesture.press = None;
            return;
        }
        let target = board.at(from);
        let hold = match target {
            Some(Target::Node(node)) => board.centre(node).map(|centre| {
                let pointer = board.world(from);
                Point::new(centre.x - pointer.x, centre.y - pointer.y)
            }),
            _ => None,
        };
        board.gesture.press = Some(Press { from, target, hold, moved: false });
    });
}

/// A finger moves, or the pointer without a button.
pub fn moved(board: Handle, event: &PointerEvent) {
    let to = at(event);
    let id = event.pointer_id();
    act(board, |board| {
        let Some(before) = board.gesture.fingers.get(&id).copied() else {
            let target = board.at(to);
            board.hover(target);
            return;
        };
        let other = board.gesture.fingers.iter().find(|(finger, _)| **finger != id).map(|(_, at)| *at);
        board.gesture.fingers.insert(id, to);
        if let Some(other) = other {
            pinch(board, before, to, other);
            return;
        }
        let Some(press) = &mut board.gesture.press else {
            board.pan(to.x - before.x, to.y - before.y);
            return;
        };
        let far = press.from.distance(to) > TREMBLE;
        let began = far && !press.moved;
        press.moved |= far;
        match (press.moved, press.target, press.hold) {
            (false, ..) => {}
            (true, Some(Target::Node(node)), Some(hold)) => {
                let pointer = board.world(to);
                board.drag(node, Point::new(pointer.x + hold.x, pointer.y + hold.y));
            }
            // The first step makes up for what counted as trembling.
            (true, ..) if began => {
                let from = press.from;
                board.pan(to.x - from.x, to.y - from.y);
            }
            (true, ..) => board.pan(to.x - before.x, to.y - before.y),
        }
    });
    let hand = board.try_with_value(|board| {
        let board = board.as_ref()?;
        Some(match (board.gesture.fingers.is_empty(), board.hovered()) {
            (false, _) => "grabbing",
            (true, Some(_)) => "pointer",
            (true, None) => "grab",
        })
    });
    cursor(event, hand.flatten().unwrap_or("grab"));
}

/// Two fingers: the map follows both.
fn pinch(board: &mut Board, before: Point, to: Point, other: Point) {
    let (was, is) = (before.distance(other), to.distance(other));
    let middle = to.lerp(other, 0.5);
    board.pan((to.x - before.x) / 2.0, (to.y - before.y) / 2.0);
    if was > 1.0 {
        board.zoom(middle, is / was);
    }
}

/// A finger goes up: a click when it has not moved.
pub fn up(board: Handle, event: &PointerEvent) {
    let mut clicked = None;
    act(board, |board| {
        board.gesture.fingers.remove(&event.pointer_id());
        clicked = board.gesture.press.take().filter(|press| !press.moved).map(|press| press.target);
    });
    // Outside of the first access: the page's answer to a selection comes back to the board.
    if let Some(target) = clicked {
        let chosen = board.try_with_value(|board| board.as_ref().map(|board| board.chosen(target))).flatten();
        act(board, |board| board.focus_on(target));
        if let Some((on_select, selection)) = chosen {
            on_select.run(selection);
        }
    }
    cursor(event, "grab");
}

/// The browser took the finger away.
pub fn cancelled(board: Handle, event: &PointerEvent) {
    act(board, |board| {
        board.gesture.fingers.remove(&event.pointer_id());
        board.gesture.press = None;
    });
}

/// The pointer is elsewhere.
pub fn left(board: Handle) {
    act(board, |board| board.hover(None));
}

/// The wheel, or two fingers on a touchpad.
pub fn wheel(board: Handle, event: &WheelEvent) {
    event.prevent_default();
    let unit = if event.delta_mode() == WheelEvent::DOM_DELTA_PIXEL { 1.0 } else { LINE };
    // A pinch on a touchpad comes as a wheel with ctrl and in much smaller steps.
    let finger = if event.ctrl_key() { 6.0 } else { 1.0 };
    let factor = (-event.delta_y() * unit * WHEEL * finger).clamp(-0.7, 0.7).exp();
    let at = Point::new(f64::from(event.offset_x()), f64::from(event.offset_y()));
    act(board, |board| board.zoom(at, factor));
}
