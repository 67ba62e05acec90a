//! Keeps the log of commits short: what is old enough is gathered into sorted blocks.

use std::time::Duration;

use spillway_store::Compaction;
use tokio_util::sync::CancellationToken;

use crate::clock;

/// How often it looks whether enough has come together. A look reads the heads of what waits.
const EVERY: Duration = Duration::from_secs(1);
/// After a failure; doubled up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Runs until `stop`. A failure loses nothing: what was not compacted is read from the log.
pub async fn run(store: impl Compaction, stop: CancellationToken) {
    let mut pause = PAUSE;
    loop {
        let wait = match store.compact(clock::unix_ns()).await {
            Ok(progress) => {
                pause = PAUSE;
                if progress.damaged > 0 {
                    tracing::error!(
                        block.count = progress.damaged,
                        "damaged blocks were set aside; `spillway check` names them, the rest is served"
                    );
                }
                // Behind: it goes on at once, but other tasks come first.
                if progress.spans > 0 { Duration::ZERO } else { EVERY }
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "compaction failed, tried again in {pause:?}; nothing is lost"
                );
                let failed = pause;
                pause = (pause * 2).min(LONGEST_PAUSE);
                failed
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}
