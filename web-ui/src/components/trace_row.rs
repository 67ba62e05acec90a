//! One trace in the list.

use crate::markup::{Markup, view};
use spillway_api::TraceSummary;
use spillway_view::{format, query::Query};

use super::{bars, icon};
use crate::state::{Address, clock};

/// A row with a bar that is long against `longest_ns`.
pub fn trace_row(trace: TraceSummary, longest_ns: u64, address: Address) -> Markup {
    let path = format!("/traces/{}", trace.trace_id);
    let failed = trace.errors > 0;
    let others: Vec<String> =
        trace.services.iter().filter(|service| **service != trace.root_service).cloned().collect();
    let others = match others.len() {
        0 => String::new(),
        1..=3 => others.join(", "),
        more => format!("{} and {} more", others[..2].join(", "), more - 2),
    };
    let errors = failed.then(|| view! { <span data-state="failing">{icon::glyph("failing", None)} " " {format::count(u64::from(trace.errors))}</span> });
    let root = (!trace.root_seen).then(|| view! { <span class="traces__note" title="The root span is not stored: what is shown is the earliest span">" (root missing)"</span> });
    view! {
        <tr data-trace=trace.trace_id.clone()>
            <td class="traces__at">{clock::when(trace.start)}</td>
            <td class="traces__name">
                <a href=move || address.href(&path, Query::new())><strong>{trace.root_service.clone()}</strong> " " {trace.root_name.clone()}</a>
                {root}
            </td>
            <td class="traces__duration">
                {bars::bar(0.0, trace.duration_ns as f64 / longest_ns.max(1) as f64, if failed { "failing".to_owned() } else { "plain".to_owned() })}
                <span class="num">{format::nanos(trace.duration_ns)}</span>
            </td>
            <td class="num">{format::count(u64::from(trace.spans))}</td>
            <td class="num">{errors}</td>
            <td class="traces__others">{others}</td>
        </tr>
    }
}
