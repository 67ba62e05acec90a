//! The search for traces.

use crate::markup::{Markup, view};
use leptos::{prelude::*, task::spawn_local};
use spillway_api::{OperationList, TraceList};
use spillway_view::{
    filter, format, order,
    query::Query,
    range::Range,
    scope::Environment,
    trace_search::{PAGE, TraceSearch},
};
use web_sys::SubmitEvent;

use crate::{
    api::{self, Failure},
    components::{filter_box::filter_box, icon::icon, states, trace_row::trace_row},
    state::{Address, Every, Live, Remote, address::Step, clock, load},
};

/// Pages beyond the first, with the search that they belong to: those of another search are not shown.
#[derive(Clone, Debug, Default)]
struct More {
    search: Option<TraceSearch>,
    pages: Vec<TraceList>,
    failure: Option<Failure>,
}

/// The page.
pub fn traces() -> Markup {
    let (live, address) = (Live::get(), Address::get());
    let environment = Memo::new(move |_| match live.environment.get() {
        Environment::Named(name) => Some(name),
        Environment::All => None,
    });
    let search = Memo::new(move |_| TraceSearch::from_query(&address.query(), environment.get()));
    // The environment is known only with the first snapshot; asking before would show traces of all of them for a blink.
    let ready = Memo::new(move |_| live.arrived.get() > 0 || address.param("env").is_some());
    let first =
        load::<TraceList>(move || ready.get().then(|| search.get().request(clock::read(), None, PAGE)), Every::Change);
    let more = RwSignal::new(More::default());
    let busy = RwSignal::new(false);
    let load_more = move |cursor: String| {
        let search = search.get_untracked();
        busy.set(true);
        spawn_local(async move {
            let answer = api::get::<TraceList>(&search.request(clock::read(), Some(&cursor), PAGE)).await;
            more.try_update(|more| {
                if more.search.as_ref() != Some(&search) {
                    *more = More { search: Some(search), ..More::default() };
                }
                match answer {
                    Ok(page) => {
                        more.failure = None;
                        more.pages.push(page);
                    }
                    Err(failure) => more.failure = Some(failure),
                }
            });
            busy.try_set(false);
        });
    };
    let slip = Signal::derive(move || {
        let refused = first.remote.with(|remote| match remote {
            Remote::Failed(Failure::Refused(problem)) => Some(problem.clone()),
            _ => None,
        });
        refused.and_then(|problem| search.with(|search| filter::slip(&search.filter, &problem)))
    });
    let list = move || match first.remote.get() {
        // It is said under the box.
        Remote::Failed(_) if slip.with(Option::is_some) => Markup::Nothing,
        Remote::Loading => states::skeleton(10),
        Remote::Failed(failure) => states::failed(&failure, move || first.reload()),
        Remote::Ready(page) | Remote::Stale(page, _) => {
            let more = more.get();
            let mut pages = vec![page];
            let mut failure = None;
            if more.search.as_ref() == Some(&search.get()) {
                pages.extend(more.pages);
                failure = more.failure;
            }
            results(pages, failure, search.get(), busy, load_more, address)
        }
    };
    view! {
        <main class="page" data-page="traces">
            <div class="page__main page__main--padded">
                {filter_box(Signal::derive(move || search.with(|search| search.filter.clone())), slip, move |text| address.set(Step::Push, "q", Some(text.trim())))}
                {search_form(live, address, search, Callback::new(move |()| { more.set(More::default()); first.reload(); }))}
                {list}
            </div>
        </main>
    }
}

fn results(
    pages: Vec<TraceList>,
    failure: Option<Failure>,
    search: TraceSearch,
    busy: RwSignal<bool>,
    load_more: impl Fn(String) + Copy + Send + 'static,
    address: Address,
) -> Markup {
    let last = pages.last();
    let next = last.and_then(|page| page.next_cursor.clone());
    let complete = last.is_none_or(|page| page.complete);
    let effort = filter::effort(&pages);
    let reached = last.and_then(|page| page.reached).map(|at| format!(", back to {}", clock::time(at)));
    let effort = format!(" · {effort}{}", reached.unwrap_or_default());
    // A trace that got a span between two pages may come twice.
    let traces =
        order::first_of_each(pages.into_iter().flat_map(|page| page.traces).collect(), |trace| &trace.trace_id);
    let button = next.map(|cursor| {
        let words = if complete { "Load more" } else { "Search on" };
        view! { <button type="button" class="button" data-testid="load-more" disabled=move || busy.get() on:click=move |_| load_more(cursor.clone())>{words}</button> }
    });
    if traces.is_empty() {
        return nothing(complete, search, button, address);
    }
    let longest_ns = traces.iter().map(|trace| trace.duration_ns).max().unwrap_or(0);
    let count = format::plural(traces.len() as u64, "trace", "traces");
    let note = match (&button, complete) {
        (None, _) => format!("{count}, that is all"),
        (Some(_), true) => format!("{count}, newest first"),
        (Some(_), false) => format!("{count} so far: the search stopped at its deadline"),
    };
    let rows = traces.into_iter().map(|trace| trace_row(trace, longest_ns, address)).collect::<Vec<_>>();
    view! {
        <div class="table-scroll">
            <table class="table traces">
                <caption class="visually-hidden">"Traces, newest first"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Began"</th>
                        <th scope="col">"Root"</th>
                        <th scope="col">"Duration"</th>
                        <th scope="col" class="num">"Spans"</th>
                        <th scope="col" class="num">"Errors"</th>
                        <th scope="col">"Others in it"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <p class="traces__foot"><span role="status">{note}{effort}</span> {button} {failure.map(|failure| view! { <span class="problem" role="alert">{failure.to_string()}</span> })}</p>
    }
}

fn nothing(complete: bool, search: TraceSearch, go_on: Option<Markup>, address: Address) -> Markup {
    if !complete {
        return states::empty(
            "Nothing found so far",
            "The search stopped at its deadline before it had seen all the time that was asked for.",
            go_on,
        );
    }
    let range = search.range.label(clock::Clock::offset_minutes(clock::read()));
    if search.narrows() {
        let clear = move |_| {
            address.change(Step::Push, |query| {
                for key in ["q", "service", "operation", "status", "min", "max"] {
                    query.set(key, None);
                }
            });
        };
        return states::empty(
            "No trace matches",
            format!("Nothing of what is stored ({range}) passes the search."),
            Some(view! { <button type="button" class="button" on:click=clear>"Clear the search"</button> }),
        );
    }
    if search.range == Range::All {
        let start =
            view! { <a class="button" href=move || address.href("/topology", Query::new())>"How to send data"</a> };
        return states::empty(
            "No traces are stored in this environment",
            "A trace appears here as soon as its first span is stored.",
            Some(start),
        );
    }
    let widen = move |_| address.change(Step::Push, |query| Range::All.set(query));
    states::empty(
        "No traces in this time",
        format!("Nothing began in the {range}."),
        Some(view! { <button type="button" class="button" on:click=widen>"Search all time"</button> }),
    )
}

fn search_form(live: Live, address: Address, search: Memo<TraceSearch>, reload: Callback<()>) -> Markup {
    let operations = load::<OperationList>(|| Some(api::OPERATIONS.to_owned()), Every::Seconds(60));
    let set = move |key: &'static str, value: String| address.set(Step::Push, key, Some(value.trim()));
    let services = move || {
        let mut names: Vec<String> = live.with(|topology| {
            let services = topology.nodes.iter().filter(|node| node.kind == spillway_api::NodeKind::Service);
            services.map(|node| node.name.clone()).collect()
        });
        operations.remote.with(|remote| {
            names.extend(
                remote.value().into_iter().flat_map(|list| &list.operations).map(|operation| operation.service.clone()),
            );
        });
        order::distinct(names)
    };
    let services = Memo::new(move |_| services());
    let names = move || {
        let service = search.with(|search| search.service.clone());
        operations.remote.with(|remote| {
            let all = remote.value().into_iter().flat_map(|list| &list.operations);
            // A browser does not cope with ten thousand options.
            let of_service = all.filter(|operation| service.is_empty() || operation.service == service);
            let mut names = order::distinct(of_service.map(|operation| operation.name.clone()).collect());
            names.truncate(500);
            names
        })
    };
    let options =
        |names: Vec<String>| names.into_iter().map(|name| view! { <option value=name></option> }).collect::<Vec<_>>();
    let range = move || search.with(|search| search.range);
    let offset = clock::Clock::offset_minutes(clock::read());
    let ranges = move || {
        let now = range();
        let between = matches!(now, Range::Between(..)).then_some(now);
        Range::MENU
            .into_iter()
            .chain(between)
            .map(|range| view! { <option value=range.token().unwrap_or_default() selected=range == now prop:selected=range == now>{range.label(offset)}</option> })
            .collect::<Vec<_>>()
    };
    let choose_range = move |token: String| {
        if let Some(range) = Range::parse(&token) {
            address.change(Step::Push, |query| range.set(query));
        }
    };
    let statuses = move || {
        let now = search.with(|search| search.status.clone());
        [("", "any status"), ("error", "failed"), ("ok", "ok"), ("unset", "unset")].map(|(token, words)| view! { <option value=token selected=token == now prop:selected=token == now>{words}</option> }).into_iter().collect::<Vec<_>>()
    };
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        reload.run(());
    };
    view! {
        <form class="search" role="search" aria-label="Search traces" on:submit=submit>
            <label class="field">
                <span class="field__label">"service"</span>
                <input data-testid="trace-service" list="services" placeholder="any" autocomplete="off" spellcheck="false" prop:value=move || search.with(|search| search.service.clone()) on:change:target=move |event| set("service", event.target().value()) />
            </label>
            <datalist id="services">{move || options(services.get())}</datalist>
            <label class="field field--wide">
                <span class="field__label">"operation"</span>
                <input data-testid="trace-operation" list="operations" placeholder="any" autocomplete="off" spellcheck="false" prop:value=move || search.with(|search| search.operation.clone()) on:change:target=move |event| set("operation", event.target().value()) />
            </label>
            <datalist id="operations">{move || options(names())}</datalist>
            <label class="field">
                <span class="field__label">"status"</span>
                <select data-testid="trace-status" on:change:target=move |event| set("status", event.target().value())>{statuses}</select>
            </label>
            <label class="field field--short">
                <span class="field__label">"at least ms"</span>
                <input type="number" min="0" inputmode="numeric" placeholder="0" data-testid="trace-min" prop:value=move || search.with(|search| search.min_duration_ms.map(|ms| ms.to_string()).unwrap_or_default()) on:change:target=move |event| set("min", event.target().value()) />
            </label>
            <label class="field">
                <span class="field__label">"time"</span>
                <select data-testid="trace-range" on:change:target=move |event| choose_range(event.target().value())>{ranges}</select>
            </label>
            <button type="submit" class="button button--primary">{icon("search")} <span>"Search"</span></button>
        </form>
    }
}
