//! Whom the server asks how they are.

use leptos::{prelude::*, task::spawn_local};
use spillway_api::{Target, TargetList};

use super::{Every, Loader, load};
use crate::api::{self, Failure};

/// The targets, and why the last change did not work.
#[derive(Clone, Copy)]
pub struct Targets {
    /// All of them, with their last answers.
    pub list: Loader<TargetList>,
    /// Why the last change did not work.
    pub failure: RwSignal<Option<Failure>>,
    /// A change is on its way.
    pub busy: RwSignal<bool>,
}

impl Targets {
    /// Asks for them.
    pub fn load() -> Self {
        Self {
            list: load(|| Some(api::TARGETS.to_owned()), Every::Seconds(5)),
            failure: RwSignal::new(None),
            busy: RwSignal::new(false),
        }
    }

    /// Asks somebody from now on.
    pub fn add(self, service: String, url: String, format: String) {
        let spec = serde_json::json!({ "service": service, "url": url, "format": format });
        self.change(async move { api::post::<Target>(api::TARGETS, &spec).await.map(drop) });
    }

    /// Asks them no more.
    pub fn remove(self, id: &str) {
        let path = api::target(id);
        self.change(async move { api::delete(&path).await });
    }

    fn change(self, work: impl Future<Output = Result<(), Failure>> + 'static) {
        self.busy.set(true);
        spawn_local(async move {
            let outcome = work.await;
            // The page may be gone by now.
            self.busy.try_set(false);
            if self.failure.try_set(outcome.err()).is_none() {
                self.list.reload();
            }
        });
    }
}
