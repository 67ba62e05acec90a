//! One trace as a waterfall.

mod waterfall;

use std::sync::Arc;

use self::waterfall::waterfall_view;
use crate::markup::{IntoMarkup as _, Markup, view};
use leptos::{prelude::*, task::spawn_local};
use spillway_api::{SpanStatus, Trace as ApiTrace, TraceList};
use spillway_view::{
    format,
    query::Query,
    trace_search::TraceSearch,
    waterfall::{COLOURS, Waterfall, lay_out, summary},
    words,
};

use crate::{
    api,
    components::{bars::bar, copy::copy_button, icon, pin_button::pin_button, states},
    state::{Address, Every, Pins, Remote, address::Step, clock, load},
};

/// A trace and its layout; shared, because it may have ten thousand spans.
#[derive(Clone)]
pub struct Laid {
    trace: Arc<ApiTrace>,
    waterfall: Arc<Waterfall>,
}

impl PartialEq for Laid {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.trace, &other.trace)
    }
}

/// The page. The id `slowest` stands for the slowest trace that the query finds.
pub fn trace(id: String) -> Markup {
    let address = Address::get();
    let content = if id == "slowest" { slowest(address) } else { of_id(address, id) };
    view! { <main class="page page--split" data-page="trace">{content}</main> }
}

/// Finds the slowest of the newest traces that match, and goes there.
fn slowest(address: Address) -> Markup {
    const LOOKED_AT: u32 = 200;
    let failure = RwSignal::new(None);
    let query = address.query();
    let search = TraceSearch::from_query(&query, query.get("environment").map(str::to_owned));
    let mut back = Query::new();
    search.set(&mut back);
    let of_list = back.clone();
    spawn_local(async move {
        match api::get::<TraceList>(&search.request(clock::read(), None, LOOKED_AT)).await {
            Ok(list) => {
                let href = match list.traces.iter().max_by_key(|trace| trace.duration_ns) {
                    Some(trace) => address.href_now(&format!("/traces/{}", trace.trace_id), Query::new()),
                    // The list says why it is empty, and what to do about it.
                    None => address.href_now("/traces", of_list),
                };
                address.go(&href, Step::Replace);
            }
            Err(error) => {
                failure.try_set(Some(error));
            }
        }
    });
    let look = move || match failure.get() {
        None => states::skeleton(8),
        Some(error) => {
            let back = back.clone();
            states::failed(&error, move || address.go(&address.href_now("/traces", back.clone()), Step::Replace))
        }
    };
    look.into_markup()
}

fn of_id(address: Address, id: String) -> Markup {
    let path = api::trace(&id);
    let pins = Pins::load();
    let loader = load::<ApiTrace>(move || Some(path.clone()), Every::Change);
    let laid = Memo::new(move |_| {
        loader.remote.with(|remote| {
            remote.value().map(|trace| Laid { waterfall: Arc::new(lay_out(trace)), trace: Arc::new(trace.clone()) })
        })
    });
    let look = move || match laid.get() {
        Some(laid) if !laid.trace.spans.is_empty() => {
            waterfall_view(address, laid.clone(), head(&laid, address, pins, move || loader.reload()))
        }
        Some(_) => missing(&id, address),
        None => loader.remote.with(|remote| match remote {
            Remote::Failed(failure) if failure.not_found() => missing(&id, address),
            Remote::Failed(failure) => states::failed(failure, move || loader.reload()),
            _ => states::skeleton(10),
        }),
    };
    look.into_markup()
}

fn missing(id: &str, address: Address) -> Markup {
    let all = Query::new().with("last", "all");
    let back = view! { <a class="button" href=move || address.href("/traces", all.clone())>"Search traces"</a> };
    states::empty(
        "This trace is not stored",
        format!(
            "No span of {id} is here. It may have expired, been sampled away before it was sent, or not have arrived yet."
        ),
        Some(back),
    )
}

fn head(laid: &Laid, address: Address, pins: Pins, reload: impl Fn() + Send + 'static) -> Markup {
    let (trace, waterfall) = (&laid.trace, &laid.waterfall);
    let Some(root) = waterfall.rows.first().map(|row| &trace.spans[row.span]) else { return Markup::Nothing };
    let errors = trace.spans.iter().filter(|span| span.status == SpanStatus::Error).count();
    let facts = [
        clock::date_time(root.start),
        format::plural(trace.spans.len() as u64, "span", "spans"),
        format::plural(waterfall.services.len() as u64, "service", "services"),
        format!("depth {}", waterfall.depth + 1),
        words::environment(&root.environment).to_owned(),
    ]
    .join(" · ");
    let failed = (errors > 0).then(|| view! { <span class="trace__errors" data-state="failing">{icon::glyph("failing", None)} " " {format::plural(errors as u64, "failed span", "failed spans")}</span> });
    let sentence =
        summary(trace, waterfall).map(|words| view! { <p class="trace__summary" data-state="failing">{words}"."</p> });
    let longest = waterfall.services.iter().map(|service| service.self_ns).max().unwrap_or(1).max(1) as f64;
    let services = waterfall
        .services
        .iter()
        .enumerate()
        .take(24)
        .map(|(index, service)| {
            let colour = (index % COLOURS).to_string();
            let errors = (service.errors > 0).then(|| icon::glyph("failing", Some("failed")));
            let title = format!("{}: {}, {} of its own time", service.name, format::plural(service.spans as u64, "span", "spans"), format::nanos(service.self_ns));
            let of_service = Query::new().with("service", &service.name);
            view! {
                <li class="trace__service" title=title>
                    <a class="trace__service-name" data-colour=colour.clone() href=move || address.href("/traces", of_service.clone())>{service.name.clone()}</a>
                    {errors}
                    {bar(0.0, service.self_ns as f64 / longest, format!("service-{colour}"))}
                    <span class="num">{format::nanos(service.self_ns)}</span>
                </li>
            }
        })
        .collect::<Vec<_>>();
    view! {
        <header class="trace__head">
            <div class="trace__title">
                <h2 class="trace__name">{root.service.clone()} " " <span class="trace__operation">{root.name.clone()}</span></h2>
                <span class="trace__duration">{format::nanos(waterfall.duration_ns)}</span>
                {failed}
                <span class="topbar__gap"></span>
                {pin_button(trace.trace_id.clone(), pins)}
                <button type="button" class="button button--quiet" title="Spans that came later are shown then" on:click=move |_| reload()>"Reload"</button>
            </div>
            <p class="trace__facts">{facts} " · " <code>{trace.trace_id.clone()}</code> {copy_button(trace.trace_id.clone(), "the trace id")}</p>
            {sentence}
            <ul class="trace__services" aria-label="Own time of each service">{services}</ul>
        </header>
    }
}
