//! What was changed: as a line, as marks on a chart, and as what came before trouble.

use spillway_api::{ChangeEvent, ChangeKind, Event, EventList, Timestamp};

/// Trouble has its cause in the minutes before it began, if in a change at all.
pub const BEFORE_MS: i64 = 15 * 60 * 1_000;

/// The changes among events. Pages that show events read this form already: another would be more to download.
pub fn of(list: &EventList) -> Vec<ChangeEvent> {
    let change = |event: &Event| if let Event::Change(change) = event { Some(change.clone()) } else { None };
    list.events.iter().filter_map(|record| change(&record.event)).collect()
}

/// "Roll out 1.2.3", or what is known without a title.
pub fn line(change: &ChangeEvent) -> String {
    if !change.title.is_empty() {
        return change.title.clone();
    }
    let what = match change.change {
        ChangeKind::Deploy => "deployed",
        ChangeKind::Config => "configuration changed",
        ChangeKind::Flag => "flag switched",
        ChangeKind::Scale => "scaled",
    };
    if change.version.is_empty() { what.to_owned() } else { format!("{what} {}", change.version) }
}

/// Whether a change is about a service of that environment; one that names no environment may be.
pub fn is_of(change: &ChangeEvent, environment: &str) -> bool {
    change.environment.is_empty() || change.environment == environment
}

/// Places on a time axis, 0 to 1.
pub fn marks(changes: &[ChangeEvent], from: Timestamp, to: Timestamp) -> Vec<f64> {
    let width = (to.unix_ms() - from.unix_ms()) as f64;
    let place = |change: &ChangeEvent| (change.at.unix_ms() - from.unix_ms()) as f64 / width;
    changes.iter().map(place).filter(|at| (0.0..=1.0).contains(at)).collect()
}

/// "checkout: Roll out 1.2.3 · cart: scaled and 2 more": what was changed shortly before, the service that is to blame first.
pub fn before(changes: &[ChangeEvent], service: &str) -> Option<String> {
    const SHOWN: usize = 2;
    let (own, others): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change.service == service);
    let lines: Vec<String> = own
        .into_iter()
        .chain(others)
        .take(SHOWN)
        .map(|change| format!("{}: {}", change.service, line(change)))
        .collect();
    let more = match changes.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!lines.is_empty()).then(|| format!("{}{more}", lines.join(" · ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(service: &str, title: &str, second: i64) -> ChangeEvent {
        ChangeEvent {
            id: String::new(),
            environment: String::new(),
            namespace: String::new(),
            service: service.to_owned(),
            instance: String::new(),
            change: ChangeKind::Deploy,
            version: "1.2.3".to_owned(),
            title: title.to_owned(),
            url: String::new(),
            at: Timestamp::from_unix_ms(second * 1_000),
        }
    }

    #[test]
    fn a_change_without_a_title_says_what_is_known() {
        assert_eq!(line(&change("cart", "Roll out", 0)), "Roll out");
        assert_eq!(line(&change("cart", "", 0)), "deployed 1.2.3");
    }

    #[test]
    fn what_came_before_names_the_service_to_blame_first() {
        let changes = [change("cart", "", 3), change("stock", "x", 2), change("pay", "Roll out", 1)];

        assert_eq!(before(&changes, "pay").as_deref(), Some("pay: Roll out · cart: deployed 1.2.3 and 1 more"));
        assert_eq!(before(&[], "pay"), None);
    }

    #[test]
    fn marks_outside_the_chart_are_left_out() {
        let at = |second: i64| Timestamp::from_unix_ms(second * 1_000);
        let changes = [change("a", "", 5), change("a", "", 0), change("a", "", 11), change("a", "", -1)];

        assert_eq!(marks(&changes, at(0), at(10)), [0.5, 0.0]);
        assert_eq!(marks(&changes, at(10), at(10)), Vec::<f64>::new());
    }
}
