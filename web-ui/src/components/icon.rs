//! Icons and state glyphs: own drawings, inline, so that they take the colour of the text and need no request.

use crate::markup::{Markup, view};
use spillway_api::{BreakerState, NodeKind, ServiceHealth};
use spillway_view::words;

/// The strokes of an icon on a 24 × 24 grid.
fn strokes(name: &str) -> &'static str {
    match name {
        "logo" => {
            "M3 7c2.2 0 2.2 3 4.5 3S9.8 7 12 7s2.2 3 4.5 3S18.8 7 21 7M3 14c2.2 0 2.2 3 4.5 3s2.3-3 4.5-3 2.2 3 4.5 3 2.3-3 4.5-3"
        }
        "topology" => {
            "M4 12a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0M15 6a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0M15 18a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0M8.8 10.9 15.2 7.100M8.8 13.100l6.4 3.8"
        }
        "services" => "M4 6.500h16M4 12h16M4 17.500h16",
        "traces" => "M4 6h9M7 10.500h11M11 15h9M11 19.500h5",
        "breakers" => "M2.5 15h5l8-5M16.5 15h5M7.5 15a.1.1 0 1 0 .01 0",
        "plugins" => "M9 3v5M15 3v5M6.5 8h11v4a5.5 5.5 0 0 1-11 0zM12 17.500V21",
        "decisions" => "M4 5h16l-6.2 7.500V18l-3.6 2v-7.500z",
        "settings" => {
            "M12 9a3 3 0 1 0 0 6a3 3 0 1 0 0-6M12 3v3M12 18v3M3 12h3M18 12h3M5.6 5.600l2.2 2.200M16.2 16.200l2.2 2.200M18.4 5.600l-2.2 2.200M7.8 16.200l-2.2 2.2"
        }
        "search" => "M10.5 4.500a6 6 0 1 0 0 12a6 6 0 1 0 0-12M15 15l5 5",
        "close" => "M6 6l12 12M18 6 6 18",
        "copy" => "M9 9h11v11H9zM5 15H4V4h11v1",
        "check" => "M5 12.500l4.5 4.500L19 7.5",
        "upload" => "M12 16V5M7.5 9.5 12 5l4.5 4.500M5 19h14",
        "arrow" => "M5 12h14M13 6l6 6-6 6",
        "down" => "M7 10l5 5 5-5",
        "pause" => "M9 6v12M15 6v12",
        "play" => "M8 6l10 6-10 6z",
        "clock" => "M12 4a8 8 0 1 0 0 16a8 8 0 1 0 0-16M12 8v4.500l3 2",
        "demo" => "M5 4v16M12 4v16M19 4v16M3 9h4M10 15h4M17 7h4",
        "trash" => "M5 7h14M10 7V4.500h4V7M7 7l1 13h8l1-13M10.5 10.500v6M13.5 10.500v6",
        "help" => "M9.2 9.300a2.9 2.9 0 1 1 4.3 2.600c-1 .6-1.5 1.1-1.5 2.300M12 17.500v.3",
        "table" => "M4 5h16v14H4zM4 10h16M10 10v9",
        "link" => {
            "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.700L12 7M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.700L12 17"
        }
        _ => "",
    }
}

/// An icon beside a word, or in a control that names itself.
pub fn icon(name: &str) -> Markup {
    view! { <svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=strokes(name) /></svg> }
}

/// A shape and how it is drawn: `fill` or `stroke`.
fn drawing(token: &str) -> (&'static str, &'static str) {
    match token {
        "healthy" | "up" => ("M8 3.500a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9", "stroke"),
        "degraded" => ("M8 2.5 14.5 13.500h-13z", "fill"),
        "failing" | "down" => ("M3.5 3.500l9 9M12.5 3.500l-9 9", "heavy"),
        "closed" => ("M1.5 8h13", "stroke"),
        "half_open" => ("M8 2.500a5.5 5.5 0 1 0 0 11z", "both"),
        "open" => ("M8 2.500a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M4.2 11.800l7.6-7.6", "stroke"),
        "shed" => ("M2.5 3h11l-4.3 5v4.500l-2.4 1.500V8z", "fill"),
        _ => ("M6 6a2.1 2.1 0 1 1 3.1 1.900C8.3 8.4 8 8.8 8 9.700M8 12.300v.3", "stroke"),
    }
}

/// The glyph of a state, for the eye; the word is said beside it or by `label`.
pub fn glyph(token: &'static str, label: Option<&'static str>) -> Markup {
    let (path, drawn) = drawing(token);
    let half = (token == "half_open").then(|| view! { <circle cx="8" cy="8" r="5.5" class="glyph__ring" /> });
    let svg = move |role: Option<&'static str>| {
        view! {
            <svg class="glyph" viewBox="0 0 16 16" data-state=token data-drawn=drawn role=role aria-label=label aria-hidden=role.is_none().then_some("true")>
                <path d=path />
                {half}
            </svg>
        }
    };
    svg(label.map(|_| "img"))
}

/// The glyph of a health state.
pub fn health(state: ServiceHealth, labelled: bool) -> Markup {
    glyph(words::health(state), labelled.then(|| words::health(state)))
}

/// The glyph of a breaker.
pub fn breaker(state: BreakerState, labelled: bool) -> Markup {
    glyph(words::breaker_token(state), labelled.then(|| words::breaker(state)))
}

/// What a node is, as a small sign before names in tables. A plain service needs none.
pub fn kind(kind: NodeKind) -> Option<Markup> {
    let path = match kind {
        NodeKind::Service | NodeKind::Other => return None,
        NodeKind::Database => "M5 7c0-3.3 14-3.3 14 0s-14 3.3-14 0v10c0 3.3 14 3.3 14 0V7",
        NodeKind::Queue => "M6 7h12c3 0 3 10 0 10H6c-3 0-3-10 0-10M18 7c-3 0-3 10 0 10",
        NodeKind::External => "M7 17.500a4 4 0 0 1-.3-8a5.5 5.5 0 0 1 10.6 0a4 4 0 0 1-.3 8z",
        NodeKind::User => "M12 5a3.2 3.2 0 1 0 0 6.400A3.2 3.2 0 1 0 12 5M5.5 19c1-6 12-6 13 0",
    };
    Some(
        view! { <svg class="icon icon--kind" viewBox="0 0 24 24" role="img" aria-label=words::kind(kind)><path d=path /></svg> },
    )
}
