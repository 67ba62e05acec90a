//! Which environment is shown. It is always in sight: staging must never be taken for production.

use crate::markup::{self, Markup, view, when};
use leptos::prelude::*;
use spillway_view::{scope::Environment, words};

use crate::state::{Address, Live, address::Step};

/// The choice; hidden while there is nothing to choose from.
pub fn environment_select(address: Address, live: Live) -> Markup {
    let environments = Memo::new(move |_| live.environments());
    let choose = move |token: String| address.set(Step::Push, "env", Some(&token));
    let options = move || {
        let chosen = live.environment.get();
        let mut names = environments.get();
        // A link may name one that is not there now; it must still be seen that nothing else is shown.
        if let Environment::Named(name) = &chosen
            && !names.contains(name)
        {
            names.push(name.clone());
        }
        let all = (names.len() > 1 || chosen == Environment::All).then_some(Environment::All);
        names
            .into_iter()
            .map(Environment::Named)
            .chain(all)
            .map(|environment| {
                let selected = environment == chosen;
                view! { <option value=environment.token().to_owned() selected=selected prop:selected=selected>{environment.label().to_owned()}</option> }
            })
            .collect::<Vec<_>>()
    };
    let single =
        move || environments.with(|names| names.len() < 2) && matches!(live.environment.get(), Environment::Named(_));
    let only = move || view! { <span class="environment__only">{move || environments.with(|names| names.first().map(|name| words::environment(name).to_owned()))}</span> };
    let select = move || {
        view! { <select data-testid="environment" aria-label="Environment" on:change:target=move |event| choose(event.target().value())>{options}</select> }
    };
    when(
        move || environments.with(|names| !names.is_empty()),
        move || view! { <label class="field environment"><span class="field__label">"environment"</span>{markup::choose(single, only, select)}</label> },
    )
}
