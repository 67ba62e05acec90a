//! A golden signal: its name, a line of its last half hour, its present value.

use crate::markup::{Markup, view};
use spillway_view::chart;

/// One signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Sparkline {
    /// What it is.
    pub name: &'static str,
    /// In time order; a gap where there were no samples.
    pub values: Vec<Option<f64>>,
    /// The scale reaches at least so far, so that noise near zero is not blown up.
    pub floor: f64,
    /// Present value with its unit.
    pub value: String,
    /// `failing`, `degraded` or empty.
    pub state: &'static str,
    /// Place of a mark on the time axis, 0 to 1: when the trouble began.
    pub mark: Option<f64>,
    /// Places of changes.
    pub changes: Vec<f64>,
}

const WIDTH: f64 = 160.0;
const HEIGHT: f64 = 28.0;

/// Draws it as a row.
pub fn sparkline(signal: Sparkline) -> Markup {
    let ceiling = chart::ceiling(&signal.values, signal.floor);
    let path = chart::line(&signal.values, WIDTH, HEIGHT, ceiling);
    let upright = |class: &'static str, at: f64| {
        let x = format!("{:.1}", at * WIDTH);
        view! { <line class=class x1=x.clone() x2=x y1="0" y2=HEIGHT.to_string() /> }
    };
    let mark = signal.mark.map(|at| upright("spark__mark", at));
    let changes = signal.changes.iter().map(|at| upright("spark__change", *at)).collect::<Vec<_>>();
    view! {
        <div class="spark" data-state=signal.state>
            <span class="spark__name">{signal.name}</span>
            <svg class="spark__line" viewBox=format!("-1 -2 {} {}", WIDTH + 2.0, HEIGHT + 4.0) preserveAspectRatio="none" aria-hidden="true">
                {mark}
                {changes}
                <path d=path />
            </svg>
            <span class="spark__value">{signal.value}</span>
        </div>
    }
}
