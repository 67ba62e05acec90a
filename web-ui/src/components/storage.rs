//! Where the space goes: the parts, what ends the growth, and a row a service.

use crate::markup::{IntoMarkup as _, Markup, view};
use spillway_api::{Storage, StorageOfService};
use spillway_view::{format, storage};

use super::{bars, icon};
use crate::state::{Clock, clock};

/// All of it.
pub fn storage_table(told: &Storage) -> Markup {
    let since = |at: Option<spillway_api::Timestamp>| at.map_or_else(|| format::NONE.to_owned(), clock::date_time);
    let free = told.disk_free_bytes.map(|free| format!(" ({} free)", format::bytes(free))).unwrap_or_default();
    let parts = storage::parts(told).map(|part| {
        view! { <span class="storage__part" title=part.about>{part.name} " " <span class="num">{format::bytes(part.bytes)}</span></span> }
    });
    let outlook = storage::outlook(told).map(|(state, words)| {
        view! { <p class="storage__outlook" data-state=state>{icon::glyph(state, None)} " " {words}</p> }
    });
    view! {
        <dl class="facts">
            <dt>"on disk"</dt><dd>{format::bytes(told.bytes)} {free}</dd>
            <dt>"of that"</dt><dd class="storage__parts">{parts.into_iter().collect::<Vec<_>>()}</dd>
            <dt>"spans"</dt><dd>{format::count(told.spans)}</dd>
            <dt>"oldest"</dt><dd>{since(told.oldest_at)}</dd>
            <dt>"newest"</dt><dd>{since(told.newest_at)}</dd>
        </dl>
        <p class="storage__growth">{storage::growth(told)}</p>
        {outlook}
        {services(told)}
    }
}

fn services(told: &Storage) -> Markup {
    if told.services.is_empty() {
        let words = storage::nothing(told, Clock::get().now());
        return view! { <p class="panel__facts" data-testid="storage-empty">{words}</p> };
    }
    let names_environments = storage::names_environments(told);
    let rows = told.services.iter().map(|service| row(service, names_environments)).collect::<Vec<_>>();
    view! {
        <div class="table-scroll">
            <table class="table storage" data-testid="storage">
                <caption class="visually-hidden">"Services by what they take a day"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Service"</th>
                        <th scope="col" class="num">"Spans"</th>
                        <th scope="col">"Share"</th>
                        <th scope="col" class="num" title="At the mean size of a span">"A day, about"</th>
                        <th scope="col" class="num">"Stored since"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_markup()
}

fn row(of: &StorageOfService, names_environments: bool) -> Markup {
    let note = match (names_environments, of.environment.as_str(), of.namespace.as_str()) {
        (true, "", namespace) | (false, _, namespace) => namespace.to_owned(),
        (true, environment, "") => environment.to_owned(),
        (true, environment, namespace) => format!("{namespace}, {environment}"),
    };
    let a_day = of.bytes_per_day.map_or_else(|| format::NONE.to_owned(), |bytes| format::bytes(bytes as u64));
    let since = of.oldest_at.map_or_else(|| format::NONE.to_owned(), clock::when);
    view! {
        <tr data-service=of.service.clone()>
            <th scope="row">{of.service.clone()} <span class="services__namespace">{note}</span></th>
            <td class="num">{format::rate(of.spans_per_s)}</td>
            <td class="storage__share">{bars::bar(0.0, of.share, "plain".to_owned())} <span class="num">{format::percent(Some(of.share))}</span></td>
            <td class="num">{a_day}</td>
            <td class="num storage__since">{since}</td>
        </tr>
    }
}
