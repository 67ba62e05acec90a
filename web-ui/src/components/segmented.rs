//! A choice of a few, all of them in sight.

use leptos::prelude::*;

/// One of the choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Value, and the test hook.
    pub token: &'static str,
    /// Word.
    pub label: &'static str,
}

/// Buttons in a row of which one is pressed. `hook` names the data attribute that carries the token.
#[component]
pub fn Segmented(
    /// What is chosen, for people who do not see it.
    label: String,
    /// The choices in order.
    choices: Vec<Choice>,
    /// Token of the present one.
    #[prop(into)]
    chosen: Signal<String>,
    /// Called with the token of another one.
    choose: Callback<&'static str>,
    /// True while a change is on its way.
    #[prop(optional, into)]
    busy: Signal<bool>,
) -> impl IntoView {
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
                    disabled=move || busy.get()
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
        .collect_view();
    view! { <div class="segmented" role="group" aria-label=label>{buttons}</div> }
}
