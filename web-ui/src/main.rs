//! The browser interface: an ordinary client of the public API.
//!
//! `pages/` read the route and compose, `components/` take props, `state/` holds what outlives a page, `api/` is the only
//! place that talks to the server. Words, numbers and geometry are in the crate `spillway-view`, tested on the host.

mod api;
mod app;
mod components;
mod crash;
mod markup;
mod pages;
mod state;

fn main() {
    crash::report_panics();
    if let Some(boot) = leptos::prelude::document().get_element_by_id("boot") {
        boot.remove();
    }
    leptos::mount::mount_to_body(app::app);
}
