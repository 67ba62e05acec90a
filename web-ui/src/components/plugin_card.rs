//! One rule: what it is, what is done with its output, how its last run ended.

use crate::markup::{Markup, choose, view, when};
use leptos::{prelude::*, task::spawn_local};
use spillway_api::{BreakerState, Plugin, PluginMode, PluginModeChange, PluginOrigin, PluginOutcome};
use spillway_view::{format, query::Query, words};

use super::{
    icon,
    plugin_config::plugin_config,
    plugin_logs::plugin_logs,
    segmented::{Choice, segmented},
};
use crate::{
    api::{self, Failure},
    state::{Address, Live, clock},
};

const MODES: [(PluginMode, &str); 3] =
    [(PluginMode::Off, "Off"), (PluginMode::Shadow, "Shadow"), (PluginMode::Active, "Active")];

/// The card; `plugin` changes under it with each tick, so each part reads what it shows.
pub fn plugin_card(live: Live, address: Address, id: String, plugin: Signal<Option<Plugin>>) -> Markup {
    let refused = RwSignal::new(None::<String>);
    let busy = RwSignal::new(false);
    let open = RwSignal::new("");
    let of_mode = id.clone();
    let choose = Callback::new(move |token: &'static str| {
        let Some((mode, _)) = MODES.iter().find(|(mode, _)| words::mode(*mode) == token).copied() else { return };
        let path = api::plugin(&of_mode, "mode");
        busy.set(true);
        spawn_local(async move {
            settle(live, refused, api::put::<Plugin>(&path, &PluginModeChange { mode }).await);
            busy.try_set(false);
        });
    });
    let chosen = Signal::derive(move || {
        plugin.with(|plugin| plugin.as_ref().map(|plugin| words::mode(plugin.mode).to_owned()).unwrap_or_default())
    });
    let choices = MODES.iter().map(|(mode, label)| Choice { token: words::mode(*mode), label }).collect();
    let head = move || plugin.with(|plugin| plugin.as_ref().map(head));
    let about = move || {
        plugin.with(|plugin| {
            plugin.as_ref().map(|plugin| view! { <p class="plugin__about">{plugin.description.clone()}</p> })
        })
    };
    let name = plugin.with_untracked(|plugin| plugin.as_ref().map(|plugin| plugin.name.clone()).unwrap_or_default());
    let (name_of_decisions, label) = (name.clone(), name.clone());
    let toggle = move |part: &'static str| open.update(|open| *open = if *open == part { "" } else { part });
    let part_button = move |part: &'static str, label: &'static str| {
        view! { <button type="button" class="button button--quiet" data-testid=format!("plugin-{part}") aria-expanded=move || (open.get() == part).to_string() on:click=move |_| toggle(part)>{label}</button> }
    };
    let off = move || {
        plugin.with(|plugin| {
            plugin
                .as_ref()
                .is_some_and(|plugin| plugin.mode == PluginMode::Off && plugin.origin == PluginOrigin::Uploaded)
        })
    };
    let of_remove = id.clone();
    let of_parts = id.clone();
    view! {
        <article class="plugin" data-plugin=id.clone() data-mode=move || chosen.get() aria-label=label>
            <header class="plugin__head">
                <div class="plugin__names">{head}</div>
                {segmented(format!("Mode of {name}"), choices, chosen, choose, Some(busy))}
            </header>
            {about}
            {move || refused.get().map(|why| view! { <pre class="problem problem__why" role="alert">{why}</pre> })}
            {move || plugin.with(|plugin| plugin.as_ref().map(run_facts))}
            <footer class="plugin__foot">
                {part_button("config", "Configuration")}
                {part_button("logs", "Logs")}
                <a class="button button--quiet" href=move || address.href("/decisions", Query::new().with("plugin", &name_of_decisions))>"Its decisions"</a>
                <span class="plugin__gap"></span>
                {when(off, move || remove_button(live, of_remove.clone(), name.clone(), refused))}
            </footer>
            {move || match open.get() {
                "config" => plugin_config(live, of_parts.clone(), plugin),
                "logs" => plugin_logs(of_parts.clone()),
                _ => Markup::Nothing,
            }}
        </article>
    }
}

/// Puts the answer to a change in place, or says why there is none.
pub fn settle(live: Live, refused: RwSignal<Option<String>>, answer: Result<Plugin, Failure>) {
    match answer {
        Ok(plugin) => {
            refused.try_set(None);
            live.replace_plugin(plugin);
        }
        Err(failure) => {
            refused.try_set(Some(failure.to_string()));
        }
    }
}

fn head(plugin: &Plugin) -> Markup {
    let mut facts = vec![format!("version {}", plugin.version)];
    match plugin.origin {
        PluginOrigin::Builtin => facts.push("built in".to_owned()),
        PluginOrigin::Uploaded => {
            facts.push(format::bytes(plugin.size_bytes));
            facts.extend(plugin.uploaded_at.map(|at| format!("uploaded {}", clock::when(at))));
        }
    }
    facts.push(format!("runs every {}", format::millis(Some(f64::from(plugin.tick_ms)))));
    let sha = (plugin.origin == PluginOrigin::Uploaded).then(|| view! { <code class="plugin__sha" title=format!("sha256 {}", plugin.id)>{format::short_id(&plugin.id)}</code> });
    view! {
        <h2 class="plugin__name">{plugin.name.clone()}</h2>
        <p class="plugin__facts">{facts.join(" · ")} " " {sha}</p>
    }
}

fn run_facts(plugin: &Plugin) -> Markup {
    let demoted = plugin.demoted.then(|| view! { <p class="plugin__warning">{icon::glyph("degraded", None)} " A run of bad endings put it back to shadow."</p> });
    let breaker = match plugin.breaker.state {
        BreakerState::Closed | BreakerState::Unknown if plugin.breaker.failures == 0 => None,
        state => {
            let retry = plugin.breaker.retry_at.map(|at| format!(", tried again {}", clock::when(at)));
            let words = format!(
                "its breaker is {} after {}{}",
                words::breaker(state),
                format::plural(u64::from(plugin.breaker.failures), "bad ending", "bad endings"),
                retry.unwrap_or_default()
            );
            Some(view! { <p class="plugin__warning">{icon::breaker(state, false)} " " {words}</p> })
        }
    };
    view! { {demoted} {breaker} {plugin.last_outcome.as_ref().map(outcome)} }
}

fn outcome(outcome: &PluginOutcome) -> Markup {
    let well = matches!(outcome.outcome.as_str(), "proposed" | "refused");
    let glyph = if well { "healthy" } else { "failing" };
    let mut facts = vec![
        clock::time(outcome.at),
        format::plural(u64::from(outcome.directives), "directive", "directives"),
        format::millis(Some(outcome.elapsed_us as f64 / 1_000.0)),
    ];
    if outcome.fuel > 0 {
        facts.push(format!("{} instructions", format::count(outcome.fuel)));
    }
    view! {
        <div class="plugin__run" data-testid="plugin-outcome" data-outcome=outcome.outcome.clone()>
            <p>{icon::glyph(glyph, None)} " last run: " <strong>{outcome.outcome.replace('_', " ")}</strong> " " <span class="plugin__facts">{facts.join(" · ")}</span></p>
            {(!outcome.message.is_empty()).then(|| view! { <p class="plugin__message">{outcome.message.clone()}</p> })}
        </div>
    }
}

/// Deletes a version; asks once more in place, because it cannot be taken back.
fn remove_button(live: Live, id: String, name: String, refused: RwSignal<Option<String>>) -> Markup {
    let asked = RwSignal::new(false);
    let path = api::plugin(&id, "");
    let remove = move |_| {
        let (path, id) = (path.clone(), id.clone());
        spawn_local(async move {
            match api::delete(&path).await {
                Ok(()) => live.remove_plugin(&id),
                Err(failure) => {
                    refused.try_set(Some(failure.to_string()));
                }
            }
        });
    };
    view! {
        {choose(
            move || asked.get(),
            move || view! {
                <button type="button" class="button button--danger" on:click=remove.clone()>{format!("Delete {name} for good")}</button>
                <button type="button" class="button button--quiet" on:click=move |_| asked.set(false)>"Keep it"</button>
            },
            move || view! { <button type="button" class="button button--quiet" on:click=move |_| asked.set(true)>{icon::icon("trash")} <span>"Delete…"</span></button> },
        )}
    }
}
