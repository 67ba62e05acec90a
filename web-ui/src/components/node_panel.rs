//! The side panel of a node: the next five questions without a click.

use crate::markup::{IntoMarkup as _, Markup, view};
use leptos::prelude::*;
use spillway_api::{
    ChangeEvent, DecisionList, DecisionState, Edge, EventList, Node, NodeKind, ServiceHealth, ServiceSeries, TraceList,
};
use spillway_view::{
    breakers, changes, chart, decision, format, incident, query::Query, range::Range, selection::Selection,
    trace_search::TraceSearch, words,
};

use super::{
    breaker_lanes,
    change_list::change_list,
    icon,
    panel::{panel, section},
    sparkline::{Sparkline, sparkline},
};
use crate::state::{Address, Clock, Every, Live, Loader, Remote, address::Step, clock, live, load, loader};

const LOOK_BACK_S: u32 = 1_800;

/// The panel of the node `id`.
pub fn node_panel(live: Live, address: Address, id: String) -> Markup {
    let wanted = id.clone();
    let node = Memo::new(move |_| live.with(|topology| topology.nodes.iter().find(|node| node.id == wanted).cloned()));
    let calls = {
        let id = id.clone();
        Memo::new(move |_| {
            live.with(|topology| {
                topology.edges.iter().filter(|edge| edge.source == id || edge.target == id).cloned().collect::<Vec<_>>()
            })
        })
    };
    let names = move |id: &str| {
        live.shown.with_value(|shown| {
            shown
                .borrow()
                .nodes
                .iter()
                .find(|node| node.id == id)
                .map_or_else(|| id.to_owned(), |node| node.name.clone())
        })
    };
    let who = Memo::new(move |_| {
        node.with(|node| node.as_ref().map(|node| (node.name.clone(), node.environment.clone(), node.kind)))
    });
    let series = {
        let id = id.clone();
        load::<ServiceSeries>(
            move || {
                let (from, to, step_s) = loader::last(LOOK_BACK_S, 120);
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
        )
    };
    let changed = load::<EventList>(
        move || {
            let (name, ..) = who.get()?;
            let (from, ..) = loader::last(LOOK_BACK_S, 120);
            Some(Query::new().with("kind", "change").with("service", &name).with("from", &from).href("/api/v1/events"))
        },
        Every::Seconds(15),
    );
    let changes = Memo::new(move |_| {
        let environment = who.with(|who| who.as_ref().map(|(_, environment, _)| environment.clone()));
        let list = changed.remote.with(|remote| remote.value().map(changes::of)).unwrap_or_default();
        let is_here = |change: &ChangeEvent| environment.as_ref().is_some_and(|here| changes::is_of(change, here));
        list.into_iter().filter(is_here).collect::<Vec<_>>()
    });
    let what_changed = move || {
        changes.with(|list| (!list.is_empty()).then(|| section("What changed, last 30 min", change_list(list))))
    };
    let label = move || node.with(|node| node.as_ref().map_or_else(String::new, |node| node.name.clone()));
    let gone = id.clone();
    let head = move || {
        node.with(|node| node.as_ref().map_or_else(|| view! { <h2 class="panel__name">{gone.clone()}</h2> }, head))
    };
    let body = move || {
        if who.get().is_none() {
            return view! { <p class="panel__facts">"It is not on the map that is shown now: it has been silent too long, or the filter or environment hides it."</p> };
        }
        let own = id.clone();
        view! {
            {move || node.with(|node| node.as_ref().map(state_words))}
            {signals(node, series, changes)}
            {what_changed}
            {breaker_section(who, calls)}
            {decision_section(live, address, who)}
            {failed_traces(address, who)}
            {move || calls.with(|calls| neighbours(calls, &own, names, address))}
        }
    };
    panel(label, head, body)
}

fn head(node: &Node) -> Markup {
    let mut facts = vec![words::environment(&node.environment).to_owned()];
    if !node.namespace.is_empty() {
        facts.push(node.namespace.clone());
    }
    match node.kind {
        NodeKind::Service if node.instances > 0 => {
            facts.push(format::plural(u64::from(node.instances), "instance", "instances"))
        }
        NodeKind::Service => {}
        kind => facts.push(words::kind(kind).to_owned()),
    }
    facts.extend(node.version.clone());
    view! {
        <h2 class="panel__name" data-state=words::health(node.health)>{icon::health(node.health, true)} " " {node.name.clone()}</h2>
        <p class="panel__facts">{facts.join(" · ")}</p>
    }
}

fn state_words(node: &Node) -> Markup {
    let mut lines: Vec<String> = node.health_reason.iter().cloned().collect();
    lines.extend(node.reported_health.as_ref().map(|reported| format!("Its instances say: {reported}.")));
    lines.dedup();
    if node.stale {
        lines.push(format!("Nothing has come from it since {}.", clock::when(node.last_seen_at)));
    }
    let shed = node.shedding.as_ref().map(|shedding| {
        let applied = format!("sheds {} · applied on {} of {}", format::percent(Some(shedding.ratio)), shedding.instances_applied, shedding.instances_enforcing);
        view! { <p class="panel__shed">{icon::glyph("shed", None)} " " {applied} {shedding.reason.clone().map(|reason| format!(" · {reason}"))}</p> }
    });
    let tone =
        matches!(node.health, ServiceHealth::Failing | ServiceHealth::Degraded).then(|| words::health(node.health));
    view! { {lines.into_iter().map(|line| view! { <p class="panel__reason" data-state=tone>{line}</p> }).collect::<Vec<_>>()} {shed} }
}

fn signals(node: Memo<Option<Node>>, series: Loader<ServiceSeries>, changed: Memo<Vec<ChangeEvent>>) -> Markup {
    let draw = move || {
        let node = node.get()?;
        let points = series
            .remote
            .with(|remote| remote.value().map(|series| chart::from_first(&series.points).to_vec()))
            .unwrap_or_default();
        let values = |read: fn(&spillway_api::SeriesPoint) -> Option<f64>| points.iter().map(read).collect::<Vec<_>>();
        let mark = incident::onset(&points).and_then(|onset| {
            let (first, last) = (points.first()?.at.unix_ms(), points.last()?.at.unix_ms());
            (last > first).then(|| (onset.unix_ms() - first) as f64 / (last - first) as f64)
        });
        let changes = match (points.first(), points.last()) {
            (Some(first), Some(last)) => changed.with(|list| changes::marks(list, first.at, last.at)),
            _ => Vec::new(),
        };
        let sick = node.error_ratio.is_some_and(|ratio| ratio >= incident::SICK_RATIO);
        let state = if sick { "failing" } else { "" };
        let row = |name, values, floor, value, state| {
            sparkline(Sparkline { name, values, floor, value, state, mark, changes: changes.clone() })
        };
        let failed = series.remote.with(|remote| match remote {
            Remote::Failed(failure) if !failure.not_found() => {
                Some(view! { <p class="panel__facts">"No history: " {failure.to_string()}</p> })
            }
            _ => None,
        });
        Some(view! {
            {row("requests", values(|point| point.rate), 0.0, format::rate_of(&node), "")}
            {row("errors", values(|point| point.error_ratio), 0.02, format::percent(node.error_ratio), state)}
            {row("p50", values(|point| point.p50_ms), 0.0, format::millis(node.p50_ms), "")}
            {row("p99", values(|point| point.p99_ms), 0.0, format::millis(node.p99_ms), "")}
            {failed}
        })
    };
    view! { <div class="panel__signals">{draw}</div> }
}

fn breaker_section(who: Memo<Option<(String, String, NodeKind)>>, calls: Memo<Vec<Edge>>) -> Markup {
    let any = Memo::new(move |_| calls.with(|calls| calls.iter().any(|edge| edge.breaker.is_some())));
    let body = move || {
        any.get().then(|| {
            let events = load::<EventList>(
                || {
                    let (from, ..) = loader::last(LOOK_BACK_S, 120);
                    Some(
                        Query::new()
                            .with("kind", "breaker")
                            .with("from", &from)
                            .with("limit", "500")
                            .href("/api/v1/events"),
                    )
                },
                Every::Seconds(10),
            );
            let lanes = move || {
                let name = who.with(|who| who.as_ref().map(|(name, ..)| name.clone())).unwrap_or_default();
                let now = Clock::get().now();
                let from = spillway_api::Timestamp::from_unix_ms(now.unix_ms() - i64::from(LOOK_BACK_S) * 1_000);
                let mut lanes = events.remote.with(|remote| {
                    remote.value().map(|events| breakers::lanes(&events.events, from, now)).unwrap_or_default()
                });
                lanes.retain(|lane| lane.service == name || lane.target == name);
                lanes.truncate(12);
                breaker_lanes::lanes(lanes, breaker_lanes::Naming::Short, from, now)
            };
            section("Breakers, last 30 min", view! { {lanes} })
        })
    };
    body.into_markup()
}

fn decision_section(live: Live, address: Address, who: Memo<Option<(String, String, NodeKind)>>) -> Markup {
    let asked =
        load::<DecisionList>(|| Some(Query::new().with("limit", "50").href("/api/v1/decisions")), Every::Change);
    let list = move || {
        let (name, environment, _) = who.get()?;
        let decisions: Vec<_> = live::newest(live.decisions, asked)
            .value()?
            .decisions
            .iter()
            .filter(|decision| {
                decision.r#match.service == name
                    && decision.r#match.environment == environment
                    && decision.state != DecisionState::Ended
            })
            .cloned()
            .collect();
        if decisions.is_empty() {
            return None;
        }
        let rows = decisions
            .into_iter()
            .map(|decision| {
                let mut about: Vec<String> = decision::author(&decision).into_iter().collect();
                about.push(words::decision(decision.state).to_owned());
                about.push(decision::applied(&decision));
                let id = decision.id.clone();
                view! {
                    <li class="list__row">
                        <a class="list__main" href=move || address.href("/decisions", Query::new().with("id", &id))>{decision::action(&decision.action, decision.class)}</a>
                        <span class="list__note">{decision.reason.clone()}</span>
                        <span class="list__note">{about.join(" · ")}</span>
                    </li>
                }
            })
            .collect::<Vec<_>>();
        Some(section("Decisions in force", view! { <ul class="list">{rows}</ul> }))
    };
    list.into_markup()
}

fn failed_traces(address: Address, who: Memo<Option<(String, String, NodeKind)>>) -> Markup {
    let search = move || {
        let (service, environment, kind) = who.get()?;
        (kind == NodeKind::Service).then(|| TraceSearch {
            filter: String::new(),
            environment: Some(environment),
            service,
            operation: String::new(),
            status: "error".to_owned(),
            min_duration_ms: None,
            max_duration_ms: None,
            range: Range::Last(900),
        })
    };
    let search = Memo::new(move |_| search());
    let traces = load::<TraceList>(
        move || search.get().map(|search| search.request(clock::read(), None, 5)),
        Every::Seconds(10),
    );
    let view = move || {
        let search = search.get()?;
        let rows = traces.remote.with(|remote| match remote {
            Remote::Loading => None,
            Remote::Failed(failure) => Some(view! { <p class="panel__facts">{failure.to_string()}</p> }),
            Remote::Ready(list) | Remote::Stale(list, _) if list.traces.is_empty() => Some(view! { <p class="panel__facts">"None in the last 15 min."</p> }),
            Remote::Ready(list) | Remote::Stale(list, _) => Some(view! { <ul class="list">{list.traces.iter().map(|trace| trace_line(trace, address)).collect::<Vec<_>>()}</ul> }),
        })?;
        let mut all = Query::new();
        search.set(&mut all);
        Some(section(
            "Recent failed traces",
            view! { {rows} <a class="panel__more" href=move || address.href("/traces", all.clone())>"All traces of it"</a> },
        ))
    };
    view.into_markup()
}

fn trace_line(trace: &spillway_api::TraceSummary, address: Address) -> Markup {
    let path = format!("/traces/{}", trace.trace_id);
    view! {
        <li class="list__row list__row--line" data-trace=trace.trace_id.clone()>
            <a class="mono" href=move || address.href(&path, Query::new())>{format::short_id(&trace.trace_id)}</a>
            <span class="list__grow">{trace.root_name.clone()}</span>
            <span class="num">{format::nanos(trace.duration_ns)}</span>
        </li>
    }
}

fn neighbours(calls: &[Edge], own: &str, name: impl Fn(&str) -> String, address: Address) -> Markup {
    let list = |title: &'static str, edges: Vec<&Edge>, other: fn(&Edge) -> &String| {
        (!edges.is_empty()).then(|| {
            let rows = edges.into_iter().map(|edge| neighbour(edge, name(other(edge)), address)).collect::<Vec<_>>();
            section(title, view! { <ul class="list">{rows}</ul> })
        })
    };
    view! {
        {list("Called by", calls.iter().filter(|edge| edge.target == own).collect(), |edge| &edge.source)}
        {list("Calls", calls.iter().filter(|edge| edge.source == own).collect(), |edge| &edge.target)}
    }
}

fn neighbour(edge: &Edge, name: String, address: Address) -> Markup {
    let key = edge.key();
    let select =
        move |_| address.change(Step::Push, |query| Selection::set(Some(&Selection::Edge(key.clone())), query));
    let sick = edge.error_ratio.is_some_and(|ratio| ratio >= incident::SICK_RATIO);
    view! {
        <li class="list__row list__row--line">
            {edge.breaker.as_ref().map(|breaker| icon::breaker(breaker.state, true))}
            <button type="button" class="link list__grow" on:click=select>{name}</button>
            <span class="num">{format::rate(edge.rate)}</span>
            <span class="num num--wide" data-state=sick.then_some("failing")>{format::percent(edge.error_ratio)}</span>
            <span class="num num--wide">{format::millis(edge.p99_ms)}</span>
        </li>
    }
}
