//! How many instances live at once. Waiting for a slot is better than failing for want of one: the pool is sized so that
//! whoever holds a slot gets all that one component may have.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::limits;

/// Counts free slots.
pub(crate) struct Slots {
    /// A mutex with a condition, because callers are blocking threads; nothing is done while it is held but counting.
    free: Mutex<usize>,
    given_back: Condvar,
}

/// One instance may live as long as this does.
pub(crate) struct Slot<'a>(&'a Slots);

impl Slots {
    pub(crate) fn new() -> Self {
        Self { free: Mutex::new(limits::INSTANCES), given_back: Condvar::new() }
    }

    /// Waits for a slot. Every holder gives its one back within its deadline, so this ends.
    pub(crate) fn take(&self) -> Slot<'_> {
        // Poison means that a thread panicked while counting, which it cannot; the count is right either way.
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.given_back.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Slot(self)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.given_back.notify_one();
    }
}
