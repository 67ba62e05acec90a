//! Every service with its golden signals, sorted by what is wrong.

use crate::markup::{IntoMarkup as _, Markup, choose, each, view};
use leptos::prelude::*;
use spillway_api::{Node, NodeKind};
use spillway_view::{
    format, incident,
    query::Query,
    selection::Selection,
    services::{self, Column, Sort},
    words,
};

use crate::{
    components::{icon, side::side, states},
    state::{Address, Clock, Live, address::Step},
};

/// The page.
pub fn services() -> Markup {
    let (live, address) = (Live::get(), Address::get());
    let sort = address.memo("sort");
    let sort = Memo::new(move |_| Sort::parse(sort.get().as_deref()));
    let selected = Memo::new(move |_| Selection::from_query(&address.query()));
    let rows = Memo::new(move |_| live.with(|topology| services::rows(topology, sort.get())));
    let ids = move || rows.with(|rows| rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>());
    let body = move || {
        if live.arrived.get() == 0 && !live.in_the_past() {
            return states::skeleton(8);
        }
        if rows.with(Vec::is_empty) {
            return nothing(live, address);
        }
        Markup::Nothing
    };
    let row = move |id: String| {
        let of = id.clone();
        let node = Memo::new(move |_| rows.with(|rows| rows.iter().find(|row| row.id == of).cloned()));
        service_row(live, address, id, node, selected)
    };
    // The look of an empty table and the table itself change places without rebuilding rows at each version.
    let empty = Memo::new(move |_| rows.with(Vec::is_empty));
    view! {
        <main class="page page--split" data-page="services">
            <div class="page__main page__main--padded">
                {choose(
                    move || empty.get(),
                    move || body.into_markup(),
                    move || view! {
                        <div class="table-scroll">
                            <table class="table services">
                                <caption class="visually-hidden">"Services"</caption>
                                <thead><tr>{Column::ALL.map(|column| head(column, sort, address)).into_iter().collect::<Vec<_>>()}</tr></thead>
                                <tbody>{each(ids, row)}</tbody>
                            </table>
                        </div>
                    },
                )}
            </div>
            {side(live, address, selected)}
        </main>
    }
}

fn nothing(live: Live, address: Address) -> Markup {
    if live.filtered() {
        let clear = view! { <button type="button" class="button" on:click=move |_| address.set(Step::Push, "q", None)>"Clear the filter"</button> };
        return states::empty("Nothing matches the filter", "No service of this environment passes it.", Some(clear));
    }
    let start = view! { <a class="button" href=move || address.href("/topology", Query::new())>"How to send data"</a> };
    states::empty("No service is seen", "A service appears with its first span, health or breaker report.", Some(start))
}

fn head(column: Column, sort: Memo<Sort>, address: Address) -> Markup {
    let sorted = move || sort.get().column == column;
    let click = move |_| address.set(Step::Replace, "sort", Some(&sort.get_untracked().clicked(column).token()));
    view! {
        <th scope="col" class=column.numeric().then_some("num") aria-sort=move || sorted().then(|| sort.get().aria())>
            <button type="button" class="table__sort" data-sorted=move || sorted().then(|| sort.get().aria()) on:click=click>{column.label()}</button>
        </th>
    }
}

/// One row. It is kept while its numbers change.
fn service_row(
    live: Live,
    address: Address,
    id: String,
    node: Memo<Option<Node>>,
    selected: Memo<Option<Selection>>,
) -> Markup {
    let clock = Clock::get();
    let field = move |read: fn(&Node) -> String| move || node.with(|node| node.as_ref().map(read));
    let of = id.clone();
    let is_selected = move || {
        selected.with(|selected| matches!(selected, Some(Selection::Node(chosen)) if *chosen == of)).to_string()
    };
    let select = {
        let id = id.clone();
        move |_| address.change(Step::Push, |query| Selection::set(Some(&Selection::Node(id.clone())), query))
    };
    let open_breakers = move || {
        let open = live.with(|topology| {
            topology
                .edges
                .iter()
                .filter(|edge| {
                    edge.target == id && edge.breaker.as_ref().is_some_and(|breaker| breaker.state.refuses())
                })
                .count()
        });
        (open > 0).then(|| view! { <span class="services__mark" title="Breakers of its callers are open">{icon::glyph("open", Some("breaker open"))}</span> })
    };
    let state = move || {
        node.with(|node| {
            node.as_ref().map(|node| {
                let reason = node.health_reason.clone().unwrap_or_default();
                view! { <span class="state" data-state=words::health(node.health) title=reason>{icon::health(node.health, false)} <span class="services__state">{words::health(node.health)}</span></span> }
            })
        })
    };
    let name =
        move || node.with(|node| node.as_ref().map(|node| (node.kind, node.name.clone(), node.namespace.clone())));
    let name = move || {
        name().map(|(kind, name, namespace)| {
            let note = (!namespace.is_empty() && kind == NodeKind::Service)
                .then(|| view! { <span class="services__namespace">{namespace}</span> });
            view! { {icon::kind(kind)} " " <span class="services__name">{name}</span> {note} }
        })
    };
    let sick = move || {
        node.with(|node| node.as_ref().and_then(|node| node.error_ratio))
            .is_some_and(|ratio| ratio >= incident::SICK_RATIO)
            .then_some("failing")
    };
    let shed = field(|node| {
        node.shedding.as_ref().map_or_else(|| format::NONE.to_owned(), |shedding| format::percent(Some(shedding.ratio)))
    });
    let shedding =
        move || node.with(|node| node.as_ref().is_some_and(|node| node.shedding.is_some())).then_some("shed");
    let seen = move || node.with(|node| node.as_ref().map(|node| format::ago(node.last_seen_at, clock.now())));
    view! {
        <tr data-selected=is_selected data-service=move || node.with(|node| node.as_ref().map(|node| node.name.clone()))>
            <td>{state}</td>
            <td><button type="button" class="link services__open" on:click=select>{name}</button> {open_breakers}</td>
            <td class="num">{field(format::rate_of)}</td>
            <td class="num" data-state=sick>{field(|node| format::percent(node.error_ratio))}</td>
            <td class="num">{field(|node| format::millis(node.p50_ms))}</td>
            <td class="num">{field(|node| format::millis(node.p95_ms))}</td>
            <td class="num">{field(|node| format::millis(node.p99_ms))}</td>
            <td class="num">{field(|node| if node.instances > 0 { node.instances.to_string() } else { format::NONE.to_owned() })}</td>
            <td class="num" data-state=shedding>{shed}</td>
            <td class="num services__seen">{seen}</td>
        </tr>
    }
}
