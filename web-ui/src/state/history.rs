//! The browser's history: where the page is, going elsewhere, Back and Forward, and links that do not load the page anew.

use leptos::{ev, prelude::*};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{Element, HtmlAnchorElement, MouseEvent};

use super::address::Step;

/// Where the page is.
#[derive(Clone, Copy)]
pub struct History {
    /// `/services`.
    pub path: RwSignal<String>,
    /// What follows the `?`, with it.
    pub search: RwSignal<String>,
}

impl History {
    /// Follows the address bar until the owner is gone.
    pub fn follow() -> Self {
        let history = Self { path: RwSignal::new(String::new()), search: RwSignal::new(String::new()) };
        history.read();
        let back = window_event_listener(ev::popstate, move |_| history.read());
        let clicks = window_event_listener(ev::click, move |event| history.clicked(&event));
        on_cleanup(move || {
            back.remove();
            clicks.remove();
        });
        history
    }

    /// Goes to `href`, a path with its query.
    pub fn go(self, href: &str, step: Step) {
        let Ok(entries) = window().history() else { return };
        let changed = match step {
            Step::Push => entries.push_state_with_url(&JsValue::NULL, "", Some(href)),
            Step::Replace => entries.replace_state_with_url(&JsValue::NULL, "", Some(href)),
        };
        // The browser refuses another origin, or too many changes in a row: the page then stays where the address bar is.
        if changed.is_ok() {
            self.read();
        }
    }

    fn read(self) {
        let location = window().location();
        let (path, search) = (location.pathname().unwrap_or_default(), location.search().unwrap_or_default());
        // Who reads one of them must not be woken by the other.
        if self.search.with_untracked(|old| *old != search) {
            self.search.set(search);
        }
        if self.path.with_untracked(|old| *old != path) {
            self.path.set(path);
        }
    }

    fn clicked(self, event: &MouseEvent) {
        let elsewhere =
            event.button() != 0 || event.meta_key() || event.ctrl_key() || event.shift_key() || event.alt_key();
        if elsewhere || event.default_prevented() {
            return;
        }
        let clicked = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        let Some(link) = clicked.and_then(|element| element.closest("a[href]").ok().flatten()) else { return };
        let left_to_the_browser = link.has_attribute("target")
            || link.has_attribute("download")
            || link.get_attribute("rel").is_some_and(|rel| rel.contains("external"));
        let Ok(link) = link.dyn_into::<HtmlAnchorElement>() else { return };
        if left_to_the_browser || Some(link.origin()) != window().location().origin().ok() {
            return;
        }
        event.prevent_default();
        self.go(&format!("{}{}", link.pathname(), link.search()), Step::Push);
    }
}
