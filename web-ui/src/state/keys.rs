//! Keys that work everywhere: `g` and a letter go to a page, `/` to the filter, `?` shows them, Esc closes what is open.

use leptos::{ev, prelude::*};
use spillway_view::{page::Page, query::Query, selection::Selection};
use wasm_bindgen::JsCast as _;
use web_sys::{HtmlElement, KeyboardEvent};

use super::{Address, address::Step, clock};

/// A page: its key after `g`, its path and its name.
pub struct Place {
    /// After `g`.
    pub key: &'static str,
    /// Path.
    pub path: &'static str,
    /// Name.
    pub name: &'static str,
    /// Icon.
    pub icon: &'static str,
}

/// Every page of the rail, in its order.
pub const PLACES: [Place; 7] = [
    Place { key: "t", path: "/topology", name: "Topology", icon: "topology" },
    Place { key: "s", path: "/services", name: "Services", icon: "services" },
    Place { key: "r", path: "/traces", name: "Traces", icon: "traces" },
    Place { key: "b", path: "/breakers", name: "Breakers", icon: "breakers" },
    Place { key: "p", path: "/plugins", name: "Plugins", icon: "plugins" },
    Place { key: "d", path: "/decisions", name: "Decisions", icon: "decisions" },
    Place { key: "e", path: "/settings", name: "Settings", icon: "settings" },
];

/// The place of the rail that `path` belongs to.
pub fn place(path: &str) -> Option<&'static Place> {
    let page = Page::read(path);
    PLACES.iter().find(|place| place.path == page.path())
}

/// A letter counts as following `g` for so long.
const CHORD_MS: i64 = 1_500;

/// Listens until the owner is gone; `help` is switched by `?`.
pub fn listen(address: Address, help: RwSignal<bool>) {
    let g_at = StoredValue::new(0i64);
    let listener = window_event_listener(ev::keydown, move |event: KeyboardEvent| {
        if event.default_prevented() || event.ctrl_key() || event.meta_key() || event.alt_key() {
            return;
        }
        let key = event.key();
        if key == "Escape" {
            escape(address, help);
            return;
        }
        if typing(&event) {
            return;
        }
        let now = clock::read().unix_ms();
        let after_g = now - g_at.get_value() < CHORD_MS;
        g_at.set_value(if key == "g" { now } else { 0 });
        match key.as_str() {
            "/" if focus("[data-filter]") => event.prevent_default(),
            "?" => help.update(|open| *open = !*open),
            key if after_g => {
                if let Some(place) = PLACES.iter().find(|place| place.key == key) {
                    event.prevent_default();
                    address.go(&address.href_now(place.path, Query::new()), Step::Push);
                }
            }
            _ => {}
        }
    });
    on_cleanup(move || listener.remove());
}

fn escape(address: Address, help: RwSignal<bool>) {
    if help.get_untracked() {
        help.set(false);
        return;
    }
    if let Some(field) = document().active_element().filter(is_field) {
        // First out of the field, so that a second Esc closes the panel.
        if let Some(field) = field.dyn_ref::<HtmlElement>() {
            let _ = field.blur();
        }
        return;
    }
    address.change(Step::Push, |query| {
        Selection::set(None, query);
        query.set("panel", None);
        query.set("span", None);
    });
}

fn is_field(element: &web_sys::Element) -> bool {
    matches!(element.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT")
}

fn typing(event: &KeyboardEvent) -> bool {
    event
        .target()
        .and_then(|target| target.dyn_into::<web_sys::Element>().ok())
        .is_some_and(|element| is_field(&element))
}

/// Puts the focus on the first element that matches; false when there is none.
pub fn focus(selector: &str) -> bool {
    let element =
        document().query_selector(selector).ok().flatten().and_then(|element| element.dyn_into::<HtmlElement>().ok());
    element.is_some_and(|element| element.focus().is_ok())
}
