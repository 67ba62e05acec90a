//! The map, and what explains it.

use leptos::prelude::*;
use spillway_view::{onboarding, query::Query, selection::Selection};

use crate::{
    components::{
        demo_panel::DemoPanel,
        edge_panel::EdgePanel,
        icon::{glyph, icon},
        incident_bar::IncidentBar,
        map::TopologyMap,
        node_panel::NodePanel,
        onboarding::Onboarding,
        segmented::{Choice, Segmented},
        states,
        time_strip::TimeStrip,
        topology_table::TopologyTable,
    },
    state::{Address, Live, address::Step},
};

/// What fills the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filling {
    Loading,
    /// No data, ever.
    Onboarding,
    /// Data once, but nothing now.
    Silent,
    /// Nothing passes the filter.
    Filtered,
    Map,
}

/// The page.
#[component]
pub fn Topology() -> impl IntoView {
    let (live, address) = (Live::get(), Address::get());
    let selected = Memo::new(move |_| Selection::from_query(&address.query()));
    let panel = address.memo("panel");
    let filling = Memo::new(move |_| filling(live));
    let content = move || match filling.get() {
        Filling::Loading => states::skeleton(8),
        Filling::Onboarding => view! { <Onboarding live address /> }.into_any(),
        Filling::Silent => silent(address),
        Filling::Filtered => {
            let clear = view! { <button type="button" class="button" on:click=move |_| address.set(Step::Push, "q", None)>"Clear the filter"</button> };
            states::empty(
                "Nothing matches the filter",
                "No service of this environment passes it.",
                Some(clear.into_any()),
            )
        }
        Filling::Map => view! { <Map live address selected /> }.into_any(),
    };
    let side = move || match (selected.get(), panel.get().as_deref()) {
        (Some(Selection::Node(id)), _) => view! { <NodePanel live address id /> }.into_any(),
        (Some(Selection::Edge(key)), _) => view! { <EdgePanel live address key /> }.into_any(),
        (None, Some("demo")) => view! { <DemoPanel /> }.into_any(),
        (None, _) => ().into_any(),
    };
    view! {
        <main class="page page--split" data-page="topology">
            <div class="page__main topology">{content}</div>
            {side}
        </main>
    }
}

fn filling(live: Live) -> Filling {
    let past = live.in_the_past();
    if live.arrived.get() == 0 && !past {
        return Filling::Loading;
    }
    if live.with(|topology| !topology.nodes.is_empty()) {
        return Filling::Map;
    }
    if !past && live.nothing_anywhere() {
        return match live.status.remote.with(|status| status.value().map(onboarding::has_data)) {
            None => Filling::Loading,
            Some(false) => Filling::Onboarding,
            Some(true) => Filling::Silent,
        };
    }
    if live.filtered() { Filling::Filtered } else { Filling::Silent }
}

fn silent(address: Address) -> AnyView {
    let look = Query::new().with("last", "all");
    let back =
        view! { <a class="button" href=move || address.href("/traces", look.clone())>"Traces that are stored"</a> };
    states::empty(
        "Nothing has been seen at this time",
        "Data are stored, but no service has sent any within the window of the map. Look at what is stored, or choose an instant of the past at the clock above.",
        Some(back.into_any()),
    )
}

#[component]
fn Map(live: Live, address: Address, selected: Memo<Option<Selection>>) -> impl IntoView {
    let view_as = address.memo("view");
    let chosen = Signal::derive(move || view_as.get().unwrap_or_else(|| "map".to_owned()));
    let choices = vec![Choice { token: "map", label: "Map" }, Choice { token: "table", label: "Table" }];
    let choose =
        Callback::new(move |token: &'static str| address.set(Step::Replace, "view", (token != "map").then_some(token)));
    let demo = Memo::new(move |_| live.status.remote.with(|status| status.value().is_some_and(|status| status.demo)));
    let drawing = move || {
        if chosen.get() == "table" {
            view! { <TopologyTable live address /> }.into_any()
        } else {
            view! { <Canvas live address selected /> }.into_any()
        }
    };
    view! {
        <IncidentBar live address />
        <div class="topology__drawing">{drawing}</div>
        <div class="topology__foot">
            <Segmented label="Show as".to_owned() choices chosen choose />
            <Legend />
            <Show when=move || demo.get()>
                <button type="button" class="button" data-testid="demo" on:click=move |_| address.change(Step::Push, |query| {
                    Selection::set(None, query);
                    query.set("panel", Some("demo"));
                })>{icon("demo")} <span>"Demo switches"</span></button>
            </Show>
        </div>
        <TimeStrip live address selected />
    }
}

/// The canvas knows selections as a signal of its own; the address is where a selection lives.
#[component]
fn Canvas(live: Live, address: Address, selected: Memo<Option<Selection>>) -> impl IntoView {
    let on_select = Callback::new(move |selection: Option<Selection>| {
        address.change(Step::Push, |query| Selection::set(selection.as_ref(), query))
    });
    let still = Signal::derive(move || live.paused.get() || live.in_the_past());
    view! { <TopologyMap topology=live.shown version=live.version selected on_select still /> }
}

#[component]
fn Legend() -> impl IntoView {
    let entry = |token: &'static str, words: &'static str| view! { <span class="legend__entry">{glyph(token, None)} " " {words}</span> };
    view! {
        <p class="legend" aria-label="Legend">
            {entry("healthy", "healthy")} {entry("degraded", "degraded")} {entry("failing", "failing")} {entry("unknown", "unknown")}
            {entry("open", "breaker open")} {entry("half_open", "half-open")} {entry("shed", "shedding")}
            <span class="legend__entry"><span class="legend__line" aria-hidden="true"></span>" sync"</span>
            <span class="legend__entry"><span class="legend__line legend__line--async" aria-hidden="true"></span>" async"</span>
        </p>
    }
}
