//! The root: a session first, then the shell with its pages.

use leptos::prelude::*;
use leptos_router::components::Router;

use crate::{
    components::{shell::Shell, states},
    pages::sign_in::SignIn,
    state::{Clock, Preferences, Session, session::State},
};

/// The whole interface.
#[component]
pub fn App() -> impl IntoView {
    Preferences::provide();
    Clock::provide();
    let session = Session::provide();
    let body = move || {
        match session.state() {
        State::Asking => ().into_any(),
        State::TokenNeeded => view! { <SignIn /> }.into_any(),
        State::Open { .. } => view! { <Shell /> }.into_any(),
        State::Unreachable(failure) => {
            view! { <main class="alone" data-page="unreachable">{states::failed(&failure, move || session.ask())}</main> }.into_any()
        }
    }
    };
    view! { <Router>{body}</Router> }
}
