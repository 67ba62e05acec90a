//! Breakers over time, a lane each: closed is a thin line, half-open half a bar, open a full one.

use crate::markup::{Markup, view};
use spillway_api::Timestamp;
use spillway_view::{breakers::Lane, format, words};

use crate::state::clock;

/// How a lane is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// By instance, with the callee where there is room.
    Short,
    /// By caller, instance and callee.
    Full,
}

/// Draws the lanes of the time between `from` and `to`.
pub fn lanes(lanes: Vec<Lane>, naming: Naming, from: Timestamp, to: Timestamp) -> Markup {
    if lanes.is_empty() {
        return view! { <p class="panel__facts">"No breaker reported in this time."</p> };
    }
    let rows = lanes
        .into_iter()
        .map(|lane| {
            let who = if lane.instance.is_empty() { lane.service.clone() } else { lane.instance.clone() };
            let name = match naming {
                Naming::Short => format!("{who} → {}", lane.target),
                Naming::Full if lane.instance.is_empty() => format!("{} → {}", lane.service, lane.target),
                Naming::Full => format!("{} ({}) → {}", lane.service, lane.instance, lane.target),
            };
            let changes = format::plural(lane.changes as u64, "change", "changes");
            let now = lane.stretches.last().map(|stretch| words::breaker(stretch.state)).unwrap_or_default();
            let stretches = lane
                .stretches
                .iter()
                .map(|stretch| {
                    view! {
                        <span
                            class="lane__stretch"
                            data-state=words::breaker_token(stretch.state)
                            title=format!("{} from {}", words::breaker(stretch.state), clock::time(stretch.at))
                            style:left=format!("{:.3}%", stretch.from * 100.0)
                            style:width=format!("{:.3}%", (stretch.to - stretch.from).max(0.003) * 100.0)
                        ></span>
                    }
                })
                .collect::<Vec<_>>();
            view! {
                <li class="lane">
                    <span class="lane__name" title=name.clone()>{name.clone()}</span>
                    <span class="lane__track" role="img" aria-label=format!("{name}: {changes}, now {now}")>{stretches}</span>
                </li>
            }
        })
        .collect::<Vec<_>>();
    view! {
        <ul class="lanes">{rows}</ul>
        <p class="lane lane--axis" aria-hidden="true"><span></span><span class="lane__ends"><span>{clock::minutes(from)}</span><span>{clock::minutes(to)}</span></span></p>
    }
}
