//! Where data come in, what was refused and masked, how much space it takes, and how this browser shows it.

use crate::markup::{Markup, view, when};
use leptos::prelude::*;
use spillway_api::{SenderList, Status, Storage};
use spillway_view::{format, onboarding};

use crate::{
    api,
    components::{
        copy::copy_button,
        onboarding::ways_tabs,
        pin_table::pin_table,
        segmented::{Choice, segmented},
        sender_table::{refused_requests, sender_table},
        states,
        storage::storage_table,
        target_table::target_table,
    },
    state::{Clock, Every, Live, Pins, Preferences, Session, Targets, clock, load, preferences::Theme, session::State},
};

/// The page.
pub fn settings() -> Markup {
    let live = Live::get();
    let preferences = Preferences::get();
    let session = Session::get();
    let chosen = Signal::derive(move || preferences.theme().token().to_owned());
    let choices = [("system", "As the system"), ("light", "Light"), ("dark", "Dark")]
        .map(|(token, label)| Choice { token, label })
        .to_vec();
    let choose = Callback::new(move |token: &'static str| {
        if let Some(theme) = Theme::ALL.into_iter().find(|theme| theme.token() == token) {
            preferences.set_theme(theme);
        }
    });
    let signed_in = move || matches!(session.state(), State::Open { required: true });
    let status = states::loaded(live.status, 8, |status: Status| facts(&status));
    let senders = load::<SenderList>(|| Some("/api/v1/sources".to_owned()), Every::Seconds(5));
    let refused = Memo::new(move |_| {
        let told = senders.remote.with(|told| told.value().map(|told| told.sources.clone())).unwrap_or_default();
        let refusing = told.into_iter().filter(|sender| sender.last_rejected.is_some());
        // Only what is shown: the rest moves all the time.
        refusing.map(|sender| (sender.source, sender.last_rejected)).collect::<Vec<_>>()
    });
    let senders = states::loaded(senders, 4, |told: SenderList| sender_table(&told));
    let storage = load::<Storage>(|| Some(api::STORAGE.to_owned()), Every::Seconds(15));
    let storage = states::loaded(storage, 6, |told: Storage| storage_table(&told));
    // Not under the counters: a text that is being copied must not be rebuilt.
    let ways = Memo::new(move |_| {
        let origin = window().location().origin().unwrap_or_default();
        live.status.remote.with(|status| status.value().map(|status| onboarding::ways(status, &origin)))
    });
    view! {
        <main class="page" data-page="settings">
            <div class="page__main page__main--padded page__main--read">
                <section class="block">
                    <h2 class="block__title">"This browser"</h2>
                    <div class="demo__row"><span class="demo__name">"theme"</span>{segmented("Theme".to_owned(), choices, chosen, choose, None)}</div>
                    {when(signed_in, move || view! {
                        <div class="demo__row"><span class="demo__name">"session"</span><button type="button" class="button" on:click=move |_| session.end()>"Sign out"</button></div>
                    })}
                </section>
                <section class="block">
                    <h2 class="block__title">"Storage"</h2>
                    {storage}
                </section>
                <section class="block">
                    <h2 class="block__title">"Kept traces"</h2>
                    {pin_table(Pins::load())}
                </section>
                <section class="block">
                    <h2 class="block__title">"Services that are asked"</h2>
                    {target_table(Targets::load())}
                </section>
                {status}
                <section class="block">
                    <h2 class="block__title">"Who sends"</h2>
                    {senders}
                    {move || refused.with(|list| refused_requests(list))}
                </section>
                <section class="block">
                    <h2 class="block__title">"Send data"</h2>
                    {move || ways.get().map(ways_tabs)}
                </section>
            </div>
        </main>
    }
}

fn facts(status: &Status) -> Markup {
    let listeners = status
        .listeners
        .iter()
        .map(|listener| view! { <tr><th scope="row">{listener.name.clone()}</th><td><code>{listener.url.clone()}</code></td><td>{copy_button(listener.url.clone(), &format!("the address of {}", listener.name))}</td></tr> })
        .collect::<Vec<_>>();
    let sources = status
        .ingest
        .iter()
        .map(|source| {
            let rejected: u64 = source.rejected.values().sum();
            let seen = source.last_seen_at.map_or_else(|| "never".to_owned(), |at| format::ago(at, Clock::get().now()));
            view! {
                <tr>
                    <th scope="row">{onboarding::source(&source.source).to_owned()}</th>
                    <td class="num">{format::count(source.requests)}</td>
                    <td class="num">{format::count(source.items)}</td>
                    <td class="num">{format::count(source.repeated)}</td>
                    <td class="num" data-state=(rejected > 0).then_some("degraded")>{format::count(rejected)}</td>
                    <td class="num">{seen}</td>
                </tr>
            }
        })
        .collect::<Vec<_>>();
    let reasons: Vec<(String, String, u64)> = status
        .ingest
        .iter()
        .flat_map(|source| {
            source
                .rejected
                .iter()
                .chain(&source.ignored)
                .filter(|(_, count)| **count > 0)
                .map(|(reason, count)| (onboarding::source(&source.source).to_owned(), reason.clone(), *count))
        })
        .collect();
    let reasons = (!reasons.is_empty()).then(|| {
        let rows = reasons.into_iter().map(|(source, reason, count)| view! { <tr><th scope="row">{source}</th><td>{reason}</td><td class="num">{format::count(count)}</td></tr> }).collect::<Vec<_>>();
        view! { <h3 class="panel__heading">"Refused or not used, by reason"</h3><table class="table table--small"><tbody>{rows}</tbody></table> }
    });
    let masked: Vec<(&String, &u64)> = status.redacted.iter().filter(|(_, count)| **count > 0).collect();
    let redacted = if masked.is_empty() {
        view! { <p class="panel__facts">"Nothing had to be masked since the start."</p> }
    } else {
        let rows = masked.into_iter().map(|(rule, count)| view! { <tr><th scope="row">{rule.replace('_', " ")}</th><td class="num">{format::count(*count)}</td></tr> }).collect::<Vec<_>>();
        view! { <table class="table table--small"><tbody>{rows}</tbody></table> }
    };
    view! {
        <section class="block">
            <h2 class="block__title">"Listeners"</h2>
            <table class="table table--small"><tbody>{listeners}</tbody></table>
            <p class="panel__facts">{if status.ingest_key_required { "Senders must carry the ingest key." } else { "Senders need no key: the server listens on this machine only." }}</p>
        </section>
        <section class="block">
            <h2 class="block__title">"What came in since the start"</h2>
            <div class="table-scroll">
                <table class="table">
                    <thead><tr><th scope="col">"By"</th><th scope="col" class="num">"Requests"</th><th scope="col" class="num">"Spans or events"</th><th scope="col" class="num">"Repeated"</th><th scope="col" class="num">"Refused"</th><th scope="col" class="num">"Last"</th></tr></thead>
                    <tbody>{sources}</tbody>
                </table>
            </div>
            {reasons}
        </section>
        <section class="block">
            <h2 class="block__title">"Masked before it was stored"</h2>
            {redacted}
        </section>
        <section class="block">
            <h2 class="block__title">"Server"</h2>
            <dl class="facts">
                <dt>"version"</dt><dd>{status.version.clone()}</dd>
                <dt>"running since"</dt><dd>{clock::date_time(status.started_at)}</dd>
            </dl>
        </section>
    }
}
