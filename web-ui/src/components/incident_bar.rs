//! The sentence on top of the map.

use crate::markup::{IntoMarkup as _, Markup, view};
use leptos::prelude::*;
use spillway_api::{EdgeSeries, EventList, Timestamp, Topology};
use spillway_view::{
    changes,
    incident::{self, Incident},
    query::Query,
    selection::Selection,
    words,
};

use super::icon;
use crate::state::{Address, Every, Live, address::Step, clock, load, loader};

/// An hour in steps of 15 s: enough to say since when.
const LOOK_BACK_S: u32 = 3_600;

/// Says the worst thing on the map; nothing when all is well.
pub fn incident_bar(live: Live, address: Address) -> Markup {
    let incident = Memo::new(move |_| live.with(incident::find));
    // Asked again when another edge is to blame, not each time that a number changes.
    let blamed = Memo::new(move |_| {
        incident.get().and_then(|incident| live.shown.with_value(|shown| worst_edge(&shown.borrow(), &incident)))
    });
    let series = load::<EdgeSeries>(
        move || {
            let (source, target, protocol) = blamed.get()?;
            let (from, to, step_s) = loader::last(LOOK_BACK_S, 240);
            let query = Query::new().with("source", &source).with("target", &target).with("protocol", protocol);
            Some(query.with("from", &from).with("to", &to).with("step_s", &step_s).href("/api/v1/edges/series"))
        },
        Every::Seconds(15),
    );
    let since = move || {
        let told = incident.with(|incident| incident.as_ref().and_then(|incident| incident.since));
        let seen = series.remote.with(|remote| remote.value().and_then(|series| incident::onset(&series.points)));
        // Both are lower bounds of the truth; the earlier one is nearer to it.
        match (told, seen) {
            (Some(told), Some(seen)) => Some(told.min(seen)),
            (told, seen) => told.or(seen),
        }
    };
    let changed = load::<EventList>(
        move || {
            let began = incident.with(Option::is_some).then(|| since().unwrap_or_else(clock::read))?;
            // To the minute, so that a beginning that is seen more exactly asks for nothing new.
            let minute = began.unix_ms() / 60_000 * 60_000;
            let instant = |ms: i64| Timestamp::from_unix_ms(ms).to_string();
            let query = Query::new().with("kind", "change").with("from", &instant(minute - changes::BEFORE_MS));
            Some(query.with("to", &instant(minute + 60_000)).href("/api/v1/events"))
        },
        Every::Seconds(60),
    );
    let shown = move || {
        incident.get().map(|incident| {
            let before = changed
                .remote
                .with(|remote| remote.value().and_then(|list| changes::before(&changes::of(list), &incident.service)));
            bar(incident, since(), before, address)
        })
    };
    shown.into_markup()
}

fn worst_edge(topology: &Topology, incident: &Incident) -> Option<(String, String, &'static str)> {
    let target = match &incident.origin {
        Selection::Node(id) => id,
        Selection::Edge(key) => {
            return Some((key.source.clone(), key.target.clone(), words::protocol_token(key.protocol)));
        }
    };
    let failed = |edge: &&spillway_api::Edge| edge.rate.unwrap_or(0.0) * edge.error_ratio.unwrap_or(0.0);
    let edge =
        topology.edges.iter().filter(|edge| edge.target == *target).max_by(|a, b| failed(a).total_cmp(&failed(b)))?;
    Some((edge.source.clone(), edge.target.clone(), words::protocol_token(edge.protocol)))
}

/// To the minute while it is today: a sentence is not a log line.
fn moment(at: Timestamp) -> String {
    let words = clock::when(at);
    if words.len() > "00:00:00".len() { words } else { clock::minutes(at) }
}

fn bar(incident: Incident, since: Option<Timestamp>, before: Option<String>, address: Address) -> Markup {
    let state = if incident.severe { "failing" } else { "degraded" };
    let slowest = Query::new()
        .with("service", &incident.service)
        .with("environment", &incident.environment)
        .with("status", "error")
        .with("last", "15m");
    let origin = incident.origin.clone();
    let inspect = move |_| address.change(Step::Push, |query| Selection::set(Some(&origin), query));
    view! {
        <div class="incident" role="status" data-state=state data-testid="incident">
            <span class="incident__glyph">{icon::glyph(state, Some(state))}</span>
            <div class="incident__words">
                <p class="incident__headline">
                    <strong>{incident.headline}</strong>
                    {since.map(|since| format!(" since {}", moment(since)))}
                </p>
                {(!incident.clauses.is_empty()).then(|| view! { <p class="incident__clauses">{incident.clauses.join(" · ")}</p> })}
                {before.map(|before| view! { <p class="incident__clauses" data-testid="before">"In the 15 minutes before: " {before}</p> })}
            </div>
            <div class="incident__actions">
                <a class="button" data-testid="slowest-trace" href=move || address.href("/traces/slowest", slowest.clone())>"Slowest trace"</a>
                <button type="button" class="button button--primary" on:click=inspect>"Inspect"</button>
            </div>
        </div>
    }
}
