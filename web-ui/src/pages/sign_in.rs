//! The token, where the server asks for one. It is exchanged for a cookie that scripts cannot read, and kept nowhere.

use crate::markup::{Markup, view};
use leptos::{prelude::*, task::spawn_local};
use web_sys::SubmitEvent;

use crate::{
    api::Failure,
    components::icon::icon,
    state::{Session, keys},
};

/// Asks for the token.
pub fn sign_in() -> Markup {
    let session = Session::get();
    let token = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let refused = RwSignal::new(None::<String>);
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        busy.set(true);
        spawn_local(async move {
            if let Err(failure) = session.start(token.get_untracked()).await {
                let why = if failure == Failure::SignInNeeded {
                    "This is not the token of this server.".to_owned()
                } else {
                    failure.to_string()
                };
                refused.try_set(Some(why));
                token.try_set(String::new());
            }
            busy.try_set(false);
        });
    };
    Effect::new(|_| {
        keys::focus("[data-testid=token]");
    });
    view! {
        <main class="alone" data-page="sign-in">
            <form class="sign-in" on:submit=submit>
                <span class="sign-in__logo">{icon("logo")}</span>
                <h1 class="sign-in__title">"Sign in to Spillway"</h1>
                <label class="field field--block">
                    <span class="field__label">"Admin token"</span>
                    <input
                        type="password"
                        class="input mono"
                        autocomplete="current-password"
                        required
                        data-testid="token"
                        prop:value=move || token.get()
                        on:input:target=move |event| token.set(event.target().value())
                    />
                </label>
                {move || refused.get().map(|why| view! { <p class="problem" role="alert">{why}</p> })}
                <button type="submit" class="button button--primary" disabled=move || busy.get() || token.with(String::is_empty)>"Sign in"</button>
                <p class="sign-in__note">"It is the token that the server was started with ("<code>"SPILLWAY_ADMIN_TOKEN"</code>" or "<code>"admin_token"</code>" in its configuration)."</p>
            </form>
        </main>
    }
}
