//! What floats beside the pointer.

use std::{cell::RefCell, rc::Rc};

use leptos::prelude::*;
use spillway_api::Topology;
use spillway_layout::{Point, Size};
use spillway_view::{map::TipText, selection::Selection};

use crate::components::icon;

/// Extent that the style sheet allows; it must not hang over the edge of the map.
const LARGEST: Size = Size::new(288.0, 200.0);

/// What it is about, and where that is on the screen.
#[derive(Clone, Debug, PartialEq)]
pub struct TipView {
    /// What it is about.
    pub name: Selection,
    /// Under what it is about.
    pub at: Point,
    /// Top of what it is about.
    pub top: f64,
    /// Size of the map.
    pub room: Size,
}

impl TipView {
    /// Left edge and top on the screen: below its anchor, or above when there is no room below.
    fn corner(&self) -> Point {
        let x = (self.at.x - LARGEST.width / 2.0).clamp(8.0, (self.room.width - LARGEST.width - 8.0).max(8.0));
        Point::new(x, self.at.y + 12.0)
    }

    fn above(&self) -> bool {
        self.at.y + LARGEST.height > self.room.height && self.top > LARGEST.height
    }
}

/// The tip. Repeats what panel and table say, so it is hidden from screen readers.
#[component]
pub fn Tip(
    tip: RwSignal<Option<TipView>>,
    topology: StoredValue<Rc<RefCell<Topology>>, LocalStorage>,
) -> impl IntoView {
    move || {
        let view = tip.get()?;
        let text = topology.with_value(|topology| TipText::about(&view.name, &topology.borrow()))?;
        let corner = view.corner();
        let above = view.above();
        let rows = text.rows.into_iter().map(|(name, value)| view! { <dt>{name}</dt><dd>{value}</dd> }).collect_view();
        Some(view! {
            <div
                class="map__tip"
                aria-hidden="true"
                data-above=above.then_some("true")
                style:left=format!("{:.0}px", corner.x)
                style:top=(!above).then(|| format!("{:.0}px", corner.y))
                style:bottom=above.then(|| format!("{:.0}px", view.room.height - view.top + 10.0))
            >
                <p class="map__tip-title">{text.health.map(|health| icon::health(health, false))} {text.title}</p>
                <p class="map__tip-kind">{text.kind}</p>
                {text.reason.map(|reason| view! { <p class="map__tip-reason">{reason}</p> })}
                <dl>{rows}</dl>
            </div>
        })
    }
}
