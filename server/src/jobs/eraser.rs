//! Erases what was asked for, one thing after the other, also what an earlier process was asked for.

use std::{sync::Arc, time::Duration};

use spillway_store::Eraser;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock;

/// After a failure; doubled up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Runs until `stop`, which may cut it off anywhere: the next start goes on. `asked` says that there is something new to do.
pub async fn run(store: impl Eraser, asked: Arc<Notify>, stop: CancellationToken) {
    let mut pause = PAUSE;
    loop {
        let step = async {
            let Some(id) = store.unfinished_erasure().await? else { return Ok(None) };
            store.run_erasure(id, clock::unix_ns()).await.map(Some)
        };
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = step => outcome,
        };
        let wait = match outcome {
            Ok(Some(state)) => {
                pause = PAUSE;
                // Not what: the log must not keep it either.
                tracing::info!(
                    erasure.id = state.id,
                    span.count = state.report.spans,
                    block.count = state.report.blocks,
                    "spans erased"
                );
                continue;
            }
            Ok(None) => None,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "an erasure failed, and is tried again in {pause:?}"
                );
                let failed = pause;
                pause = (pause * 2).min(LONGEST_PAUSE);
                Some(failed)
            }
        };
        let until = async {
            match wait {
                Some(pause) => tokio::time::sleep(pause).await,
                None => asked.notified().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = until => {}
        }
    }
}
