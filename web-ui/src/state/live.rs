//! The live topology of this tab: one stream, folded into a plain [`Topology`], and a signal that counts its versions.
//!
//! What is shown is the part in the viewer's environment that passes the filter, of the newest state, of the state at
//! which it was paused, or of an instant in the past. The canvas reads it when the version changes; there is no signal
//! a node.

mod connection;
mod stream;

use std::{cell::RefCell, rc::Rc};

use leptos::prelude::*;
use spillway_api::{DecisionList, Plugin, PluginList, Status, Topology, TopologyDelta};
use spillway_view::{
    query::Query,
    scope::{self, Environment, Filter},
};

pub use connection::Connection;

use super::{Address, Every, Loader, Remote, Session, load};
use crate::api;

/// The topology that the canvas and the tables read. Not reactive by itself.
pub type Shared = StoredValue<Rc<RefCell<Topology>>, LocalStorage>;

/// Which topology is shown.
enum Base {
    /// The newest.
    Newest,
    /// As it was when somebody paused it.
    Paused(Box<Topology>),
    /// As it was at an instant.
    Past(Box<Topology>),
}

/// The live state. Everything in it is a handle, so it is copied into closures freely.
#[derive(Clone, Copy)]
pub struct Live {
    /// What is shown.
    pub shown: Shared,
    /// Counts up when `shown` changed.
    pub version: RwSignal<u64>,
    /// Counts up when something arrived, shown or not; 0 before the first snapshot.
    pub arrived: RwSignal<u64>,
    /// How the stream is.
    pub connection: RwSignal<Connection>,
    /// True while the viewer holds the view still.
    pub paused: RwSignal<bool>,
    /// Changes held back since then.
    pub held: RwSignal<u32>,
    /// The newest decisions, once the stream said them.
    pub decisions: RwSignal<Option<DecisionList>>,
    /// All plugins, once the stream said them.
    pub plugins: RwSignal<Option<PluginList>>,
    /// What the server says of itself.
    pub status: Loader<Status>,
    /// The topology of the past, when the address asks for one.
    pub past: Loader<Topology>,
    /// The environment that is shown.
    pub environment: Memo<Environment>,
    newest: StoredValue<Topology, LocalStorage>,
    base: StoredValue<Base, LocalStorage>,
    filter: Memo<Filter>,
    line: StoredValue<connection::Line, LocalStorage>,
    session: Session,
}

impl Live {
    /// Connects and puts itself in the context. Lives as long as the signed-in part of the page.
    pub fn provide(address: Address) -> Self {
        let newest = StoredValue::new_local(Topology::default());
        let arrived = RwSignal::new(0);
        let (env, at, filter) = (address.memo("env"), address.memo("at"), address.memo("q"));
        let live = Self {
            shown: StoredValue::new_local(Rc::default()),
            version: RwSignal::new(0),
            arrived,
            connection: RwSignal::new(Connection::Connecting),
            paused: RwSignal::new(false),
            held: RwSignal::new(0),
            decisions: RwSignal::new(None),
            plugins: RwSignal::new(None),
            status: load(|| Some(api::STATUS.to_owned()), Every::Seconds(5)),
            past: load(move || at.get().map(|at| Query::new().with("at", &at).href("/api/v1/topology")), Every::Change),
            environment: environment(env, newest, arrived),
            newest,
            base: StoredValue::new_local(Base::Newest),
            filter: Memo::new(move |_| Filter::parse(&filter.get().unwrap_or_default())),
            line: StoredValue::new_local(connection::Line::default()),
            session: Session::get(),
        };
        provide_context(live);
        live.connect();
        // These only republish into the non-reactive topology that the canvas paints from; no signal mirrors another.
        Effect::new(move |_| {
            live.environment.track();
            live.filter.track();
            live.publish();
        });
        Effect::new(move |_| live.follow_past(at.get().is_some()));
        live
    }

    /// From the context.
    pub fn get() -> Self {
        expect_context()
    }

    /// Reads what is shown; whoever calls it is run again at each version.
    pub fn with<R>(self, read: impl FnOnce(&Topology) -> R) -> R {
        self.version.track();
        self.shown.with_value(|shown| read(&shown.borrow()))
    }

    /// True when the newest topology, in any environment and without the filter, has nothing on it.
    pub fn nothing_anywhere(self) -> bool {
        self.arrived.track();
        self.newest.with_value(|newest| newest.nodes.is_empty())
    }

    /// Every environment there is.
    pub fn environments(self) -> Vec<String> {
        self.arrived.track();
        self.newest.with_value(scope::environments)
    }

    /// True when the address shows an instant of the past.
    pub fn in_the_past(self) -> bool {
        self.version.track();
        self.base.with_value(|base| matches!(base, Base::Past(_)))
    }

    /// True when a filter narrows what is shown.
    pub fn filtered(self) -> bool {
        self.filter.with(|filter| !filter.is_empty())
    }

    /// Holds the view still, or lets it go on.
    pub fn pause(self, paused: bool) {
        if self.base.with_value(|base| matches!(base, Base::Past(_))) {
            return;
        }
        let base = if paused { Base::Paused(Box::new(self.newest.with_value(Topology::clone))) } else { Base::Newest };
        self.base.set_value(base);
        self.held.set(0);
        self.paused.set(paused);
        self.publish();
    }

    /// Puts the server's answer to a change in place at once, before the stream says it too.
    pub fn replace_plugin(self, plugin: Plugin) {
        self.plugins.update(|list| {
            let Some(list) = list else { return };
            // Activating one version retires another of the same name in the same transaction.
            if plugin.mode == spillway_api::PluginMode::Active {
                for other in
                    list.plugins.iter_mut().filter(|other| other.name == plugin.name && other.mode == plugin.mode)
                {
                    other.mode = spillway_api::PluginMode::Off;
                }
            }
            match list.plugins.iter_mut().find(|other| other.id == plugin.id) {
                Some(place) => *place = plugin,
                None => list.plugins.push(plugin),
            }
        });
    }

    /// Takes a deleted plugin out at once.
    pub fn remove_plugin(self, id: &str) {
        self.plugins.update(|list| {
            if let Some(list) = list {
                list.plugins.retain(|plugin| plugin.id != id);
            }
        });
    }

    fn fold_snapshot(self, text: &str) {
        match serde_json::from_str::<Topology>(text) {
            Ok(topology) => {
                self.newest.set_value(topology);
                self.took_in();
            }
            Err(error) => complain("snapshot", &error),
        }
    }

    fn fold_delta(self, text: &str) {
        let delta = match serde_json::from_str::<TopologyDelta>(text) {
            Ok(delta) => delta,
            Err(error) => return complain("delta", &error),
        };
        match self.newest.try_update_value(|newest| newest.apply(&delta)) {
            Some(Ok(_)) => self.took_in(),
            // Something was missed: a fresh stream begins with a snapshot.
            Some(Err(_)) => self.open(),
            None => {}
        }
    }

    fn fold_decisions(self, text: &str) {
        match serde_json::from_str(text) {
            Ok(decisions) => self.decisions.set(Some(decisions)),
            Err(error) => complain("decisions", &error),
        }
    }

    fn fold_plugins(self, text: &str) {
        match serde_json::from_str(text) {
            Ok(plugins) => self.plugins.set(Some(plugins)),
            Err(error) => complain("plugins", &error),
        }
    }

    fn took_in(self) {
        self.arrived.update(|count| *count += 1);
        if self.base.with_value(|base| matches!(base, Base::Newest)) {
            self.publish();
        } else {
            self.held.update(|count| *count = count.saturating_add(1));
        }
    }

    fn follow_past(self, wanted: bool) {
        let past = self.past.remote.with(|remote| remote.value().cloned());
        let base = match (wanted, past) {
            (true, Some(past)) => Base::Past(Box::new(past)),
            (true, None) => return,
            (false, _) if self.base.with_value(|base| matches!(base, Base::Past(_))) => {
                self.paused.set(false);
                Base::Newest
            }
            (false, _) => return,
        };
        self.base.set_value(base);
        self.publish();
    }

    fn publish(self) {
        let (environment, filter) = (self.environment.get_untracked(), self.filter.get_untracked());
        let shown = self.base.with_value(|base| match base {
            Base::Newest => self.newest.with_value(|newest| scope::show(newest, &environment, &filter)),
            Base::Paused(topology) | Base::Past(topology) => scope::show(topology, &environment, &filter),
        });
        self.shown.with_value(|cell| *cell.borrow_mut() = shown);
        self.version.update(|version| *version += 1);
    }
}

/// The address's environment, else the busiest of the first snapshot that has any; that choice is kept, so that the view
/// does not jump to another environment when traffic shifts.
fn environment(
    env: Memo<Option<String>>,
    newest: StoredValue<Topology, LocalStorage>,
    arrived: RwSignal<u64>,
) -> Memo<Environment> {
    let first = StoredValue::new(None::<Environment>);
    Memo::new(move |_| {
        arrived.track();
        let env = env.get();
        if env.is_none()
            && let Some(first) = first.get_value()
        {
            return first;
        }
        let environment = newest.with_value(|newest| Environment::read(env.as_deref(), newest));
        if env.is_none() && environment != Environment::All {
            first.set_value(Some(environment.clone()));
        }
        environment
    })
}

/// A frame that cannot be read is a bug on one of both ends: it belongs on the console, not on the screen.
fn complain(event: &str, error: &serde_json::Error) {
    web_sys::console::error_1(&wasm_bindgen::JsValue::from_str(&format!("live stream: cannot read {event}: {error}")));
}

/// Either the stream's word or, until it has spoken, what was asked for.
pub fn newest<T: Clone + Send + Sync + 'static>(said: RwSignal<Option<T>>, asked: Loader<T>) -> Remote<T> {
    said.get().map_or_else(|| asked.remote.get(), Remote::Ready)
}
