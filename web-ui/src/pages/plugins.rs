//! Rules: upload, try in shadow, activate, watch.

use crate::markup::{Markup, each, view};
use leptos::prelude::*;
use spillway_api::{Plugin, PluginList};

use crate::{
    api,
    components::{drop_zone::drop_zone, plugin_card::plugin_card, states},
    state::{Address, Every, Live, Remote, live, load},
};

/// The page.
pub fn plugins() -> Markup {
    let (live, address) = (Live::get(), Address::get());
    let asked = load::<PluginList>(|| Some(api::PLUGINS.to_owned()), Every::Seconds(5));
    let list = Memo::new(move |_| live::newest(live.plugins, asked));
    let ids = move || {
        list.with(|list| {
            list.value()
                .map(|list| list.plugins.iter().map(|plugin| plugin.id.clone()).collect::<Vec<_>>())
                .unwrap_or_default()
        })
    };
    let look = Memo::new(move |_| {
        list.with(|list| match list {
            Remote::Loading => Remote::Loading,
            Remote::Failed(failure) => Remote::Failed(failure.clone()),
            Remote::Ready(list) => Remote::Ready(list.plugins.is_empty()),
            Remote::Stale(list, failure) => Remote::Stale(list.plugins.is_empty(), failure.clone()),
        })
    });
    let note = states::remote(
        move || look.get(),
        4,
        move || asked.reload(),
        |empty| {
            if empty {
                states::empty(
                    "There are no rules",
                    "Not even built-in ones: this server was started without them. Upload one above.",
                    None,
                )
            } else {
                Markup::Nothing
            }
        },
    );
    let stored = Callback::new(move |plugin: Plugin| {
        live.replace_plugin(plugin);
        asked.reload();
    });
    let card = move |id: String| {
        let of = id.clone();
        let plugin = Memo::new(move |_| {
            list.with(|list| list.value().and_then(|list| list.plugins.iter().find(|plugin| plugin.id == of).cloned()))
        });
        plugin_card(live, address, id, plugin.into())
    };
    view! {
        <main class="page" data-page="plugins">
            <div class="page__main page__main--padded page__main--read">
                <p class="lead">"A rule sees the live topology each tick and proposes what to shed; the host clamps, merges and leases. In shadow it runs and is recorded, but nothing is enforced."</p>
                {drop_zone(stored)}
                {note}
                <div class="plugins">{each(ids, card)}</div>
            </div>
        </main>
    }
}
