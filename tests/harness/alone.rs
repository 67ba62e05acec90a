//! Who runs beside whom: servers of ordinary tests share the machine; a heavy test (a measurement, a browser with a demo
//! shop) has it for itself, because two cores leave nothing for another and what it measures would be the others.

use std::cell::Cell;

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

static MACHINE: RwLock<()> = RwLock::const_new(());

thread_local! {
    /// Whether this test has a place already. A test's own future stays on the thread of its test.
    static PLACED: Cell<bool> = const { Cell::new(false) };
}

/// A place on the machine, until it is dropped.
pub struct Place {
    _guard: Guard,
}

enum Guard {
    Alone { _guard: RwLockWriteGuard<'static, ()> },
    AmongOthers { _guard: RwLockReadGuard<'static, ()> },
}

impl Place {
    fn new(guard: Guard) -> Self {
        PLACED.set(true);
        Self { _guard: guard }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        PLACED.set(false);
    }
}

/// Waits until no other test has a server; hold what it returns until the end.
pub async fn alone() -> Place {
    Place::new(Guard::Alone { _guard: MACHINE.write().await })
}

/// Waits until no heavy test runs; `None` when this test has its place already.
pub(super) async fn among_others() -> Option<Place> {
    if PLACED.get() {
        return None;
    }
    Some(Place::new(Guard::AmongOthers { _guard: MACHINE.read().await }))
}
