//! Breakers and health: who refuses to call whom, how that changed, and what services say of themselves.

use crate::markup::{Markup, view};
use leptos::prelude::*;
use spillway_api::{Edge, Event, EventList, HealthStatus, Timestamp};
use spillway_view::{
    breakers::{self, Matrix},
    order,
    query::Query,
    range::Range,
    selection::Selection,
    words,
};

use crate::{
    components::{
        breaker_lanes::{self, Naming},
        icon,
        segmented::{Choice, segmented},
        side::side,
        states,
    },
    state::{Address, Clock, Every, Live, address::Step, clock, load},
};

const RANGES: [(&str, &str); 4] = [("15m", "15 min"), ("1h", "1 h"), ("6h", "6 h"), ("1d", "24 h")];

/// The page.
pub fn breakers() -> Markup {
    let (live, address) = (Live::get(), Address::get());
    let selected = Memo::new(move |_| Selection::from_query(&address.query()));
    let last = address.memo("last");
    let seconds = Memo::new(move |_| match last.get().as_deref().and_then(Range::parse) {
        Some(Range::Last(seconds)) => seconds,
        _ => 3_600,
    });
    let request = move |kind: &'static str, limit: &'static str| {
        move || {
            let from = Timestamp::from_unix_ms(clock::read().unix_ms() - i64::from(seconds.get()) * 1_000);
            Some(
                Query::new()
                    .with("kind", kind)
                    .with("from", &from.to_string())
                    .with("limit", limit)
                    .href("/api/v1/events"),
            )
        }
    };
    let breaker_events = load::<EventList>(request("breaker", "1000"), Every::Seconds(10));
    let health_events = load::<EventList>(request("health", "200"), Every::Seconds(10));
    let matrix = Memo::new(move |_| live.with(breakers::matrix));
    let table = move || {
        if live.arrived.get() == 0 && !live.in_the_past() {
            return states::skeleton(4);
        }
        matrix.with(|matrix| draw_matrix(matrix, address))
    };
    let environment = move |name: &str| live.environment.with(|environment| environment.shows(name));
    let lanes = states::loaded(breaker_events, 4, move |list: EventList| {
        let now = Clock::get().now();
        let from = Timestamp::from_unix_ms(now.unix_ms() - i64::from(seconds.get()) * 1_000);
        let here: Vec<_> = list
            .events
            .into_iter()
            .filter(|record| matches!(&record.event, Event::Breaker(event) if environment(&event.environment)))
            .collect();
        breaker_lanes::lanes(breakers::lanes(&here, from, now), Naming::Full, from, now)
    });
    let health = states::loaded(health_events, 4, move |list: EventList| health_list(list, environment));
    let chosen = Signal::derive(move || Range::Last(seconds.get()).token().unwrap_or_default());
    let choices = RANGES.iter().map(|(token, label)| Choice { token, label }).collect();
    let choose = Callback::new(move |token: &'static str| address.set(Step::Replace, "last", Some(token)));
    view! {
        <main class="page page--split" data-page="breakers">
            <div class="page__main page__main--padded">
                <section class="block">
                    <h2 class="block__title">"Who calls whom, and whether the breaker lets it"</h2>
                    {table}
                </section>
                <section class="block">
                    <div class="block__head">
                        <h2 class="block__title">"Breakers over time"</h2>
                        {segmented("Time".to_owned(), choices, chosen, choose, None)}
                    </div>
                    {lanes}
                </section>
                <section class="block">
                    <h2 class="block__title">"What services said of themselves"</h2>
                    {health}
                </section>
            </div>
            {side(live, address, selected)}
        </main>
    }
}

fn draw_matrix(matrix: &Matrix, address: Address) -> Markup {
    if matrix.cells.is_empty() {
        let start = view! { <a class="button" href=move || address.href("/settings", Query::new())>"Where to send reports"</a> };
        return states::empty(
            "No breaker reports here",
            "Services report breakers to the webhook; each report names the caller, the callee and the state. Edges without one are on the map only.",
            Some(start),
        );
    }
    let node_button = move |id: &str, name: &str| {
        let selection = Selection::Node(id.to_owned());
        let select = move |_| address.change(Step::Push, |query| Selection::set(Some(&selection), query));
        view! { <button type="button" class="link" on:click=select>{name.to_owned()}</button> }
    };
    let heads = matrix
        .callees
        .iter()
        .map(|(id, name)| view! { <th scope="col">{node_button(id, name)}</th> })
        .collect::<Vec<_>>();
    let rows = matrix
        .callers
        .iter()
        .enumerate()
        .map(|(row, (id, name))| {
            let cells = (0..matrix.callees.len())
                .map(|column| match matrix.cell(row, column) {
                    Some(edge) => cell(edge, address),
                    None => view! { <td class="matrix__none"></td> },
                })
                .collect::<Vec<_>>();
            view! { <tr><th scope="row">{node_button(id, name)}</th>{cells}</tr> }
        })
        .collect::<Vec<_>>();
    view! {
        <div class="table-scroll">
            <table class="table matrix" data-testid="breaker-matrix">
                <caption class="visually-hidden">"Breakers: a row a caller, a column a callee"</caption>
                <thead><tr><th scope="col" class="matrix__corner">"caller ↓ callee →"</th>{heads}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

fn cell(edge: &Edge, address: Address) -> Markup {
    let Some(breaker) = &edge.breaker else { return view! { <td></td> } };
    let key = Selection::Edge(edge.key());
    let select = move |_| address.change(Step::Push, |query| Selection::set(Some(&key), query));
    let words = words::breakers(breaker);
    // More instances than fit are told by the words.
    let glyphs =
        breaker.instances.iter().take(12).map(|instance| icon::breaker(instance.state, false)).collect::<Vec<_>>();
    view! {
        <td class="matrix__cell" data-state=words::breaker_token(breaker.state)>
            <button type="button" class="matrix__button" title=format!("since {}", clock::when(breaker.since)) on:click=select>
                <span class="matrix__glyphs">{glyphs}</span>
                <span>{words}</span>
                <span class="matrix__since">{format!("since {}", clock::when(breaker.since))}</span>
            </button>
        </td>
    }
}

fn health_list(list: EventList, shown: impl Fn(&str) -> bool) -> Markup {
    // Heartbeats repeat a state; only what changed it is worth a line.
    let mut events: Vec<_> = list
        .events
        .into_iter()
        .filter_map(|record| match record.event {
            Event::Health(event) if shown(&event.environment) => Some(event),
            _ => None,
        })
        .collect();
    order::sort_by(&mut events, |a, b| (&a.service, &a.instance, a.at).cmp(&(&b.service, &b.instance, b.at)));
    events.dedup_by(|later, earlier| {
        later.service == earlier.service
            && later.instance == earlier.instance
            && later.status == earlier.status
            && later.detail == earlier.detail
    });
    order::sort_by(&mut events, |a, b| b.at.cmp(&a.at));
    events.truncate(50);
    if events.is_empty() {
        return view! { <p class="panel__facts">"No health report in this time."</p> };
    }
    let rows = events
        .into_iter()
        .map(|event| {
            let tone = match event.status {
                HealthStatus::Up => "healthy",
                HealthStatus::Degraded => "degraded",
                HealthStatus::Down => "failing",
            };
            view! {
                <li class="list__row list__row--line">
                    <span class="num">{clock::when(event.at)}</span>
                    <span class="state" data-state=tone>{icon::glyph(tone, None)} " " {words::reported(event.status)}</span>
                    <strong>{event.service}</strong>
                    <span class="list__note">{event.instance}</span>
                    <span class="list__grow">{event.detail}</span>
                </li>
            }
        })
        .collect::<Vec<_>>();
    view! { <ul class="list">{rows}</ul> }
}
