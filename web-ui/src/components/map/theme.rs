//! The colours and the font of the page, read from its style sheet, so that the canvas looks like the rest of it.

use leptos::prelude::window;
use spillway_api::{BreakerState, ServiceHealth};
use wasm_bindgen::JsValue;
use web_sys::HtmlElement;

use super::colour::Colour;

/// How much of the healthy part of a map in trouble is left: VISUAL.md's 60 %.
const FADED: f64 = 0.4;

/// A colour for what is bright and one for what has faded.
#[derive(Clone, Debug, Default)]
pub struct Ink {
    bright: String,
    faded: String,
}

impl Ink {
    fn new(colour: Colour, ground: Colour) -> Self {
        Self { bright: colour.css(), faded: colour.mixed(ground, FADED).css() }
    }

    /// As a canvas wants it.
    pub fn css(&self, bright: bool) -> &str {
        if bright { &self.bright } else { &self.faded }
    }
}

/// A state's colour for shapes, for small text, and a hint of it for the ground of a box.
#[derive(Clone, Debug, Default)]
pub struct Tone {
    /// Shapes and lines.
    pub ink: Ink,
    /// Small text, with more contrast.
    pub text: Ink,
    /// Ground of a box.
    pub tint: Ink,
}

/// Everything the painter colours with.
#[derive(Clone, Debug, Default)]
pub struct Theme {
    /// Ground of the map.
    pub page: String,
    /// Names.
    pub text: Ink,
    /// Numbers and notes.
    pub muted: Ink,
    /// Outline of a healthy box.
    pub outline: Ink,
    /// The track of a ring.
    pub faint: Ink,
    /// Healthy lines.
    pub line: Ink,
    /// Dots.
    pub dot: Ink,
    /// Selection and focus.
    pub accent: String,
    /// Shedding.
    pub shed: Ink,
    healthy: Tone,
    degraded: Tone,
    failing: Tone,
    unknown: Tone,
    half: Tone,
    /// The page's own font stack.
    pub font: String,
    /// Patterns of lines: solid, dashed, dotted, and the ring of a degraded box.
    pub patterns: Patterns,
}

/// Line patterns as the canvas takes them, made once.
#[derive(Clone, Debug)]
pub struct Patterns {
    /// No pattern.
    pub solid: JsValue,
    /// Asynchronous.
    pub dashed: JsValue,
    /// Provisional or silent.
    pub dotted: JsValue,
    /// Outline of a degraded box.
    pub ring: JsValue,
}

impl Default for Patterns {
    fn default() -> Self {
        let of =
            |lengths: &[f64]| JsValue::from(lengths.iter().copied().map(JsValue::from_f64).collect::<js_sys::Array>());
        Self { solid: of(&[]), dashed: of(&[7.0, 5.0]), dotted: of(&[0.1, 5.0]), ring: of(&[6.0, 3.5]) }
    }
}

impl Theme {
    /// Reads the tokens in force at `probe`, an element of the page that nobody sees.
    pub fn read(probe: &HtmlElement) -> Self {
        let Ok(Some(computed)) = window().get_computed_style(probe) else { return Self::default() };
        let style = probe.style();
        let token = |name: &str| {
            // Through `color`, because a custom property's own value may be the text `light-dark(…)`.
            let _ = style.set_property("color", &format!("var({name})"));
            computed.get_property_value("color").ok().as_deref().and_then(Colour::read).unwrap_or_default()
        };
        let (page, panel, text, muted) = (token("--page"), token("--panel"), token("--text"), token("--muted"));
        let ink = |colour: Colour| Ink::new(colour, page);
        let tone = |state: &str, words: &str| {
            let (colour, words) = (token(state), token(words));
            Tone { ink: ink(colour), text: Ink::new(words, panel), tint: ink(panel.mixed(colour, 0.07)) }
        };
        let strong = token("--line-strong");
        Self {
            page: page.css(),
            text: Ink::new(text, panel),
            muted: Ink::new(muted, panel),
            outline: ink(strong),
            faint: ink(token("--line")),
            line: ink(muted.mixed(page, 0.45)),
            dot: ink(muted.mixed(text, 0.35)),
            accent: token("--accent").css(),
            shed: ink(token("--shed")),
            healthy: Tone { tint: ink(panel), ..tone("--state-healthy", "--text") },
            degraded: tone("--state-degraded", "--text-degraded"),
            failing: tone("--state-failing", "--text-failing"),
            unknown: Tone { tint: ink(panel), ..tone("--state-unknown", "--muted") },
            half: tone("--breaker-half", "--text-half-open"),
            font: computed.get_property_value("font-family").unwrap_or_else(|_| "sans-serif".to_owned()),
            patterns: Patterns::default(),
        }
    }

    /// The tone of a state.
    pub fn health(&self, health: ServiceHealth) -> &Tone {
        match health {
            ServiceHealth::Healthy => &self.healthy,
            ServiceHealth::Degraded => &self.degraded,
            ServiceHealth::Failing => &self.failing,
            ServiceHealth::Unknown => &self.unknown,
        }
    }

    /// The tone of a breaker's sign.
    pub fn breaker(&self, state: BreakerState) -> &Tone {
        match state {
            BreakerState::Open | BreakerState::ForcedOpen => &self.failing,
            BreakerState::HalfOpen => &self.half,
            _ => &self.unknown,
        }
    }
}
