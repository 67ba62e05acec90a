//! Text to be copied: a block of commands with a button, or an identifier.

use std::time::Duration;

use crate::markup::{Markup, view};
use leptos::{prelude::*, task::spawn_local};
use wasm_bindgen_futures::JsFuture;

use super::icon::icon;

/// Puts `text` on the clipboard and says so for a moment.
pub fn copy_button(text: String, what: &str) -> Markup {
    let done = RwSignal::new(None::<bool>);
    let copy = move |_| {
        let text = text.clone();
        spawn_local(async move {
            let copied = JsFuture::from(window().navigator().clipboard().write_text(&text)).await.is_ok();
            done.try_set(Some(copied));
            set_timeout(
                move || {
                    done.try_set(None);
                },
                Duration::from_secs(2),
            );
        });
    };
    let face = move || match done.get() {
        Some(true) => view! { {icon("check")} <span>"Copied"</span> },
        // Without a secure context or permission the browser refuses.
        Some(false) => view! { <span>"Select and copy by hand"</span> },
        None => view! { {icon("copy")} <span>"Copy"</span> },
    };
    view! { <button type="button" class="button button--quiet copy" aria-label=format!("Copy {what}") on:click=copy>{face}</button> }
}

/// Commands in monospace with a copy button.
pub fn commands(text: String, what: &str) -> Markup {
    view! {
        <div class="commands">
            <pre class="commands__text" tabindex="0">{text.clone()}</pre>
            {copy_button(text, what)}
        </div>
    }
}
