//! Traces that are kept until they are released, and the way back from a release.

use leptos::{prelude::*, task::spawn_local};
use spillway_api::{Pin, PinList, PinNote};

use super::{Every, Loader, load};
use crate::api::{self, Failure};

/// What is kept, and what was done last.
#[derive(Clone, Copy)]
pub struct Pins {
    /// All of them.
    pub list: Loader<PinList>,
    /// The last release of this page, to be taken back with its note.
    pub released: RwSignal<Option<Pin>>,
    /// Why the last change did not work.
    pub failure: RwSignal<Option<Failure>>,
    /// A change is on its way.
    pub busy: RwSignal<bool>,
}

impl Pins {
    /// Asks for them.
    pub fn load() -> Self {
        Self {
            list: load(|| Some(api::PINS.to_owned()), Every::Change),
            released: RwSignal::new(None),
            failure: RwSignal::new(None),
            busy: RwSignal::new(false),
        }
    }

    /// Keeps a trace.
    pub fn keep(self, trace_id: String, note: String) {
        self.change(None, async move { api::post::<Pin>(&api::pin(&trace_id), &PinNote { note }).await.map(drop) });
    }

    /// Lets one go.
    pub fn release(self, pin: Pin) {
        let path = api::pin(&pin.trace_id);
        self.change(Some(pin), async move { api::delete(&path).await });
    }

    /// Keeps again what was let go last.
    pub fn take_back(self) {
        if let Some(pin) = self.released.get_untracked() {
            self.keep(pin.trace_id, pin.note);
        }
    }

    fn change(self, released: Option<Pin>, work: impl Future<Output = Result<(), Failure>> + 'static) {
        self.busy.set(true);
        spawn_local(async move {
            let outcome = work.await;
            // The page may be gone by now.
            self.busy.try_set(false);
            if outcome.is_ok() {
                self.released.try_set(released);
            }
            if self.failure.try_set(outcome.err()).is_none() {
                self.list.reload();
            }
        });
    }
}
