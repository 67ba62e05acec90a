//! The clock that interrupts guests. It stands still while no guest runs, so an idle server stays idle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::Engine;

use crate::limits;

/// Owns the thread; it ends with this value.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    stop: AtomicBool,
}

/// The clock runs as long as one of these lives.
pub(crate) struct Running<'a>(&'a Shared);

impl Ticker {
    pub(crate) fn start(engine: Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = thread::Builder::new().name("plugin-clock".into()).spawn({
            let shared = Arc::clone(&shared);
            move || tick(&engine, &shared)
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(crate) fn run(&self) -> Running<'_> {
        if self.shared.running.fetch_add(1, Ordering::SeqCst) == 0
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
        Running(&self.shared)
    }

    /// Ticks until a deadline has surely passed. Waking up counts as a tick, so the first one may come at once.
    pub(crate) fn ticks(deadline: Duration) -> u64 {
        let ticks = deadline.as_millis().div_ceil(limits::EPOCH_TICK.as_millis());
        u64::try_from(ticks).unwrap_or(u64::MAX).saturating_add(1)
    }
}

fn tick(engine: &Engine, shared: &Shared) {
    while !shared.stop.load(Ordering::SeqCst) {
        if shared.running.load(Ordering::SeqCst) == 0 {
            // A wake-up between the load and here is not lost: `unpark` leaves a token that `park` takes.
            thread::park();
        } else {
            thread::park_timeout(limits::EPOCH_TICK);
            engine.increment_epoch();
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The loop holds no lock and calls nothing that panics; a failed join leaves nothing to repair.
            let _ = thread.join();
        }
    }
}
