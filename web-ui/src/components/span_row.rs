//! One span of the waterfall.

use crate::markup::{Markup, view};
use leptos::prelude::*;
use spillway_api::{Span, SpanStatus};
use spillway_view::{
    format,
    waterfall::{COLOURS, Row},
};

use super::{bars, icon};

/// Height of a row in pixels; the style sheet has the same number, and the list of visible rows is computed with it.
pub const HEIGHT: f64 = 28.0;

/// What can be done with a row.
#[derive(Clone, Copy)]
pub struct Actions {
    /// Shows the details of a span, by its index.
    pub open: Callback<usize>,
    /// Folds or unfolds what is below it.
    pub fold: Callback<usize>,
}

/// A row `at` lines from the top.
pub fn span_row(span: &Span, row: &Row, at: usize, folded: bool, selected: bool, actions: Actions) -> Markup {
    let index = row.span;
    let failed = span.status == SpanStatus::Error;
    let colour = (row.service % COLOURS).to_string();
    let fold = (row.descendants > 0).then(|| {
        let label = if folded {
            format!("Unfold {} spans below {}", row.descendants, span.name)
        } else {
            format!("Fold what is below {}", span.name)
        };
        view! {
            <button
                type="button"
                class="span__fold"
                tabindex="-1"
                aria-label=label
                aria-expanded=(!folded).to_string()
                on:click=move |event| {
                    event.stop_propagation();
                    actions.fold.run(index);
                }
            >
                {icon::icon("down")}
            </button>
        }
    });
    let hidden = folded.then(|| {
        let errors = if row.failed_below > 0 { format!(", {} failed", row.failed_below) } else { String::new() };
        view! { <span class="span__hidden">{format!("+{}{errors}", row.descendants)}</span> }
    });
    // Where the error began is loud; those that only passed it on keep their colour and get a mark.
    let tone = if failed && row.failed_below == 0 { "failing".to_owned() } else { format!("service-{colour}") };
    // The number stands where there is room: right of the bar, left of it when the bar ends at the edge, else in it.
    let (side, place) = match (row.left, row.left + row.width) {
        (_, end) if end <= 0.86 => ("after", end),
        (begin, _) if begin >= 0.12 => ("before", begin),
        (_, end) => ("inside", end),
    };
    view! {
        <div
            class="span"
            role="row"
            data-span=span.span_id.clone()
            data-selected=selected.to_string()
            data-failed=failed.to_string()
            style:top=format!("{}px", at as f64 * HEIGHT)
            on:click=move |_| actions.open.run(index)
        >
            <span class="span__name" role="cell" style:padding-left=format!("{}px", f64::from(row.depth.min(40)) * 12.0)>
                <span class="span__knob">{fold}</span>
                <span class="span__service" data-colour=colour.clone()>{span.service.clone()}</span>
                <button type="button" class="span__open" tabindex="-1" title=span.name.clone()>{span.name.clone()}</button>
                {failed.then(|| icon::glyph("failing", Some("failed")))}
                {row.orphan.then(|| view! { <span class="span__note" title="Its parent is not stored">"parent missing"</span> })}
                {row.skewed.then(|| view! { <span class="span__note" title="It does not lie within its parent: the clocks of the two machines differ">"clock skew"</span> })}
                {hidden}
            </span>
            <span class="span__time" role="cell">
                {bars::bar(row.left, row.width, tone)}
                <span class="span__duration" data-side=side style:left=format!("{:.3}%", place * 100.0)>{format::nanos(span.duration_ns)}</span>
            </span>
        </div>
    }
}
