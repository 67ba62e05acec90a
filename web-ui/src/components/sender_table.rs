//! Who sends, what was refused of it, and the last of that.

use crate::markup::{Markup, view};
use spillway_api::{RejectedRequest, Sender, SenderList};
use spillway_view::{format, onboarding, words};

use crate::state::{Clock, clock};

/// Rows that are shown: those that were heard last.
const SHOWN: usize = 50;

/// A row each.
pub fn sender_table(told: &SenderList) -> Markup {
    let rows = told.sources.iter().take(SHOWN).map(row).collect::<Vec<_>>();
    view! {
        <div class="table-scroll">
            <table class="table" data-testid="senders">
                <thead><tr><th scope="col">"Service"</th><th scope="col">"By"</th><th scope="col" class="num">"A second"</th><th scope="col" class="num">"Last"</th><th scope="col">"Refused"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

/// The last refused request of each way, to be opened. Apart from the table, which is built anew while somebody reads.
pub fn refused_requests(list: &[(String, Option<RejectedRequest>)]) -> Markup {
    let all = list.iter().filter_map(|(source, last)| Some(refused(source, last.as_ref()?))).collect::<Vec<_>>();
    view! { {all} }
}

fn row(sender: &Sender) -> Markup {
    let name = match (sender.service.as_str(), sender.environment.as_str()) {
        ("", _) => "not known".to_owned(),
        (service, "") => service.to_owned(),
        (service, environment) => format!("{service} · {}", words::environment(environment)),
    };
    let refused: Vec<String> =
        sender.rejected.iter().map(|(reason, times)| format!("{times} {}", reason.replace('_', " "))).collect();
    view! {
        <tr>
            <th scope="row">{name}</th>
            <td>{onboarding::source(&sender.source).to_owned()}</td>
            <td class="num">{format::rate(Some(sender.rate))}</td>
            <td class="num">{format::ago(sender.last_seen_at, Clock::get().now())}</td>
            <td data-state=(!refused.is_empty()).then_some("degraded")>{refused.join(", ")}</td>
        </tr>
    }
}

fn refused(source: &str, last: &RejectedRequest) -> Markup {
    let by = onboarding::source(source);
    let head = format!("Last refused by {by}, {}: {}", clock::when(last.at), last.why);
    view! { <details><summary>{head}</summary><pre class="commands__text" tabindex="0">{last.body.clone()}</pre></details> }
}
