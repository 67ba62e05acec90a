//! Keeps the live map and the rollups up with what was committed.

use std::{sync::Arc, time::Duration};

use spillway_store::{Projector, StoreError};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{clock, live::Pairing};

/// Commits that come within this time are taken in together. The map is late by it.
const GATHER: Duration = Duration::from_millis(50);
/// After this long without a commit, halves of calls that wait for nothing any more are settled, and what is held is written when it is time.
const IDLE: Duration = Duration::from_secs(1);
/// How far that time stays behind the clock: requests that came before it are committed by then.
const BEHIND_NS: i64 = 2_000_000_000;
/// Spans of one step: bounds its memory and how long it holds the writer's lock.
const SPANS: usize = 50_000;
/// What the pairing must know again after a restart: halves wait half as long.
const WARM: Duration = Duration::from_secs(60);
/// After a failure; doubled up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Runs until `stop`. `committed` is notified after each commit; what was committed before the start is taken in first, which `caught_up` tells.
pub async fn run(
    store: impl Projector,
    mut pairing: Pairing,
    committed: Arc<Notify>,
    caught_up: oneshot::Sender<()>,
    stop: CancellationToken,
) {
    let mut pause = PAUSE;
    let mut caught_up = Some(caught_up);
    loop {
        match follow(&store, &mut pairing, &committed, &mut caught_up, &stop, &mut pause).await {
            Ok(()) => break,
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "the map and the rollups stand still, tried again in {pause:?}; nothing is lost"
            ),
        }
        pairing.restart();
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

/// Projects from where the store is. After a failure the pairing is warmed up anew: what the failed step had taken in was not stored.
async fn follow(
    store: &impl Projector,
    pairing: &mut Pairing,
    committed: &Notify,
    caught_up: &mut Option<oneshot::Sender<()>>,
    stop: &CancellationToken,
    pause: &mut Duration,
) -> Result<(), StoreError> {
    store.warm(pairing, WARM).await?;
    loop {
        let progress = store.project(pairing, SPANS).await?;
        *pause = PAUSE;
        if stop.is_cancelled() {
            return Ok(());
        }
        if !progress.caught_up {
            tokio::task::yield_now().await;
            continue;
        }
        // Nobody may wait for it any more.
        let _ = caught_up.take().map(|caught_up| caught_up.send(()));
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = committed.notified() => break,
                () = tokio::time::sleep(IDLE) => {
                    store.settle(pairing, clock::unix_ns().saturating_sub(BEHIND_NS)).await?;
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
