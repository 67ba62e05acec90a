//! All traces that are kept, each with the way to release it.

use crate::markup::{IntoMarkup as _, Markup, view};
use leptos::prelude::*;
use spillway_api::{Pin, PinList};
use spillway_view::{format, query::Query};

use super::states;
use crate::state::{Address, Pins, clock};

/// The list, newest first.
pub fn pin_table(pins: Pins) -> Markup {
    let address = Address::get();
    let undo = move || {
        pins.released.get().map(|pin| view! {
            <p class="pins__undo" role="status">"Released " <code>{format::short_id(&pin.trace_id)}</code> ": it goes by its age now. "
                <button type="button" class="button" data-testid="undo-release" disabled=move || pins.busy.get() on:click=move |_| pins.take_back()>"Undo"</button>
            </p>
        })
    };
    let failure =
        move || pins.failure.get().map(|failure| view! { <p class="problem" role="alert">{failure.to_string()}</p> });
    let list = states::loaded(pins.list, 3, move |list: PinList| table(&list, pins, address));
    view! { {failure.into_markup()} {undo.into_markup()} {list} }
}

fn table(list: &PinList, pins: Pins, address: Address) -> Markup {
    let most = list.most;
    if list.pins.is_empty() {
        return view! { <p class="panel__facts" data-testid="no-pins">{format!("None. \"Keep this trace\" on the page of a trace keeps it whatever the retention says, up to {most} of them.")}</p> };
    }
    let rows = list.pins.iter().map(|pin| row(pin.clone(), pins, address)).collect::<Vec<_>>();
    view! {
        <p class="panel__facts">{format!("{} of at most {most}, kept until they are released.", format::count(list.pins.len() as u64))}</p>
        <div class="table-scroll">
            <table class="table pins" data-testid="pins">
                <caption class="visually-hidden">"Kept traces, newest first"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Trace"</th>
                        <th scope="col">"Note"</th>
                        <th scope="col">"By"</th>
                        <th scope="col" class="num">"Kept since"</th>
                        <th scope="col"><span class="visually-hidden">"Release"</span></th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

fn row(pin: Pin, pins: Pins, address: Address) -> Markup {
    let path = format!("/traces/{}", pin.trace_id);
    let label = format!("Release {}", pin.trace_id);
    let (id, note, by, since) =
        (format::short_id(&pin.trace_id), pin.note.clone(), pin.by.clone(), clock::when(pin.pinned_at));
    view! {
        <tr data-pin=pin.trace_id.clone()>
            <td><a href=move || address.href(&path, Query::new())><code>{id}</code></a></td>
            <td class="pins__note">{note}</td>
            <td class="pins__by">{by}</td>
            <td class="num">{since}</td>
            <td class="num"><button type="button" class="button" aria-label=label disabled=move || pins.busy.get() on:click=move |_| pins.release(pin.clone())>"Release"</button></td>
        </tr>
    }
}
