//! Buttons for who has neither wheel nor keyboard.

use leptos::prelude::*;

use super::{Handle, board::Board, ticker};

/// Zoom of one press.
const STEP: f64 = 1.3;

/// Zoom in, zoom out, show all, tidy.
#[component]
pub fn Tools(board: Handle, added: RwSignal<usize>) -> impl IntoView {
    let act = move |change: fn(&mut Board)| move |_| ticker::act(board, change);
    let sign =
        |path: &'static str| view! { <svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=path /></svg> };
    // New services were squeezed in beside what is known: the button says how many a tidy layout would place better.
    let tidy = move || match added.get() {
        0 => "Tidy the map".to_owned(),
        1 => "Tidy the map: 1 node is new".to_owned(),
        more => format!("Tidy the map: {more} nodes are new"),
    };
    view! {
        <div class="map__tools" role="group" aria-label="Map">
            <button type="button" aria-label="Zoom in" title="Zoom in (+)" on:click=act(|board| board.zoom_middle(STEP))>{sign("M12 5.500v13M5.500 12h13")}</button>
            <button type="button" aria-label="Zoom out" title="Zoom out (−)" on:click=act(|board| board.zoom_middle(1.0 / STEP))>{sign("M5.500 12h13")}</button>
            <button type="button" aria-label="Show all" title="Show all (0)" on:click=act(Board::show_all)>{sign("M4.500 9V4.500H9M15 4.500h4.500V9M19.500 15v4.500H15M9 19.500H4.500V15")}</button>
            <button
                type="button"
                aria-label=tidy
                title=tidy
                data-testid="map-tidy"
                data-added=move || (added.get() > 0).then(|| added.get().to_string())
                on:click=act(Board::tidy)
            >
                {sign("M4 8.500h5v7H4zM15 4h5v6h-5zM15 14h5v6h-5zM9 12h3M12 7h3M12 17h3M12 7v10")}
            </button>
        </div>
    }
}
