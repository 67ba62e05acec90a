//! The half hour behind the map: requests of one service, failed ones in orange. A click shows the map of that instant.

use crate::markup::{Markup, view};
use leptos::prelude::*;
use spillway_api::{NodeKind, ServiceSeries, Timestamp, Topology};
use spillway_view::{chart, format, query::Query, selection::Selection};

use crate::state::{Address, Every, Live, Remote, address::Step, clock, load, loader};

const LOOK_BACK_S: u32 = 1_800;
const BARS: u32 = 120;

/// The strip; of the selected service, else of the one that serves most.
pub fn time_strip(live: Live, address: Address, selected: Memo<Option<Selection>>) -> Markup {
    let node = Memo::new(move |_| {
        let wanted = match selected.get() {
            Some(Selection::Node(id)) => Some(id),
            Some(Selection::Edge(key)) => Some(key.target),
            None => None,
        };
        live.with(|topology| subject(topology, wanted.as_deref()))
    });
    let series = load::<ServiceSeries>(
        move || {
            let (id, _) = node.get()?;
            let (from, to, step_s) = loader::last(LOOK_BACK_S, BARS);
            Some(
                Query::new()
                    .with("node", &id)
                    .with("from", &from)
                    .with("to", &to)
                    .with("step_s", &step_s)
                    .href("/api/v1/services/series"),
            )
        },
        Every::Seconds(15),
    );
    let bars = move || {
        series.remote.with(|remote| match remote {
            Remote::Loading => Markup::Nothing,
            Remote::Failed(failure) => view! { <p class="strip__note">{failure.to_string()}</p> },
            Remote::Ready(series) | Remote::Stale(series, _) => draw(series, address),
        })
    };
    let name = move || node.get().map(|(_, name)| name);
    view! {
        <div class="strip" data-testid="time-strip">
            <p class="strip__head">
                <strong>{name}</strong>
                <span class="strip__note">"requests, failed ones in orange · click for the map of that moment"</span>
            </p>
            {bars}
        </div>
    }
}

fn subject(topology: &Topology, wanted: Option<&str>) -> Option<(String, String)> {
    let named =
        wanted.and_then(|id| topology.nodes.iter().find(|node| node.id == id && node.kind == NodeKind::Service));
    let busiest = || {
        topology
            .nodes
            .iter()
            .filter(|node| node.kind == NodeKind::Service && node.rate.is_some())
            .max_by(|a, b| a.rate.unwrap_or(0.0).total_cmp(&b.rate.unwrap_or(0.0)))
    };
    named.or_else(busiest).map(|node| (node.id.clone(), node.name.clone()))
}

fn draw(series: &ServiceSeries, address: Address) -> Markup {
    let shown = chart::from_first(&series.points);
    let points: Vec<(Option<f64>, Option<f64>)> = shown.iter().map(|point| (point.rate, point.error_ratio)).collect();
    let ends = (shown.first().map(|point| point.at), shown.last().map(|point| point.at));
    let bars = chart::bars(&points)
        .into_iter()
        .zip(shown)
        .filter_map(|(bar, point)| bar.map(|bar| (bar, point.clone())))
        .map(|(bar, point)| {
            let at = point.at;
            let words = format!(
                "{}: {}, {} failed",
                clock::time(at),
                format::rate(point.rate),
                format::percent(point.error_ratio)
            );
            // The end of the step: that is when the map knew all of it.
            let end = Timestamp::from_unix_ms(at.unix_ms() + i64::from(series.step_s) * 1_000);
            view! {
                <button
                    type="button"
                    class="strip__bar"
                    tabindex="-1"
                    title=words.clone()
                    aria-label=words
                    style:left=format!("{:.3}%", bar.left * 100.0)
                    style:width=format!("{:.3}%", bar.width * 100.0)
                    on:click=move |_| address.set(Step::Push, "at", Some(&end.to_string()))
                >
                    <span class="strip__all" style:height=format!("{:.1}%", bar.height * 100.0)></span>
                    <span class="strip__failed" style:height=format!("{:.1}%", bar.failed * 100.0)></span>
                </button>
            }
        })
        .collect::<Vec<_>>();
    let (from, to) = ends;
    view! {
        <div class="strip__bars">{bars}</div>
        <p class="strip__axis"><span>{from.map(clock::minutes)}</span><span>{to.map(clock::minutes)}</span></p>
    }
}
