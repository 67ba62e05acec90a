//! Keeps the trace that is looked at, or lets it go.

use crate::markup::{IntoMarkup as _, Markup, view};
use leptos::prelude::*;

use crate::state::{Pins, clock};

/// A button as long as the trace goes by its age; what keeps it, and the way to release it, from then on.
pub fn pin_button(trace_id: String, pins: Pins) -> Markup {
    let look = move || {
        let of = |pin: &&spillway_api::Pin| pin.trace_id == trace_id;
        let Some((pin, most)) =
            pins.list.remote.with(|remote| remote.value().map(|list| (list.pins.iter().find(of).cloned(), list.most)))
        else {
            // Whether it is kept is not known; nothing is claimed.
            return Markup::Nothing;
        };
        let failure =
            pins.failure.get().map(|failure| view! { <span class="problem" role="alert">{failure.to_string()}</span> });
        let Some(pin) = pin else {
            let id = trace_id.clone();
            let (label, title) =
                match pins.released.with(|released| released.as_ref().is_some_and(|pin| pin.trace_id == id)) {
                    true => ("Released. Keep it again", "It goes by its age now".to_owned()),
                    false => (
                        "Keep this trace",
                        format!("Until it is released, whatever the retention says; at most {most} traces"),
                    ),
                };
            let keep = move |_| match pins.released.get_untracked().filter(|pin| pin.trace_id == id) {
                Some(_) => pins.take_back(),
                None => pins.keep(id.clone(), String::new()),
            };
            return view! { {failure} <button type="button" class="button" data-testid="keep" title=title disabled=move || pins.busy.get() on:click=keep>{label}</button> };
        };
        let note = if pin.note.is_empty() { String::new() } else { format!(": {}", pin.note) };
        let title = format!("Since {}, by {}{note}", clock::date_time(pin.pinned_at), pin.by);
        let release = move |_| pins.release(pin.clone());
        view! {
            {failure}
            <span class="trace__kept" role="status" title=title>"Kept until released"</span>
            <button type="button" class="button" data-testid="release" title="It then goes with others of its age" disabled=move || pins.busy.get() on:click=release>"Release"</button>
        }
    };
    look.into_markup()
}
