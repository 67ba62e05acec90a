//! The map, and what explains it.

use crate::markup::{IntoMarkup as _, Markup, view, when};
use leptos::prelude::*;
use spillway_view::{onboarding, query::Query, selection::Selection};

use crate::{
    components::{
        demo_panel::demo_panel,
        icon::{glyph, icon},
        incident_bar::incident_bar,
        map::TopologyMap,
        onboarding::onboarding,
        segmented::{Choice, segmented},
        side::side,
        states,
        time_strip::time_strip,
        topology_table::topology_table,
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
pub fn topology() -> Markup {
    let (live, address) = (Live::get(), Address::get());
    let selected = Memo::new(move |_| Selection::from_query(&address.query()));
    let panel = address.memo("panel");
    let filling = Memo::new(move |_| filling(live));
    let content = move || match filling.get() {
        Filling::Loading => states::skeleton(8),
        Filling::Onboarding => onboarding(live, address),
        Filling::Silent => silent(address),
        Filling::Filtered => {
            let clear = view! { <button type="button" class="button" on:click=move |_| address.set(Step::Push, "q", None)>"Clear the filter"</button> };
            states::empty("Nothing matches the filter", "No service of this environment passes it.", Some(clear))
        }
        Filling::Map => map(live, address, selected),
    };
    let demo = move || (selected.with(Option::is_none) && panel.get().as_deref() == Some("demo")).then(demo_panel);
    view! {
        <main class="page page--split" data-page="topology">
            <div class="page__main topology">{content}</div>
            {side(live, address, selected)}
            {demo}
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

fn silent(address: Address) -> Markup {
    let look = Query::new().with("last", "all");
    let back =
        view! { <a class="button" href=move || address.href("/traces", look.clone())>"Traces that are stored"</a> };
    states::empty(
        "Nothing has been seen at this time",
        "Data are stored, but no service has sent any within the window of the map. Look at what is stored, or choose an instant of the past at the clock above.",
        Some(back),
    )
}

fn map(live: Live, address: Address, selected: Memo<Option<Selection>>) -> Markup {
    let view_as = address.memo("view");
    let chosen = Signal::derive(move || view_as.get().unwrap_or_else(|| "map".to_owned()));
    let choices = vec![Choice { token: "map", label: "Map" }, Choice { token: "table", label: "Table" }];
    let choose =
        Callback::new(move |token: &'static str| address.set(Step::Replace, "view", (token != "map").then_some(token)));
    let demo = Memo::new(move |_| live.status.remote.with(|status| status.value().is_some_and(|status| status.demo)));
    let drawing = move || {
        if chosen.get() == "table" { topology_table(live, address) } else { canvas(live, address, selected) }
    };
    view! {
        {incident_bar(live, address)}
        <div class="topology__drawing">{drawing}</div>
        <div class="topology__foot">
            {segmented("Show as".to_owned(), choices, chosen, choose, None)}
            {legend()}
            {when(move || demo.get(), move || view! {
                <button type="button" class="button" data-testid="demo" on:click=move |_| address.change(Step::Push, |query| {
                    Selection::set(None, query);
                    query.set("panel", Some("demo"));
                })>{icon("demo")} <span>"Demo switches"</span></button>
            })}
        </div>
        {time_strip(live, address, selected)}
    }
}

/// The canvas knows selections as a signal of its own; the address is where a selection lives.
fn canvas(live: Live, address: Address, selected: Memo<Option<Selection>>) -> Markup {
    let on_select = Callback::new(move |selection: Option<Selection>| {
        address.change(Step::Push, |query| Selection::set(selection.as_ref(), query))
    });
    let still = Signal::derive(move || live.paused.get() || live.in_the_past());
    leptos::view! { <TopologyMap topology=live.shown version=live.version selected on_select still /> }
        .into_any()
        .into_markup()
}

fn legend() -> Markup {
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
