//! What an empty server shows: the exact commands that bring the first data, and steps that tick themselves.

use crate::markup::{Markup, view};
use leptos::prelude::*;
use spillway_api::Status;
use spillway_view::{
    onboarding::{self, Way},
    query::Query,
};

use super::{copy::commands, icon::icon, states};
use crate::state::{Address, Live, Remote};

/// The page of a server that has never seen data.
pub fn onboarding(live: Live, address: Address) -> Markup {
    // Only what the commands depend on: the counters move every few seconds and must not rebuild a text being copied.
    let ways = Memo::new(move |_| {
        let origin = window().location().origin().unwrap_or_default();
        live.status.remote.with(|status| status.value().map(|status| onboarding::ways(status, &origin)))
    });
    let body = move || match ways.get() {
        Some(ways) => ways_tabs(ways),
        None => live.status.remote.with(|status| match status {
            Remote::Failed(failure) => states::failed(failure, move || live.status.reload()),
            _ => states::skeleton(6),
        }),
    };
    view! {
        <section class="onboarding" data-testid="onboarding">
            <h2 class="onboarding__title">"No data has come in yet"</h2>
            <p class="onboarding__lead">"Spillway draws the map from what services already send. Choose a way; this page changes by itself when the first data arrive."</p>
            {body}
            {move || steps(live, address)}
        </section>
    }
}

/// The ways as tabs, each with its commands.
pub fn ways_tabs(ways: Vec<Way>) -> Markup {
    let chosen = RwSignal::new(ways.first().map(|way| way.id).unwrap_or_default());
    let tabs = ways
        .iter()
        .map(|way| {
            let id = way.id;
            view! {
                <button
                    type="button"
                    role="tab"
                    class="tabs__tab"
                    id=format!("tab-{id}")
                    aria-controls="way"
                    aria-selected=move || (chosen.get() == id).to_string()
                    data-way=id
                    on:click=move |_| chosen.set(id)
                >
                    {way.title}
                </button>
            }
        })
        .collect::<Vec<_>>();
    let shown = move || {
        ways.iter().find(|way| way.id == chosen.get()).cloned().map(|way| {
            view! {
                <div class="tabs__body" role="tabpanel" id="way" aria-labelledby=format!("tab-{}", way.id)>
                    <p>{way.about}</p>
                    {commands(way.commands, &format!("commands for {}", way.title))}
                </div>
            }
        })
    };
    view! {
        <div class="tabs">
            <div class="tabs__bar" role="tablist" aria-label="Ways to send data">{tabs}</div>
            {shown}
        </div>
    }
}

fn steps(live: Live, address: Address) -> Markup {
    let first = live.status.remote.with(|status| status.value().and_then(first));
    let on_map = !live.nothing_anywhere();
    let step = |done: bool, words: String| {
        view! {
            <li class="steps__step" data-done=done.to_string()>
                <span class="steps__mark" aria-hidden="true">{done.then(|| icon("check"))}</span>
                <span>{words}</span>
                {(!done).then(|| view! { <span class="visually-hidden">" (not yet)"</span> })}
            </li>
        }
    };
    let received = first
        .clone()
        .map_or_else(|| "Waiting for the first spans or events…".to_owned(), |first| format!("Received {first}"));
    view! {
        <ol class="steps">
            {step(first.is_some(), received)}
            {step(on_map, "See it on the map".to_owned())}
            <li class="steps__step" data-done="false"><span class="steps__mark" aria-hidden="true"></span><a href=move || address.href("/plugins", Query::new())>"Upload a rule, in shadow first"</a></li>
        </ol>
    }
}

fn first(status: &Status) -> Option<String> {
    onboarding::first_data(status)
}
