//! Keeps the rollups up with what was committed.

use std::{sync::Arc, time::Duration};

use spillway_model::{
    batch::SpanBatch,
    observation::Observation,
    topology::{Pairer, PairerLimits},
};
use spillway_store::{Projection, Projector, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock;

/// Commits that come within this time are summed up together: each step is a transaction of its own.
const GATHER: Duration = Duration::from_millis(200);
/// After this long without a commit, halves of calls that wait for nothing any more are settled, and what is held is written when it is time.
const IDLE: Duration = Duration::from_secs(1);
/// How far that time stays behind the clock: requests that came before it are committed by then.
const BEHIND_NS: i64 = 5_000_000_000;
/// Spans of one step: bounds its memory and how long it holds the writer's lock.
const SPANS: usize = 50_000;
/// What the pairing must know again after a restart: halves wait half as long.
const WARM: Duration = Duration::from_secs(60);
/// After a failure; doubled up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The model's pairing, as the store calls it.
struct Paired(Pairer);

impl Projection for Paired {
    fn observe(&mut self, batch: &SpanBatch, received_at_ns: i64, emit: &mut dyn FnMut(Observation)) {
        self.0.observe(batch, u64::try_from(received_at_ns).unwrap_or(0), emit);
    }

    fn settle(&mut self, now_ns: i64, emit: &mut dyn FnMut(Observation)) {
        self.0.expire(u64::try_from(now_ns).unwrap_or(0), emit);
    }
}

/// Runs until `stop`. `committed` is notified after each commit; what was committed before the start is summed up first.
pub async fn run(store: impl Projector, committed: Arc<Notify>, stop: CancellationToken) {
    let mut pause = PAUSE;
    loop {
        match follow(&store, &committed, &stop, &mut pause).await {
            Ok(()) => break,
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "rollups stand still, tried again in {pause:?}; nothing is lost"
            ),
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    // A failure costs the next start the time to take in again what was not written.
    if let Err(error) = store.flush().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the newest rollups are not written yet");
    }
}

/// Projects from where the store is. After a failure a new pairing is warmed up: what the failed step had taken in was not stored.
async fn follow(
    store: &impl Projector,
    committed: &Notify,
    stop: &CancellationToken,
    pause: &mut Duration,
) -> Result<(), StoreError> {
    let mut projection = Paired(Pairer::new(PairerLimits { seed: rand::random(), ..PairerLimits::default() }));
    store.warm(&mut projection, WARM).await?;
    loop {
        let progress = store.project(&mut projection, SPANS).await?;
        *pause = PAUSE;
        if stop.is_cancelled() {
            return Ok(());
        }
        if !progress.caught_up {
            tokio::task::yield_now().await;
            continue;
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = committed.notified() => break,
                () = tokio::time::sleep(IDLE) => {
                    store.settle(&mut projection, clock::unix_ns().saturating_sub(BEHIND_NS)).await?;
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(GATHER) => {}
        }
    }
}

#[cfg(test)]
mod tests;
