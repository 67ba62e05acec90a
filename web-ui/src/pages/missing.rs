//! An address that names no page.

use leptos::prelude::*;
use spillway_view::query::Query;

use crate::{components::states, state::Address};

/// Says so, and leads back.
#[component]
pub fn Missing() -> impl IntoView {
    let address = Address::get();
    let back = view! { <a class="button" href=move || address.href("/topology", Query::new())>"To the map"</a> };
    view! { <main class="page" data-page="missing">{states::empty("There is no such page", address.path(), Some(back.into_any()))}</main> }
}
