//! What the canvas must notice by itself: its size, the theme, the wish for less motion, and whether anybody sees it.

use leptos::prelude::*;
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure};
use web_sys::{MediaQueryList, MutationObserver, MutationObserverInit, ResizeObserver};

use super::{Handle, board::Board, ticker};

const DARK: &str = "(prefers-color-scheme: dark)";
const LESS_MOTION: &str = "(prefers-reduced-motion: reduce)";

/// Everything that is watched. Dropping it stops.
pub struct Watching {
    sizes: Option<ResizeObserver>,
    attributes: Option<MutationObserver>,
    media: Vec<MediaQueryList>,
    seen: Closure<dyn FnMut()>,
    _called: Vec<Closure<dyn FnMut()>>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(sizes) = &self.sizes {
            sizes.disconnect();
        }
        if let Some(attributes) = &self.attributes {
            attributes.disconnect();
        }
        for query in &self.media {
            query.set_onchange(None);
        }
        let _ = document().remove_event_listener_with_callback("visibilitychange", self.seen.as_ref().unchecked_ref());
    }
}

/// Starts watching for `board`, for as long as it lives.
pub fn watch(board: Handle) {
    let on = move |change: fn(&mut Board)| move || ticker::act(board, change);
    let reduced = || window().match_media(LESS_MOTION).ok().flatten().is_some_and(|query| query.matches());

    let resized: Closure<dyn FnMut()> = Closure::new(on(Board::resize));
    let restyled: Closure<dyn FnMut()> = Closure::new(on(Board::restyle));
    let calmed: Closure<dyn FnMut()> = Closure::new(move || {
        ticker::act(board, |board| board.reduce_motion(reduced()));
    });
    let seen: Closure<dyn FnMut()> = Closure::new(move || ticker::wake(board));

    let mut media = Vec::new();
    for (query, called) in [(DARK, &restyled), (LESS_MOTION, &calmed)] {
        if let Ok(Some(query)) = window().match_media(query) {
            query.set_onchange(Some(called.as_ref().unchecked_ref()));
            media.push(query);
        }
    }
    let _ = document().add_event_listener_with_callback("visibilitychange", seen.as_ref().unchecked_ref());

    let sizes = ResizeObserver::new(resized.as_ref().unchecked_ref()).ok();
    // The theme can also be chosen in the settings: it is an attribute of the root then.
    let attributes = MutationObserver::new(restyled.as_ref().unchecked_ref()).ok();
    if let (Some(attributes), Some(root)) = (&attributes, document().document_element()) {
        let only = MutationObserverInit::new();
        only.set_attributes(true);
        only.set_attribute_filter(&JsValue::from(js_sys::Array::of1(&JsValue::from_str("data-theme"))));
        let _ = attributes.observe_with_options(&root, &only);
    }
    board.try_update_value(|this| {
        let Some(this) = this else { return };
        this.reduce_motion(reduced());
        if let Some(sizes) = &sizes {
            this.observe(sizes);
        }
        this.watching = Some(Watching { sizes, attributes, media, seen, _called: vec![resized, restyled, calmed] });
    });
}
