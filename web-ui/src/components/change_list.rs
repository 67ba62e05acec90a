//! Changes of a service, newest first.

use crate::markup::{Markup, view};
use spillway_api::ChangeEvent;
use spillway_view::changes;

use crate::state::clock;

/// One line each, with the way to where more stands.
pub fn change_list(list: &[ChangeEvent]) -> Markup {
    let rows = list
        .iter()
        .map(|change| {
            let line = changes::line(change);
            let what = if change.url.is_empty() {
                view! { <span class="list__grow">{line}</span> }
            } else {
                view! { <a class="list__grow" href=change.url.clone() rel="noreferrer">{line}</a> }
            };
            view! { <li class="list__row list__row--line">{what}<span class="num">{clock::when(change.at)}</span></li> }
        })
        .collect::<Vec<_>>();
    view! { <ul class="list" data-testid="changes">{rows}</ul> }
}
