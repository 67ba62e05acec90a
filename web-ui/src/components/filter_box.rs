//! The box for the filter language, with what can be typed next and what is wrong.

use crate::markup::{Markup, view};
use leptos::prelude::*;
use spillway_api::FilterCompletion;
use spillway_view::filter::{self, Slip};

use crate::state::{Every, load};

/// `text` is the filter in force; `set` is called with another one when the viewer is done typing.
pub fn filter_box(text: Signal<String>, slip: Signal<Option<Slip>>, set: impl Fn(String) + Send + 'static) -> Markup {
    let typed = RwSignal::new(None::<String>);
    let completion = load::<FilterCompletion>(
        move || typed.with(|typed| typed.as_deref().map(filter::completion_request)),
        Every::Change,
    );
    // While the next answer is on its way the last one stays: options that vanish and come back flicker.
    let choices = Memo::new(move |before: Option<&Vec<String>>| {
        let typed = typed.get().unwrap_or_default();
        let now = completion.remote.with(|remote| remote.value().map(|value| filter::completed(&typed, value)));
        now.or_else(|| before.cloned()).unwrap_or_default()
    });
    let options =
        move || choices.get().into_iter().map(|text| view! { <option value=text></option> }).collect::<Vec<_>>();
    let problem = move || {
        slip.get().map(|slip| {
            let wrong = if slip.wrong.is_empty() { " ".to_owned() } else { slip.wrong };
            view! { <p class="problem" role="alert" id="filter-problem" data-testid="filter-problem"><code>{slip.before}<mark>{wrong}</mark>{slip.behind}</code> " " {slip.words}</p> }
        })
    };
    view! {
        <div class="search__filter">
            <label class="field">
                <span class="field__label">"filter"</span>
                <input data-filter data-testid="trace-filter" list="filter-choices" placeholder="http.route=/pay/{id} duration>250ms -region=eu" autocomplete="off" autocapitalize="off" spellcheck="false" aria-describedby="filter-problem" prop:value=move || text.get() on:focus:target=move |event| typed.set(Some(event.target().value())) on:input:target=move |event| typed.set(Some(event.target().value())) on:change:target=move |event| set(event.target().value()) />
            </label>
            <datalist id="filter-choices">{options}</datalist>
            {problem}
        </div>
    }
}
