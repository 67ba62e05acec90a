//! The side panel: it pushes the page aside on a wide screen and is a sheet on a narrow one. Esc closes it.

use crate::markup::{IntoMarkup, IntoValue, Markup, view};

use super::icon::icon;
use crate::state::{Address, address::Step};
use spillway_view::selection::Selection;

/// A panel with a head and a way to close it.
pub fn panel(label: impl IntoValue, head: impl IntoMarkup, body: impl IntoMarkup) -> Markup {
    let address = Address::get();
    let close = move |_| {
        address.change(Step::Push, |query| {
            Selection::set(None, query);
            query.set("panel", None);
            query.set("span", None);
        });
    };
    view! {
        <aside class="panel" aria-label=label data-testid="panel">
            <div class="panel__head">
                <div class="panel__title">{head}</div>
                <button type="button" class="button button--icon" aria-label="Close" title="Close (Esc)" on:click=close>{icon("close")}</button>
            </div>
            <div class="panel__body">{body}</div>
        </aside>
    }
}

/// A part of a panel under its own small head.
pub fn section(title: &'static str, body: Markup) -> Markup {
    view! { <section class="panel__section"><h3 class="panel__heading">{title}</h3>{body}</section> }
}
