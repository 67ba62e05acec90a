//! The configuration of a rule: JSON, with its schema beside it; the rule itself is asked whether it accepts it.

use crate::markup::{Markup, view};
use leptos::{prelude::*, task::spawn_local};
use spillway_api::{Plugin, PluginConfigChange};

use super::plugin_card::settle;
use crate::{api, state::Live};

/// An editor that keeps what is typed while the card around it is refreshed.
pub fn plugin_config(live: Live, id: String, plugin: Signal<Option<Plugin>>) -> Markup {
    let (config, schema) = plugin.with_untracked(|plugin| {
        plugin.as_ref().map(|plugin| (plugin.config.clone(), plugin.config_schema.clone())).unwrap_or_default()
    });
    let text = RwSignal::new(pretty(&config));
    let refused = RwSignal::new(None::<String>);
    let saved = RwSignal::new(false);
    let busy = RwSignal::new(false);
    let invalid = Memo::new(move |_| {
        text.with(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).err().map(|error| error.to_string()))
    });
    let save = move |_| {
        let path = api::plugin(&id, "config");
        busy.set(true);
        saved.set(false);
        spawn_local(async move {
            let answer = api::put::<Plugin>(&path, &PluginConfigChange { config: text.get_untracked() }).await;
            let well = answer.is_ok();
            settle(live, refused, answer);
            saved.try_set(well);
            busy.try_set(false);
        });
    };
    let schema = (!schema.trim().is_empty()).then(|| view! { <details class="config__schema"><summary>"What it accepts (JSON Schema)"</summary><pre tabindex="0">{pretty(&schema)}</pre></details> });
    view! {
        <div class="config">
            <textarea
                class="config__text mono"
                rows="8"
                spellcheck="false"
                aria-label="Configuration, JSON"
                data-testid="plugin-config-text"
                prop:value=move || text.get()
                on:input:target=move |event| {
                    saved.set(false);
                    text.set(event.target().value());
                }
            ></textarea>
            {move || invalid.get().map(|why| view! { <p class="problem" role="alert">"Not JSON: " {why}</p> })}
            {move || refused.get().map(|why| view! { <pre class="problem problem__why" role="alert">{why}</pre> })}
            <p class="config__foot">
                <button type="button" class="button button--primary" disabled=move || busy.get() || invalid.get().is_some() on:click=save>"Save"</button>
                <span role="status">{move || saved.get().then_some("Saved; it holds from the next tick.")}</span>
            </p>
            {schema}
        </div>
    }
}

/// Indents JSON without reading it into a tree, which would reorder keys and lose what a person wrote.
fn pretty(json: &str) -> String {
    let mut text = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    let line = |text: &mut String, depth: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n("  ", depth));
    };
    let mut rest = json.chars().peekable();
    while let Some(c) = rest.next() {
        if in_text {
            text.push(c);
            in_text = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '"' => {
                in_text = true;
                text.push(c);
            }
            '{' | '[' => {
                text.push(c);
                while rest.peek().is_some_and(|next| next.is_whitespace()) {
                    rest.next();
                }
                if rest.peek().is_some_and(|next| *next == '}' || *next == ']') {
                    text.extend(rest.next());
                } else {
                    depth += 1;
                    line(&mut text, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut text, depth);
                text.push(c);
            }
            ',' => {
                text.push(c);
                line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            c if c.is_whitespace() => {}
            c => text.push(c),
        }
    }
    text
}
