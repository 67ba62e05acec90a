//! The side panel of an edge: both sides' view of the calls, and the breakers on it.

use crate::markup::{Markup, view};
use leptos::prelude::*;
use spillway_api::{Edge, EdgeKey, EdgeSeries, EdgeSide};
use spillway_view::{chart, format, incident, query::Query, selection::Selection, words};

use super::{
    icon,
    panel::{panel, section},
    sparkline::{Sparkline, sparkline},
};
use crate::state::{Address, Every, Live, Loader, address::Step, clock, load, loader};

/// The panel of the edge `key`.
pub fn edge_panel(live: Live, address: Address, key: EdgeKey) -> Markup {
    let wanted = key.clone();
    let edge =
        Memo::new(move |_| live.with(|topology| topology.edges.iter().find(|edge| edge.key() == wanted).cloned()));
    let name = move |id: &str| {
        live.with(|topology| {
            topology.nodes.iter().find(|node| node.id == id).map_or_else(|| id.to_owned(), |node| node.name.clone())
        })
    };
    let of = key.clone();
    let series = load::<EdgeSeries>(
        move || {
            let (from, to, step_s) = loader::last(1_800, 120);
            let query = Query::new()
                .with("source", &of.source)
                .with("target", &of.target)
                .with("protocol", words::protocol_token(of.protocol));
            Some(query.with("from", &from).with("to", &to).with("step_s", &step_s).href("/api/v1/edges/series"))
        },
        Every::Seconds(15),
    );
    let ends = (key.source.clone(), key.target.clone());
    let title = move || format!("{} → {}", name(&ends.0), name(&ends.1));
    let ends = key.clone();
    let head = move || {
        let end = |id: String| {
            let words = name(&id);
            let select =
                move |_| address.change(Step::Push, |query| Selection::set(Some(&Selection::Node(id.clone())), query));
            view! { <button type="button" class="link" on:click=select>{words}</button> }
        };
        let facts = edge.with(|edge| edge.as_ref().map(facts)).unwrap_or_default();
        view! {
            <h2 class="panel__name">{end(ends.source.clone())} " → " {end(ends.target.clone())}</h2>
            <p class="panel__facts">{facts}</p>
        }
    };
    let body = move || match edge.get() {
        None => view! { <p class="panel__facts">"No such call is on the map that is shown now."</p> },
        Some(edge) => view! {
            {signals(&edge, series)}
            {sides(&edge)}
            {breakers(&edge)}
        },
    };
    panel(title, head, body)
}

fn facts(edge: &Edge) -> String {
    let mut facts =
        vec![words::protocol(edge.protocol), if edge.asynchronous { "asynchronous" } else { "synchronous" }];
    if edge.provisional {
        facts.push("only one half of the calls was seen");
    }
    if edge.estimated {
        facts.push("estimated from sampled spans");
    }
    facts.join(" · ")
}

fn signals(edge: &Edge, series: Loader<EdgeSeries>) -> Markup {
    let points = series
        .remote
        .with(|remote| remote.value().map(|series| chart::from_first(&series.points).to_vec()))
        .unwrap_or_default();
    let values = |read: fn(&spillway_api::SeriesPoint) -> Option<f64>| points.iter().map(read).collect::<Vec<_>>();
    let sick = edge.error_ratio.is_some_and(|ratio| ratio >= incident::SICK_RATIO);
    let row = |name, values, floor, value, state| {
        sparkline(Sparkline { name, values, floor, value, state, mark: None, changes: Vec::new() })
    };
    view! {
        <div class="panel__signals">
            {row("calls", values(|point| point.rate), 0.0, format::rate(edge.rate), "")}
            {row("errors", values(|point| point.error_ratio), 0.02, format::percent(edge.error_ratio), if sick { "failing" } else { "" })}
            {row("p50", values(|point| point.p50_ms), 0.0, format::millis(edge.p50_ms), "")}
            {row("p99", values(|point| point.p99_ms), 0.0, format::millis(edge.p99_ms), "")}
        </div>
    }
}

fn sides(edge: &Edge) -> Markup {
    let row = |name: &'static str, side: &Option<EdgeSide>| {
        let cell =
            |value: Option<String>| view! { <td class="num">{value.unwrap_or_else(|| format::NONE.to_owned())}</td> };
        view! {
            <tr>
                <th scope="row">{name}</th>
                {cell(side.as_ref().map(|side| format::rate(Some(side.rate))))}
                {cell(side.as_ref().map(|side| format::percent(Some(side.error_ratio))))}
                {cell(side.as_ref().map(|side| format::millis(side.p50_ms)))}
                {cell(side.as_ref().map(|side| format::millis(side.p99_ms)))}
            </tr>
        }
    };
    let table = view! {
        <table class="table table--small">
            <thead><tr><th scope="col">"measured by"</th><th scope="col" class="num">"calls"</th><th scope="col" class="num">"errors"</th><th scope="col" class="num">"p50"</th><th scope="col" class="num">"p99"</th></tr></thead>
            <tbody>{row("caller", &edge.caller)} {row("callee", &edge.callee)}</tbody>
        </table>
        <p class="panel__facts">"Where the two disagree, the network or a queue between them is to blame."</p>
    };
    section("Both sides", table)
}

fn breakers(edge: &Edge) -> Option<Markup> {
    let breaker = edge.breaker.as_ref()?;
    let rows = breaker
        .instances
        .iter()
        .map(|instance| {
            let name =
                if instance.instance.is_empty() { "(no instance)".to_owned() } else { instance.instance.clone() };
            view! {
                <li class="list__row list__row--line">
                    {icon::breaker(instance.state, false)}
                    <span class="list__grow">{name}</span>
                    <span>{words::breaker(instance.state)}</span>
                    <span class="num">{format!("since {}", clock::when(instance.since))}</span>
                </li>
            }
        })
        .collect::<Vec<_>>();
    Some(section("Breaker of each instance", view! { <ul class="list">{rows}</ul> }))
}
