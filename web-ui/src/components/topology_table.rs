//! The map as a table of its edges: the same numbers, for reading aloud, for searching, and for screens without a canvas.

use crate::markup::{IntoMarkup as _, Markup, view};
use spillway_api::{Edge, Topology};
use spillway_view::{format, order, selection::Selection, words};

use super::{icon, states};
use crate::state::{Address, Live, address::Step};

/// One row an edge; sick ones first.
pub fn topology_table(live: Live, address: Address) -> Markup {
    let table = move || {
        let rows = live.with(rows);
        if rows.is_empty() {
            return states::empty(
                "No calls are seen",
                "No service in this environment calls another, or the filter hides them.",
                None,
            );
        }
        view! {
            <div class="table-scroll">
                <table class="table" data-testid="topology-table">
                    <caption class="visually-hidden">"Calls between services"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Caller"</th>
                            <th scope="col">"Callee"</th>
                            <th scope="col">"Protocol"</th>
                            <th scope="col" class="num">"Calls"</th>
                            <th scope="col" class="num">"Errors"</th>
                            <th scope="col" class="num">"p50"</th>
                            <th scope="col" class="num">"p99"</th>
                            <th scope="col">"Breaker"</th>
                        </tr>
                    </thead>
                    <tbody>{rows.into_iter().map(|row| edge_row(row, address)).collect::<Vec<_>>()}</tbody>
                </table>
            </div>
        }
    };
    table.into_markup()
}

struct RowOf {
    edge: Edge,
    source: String,
    target: String,
}

fn rows(topology: &Topology) -> Vec<RowOf> {
    let name = |id: &str| order::name(topology, id).to_owned();
    let row = |edge: &Edge| RowOf { source: name(&edge.source), target: name(&edge.target), edge: edge.clone() };
    let mut rows: Vec<RowOf> = topology.edges.iter().map(row).collect();
    order::sort_by(&mut rows, |a, b| {
        let failed = |row: &RowOf| row.edge.error_ratio.unwrap_or(0.0);
        failed(b).total_cmp(&failed(a)).then_with(|| (&a.source, &a.target).cmp(&(&b.source, &b.target)))
    });
    rows
}

fn edge_row(row: RowOf, address: Address) -> Markup {
    let RowOf { edge, source, target } = row;
    let link = |selection: Selection, name: String| {
        let select = move |_| address.change(Step::Push, |query| Selection::set(Some(&selection), query));
        view! { <button type="button" class="link" on:click=select>{name}</button> }
    };
    let breaker = edge.breaker.as_ref().map(|breaker| {
        let words = words::breakers(breaker);
        view! { {icon::breaker(breaker.state, false)} " " {words} }
    });
    let name = format!("{source} → {target}");
    let failing = edge.error_ratio.is_some_and(|ratio| ratio >= spillway_view::incident::SICK_RATIO);
    view! {
        <tr data-edge=name>
            <td>{link(Selection::Node(edge.source.clone()), source)}</td>
            <td>{link(Selection::Node(edge.target.clone()), target)}</td>
            <td>{link(Selection::Edge(edge.key()), words::protocol(edge.protocol).to_owned())} {edge.asynchronous.then_some(" async")}</td>
            <td class="num">{format::rate(edge.rate)} {edge.estimated.then_some(" (est.)")}</td>
            <td class="num" data-state=failing.then_some("failing")>{format::percent(edge.error_ratio)}</td>
            <td class="num">{format::millis(edge.p50_ms)}</td>
            <td class="num">{format::millis(edge.p99_ms)}</td>
            <td>{breaker}</td>
        </tr>
    }
}
