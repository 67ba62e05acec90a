//! One heavy test at a time: a browser with a demo shop, or a measurement, leaves nothing of two cores for another.

use tokio::sync::{Mutex, MutexGuard};

static TURN: Mutex<()> = Mutex::const_new(());

/// Waits until no other heavy test runs; hold what it returns until the end.
pub async fn alone() -> MutexGuard<'static, ()> {
    TURN.lock().await
}
