//! The frame around every page: the rail, the top bar, and the routes.

use leptos::prelude::*;
use spillway_view::{page::Page, query::Query};

use super::{connection_pill::connection_pill, environment_select::environment_select, help::help, icon::icon};
use crate::{
    markup::{Markup, each, view, when},
    pages::{
        breakers::breakers, decisions::decisions, missing::missing, plugins::plugins, services::services,
        settings::settings, topology::topology, trace::trace, traces::traces,
    },
    state::{
        Address, Live,
        address::Step,
        keys::{self, PLACES},
    },
};

/// The signed-in interface. The live stream lives as long as this does.
pub fn shell() -> Markup {
    let address = Address::provide();
    let live = Live::provide(address);
    let keys_shown = RwSignal::new(false);
    keys::listen(address, keys_shown);
    Effect::new(move |_| document().set_title(&title(address, live)));
    view! {
        <a class="skip" href="#content" rel="external">"Skip to the content"</a>
        <div class="shell">
            {rail(address, keys_shown)}
            <div class="shell__main">
                {top_bar(address, live)}
                <div class="shell__content" id="content" tabindex="-1">
                    {pages(address)}
                </div>
            </div>
        </div>
        {help(keys_shown)}
    }
}

/// "(2) Topology · Spillway": how many nodes are sick is seen in the tab.
fn title(address: Address, live: Live) -> String {
    let page = keys::place(&address.path()).map_or("Spillway", |place| place.name);
    let failing = live.with(|topology| {
        topology.nodes.iter().filter(|node| node.health == spillway_api::ServiceHealth::Failing).count()
    });
    if failing > 0 { format!("({failing}) {page} · Spillway") } else { format!("{page} · Spillway") }
}

/// The page that the path names. Another path of the same page keeps it, with what was scrolled and typed.
fn pages(address: Address) -> Markup {
    let page = Memo::new(move |_| Page::read(&address.path()));
    each(
        move || page.with(|page| vec![page.key()]),
        move |_| match page.get_untracked() {
            Page::Topology => topology(),
            Page::Services => services(),
            Page::Traces => traces(),
            Page::Trace(id) => trace(id),
            Page::Breakers => breakers(),
            Page::Plugins => plugins(),
            Page::Decisions => decisions(),
            Page::Settings => settings(),
            Page::Missing => missing(),
        },
    )
}

fn rail(address: Address, help: RwSignal<bool>) -> Markup {
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
        .collect::<Vec<_>>();
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

fn top_bar(address: Address, live: Live) -> Markup {
    let heading = move || keys::place(&address.path()).map_or("Spillway", |place| place.name);
    let filtered = Memo::new(move |_| {
        matches!(keys::place(&address.path()).map(|place| place.path), Some("/topology" | "/services" | "/breakers"))
    });
    // Rules and settings belong to the server, not to an environment.
    let scoped = Memo::new(move |_| {
        !matches!(keys::place(&address.path()).map(|place| place.path), Some("/plugins" | "/settings"))
    });
    view! {
        <header class="topbar">
            <h1 class="topbar__title">{heading}</h1>
            {when(move || scoped.get(), move || environment_select(address, live))}
            {when(move || filtered.get(), move || filter_field(address))}
            <span class="topbar__gap"></span>
            {connection_pill(live, address, filtered)}
        </header>
    }
}

fn filter_field(address: Address) -> Markup {
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
