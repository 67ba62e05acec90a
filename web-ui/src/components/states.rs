//! The looks that every asynchronous view has: loading, empty, failed, stale.

use crate::markup::{IntoMarkup as _, Markup, view};
use leptos::prelude::*;

use super::icon;
use crate::{
    api::Failure,
    state::{Loader, Remote},
};

/// Grey lines where rows will be. The style sheet shows them only after 200 ms, so that a fast answer does not flicker.
pub fn skeleton(rows: usize) -> Markup {
    view! {
        <div class="skeleton" role="status" aria-label="Loading">
            {(0..rows).map(|_| view! { <span class="skeleton__row"></span> }).collect::<Vec<_>>()}
        </div>
    }
}

/// Nothing, and why, and what to do about it.
pub fn empty(title: impl Into<String>, words: impl Into<String>, action: Option<Markup>) -> Markup {
    view! {
        <div class="empty" data-testid="empty">
            <p class="empty__title">{title.into()}</p>
            <p class="empty__words">{words.into()}</p>
            {action}
        </div>
    }
}

/// Something went wrong, with a way to try again.
pub fn failed(failure: &Failure, again: impl Fn() + Send + 'static) -> Markup {
    let title = if failure.not_found() { "Not found" } else { "This could not be loaded" };
    view! {
        <div class="empty" role="alert" data-testid="failure">
            <p class="empty__title">{icon::glyph("failing", None)} " " {title}</p>
            <p class="empty__words">{failure.to_string()}</p>
            <button class="button" on:click=move |_| again()>"Try again"</button>
        </div>
    }
}

/// A strip above data that could not be brought up to date.
pub fn stale(failure: &Failure) -> Markup {
    view! { <p class="stale" role="status">{icon::glyph("unknown", None)} " Not up to date. " {failure.to_string()}</p> }
}

/// Shows `loader` in whichever look it has; `ready` draws the data.
pub fn loaded<T: Clone + Send + Sync + 'static>(
    loader: Loader<T>,
    rows: usize,
    ready: impl Fn(T) -> Markup + Send + 'static,
) -> Markup {
    let look = move || loader.remote.get();
    remote(look, rows, move || loader.reload(), ready)
}

/// As [`loaded`], for something that does not come from one loader.
pub fn remote<T: Clone + Send + Sync + 'static>(
    look: impl Fn() -> Remote<T> + Send + 'static,
    rows: usize,
    again: impl Fn() + Copy + Send + 'static,
    ready: impl Fn(T) -> Markup + Send + 'static,
) -> Markup {
    let view = move || match look() {
        Remote::Loading => skeleton(rows),
        Remote::Failed(failure) => failed(&failure, again),
        Remote::Ready(value) => ready(value),
        Remote::Stale(value, failure) => view! { {stale(&failure)} {ready(value)} },
    };
    view.into_markup()
}
