//! Asks for frames only while there is something to paint: none in a hidden tab, none when nothing moves.

use leptos::prelude::*;
use wasm_bindgen::{JsCast as _, closure::Closure};

use super::{Handle, board::Board};

/// The frame that is asked for.
#[derive(Default)]
pub struct Ticker {
    paint: Option<Closure<dyn FnMut(f64)>>,
    asked: Option<i32>,
}

impl Ticker {
    fn ask(&mut self, board: Handle) {
        // A hidden tab gets no frames anyway; the watcher wakes the board when it is seen again.
        if self.asked.is_some() || document().hidden() {
            return;
        }
        // One closure for all frames: sixty new ones a second would be garbage.
        let paint = self.paint.get_or_insert_with(|| Closure::new(move |now_ms| frame(board, now_ms)));
        self.asked = window().request_animation_frame(paint.as_ref().unchecked_ref()).ok();
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        if let Some(asked) = self.asked.take() {
            let _ = window().cancel_animation_frame(asked);
        }
    }
}

/// Changes the board, if it is there, and has the change painted. Must not be called from inside another change.
pub fn act(board: Handle, change: impl FnOnce(&mut Board)) {
    board.try_update_value(|board| board.as_mut().map(change));
    wake(board);
}

/// Asks for a frame, unless one is asked for already.
pub fn wake(board: Handle) {
    board.try_update_value(|this| {
        if let Some(this) = this {
            this.ticker.ask(board);
        }
    });
}

fn frame(board: Handle, now_ms: f64) {
    board.try_update_value(|this| {
        if let Some(this) = this {
            this.ticker.asked = None;
            if this.frame(now_ms) {
                this.ticker.ask(board);
            }
        }
    });
}
