//! The view is in the URL: what is selected, filtered, sorted and searched, so that Back, reload and a copied link work.

use leptos::prelude::*;
use spillway_view::query::Query;

use super::history::History;

/// The parts of a view that stay when one goes to another page.
const KEPT: [&str; 2] = ["env", "at"];

/// The address bar.
#[derive(Clone, Copy)]
pub struct Address {
    history: History,
}

/// Whether Back returns to the view before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A new place.
    Push,
    /// The same place, adjusted: typing in a filter must not fill the history.
    Replace,
}

impl Address {
    /// Follows the address bar and puts itself in the context.
    pub fn provide() -> Self {
        let address = Self { history: History::follow() };
        provide_context(address);
        address
    }

    /// From the context.
    pub fn get() -> Self {
        expect_context()
    }

    /// The path; followed.
    pub fn path(self) -> String {
        self.history.path.get()
    }

    /// The query; followed.
    pub fn query(self) -> Query {
        self.history.search.with(|search| Query::parse(search))
    }

    /// One parameter; followed.
    pub fn param(self, key: &str) -> Option<String> {
        self.history.search.with(|search| Query::parse(search).get(key).map(str::to_owned))
    }

    /// A parameter as a memo of its own, so that others may change without waking who reads it.
    pub fn memo(self, key: &'static str) -> Memo<Option<String>> {
        Memo::new(move |_| self.param(key))
    }

    /// Changes the query of this page.
    pub fn change(self, step: Step, change: impl FnOnce(&mut Query)) {
        let mut query = self.history.search.with_untracked(|search| Query::parse(search));
        change(&mut query);
        let href = self.history.path.with_untracked(|path| query.href(path));
        self.go(&href, step);
    }

    /// Sets or clears one parameter of this page.
    pub fn set(self, step: Step, key: &str, value: Option<&str>) {
        self.change(step, |query| query.set(key, value.filter(|value| !value.is_empty())));
    }

    /// Goes to `href`.
    pub fn go(self, href: &str, step: Step) {
        self.history.go(href, step);
    }

    /// A link to another page that keeps the environment and the instant; followed.
    pub fn href(self, path: &str, query: Query) -> String {
        self.history.search.with(|search| keep(search, query)).href(path)
    }

    /// As [`Address::href`], for a handler.
    pub fn href_now(self, path: &str, query: Query) -> String {
        self.history.search.with_untracked(|search| keep(search, query)).href(path)
    }
}

fn keep(search: &str, mut query: Query) -> Query {
    let here = Query::parse(search);
    for key in KEPT {
        if query.get(key).is_none() {
            query.set(key, here.get(key));
        }
    }
    query
}
