//! Decisions: what is enforced on whom, why, by which version of which rule.

use crate::markup::{Markup, each, view};
use leptos::{prelude::*, task::spawn_local};
use spillway_api::{Contribution, DecisionList, DecisionRecord, DecisionState, PluginMode};
use spillway_view::{decision, format, order, query::Query, words};

use crate::{
    api::{self, Failure},
    components::{
        icon,
        segmented::{Choice, segmented},
        states,
    },
    state::{Address, Clock, Every, Live, Remote, address::Step, clock, live, load},
};

const PAGE: &str = "50";
const SHOW: [(&str, &str); 4] = [("all", "All"), ("in_force", "In force"), ("shadow", "Shadow"), ("ended", "Ended")];

/// Older pages than what the stream tells.
#[derive(Clone, Debug, Default, PartialEq)]
struct Older {
    pages: Vec<DecisionList>,
    failure: Option<Failure>,
}

/// The page.
pub fn decisions() -> Markup {
    let (live, address) = (Live::get(), Address::get());
    let asked =
        load::<DecisionList>(|| Some(Query::new().with("limit", PAGE).href("/api/v1/decisions")), Every::Seconds(5));
    let newest = Memo::new(move |_| live::newest(live.decisions, asked));
    let older = RwSignal::new(Older::default());
    let busy = RwSignal::new(false);
    let (show, wanted, plugin, service) =
        (address.memo("show"), address.memo("id"), address.memo("plugin"), address.memo("service"));
    let all = Memo::new(move |_| {
        let mut all: Vec<DecisionRecord> =
            newest.with(|newest| newest.value().map(|list| list.decisions.clone()).unwrap_or_default());
        older.with(|older| all.extend(older.pages.iter().flat_map(|page| page.decisions.iter().cloned())));
        // The newer telling of a decision comes first; an older page repeats those that moved down meanwhile.
        order::first_of_each(all, |decision| &decision.id)
    });
    let passes = move |decision: &DecisionRecord| {
        let shown = show.get().is_none_or(|show| show == "all" || show == words::decision_token(decision.state));
        let of_plugin =
            plugin.get().is_none_or(|plugin| decision.contributions.iter().any(|part| part.plugin == plugin));
        let of_service = service.get().is_none_or(|service| decision.r#match.service == service);
        shown
            && of_plugin
            && of_service
            && live.environment.with(|environment| environment.shows(&decision.r#match.environment))
    };
    let ids = Memo::new(move |_| {
        all.with(|all| {
            all.iter().filter(|decision| passes(decision)).map(|decision| decision.id.clone()).collect::<Vec<_>>()
        })
    });
    let cursor = move || {
        let of_older = older.with(|older| older.pages.last().map(|page| page.next_cursor.clone()));
        // The stream's list has no cursor of its own: the asked one goes on from where that list ends.
        of_older.unwrap_or_else(|| {
            newest
                .with(|newest| newest.value().and_then(|list| list.next_cursor.clone()))
                .or_else(|| asked.remote.with(|asked| asked.value().and_then(|list| list.next_cursor.clone())))
        })
    };
    let load_more = move |cursor: String| {
        busy.set(true);
        spawn_local(async move {
            let answer = api::get::<DecisionList>(
                &Query::new().with("limit", PAGE).with("cursor", &cursor).href("/api/v1/decisions"),
            )
            .await;
            older.try_update(|older| match answer {
                Ok(page) => {
                    older.failure = None;
                    older.pages.push(page);
                }
                Err(failure) => older.failure = Some(failure),
            });
            busy.try_set(false);
        });
    };
    let look = Memo::new(move |_| {
        newest.with(|newest| match newest {
            Remote::Loading => Remote::Loading,
            Remote::Failed(failure) => Remote::Failed(failure.clone()),
            Remote::Ready(_) => Remote::Ready((ids.with(Vec::is_empty), all.with(Vec::is_empty))),
            Remote::Stale(_, failure) => {
                Remote::Stale((ids.with(Vec::is_empty), all.with(Vec::is_empty)), failure.clone())
            }
        })
    });
    let note = states::remote(
        move || look.get(),
        6,
        move || asked.reload(),
        move |(nothing_shown, nothing)| empty(nothing_shown, nothing, address),
    );
    let unknown = move || {
        let id = wanted.get()?;
        let here = all.with(|all| all.iter().any(|decision| decision.id == id));
        (!here && newest.with(|newest| newest.value().is_some()))
            .then(|| view! { <p class="stale" role="status">{format!("Decision {id} is not among the newest {}. Load older ones below, or it has expired from the history.", all.with(Vec::len))}</p> })
    };
    let row = move |id: String| {
        let of = id.clone();
        let record = Memo::new(move |_| all.with(|all| all.iter().find(|decision| decision.id == of).cloned()));
        decision_row(address, id, record, wanted)
    };
    let chosen = Signal::derive(move || show.get().unwrap_or_else(|| "all".to_owned()));
    let choices = SHOW.iter().map(|(token, label)| Choice { token, label }).collect();
    let choose =
        Callback::new(move |token: &'static str| address.set(Step::Replace, "show", (token != "all").then_some(token)));
    let chips = move || {
        [("plugin", plugin.get()), ("service", service.get())]
            .into_iter()
            .filter_map(|(key, value)| value.map(|value| (key, value)))
            .map(|(key, value)| view! { <button type="button" class="chip" aria-label=format!("Remove the filter {key} {value}") on:click=move |_| address.set(Step::Push, key, None)>{format!("{key}: {value}")} {icon::icon("close")}</button> })
            .collect::<Vec<_>>()
    };
    let foot = move || {
        let failure = older.with(|older| older.failure.as_ref().map(ToString::to_string));
        cursor().map(|cursor| {
            view! {
                <p class="traces__foot">
                    <button type="button" class="button" data-testid="load-more" disabled=move || busy.get() on:click=move |_| load_more(cursor.clone())>"Load older"</button>
                    {failure.map(|failure| view! { <span class="problem" role="alert">{failure}</span> })}
                </p>
            }
        })
    };
    view! {
        <main class="page" data-page="decisions">
            <div class="page__main page__main--padded page__main--read">
                <div class="block__head">{segmented("Which".to_owned(), choices, chosen, choose, None)}{chips}</div>
                {unknown}
                {note}
                <ol class="decisions">{each(move || ids.get(), row)}</ol>
                {foot}
            </div>
        </main>
    }
}

fn empty(nothing_shown: bool, nothing: bool, address: Address) -> Markup {
    match (nothing_shown, nothing) {
        (false, _) => Markup::Nothing,
        (true, false) => {
            let clear = move |_| {
                address.change(Step::Push, |query| {
                    for key in ["show", "plugin", "service", "id"] {
                        query.set(key, None);
                    }
                });
            };
            states::empty(
                "No decision matches",
                "There are others, in another environment or beyond this choice.",
                Some(view! { <button type="button" class="button" on:click=clear>"Show all"</button> }),
            )
        }
        (true, true) => {
            let rules =
                view! { <a class="button" href=move || address.href("/plugins", Query::new())>"To the rules"</a> };
            states::empty(
                "Nothing has been decided",
                "A decision appears when a rule that is active or in shadow proposes to shed. With every service well, that is as it should be.",
                Some(rules),
            )
        }
    }
}

/// One decision: a line that unfolds. Which one is unfolded is in the address, so that it can be linked.
fn decision_row(
    address: Address,
    id: String,
    record: Memo<Option<DecisionRecord>>,
    wanted: Memo<Option<String>>,
) -> Markup {
    let of = id.clone();
    let open = Memo::new(move |_| wanted.with(|wanted| wanted.as_deref() == Some(of.as_str())));
    let of = id.clone();
    let toggle = move |_| address.set(Step::Replace, "id", (!open.get_untracked()).then_some(of.as_str()));
    let state = move || record.with(|record| record.as_ref().map(|record| words::decision_token(record.state)));
    let line = move || record.with(|record| record.as_ref().map(line));
    let age = move || {
        let now = Clock::get().now();
        record.with(|record| {
            record.as_ref().map(|record| {
                if record.state == DecisionState::Ended {
                    format!("{} – {}", clock::when(record.began_at), clock::time(record.renewed_at))
                } else {
                    format!("for {}", format::span((now.unix_ms() - record.began_at.unix_ms()) / 1_000))
                }
            })
        })
    };
    let details =
        move || (open.get()).then(|| record.with(|record| record.as_ref().map(|record| details(record, address))));
    let body = format!("decision-{id}");
    view! {
        <li class="decision" data-decision=id data-state=state>
            <button type="button" class="decision__line" aria-expanded=move || open.get().to_string() aria-controls=body.clone() on:click=toggle>
                {line}
                <span class="decision__age num">{age}</span>
            </button>
            <div id=body>{details}</div>
        </li>
    }
}

fn line(record: &DecisionRecord) -> Markup {
    let glyph = match record.state {
        DecisionState::InForce => "shed",
        DecisionState::Shadow => "half_open",
        DecisionState::Ended => "closed",
    };
    let narrowing = decision::narrowing(&record.r#match).map(|words| format!(" {words}"));
    let by = decision::author(record).map(|author| format!("{author} · ")).unwrap_or_default();
    view! {
        <span class="state decision__state" data-state=words::decision_token(record.state)>{icon::glyph(glyph, None)} " " {words::decision(record.state)}</span>
        <span class="decision__what">
            <span><strong>{record.r#match.service.clone()}</strong>{narrowing} " " {decision::action(&record.action, record.class)}</span>
            <span class="decision__why">{record.reason.clone()}</span>
            <span class="decision__by">{by} {decision::applied(record)}</span>
        </span>
    }
}

fn details(record: &DecisionRecord, address: Address) -> Markup {
    let target = &record.r#match;
    let mut identity = vec![words::environment(&target.environment).to_owned()];
    if !target.namespace.is_empty() {
        identity.push(target.namespace.clone());
    }
    identity.push(target.service.clone());
    let traces = Query::new().with("service", &target.service).with("last", "15m");
    let rails = if record.rails.is_empty() {
        view! { <p class="decision__note">"The host changed nothing of it."</p> }
    } else {
        view! { <ul class="decision__rails">{record.rails.iter().map(|rail| view! { <li>{rail.clone()}</li> }).collect::<Vec<_>>()}</ul> }
    };
    let nobody = (record.state == DecisionState::InForce && record.instances_enforcing == 0)
        .then(|| view! { <p class="problem">{icon::glyph("degraded", None)} " No instance of it reports usage, so nobody can enforce this."</p> });
    view! {
        <div class="decision__body">
            {nobody}
            <dl class="facts">
                <dt>"target"</dt><dd>{identity.join(" / ")}</dd>
                <dt>"requests"</dt><dd>{decision::class(record.class)} {decision::narrowing(target).map(|words| format!(", {words}"))}</dd>
                <dt>"enforced"</dt><dd>{if record.state == DecisionState::InForce { decision::action(&record.action, record.class) } else { "nothing".to_owned() }}</dd>
                <dt>"applied"</dt><dd>{decision::applied(record)}</dd>
                <dt>"began"</dt><dd>{clock::date_time(record.began_at)}</dd>
                <dt>"last renewed"</dt><dd>{clock::date_time(record.renewed_at)} {format!(" (tick {})", record.tick)}</dd>
                <dt>"id"</dt><dd class="mono">{record.id.clone()} <span class="decision__note">" rejected requests carry it as X-Spillway-Decision"</span></dd>
            </dl>
            <h3 class="panel__heading">"Who asked for what"</h3>
            <ul class="list">{record.contributions.iter().map(|part| contribution(part, record, address)).collect::<Vec<_>>()}</ul>
            <h3 class="panel__heading">"What the host's rails changed"</h3>
            {rails}
            <p><a href=move || address.href("/traces", traces.clone())>{format!("Traces of {}", target.service)}</a></p>
        </div>
    }
}

fn contribution(part: &Contribution, record: &DecisionRecord, address: Address) -> Markup {
    let mut marks = Vec::new();
    if part.binding {
        marks.push("decided");
    }
    if part.mode == PluginMode::Shadow {
        marks.push("shadow: not enforced");
    }
    let marks = marks.into_iter().map(|mark| view! { <span class="chip">{mark}</span> }).collect::<Vec<_>>();
    view! {
        <li class="list__row" data-binding=part.binding.to_string()>
            <span class="list__main"><a href=move || address.href("/plugins", Query::new())>{part.plugin.clone()} " " {part.version.clone()}</a> " " {decision::action(&part.action, record.class)} " " {marks}</span>
            <span class="list__note">{part.reason.clone()}</span>
            <span class="list__note mono">{format::short_id(&part.plugin_id)}</span>
        </li>
    }
}
