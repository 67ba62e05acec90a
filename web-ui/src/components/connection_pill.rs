//! How fresh the screen is: live with its lag, reconnecting, paused, or an instant of the past.

use crate::markup::{Markup, choose, view, when};
use leptos::prelude::*;
use spillway_api::Timestamp;
use spillway_view::format;

use super::icon::icon;
use crate::state::{Address, Clock, Live, Remote, address::Step, clock, live::Connection};

/// The pill; on pages that draw the topology also what holds it still and what turns it back.
pub fn connection_pill(live: Live, address: Address, steer: Memo<bool>) -> Markup {
    let at = address.memo("at");
    let face = move || {
        if let Some(at) = at.get() {
            let when = Timestamp::parse(&at).map_or(at, clock::when);
            let words = live.past.remote.with(|past| match past {
                Remote::Loading => format!("loading {when}"),
                Remote::Failed(failure) => format!("{when}: {failure}"),
                Remote::Ready(map) | Remote::Stale(map, ..) => format!("as of {when} · {} s steps", map.lag_ms / 1_000),
            });
            return ("past", words);
        }
        if live.paused.get() {
            return ("paused", format!("paused · {} held", format::count(u64::from(live.held.get()))));
        }
        match live.connection.get() {
            Connection::Connecting => ("connecting", "connecting".to_owned()),
            Connection::Resting => ("paused", "resting".to_owned()),
            Connection::Reconnecting(0) => ("broken", "reconnecting".to_owned()),
            Connection::Reconnecting(tries) => ("broken", format!("reconnecting · try {tries}")),
            Connection::Live => {
                let lag = live.with(|topology| topology.lag_ms);
                ("live", format!("live · {}", format::millis(Some(lag as f64))))
            }
        }
    };
    let face = Memo::new(move |_| face());
    let paused = move || live.paused.get();
    view! {
        <span
            class="pill"
            data-testid="connection"
            data-state=move || face.get().0
            title="How far the screen is behind the services: late spans are waited for"
            role="status"
        >
            <span class="pill__dot" aria-hidden="true"></span>
            {move || face.get().1}
        </span>
        {choose(
            move || at.get().is_some(),
            move || view! { <button type="button" class="button button--primary" on:click=move |_| address.set(Step::Push, "at", None)>{icon("play")} <span class="wide">"Back to now"</span></button> },
            move || when(move || steer.get() || paused(), move || pause_button(live)),
        )}
        {when(move || steer.get(), move || time_travel(address))}
    }
}

fn pause_button(live: Live) -> Markup {
    let paused = move || live.paused.get();
    let face = move || {
        if paused() {
            view! { {icon("play")} <span class="wide">"Go on"</span> }
        } else {
            view! { {icon("pause")} <span class="wide">"Pause"</span> }
        }
    };
    view! {
        <button type="button" class="button" data-testid="pause" aria-pressed=move || paused().to_string() on:click=move |_| live.pause(!live.paused.get_untracked())>{face}</button>
    }
}

/// Chooses an instant of the past; everything that the map shows is then of that instant.
fn time_travel(address: Address) -> Markup {
    let at = address.memo("at");
    let open = RwSignal::new(false);
    let value = move || {
        let at = at.get().and_then(|at| Timestamp::parse(&at).ok()).unwrap_or_else(clock::read);
        format::input_minutes(at, Clock::offset_minutes(at))
    };
    let choose = move |text: String| {
        // A browser gives local time without an offset; `Date` reads exactly that.
        let ms = js_sys::Date::parse(&text);
        if ms.is_finite() {
            open.set(false);
            address.set(Step::Push, "at", Some(&Timestamp::from_unix_ms(ms as i64).to_string()));
        }
    };
    let step = move |minutes: i64| {
        let from = at.get_untracked().and_then(|at| Timestamp::parse(&at).ok()).unwrap_or_else(clock::read);
        address.set(Step::Push, "at", Some(&Timestamp::from_unix_ms(from.unix_ms() - minutes * 60_000).to_string()));
    };
    view! {
        <span class="travel">
            <button
                type="button"
                class="button button--icon"
                aria-label="Show an instant of the past"
                title="Show an instant of the past"
                aria-expanded=move || open.get().to_string()
                on:click=move |_| open.update(|open| *open = !*open)
            >
                {icon("clock")}
            </button>
            {when(move || open.get(), move || view! {
                <span class="travel__menu" role="group" aria-label="Instant">
                    <input type="datetime-local" class="input" aria-label="Date and time" prop:value=value on:change:target=move |event| choose(event.target().value()) />
                    <button type="button" class="button" on:click=move |_| step(1)>"1 min earlier"</button>
                    <button type="button" class="button" on:click=move |_| step(5)>"5 min earlier"</button>
                    <button type="button" class="button" on:click=move |_| step(60)>"1 h earlier"</button>
                </span>
            })}
        </span>
    }
}
