//! A choice of a few, all of them in sight.

use crate::markup::{Markup, view};
use leptos::prelude::*;

/// One of the choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Value, and the test hook.
    pub token: &'static str,
    /// Word.
    pub label: &'static str,
}

/// Buttons in a row of which one is pressed; each carries its token as `data-mode`. `label` says what is chosen, `choose`
/// is called with the token of another one, and while `busy` a change is on its way.
pub fn segmented(
    label: String,
    choices: Vec<Choice>,
    chosen: Signal<String>,
    choose: Callback<&'static str>,
    busy: Option<RwSignal<bool>>,
) -> Markup {
    let buttons = choices
        .into_iter()
        .map(|choice| {
            let pressed = move || chosen.with(|chosen| chosen == choice.token);
            view! {
                <button
                    type="button"
                    class="segmented__choice"
                    data-mode=choice.token
                    aria-pressed=move || if pressed() { "true" } else { "false" }
                    disabled=move || busy.is_some_and(|busy| busy.get())
                    on:click=move |_| {
                        if !pressed() {
                            choose.run(choice.token);
                        }
                    }
                >
                    {choice.label}
                </button>
            }
        })
        .collect::<Vec<_>>();
    view! { <div class="segmented" role="group" aria-label=label>{buttons}</div> }
}
