//! The frame around every page: the rail, the top bar, and the routes.

use leptos::prelude::*;
use leptos_router::{
    components::{Route, Routes},
    path,
};
use spillway_view::query::Query;

use super::{connection_pill::ConnectionPill, environment_select::EnvironmentSelect, help::Help, icon::icon};
use crate::{
    pages::{
        breakers::Breakers, decisions::Decisions, missing::Missing, plugins::Plugins, services::Services,
        settings::Settings, topology::Topology, trace::Trace, traces::Traces,
    },
    state::{
        Address, Live,
        address::Step,
        keys::{self, PLACES},
    },
};

/// The signed-in interface. The live stream lives as long as this does.
#[component]
pub fn Shell() -> impl IntoView {
    let address = Address::provide();
    let live = Live::provide(address);
    let help = RwSignal::new(false);
    keys::listen(address, help);
    Effect::new(move |_| document().set_title(&title(address, live)));
    view! {
        <a class="skip" href="#content" rel="external">"Skip to the content"</a>
        <div class="shell">
            <Rail address help />
            <div class="shell__main">
                <TopBar address live />
                <div class="shell__content" id="content" tabindex="-1">
                    <Pages />
                </div>
            </div>
        </div>
        <Help open=help />
    }
    .into_any()
}

/// "(2) Topology · Spillway": how many nodes are sick is seen in the tab.
fn title(address: Address, live: Live) -> String {
    let page = keys::place(&address.path()).map_or("Spillway", |place| place.name);
    let failing = live.with(|topology| {
        topology.nodes.iter().filter(|node| node.health == spillway_api::ServiceHealth::Failing).count()
    });
    if failing > 0 { format!("({failing}) {page} · Spillway") } else { format!("{page} · Spillway") }
}

#[component]
fn Pages() -> impl IntoView {
    view! {
        <Routes fallback=|| view! { <Missing /> }.into_any()>
            <Route path=path!("/") view=|| view! { <Topology /> }.into_any() />
            <Route path=path!("/topology") view=|| view! { <Topology /> }.into_any() />
            <Route path=path!("/services") view=|| view! { <Services /> }.into_any() />
            <Route path=path!("/traces") view=|| view! { <Traces /> }.into_any() />
            <Route path=path!("/traces/:id") view=|| view! { <Trace /> }.into_any() />
            <Route path=path!("/breakers") view=|| view! { <Breakers /> }.into_any() />
            <Route path=path!("/plugins") view=|| view! { <Plugins /> }.into_any() />
            <Route path=path!("/decisions") view=|| view! { <Decisions /> }.into_any() />
            <Route path=path!("/settings") view=|| view! { <Settings /> }.into_any() />
        </Routes>
    }
}

#[component]
fn Rail(address: Address, help: RwSignal<bool>) -> impl IntoView {
    let links = PLACES
        .iter()
        .map(|place| {
            let current = move || keys::place(&address.path()).is_some_and(|here| here.path == place.path);
            view! {
                <a
                    class="rail__link"
                    href=move || address.href(place.path, Query::new())
                    aria-current=move || current().then_some("page")
                    title=format!("{} (g {})", place.name, place.key)
                >
                    {icon(place.icon)}
                    <span class="rail__label">{place.name}</span>
                </a>
            }
        })
        .collect_view();
    view! {
        <nav class="rail" aria-label="Pages">
            <span class="rail__logo">{icon("logo")}</span>
            {links}
            <button type="button" class="rail__link rail__help" title="Keys (?)" aria-label="Keyboard help" on:click=move |_| help.set(true)>
                {icon("help")}
                <span class="rail__label">"Keys"</span>
            </button>
        </nav>
    }
}

#[component]
fn TopBar(address: Address, live: Live) -> impl IntoView {
    let heading = move || keys::place(&address.path()).map_or("Spillway", |place| place.name);
    let filtered = Memo::new(move |_| {
        matches!(keys::place(&address.path()).map(|place| place.path), Some("/topology" | "/services" | "/breakers"))
    });
    // Rules and settings belong to the server, not to an environment.
    let scoped = Memo::new(move |_| !matches!(keys::place(&address.path()).map(|place| place.path), Some("/plugins" | "/settings")));
    view! {
        <header class="topbar">
            <h1 class="topbar__title">{heading}</h1>
            <Show when=move || scoped.get()>
                <EnvironmentSelect address live />
            </Show>
            <Show when=move || filtered.get()>
                <FilterField address />
            </Show>
            <span class="topbar__gap"></span>
            <ConnectionPill live address steer=filtered />
        </header>
    }
}

#[component]
fn FilterField(address: Address) -> impl IntoView {
    let filter = address.memo("q");
    view! {
        <label class="field field--search topbar__filter">
            {icon("search")}
            <input
                type="search"
                data-filter
                data-testid="filter"
                placeholder="Filter: payments -probe state:failing"
                aria-label="Filter services"
                autocomplete="off"
                spellcheck="false"
                prop:value=move || filter.get().unwrap_or_default()
                on:input:target=move |event| address.set(Step::Replace, "q", Some(&event.target().value()))
            />
            <kbd class="topbar__key" aria-hidden="true">"/"</kbd>
        </label>
    }
}
