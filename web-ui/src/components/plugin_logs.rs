//! What a rule logged, newest first.

use crate::markup::{Markup, view};
use spillway_api::PluginLogList;
use spillway_view::format;

use super::states;
use crate::{
    api,
    state::{Every, clock, load},
};

/// The newest lines of the rule `id`, kept up to date while they are open.
pub fn plugin_logs(id: String) -> Markup {
    let logs = load::<PluginLogList>(move || Some(api::plugin(&id, "logs")), Every::Seconds(3));
    states::loaded(logs, 4, |logs| {
        if logs.lines.is_empty() {
            return view! { <p class="panel__facts">"It has logged nothing."</p> };
        }
        let lines = logs
            .lines
            .into_iter()
            .map(|line| {
                view! {
                    <li class="logs__line" data-level=line.level.clone()>
                        <span class="logs__at">{clock::time(line.at)}</span>
                        <span class="logs__level">{line.level.clone()}</span>
                        <span class="logs__message">{line.message}</span>
                    </li>
                }
            })
            .collect::<Vec<_>>();
        let dropped = (logs.dropped > 0).then(|| view! { <p class="plugin__warning">{format!("{} were cut off because it logged too much.", format::plural(logs.dropped, "line", "lines"))}</p> });
        view! { {dropped} <ol class="logs mono" tabindex="0" aria-label="Log lines">{lines}</ol> }
    })
}
