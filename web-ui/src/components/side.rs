//! The panel of whatever is selected on the map or in a table.

use leptos::prelude::*;
use spillway_view::selection::Selection;

use super::{edge_panel::edge_panel, node_panel::node_panel};
use crate::{
    markup::{Markup, each},
    state::{Address, Live},
};

/// A panel for what is selected; another selection gets a panel of its own, which begins at its top.
pub fn side(live: Live, address: Address, selected: Memo<Option<Selection>>) -> Markup {
    each(
        move || selected.with(|selected| selected.iter().map(Selection::key).collect()),
        move |_| match selected.get_untracked() {
            Some(Selection::Node(id)) => node_panel(live, address, id),
            Some(Selection::Edge(key)) => edge_panel(live, address, key),
            None => Markup::Nothing,
        },
    )
}
