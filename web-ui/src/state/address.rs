//! The view is in the URL: what is selected, filtered, sorted and searched, so that Back, reload and a copied link work.

use leptos::prelude::*;
use leptos_router::{
    NavigateOptions,
    hooks::{use_location, use_navigate},
};
use spillway_view::query::Query;

/// The parts of a view that stay when one goes to another page.
const KEPT: [&str; 2] = ["env", "at"];

type Navigate = Box<dyn Fn(&str, NavigateOptions)>;

/// The address bar.
#[derive(Clone, Copy)]
pub struct Address {
    path: Memo<String>,
    search: Memo<String>,
    navigate: StoredValue<Navigate, LocalStorage>,
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
    /// Puts itself in the context; must be called inside the router.
    pub fn provide() -> Self {
        let location = use_location();
        let navigate = use_navigate();
        let address = Self {
            path: location.pathname,
            search: location.search,
            navigate: StoredValue::new_local(Box::new(move |path: &str, options: NavigateOptions| {
                navigate(path, options)
            }) as Navigate),
        };
        provide_context(address);
        address
    }

    /// From the context.
    pub fn get() -> Self {
        expect_context()
    }

    /// The path; followed.
    pub fn path(self) -> String {
        self.path.get()
    }

    /// The query; followed.
    pub fn query(self) -> Query {
        self.search.with(|search| Query::parse(search))
    }

    /// One parameter; followed.
    pub fn param(self, key: &str) -> Option<String> {
        self.search.with(|search| Query::parse(search).get(key).map(str::to_owned))
    }

    /// A parameter as a memo of its own, so that others may change without waking who reads it.
    pub fn memo(self, key: &'static str) -> Memo<Option<String>> {
        Memo::new(move |_| self.param(key))
    }

    /// Changes the query of this page.
    pub fn change(self, step: Step, change: impl FnOnce(&mut Query)) {
        let mut query = self.search.with_untracked(|search| Query::parse(search));
        change(&mut query);
        let href = self.path.with_untracked(|path| query.href(path));
        self.go(&href, step);
    }

    /// Sets or clears one parameter of this page.
    pub fn set(self, step: Step, key: &str, value: Option<&str>) {
        self.change(step, |query| query.set(key, value.filter(|value| !value.is_empty())));
    }

    /// Goes to `href`.
    pub fn go(self, href: &str, step: Step) {
        let options = NavigateOptions {
            resolve: false,
            replace: step == Step::Replace,
            scroll: false,
            ..NavigateOptions::default()
        };
        self.navigate.with_value(|navigate| navigate(href, options));
    }

    /// A link to another page that keeps the environment and the instant; followed.
    pub fn href(self, path: &str, query: Query) -> String {
        self.search.with(|search| keep(search, query)).href(path)
    }

    /// As [`Address::href`], for a handler.
    pub fn href_now(self, path: &str, query: Query) -> String {
        self.search.with_untracked(|search| keep(search, query)).href(path)
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
