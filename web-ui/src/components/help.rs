//! The keys, on `?`.

use crate::markup::{Markup, view};
use leptos::{html::Dialog, prelude::*};

use crate::state::keys::PLACES;

const OTHERS: [(&str, &str); 10] = [
    ("/", "go to the filter"),
    ("Esc", "leave a field, close the panel"),
    ("?", "these keys"),
    ("↑ ↓", "on the map: to the neighbour; in a trace: to the next span"),
    ("← →", "on the map: along the edges; in a trace: fold and unfold"),
    ("Enter", "select, open"),
    ("+ − 0", "on the map: nearer, farther, all of it"),
    ("[ ]", "in a trace: fold and unfold everything"),
    ("Tab", "to the next control"),
    ("Space", "press it"),
];

/// A dialog that the browser makes modal and closes on Esc.
pub fn help(open: RwSignal<bool>) -> Markup {
    let dialog = NodeRef::<Dialog>::new();
    Effect::new(move |_| {
        let Some(dialog) = dialog.get() else { return };
        if open.get() {
            if !dialog.open() {
                let _ = dialog.show_modal();
            }
        } else {
            dialog.close();
        }
    });
    let row =
        |key: String, words: String| view! { <div class="help__row"><dt><kbd>{key}</kbd></dt><dd>{words}</dd></div> };
    view! {
        <dialog class="help" node_ref=dialog aria-labelledby="help-title" on:close=move |_| open.set(false)>
            <h2 class="help__title" id="help-title">"Keys"</h2>
            <dl class="help__list">
                {PLACES.iter().map(|place| row(format!("g {}", place.key), place.name.to_owned())).collect::<Vec<_>>()}
                {OTHERS.iter().map(|(key, words)| row((*key).to_owned(), (*words).to_owned())).collect::<Vec<_>>()}
            </dl>
            <button type="button" class="button" on:click=move |_| open.set(false)>"Close"</button>
        </dialog>
    }
}
