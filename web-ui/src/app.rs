//! The root: a session first, then the shell with its pages.

use crate::{
    components::{shell::shell, states},
    markup::{IntoMarkup as _, Markup, view},
    pages::sign_in::sign_in,
    state::{Clock, Preferences, Session, session::State},
};

/// The whole interface.
pub fn app() -> Markup {
    Preferences::provide();
    Clock::provide();
    let session = Session::provide();
    let page = move || match session.state() {
        State::Asking => Markup::Nothing,
        State::TokenNeeded => sign_in(),
        State::Open { .. } => shell(),
        State::Unreachable(failure) => {
            view! { <main class="alone" data-page="unreachable">{states::failed(&failure, move || session.ask())}</main> }
        }
    };
    page.into_markup()
}
