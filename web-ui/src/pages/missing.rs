//! An address that names no page.

use crate::markup::{Markup, view};
use spillway_view::query::Query;

use crate::{components::states, state::Address};

/// Says so, and leads back.
pub fn missing() -> Markup {
    let address = Address::get();
    let back = view! { <a class="button" href=move || address.href("/topology", Query::new())>"To the map"</a> };
    view! { <main class="page" data-page="missing">{states::empty("There is no such page", address.path(), Some(back))}</main> }
}
