//! A share as a bar beside its number.

use crate::markup::{Markup, view};

/// A bar from `left` to `left + width`, both 0 to 1 of its track; `tone` chooses its colour.
pub fn bar(left: f64, width: f64, tone: String) -> Markup {
    // A bar of no length would not be seen, though the thing happened.
    let width = width.max(0.002);
    view! {
        <span class="bar" aria-hidden="true">
            <span class="bar__fill" data-tone=tone style:left=format!("{:.3}%", left * 100.0) style:width=format!("{:.3}%", width * 100.0)></span>
        </span>
    }
}
