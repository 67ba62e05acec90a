//! Everything a span carries. All of it came from outside, so all of it is shown as text.

use crate::markup::{IntoMarkup as _, Markup, view};
use spillway_api::{AttributeValue, Span, SpanStatus};
use spillway_view::{format, query::Query, words};

use super::{
    icon,
    panel::{panel, section},
};
use crate::state::{Address, clock};

/// A value longer than this is folded away behind its beginning.
const LONG: usize = 400;

/// The panel of one span; `self_ns` and `after_ns` come from the layout of the whole trace.
pub fn span_detail(span: &Span, self_ns: u64, after_ns: u64, address: Address) -> Markup {
    let failed = span.status == SpanStatus::Error;
    let mut facts = vec![span.service.clone(), words::span_kind(span.kind).to_owned()];
    facts.extend(span.instance.clone());
    let head = view! {
        <h2 class="panel__name" data-state=failed.then_some("failing")>{failed.then(|| icon::glyph("failing", Some("failed")))} " " {span.name.clone()}</h2>
        <p class="panel__facts">{facts.join(" · ")}</p>
    };
    let fact =
        |name: &'static str, value: String| (!value.is_empty()).then(|| view! { <dt>{name}</dt><dd>{value}</dd> });
    let message = (!span.status_message.is_empty())
        .then(|| view! { <p class="panel__reason" data-state="failing">{span.status_message.clone()}</p> });
    let mut facets = Query::new().with("service", &span.service).with("operation", &span.name);
    if failed {
        facets = facets.with("status", "error");
    }
    let dropped = (span.dropped > 0).then(|| view! { <p class="panel__facts">{format!("{} were dropped by the sender.", format::plural(u64::from(span.dropped), "attribute, event or link", "attributes, events and links"))}</p> });
    let environment = if span.namespace.is_empty() {
        words::environment(&span.environment).to_owned()
    } else {
        format!("{} / {}", words::environment(&span.environment), span.namespace)
    };
    let body = view! {
        {message}
        <dl class="facts">
            {fact("took", format::nanos(span.duration_ns))}
            {fact("of that itself", format::nanos(self_ns))}
            {fact("began after", format::nanos(after_ns))}
            {fact("at", clock::date_time(span.start))}
            {fact("status", words::span_status(span.status).to_owned())}
            {fact("environment", environment)}
            {fact("instrumented by", span.scope.clone())}
            {fact("trace state", span.trace_state.clone())}
            {fact("span id", span.span_id.clone())}
        </dl>
        <a class="panel__more" href=move || address.href("/traces", facets.clone())>"Other traces of this operation"</a>
        {attributes("Attributes", &span.attributes)}
        {events(span)}
        {links(span, address)}
        {attributes("Resource", &span.resource)}
        {dropped}
    };
    panel(format!("Span {}", span.name), head, body)
}

fn attributes(title: &'static str, attributes: &[(String, AttributeValue)]) -> Option<Markup> {
    (!attributes.is_empty()).then(|| section(title, pairs(attributes)))
}

fn pairs(attributes: &[(String, AttributeValue)]) -> Markup {
    let rows = attributes
        .iter()
        .map(|(key, value)| view! { <dt class="mono">{key.clone()}</dt><dd class="mono">{text(value)}</dd> })
        .collect::<Vec<_>>();
    view! { <dl class="facts facts--attributes">{rows}</dl> }
}

fn text(value: &AttributeValue) -> Markup {
    let words = match value {
        AttributeValue::String(text) => text.clone(),
        AttributeValue::Null => "(unset)".to_owned(),
        other => serde_json::to_string(other).unwrap_or_default(),
    };
    if words.chars().count() <= LONG {
        return words.into_markup();
    }
    let beginning: String = words.chars().take(LONG).collect();
    view! { <details><summary>{beginning} "…"</summary>{words}</details> }
}

fn events(span: &Span) -> Option<Markup> {
    if span.events.is_empty() {
        return None;
    }
    let rows = span
        .events
        .iter()
        .map(|event| {
            let after = u64::try_from(event.at.unix_ns().saturating_sub(span.start.unix_ns())).unwrap_or(0);
            view! {
                <li class="list__row">
                    <span class="list__main">{event.name.clone()} <span class="list__note">{format!(" after {}", format::nanos(after))}</span></span>
                    {(!event.attributes.is_empty()).then(|| pairs(&event.attributes))}
                </li>
            }
        })
        .collect::<Vec<_>>();
    Some(section("Events", view! { <ul class="list">{rows}</ul> }))
}

fn links(span: &Span, address: Address) -> Option<Markup> {
    if span.links.is_empty() {
        return None;
    }
    let rows = span
        .links
        .iter()
        .map(|link| {
            let path = format!("/traces/{}", link.trace_id);
            let of_span = Query::new().with("span", &link.span_id);
            view! {
                <li class="list__row">
                    <a class="mono" href=move || address.href(&path, of_span.clone())>{format::short_id(&link.trace_id)}</a>
                    {(!link.attributes.is_empty()).then(|| pairs(&link.attributes))}
                </li>
            }
        })
        .collect::<Vec<_>>();
    Some(section("Links", view! { <ul class="list">{rows}</ul> }))
}
