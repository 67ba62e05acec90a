//! The topology map: a canvas that draws the live topology, and what makes it usable without seeing it.
//!
//! The canvas reads one plain topology when its version changes; there is no signal a node. Three canvases lie over each
//! other, so that a frame in which only dots move paints only dots: lines, dots, boxes and words. What is drawn and where
//! is decided in `spillway_view::map`, tested on the host; here are pixels and events.

mod board;
mod colour;
mod gesture;
mod keyboard;
mod mirror;
mod paint;
mod theme;
mod ticker;
mod tip;
mod tools;
mod watch;

use std::{cell::RefCell, rc::Rc};

use leptos::{html, prelude::*};
use spillway_api::Topology;
use spillway_view::selection::Selection;

use board::{Board, Outlet};
use mirror::Mirror;
use tip::Tip;
use tools::Tools;

/// A handle to the board that closures copy. Empty before the canvas is in the page and after it has gone.
pub(super) type Handle = StoredValue<Option<Board>, LocalStorage>;

/// The map of `topology`, which is read each time `version` changes.
#[component]
pub fn TopologyMap(
    /// What is shown.
    topology: StoredValue<Rc<RefCell<Topology>>, LocalStorage>,
    /// Counts up when it changed.
    #[prop(into)]
    version: Signal<u64>,
    /// What is selected.
    #[prop(into)]
    selected: Signal<Option<Selection>>,
    /// Called when somebody selects a node or an edge, or empty ground.
    on_select: Callback<Option<Selection>>,
    /// True while what is shown is not the present: then no dots run.
    #[prop(optional, into)]
    still: Signal<bool>,
) -> impl IntoView {
    let (lines, dots, boxes) =
        (NodeRef::<html::Canvas>::new(), NodeRef::<html::Canvas>::new(), NodeRef::<html::Canvas>::new());
    let probe = NodeRef::<html::Span>::new();
    let outlet = Outlet { tip: RwSignal::new(None), said: RwSignal::new(String::new()), added: RwSignal::new(0) };
    let board: Handle = StoredValue::new_local(None);

    // The board is made when the canvases are in the page; then it only follows.
    Effect::new(move |_| {
        let (Some(lines), Some(dots), Some(boxes), Some(probe)) = (lines.get(), dots.get(), boxes.get(), probe.get())
        else {
            return;
        };
        let Some(mut new) = Board::new([lines, dots, boxes], probe, outlet, on_select) else { return };
        topology.with_value(|topology| new.update(&topology.borrow()));
        new.select(selected.get_untracked().as_ref());
        new.hold_still(still.get_untracked());
        board.set_value(Some(new));
        watch::watch(board);
        ticker::wake(board);
    });
    Effect::new(move |_| {
        version.track();
        topology.with_value(|topology| ticker::act(board, |board| board.update(&topology.borrow())));
    });
    Effect::new(move |_| {
        let selected = selected.get();
        ticker::act(board, |board| board.select(selected.as_ref()));
    });
    Effect::new(move |_| {
        let still = still.get();
        ticker::act(board, |board| board.hold_still(still));
    });
    on_cleanup(move || {
        board.try_update_value(Option::take);
    });

    view! {
        <div class="map" data-testid="map">
            <canvas class="map__layer" node_ref=lines aria-hidden="true"></canvas>
            <canvas class="map__layer" node_ref=dots aria-hidden="true"></canvas>
            <canvas
                class="map__layer map__layer--top"
                node_ref=boxes
                data-testid="map-canvas"
                tabindex="0"
                role="application"
                aria-roledescription="service map"
                aria-label="Service map. Arrow keys move along calls, Enter selects, Escape clears, plus and minus zoom, 0 shows all."
                on:pointerdown=move |event| gesture::down(board, &event)
                on:pointermove=move |event| gesture::moved(board, &event)
                on:pointerup=move |event| gesture::up(board, &event)
                on:pointercancel=move |event| gesture::cancelled(board, &event)
                on:pointerleave=move |_| gesture::left(board)
                on:wheel=move |event| gesture::wheel(board, &event)
                on:keydown=move |event| keyboard::key(board, &event)
                on:focus=move |event| keyboard::focused(board, &event)
                on:blur=move |_| keyboard::blurred(board)
            ></canvas>
            <span class="map__probe" node_ref=probe aria-hidden="true"></span>
            <Tip tip=outlet.tip topology />
            <Tools board added=outlet.added />
            <Mirror topology version said=outlet.said />
        </div>
    }
}
