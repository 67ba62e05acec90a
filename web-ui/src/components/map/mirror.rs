//! The map for who does not see it: its nodes as a list, and a voice that tells when something changes.

use std::{cell::RefCell, rc::Rc};

use leptos::prelude::*;
use spillway_api::Topology;
use spillway_view::map::Scene;

/// Nodes listed; the table view has all.
const MOST: usize = 120;

/// Hidden from the eye only.
#[component]
pub fn Mirror(
    topology: StoredValue<Rc<RefCell<Topology>>, LocalStorage>,
    version: Signal<u64>,
    /// What the keyboard has reached.
    said: RwSignal<String>,
) -> impl IntoView {
    // Without rates: a list that changed each second would never be read to its end.
    let words = Memo::new(move |_| {
        version.track();
        let scene = topology.with_value(|topology| Scene::new(&topology.borrow()));
        let mut order: Vec<usize> = (0..scene.nodes.len()).collect();
        order.sort_by(|&a, &b| scene.nodes[b].loud.cmp(&scene.nodes[a].loud).then(a.cmp(&b)));
        let left = order.len().saturating_sub(MOST);
        let mut rows: Vec<(String, String)> =
            order.into_iter().take(MOST).map(|index| (scene.nodes[index].id.clone(), scene.listed(index))).collect();
        if left > 0 {
            rows.push((String::new(), format!("and {left} more, in the table view")));
        }
        (scene.summary(), rows)
    });
    let rows = move || words.with(|(_, rows)| rows.clone());
    view! {
        <div class="map__mirror">
            <p role="status" aria-live="polite" data-testid="map-summary">{move || words.with(|(summary, _)| summary.clone())}</p>
            <p aria-live="polite" data-testid="map-said">{move || said.get()}</p>
            <ul aria-label="Nodes of the map" data-testid="map-nodes">
                <For each=rows key=Clone::clone let:row>
                    <li data-node=row.0.clone()>{row.1}</li>
                </For>
            </ul>
        </div>
    }
}
