//! The map by keyboard: arrows along the calls, Enter selects, Escape clears, + − 0 zoom.

use leptos::prelude::*;
use spillway_layout::Direction;
use spillway_view::map::Target;
use wasm_bindgen::JsCast as _;
use web_sys::{Element, FocusEvent, KeyboardEvent};

use super::{Handle, board::Board, ticker::act};

/// Zoom of one key press.
const STEP: f64 = 1.25;

/// A key goes down while the map has the focus.
pub fn key(board: Handle, event: &KeyboardEvent) {
    // Shortcuts of the browser and of the page carry one of these.
    if event.ctrl_key() || event.meta_key() || event.alt_key() {
        return;
    }
    match event.key().as_str() {
        "ArrowLeft" => act(board, |board| board.step(Direction::Left)),
        "ArrowRight" => act(board, |board| board.step(Direction::Right)),
        "ArrowUp" => act(board, |board| board.step(Direction::Up)),
        "ArrowDown" => act(board, |board| board.step(Direction::Down)),
        "Enter" | " " => choose(board, true),
        // The page hears it too and closes what is open.
        "Escape" => return choose(board, false),
        "+" | "=" => act(board, |board| board.zoom_middle(STEP)),
        "-" => act(board, |board| board.zoom_middle(1.0 / STEP)),
        "0" => act(board, Board::show_all),
        _ => return,
    }
    event.prevent_default();
    event.stop_propagation();
}

fn choose(board: Handle, focused: bool) {
    let chosen = board.try_with_value(|board| {
        let board = board.as_ref()?;
        let target = board.focused().filter(|_| focused).map(Target::Node);
        Some(board.chosen(target))
    });
    if let Some((on_select, selection)) = chosen.flatten() {
        on_select.run(selection);
    }
}

/// The map has got the focus. A click gives it too, but only the keyboard needs to see where it is.
pub fn focused(board: Handle, event: &FocusEvent) {
    let canvas = event.target().and_then(|target| target.dyn_into::<Element>().ok());
    if canvas.is_some_and(|canvas| canvas.matches(":focus-visible").unwrap_or(true)) {
        act(board, |board| board.keyboard(true));
    }
}

/// The map has lost it.
pub fn blurred(board: Handle) {
    act(board, |board| board.keyboard(false));
}
