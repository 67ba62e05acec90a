//! The rows of a waterfall: only those in sight are in the document, so ten thousand spans scroll like ten.

use crate::markup::{Markup, view};
use leptos::{ev, html::Div, prelude::*};
use spillway_view::{chart, format};
use web_sys::KeyboardEvent;

use super::Laid;
use crate::{
    components::{
        span_detail::span_detail,
        span_row::{Actions, HEIGHT, span_row},
    },
    state::{Address, address::Step},
};

/// A larger trace opens folded, at a depth at which this many rows show.
const OPEN_AT_FIRST: usize = 2_000;
/// Rows drawn beyond both edges of what is in sight.
const MARGIN: usize = 20;

/// The waterfall and, when a span is selected, its panel.
pub fn waterfall_view(address: Address, laid: Laid, head: Markup) -> Markup {
    let scroller = NodeRef::<Div>::new();
    let folded = RwSignal::new(laid.waterfall.at_first(OPEN_AT_FIRST));
    let of_rows = laid.clone();
    let visible = Memo::new(move |_| folded.with(|folded| of_rows.waterfall.visible(folded)));
    let span_id = address.memo("span");
    let of_selected = laid.clone();
    let selected = Memo::new(move |_| {
        span_id.get().and_then(|id| of_selected.trace.spans.iter().position(|span| span.span_id == id))
    });
    let (in_sight, scrolled) = in_sight(scroller);

    let of_open = laid.clone();
    let select =
        Callback::new(move |span: usize| address.set(Step::Replace, "span", Some(&of_open.trace.spans[span].span_id)));
    let fold = Callback::new(move |span: usize| {
        folded.update(|folded| folded[span] = !folded[span]);
    });
    let of_keys = laid.clone();
    let keys = move |event: KeyboardEvent| {
        if event.ctrl_key() || event.meta_key() || event.alt_key() {
            return;
        }
        if let Some(next) = pressed(&event.key(), &of_keys, selected.get_untracked(), visible, folded) {
            event.prevent_default();
            select.run(next);
            if let Some(at) = visible
                .with_untracked(|visible| visible.iter().position(|row| of_keys.waterfall.rows[*row].span == next))
            {
                reveal(scroller, at);
            }
        }
    };
    let of_list = laid.clone();
    let rows = move || {
        let (from, to) = in_sight.get();
        visible.with(|visible| {
            let to = to.min(visible.len());
            (from.min(to)..to)
                .map(|at| {
                    let row = &of_list.waterfall.rows[visible[at]];
                    let is_folded = folded.with(|folded| folded[row.span]);
                    span_row(
                        &of_list.trace.spans[row.span],
                        row,
                        at,
                        is_folded,
                        selected.get() == Some(row.span),
                        Actions { open: select, fold },
                    )
                })
                .collect::<Vec<_>>()
        })
    };
    let height = move || format!("{}px", visible.with(Vec::len) as f64 * HEIGHT);
    let ticks = chart::ticks(laid.waterfall.duration_ns, 5)
        .into_iter()
        .map(|tick| {
            let left = tick as f64 / laid.waterfall.duration_ns.max(1) as f64 * 100.0;
            view! { <span class="waterfall__tick" style:left=format!("{left:.3}%")>{format::nanos(tick)}</span> }
        })
        .collect::<Vec<_>>();
    let of_panel = laid.clone();
    let panel = move || {
        selected.get().and_then(|span| {
            let row = of_panel.waterfall.rows.iter().find(|row| row.span == span)?;
            let span = &of_panel.trace.spans[span];
            let after = u64::try_from(span.start.unix_ns().saturating_sub(of_panel.waterfall.start_ns)).unwrap_or(0);
            Some(span_detail(span, row.self_ns, after, address))
        })
    };
    view! {
        <div class="page__main trace">
            {head}
            <div class="waterfall" role="table" aria-label="Spans" aria-rowcount=laid.waterfall.rows.len().to_string()>
                <div class="waterfall__axis" aria-hidden="true"><span></span><span class="waterfall__ticks">{ticks}</span></div>
                <div class="waterfall__scroll" node_ref=scroller tabindex="0" role="rowgroup" aria-label="Spans: arrow keys move, left and right fold, Enter opens" on:keydown=keys on:scroll=move |_| scrolled()>
                    <div class="waterfall__rows" style:height=height>{rows}</div>
                </div>
            </div>
        </div>
        {panel}
    }
}

/// The first and the last line to draw, and what to call when it scrolled. It changes in steps, so that scrolling by a line draws nothing anew.
fn in_sight(scroller: NodeRef<Div>) -> (Memo<(usize, usize)>, impl Fn() + Copy) {
    let top = RwSignal::new(0.0f64);
    let tall = RwSignal::new(800.0f64);
    let measure = move || {
        if let Some(scroller) = scroller.get_untracked() {
            top.set(f64::from(scroller.scroll_top()));
            // Before the first layout it is as tall as all of its rows.
            let window = window().inner_height().ok().and_then(|height| height.as_f64()).unwrap_or(800.0);
            tall.set(f64::from(scroller.client_height()).min(window));
        }
    };
    Effect::new(move |_| {
        if scroller.get().is_some() {
            measure();
        }
    });
    let resized = window_event_listener(ev::resize, move |_| measure());
    on_cleanup(move || resized.remove());
    let lines = Memo::new(move |_| {
        let first = (top.get() / HEIGHT) as usize / MARGIN * MARGIN;
        let lines = (tall.get() / HEIGHT) as usize + 1;
        (first.saturating_sub(MARGIN), first + lines + 2 * MARGIN)
    });
    (lines, measure)
}

fn reveal(scroller: NodeRef<Div>, at: usize) {
    let Some(scroller) = scroller.get_untracked() else { return };
    let (line, top, tall) = (at as f64 * HEIGHT, f64::from(scroller.scroll_top()), f64::from(scroller.client_height()));
    if line < top {
        scroller.set_scroll_top(line as i32);
    } else if line + HEIGHT > top + tall {
        scroller.set_scroll_top((line + HEIGHT - tall) as i32);
    }
}

/// What a key does: folds change in place; the span to go to is returned.
fn pressed(
    key: &str,
    laid: &Laid,
    selected: Option<usize>,
    visible: Memo<Vec<usize>>,
    folded: RwSignal<Vec<bool>>,
) -> Option<usize> {
    let rows = &laid.waterfall.rows;
    let visible = visible.get_untracked();
    let at = selected.and_then(|span| visible.iter().position(|row| rows[*row].span == span));
    let span_at = |at: usize| visible.get(at).map(|row| rows[*row].span);
    let current = at.map(|at| &rows[visible[at]]);
    match key {
        "ArrowDown" | "j" => span_at(at.map_or(0, |at| (at + 1).min(visible.len() - 1))),
        "ArrowUp" | "k" => span_at(at.map_or(0, |at| at.saturating_sub(1))),
        "Home" => span_at(0),
        "End" => span_at(visible.len() - 1),
        "Enter" => current.map(|row| row.span).or_else(|| span_at(0)),
        "ArrowRight" => {
            let row = current?;
            folded.update(|folded| folded[row.span] = false);
            Some(row.span)
        }
        "ArrowLeft" => {
            let row = current?;
            let open = row.descendants > 0 && folded.with_untracked(|folded| !folded[row.span]);
            if open {
                folded.update(|folded| folded[row.span] = true);
                return Some(row.span);
            }
            let index = visible[at?];
            rows[..index].iter().rev().find(|above| above.depth < row.depth).map(|parent| parent.span)
        }
        "[" => {
            folded.set(laid.waterfall.folded_from(1));
            span_at(0)
        }
        "]" => {
            folded.set(laid.waterfall.open());
            current.map(|row| row.span).or_else(|| span_at(0))
        }
        _ => None,
    }
}
