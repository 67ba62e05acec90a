//! Forgets what is older than it should be.

use std::time::Duration;

use spillway_store::Retention;
use tokio_util::sync::CancellationToken;

use crate::clock;

/// Segments are a day or a gigabyte: looking more often would find nothing new.
const EVERY: Duration = Duration::from_secs(300);

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Spans.
    pub spans: Duration,
    /// Rollups, events, decisions.
    pub history: Duration,
}

/// Runs until `stop`.
pub async fn run(store: impl Retention, keep: Keep, stop: CancellationToken) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {}
        }
        let now_ns = clock::unix_ns();
        match store.expire(before(now_ns, keep.spans), before(now_ns, keep.history)).await {
            Ok(report) if report.segments > 0 || report.rows > 0 => {
                tracing::info!(
                    segments = report.segments,
                    bytes = report.bytes,
                    rows = report.rows,
                    "forgot what is older than the retention"
                );
            }
            Ok(_) => {}
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "retention failed, it is tried again in five minutes"
            ),
        }
    }
}

fn before(now_ns: i64, keep: Duration) -> i64 {
    now_ns.saturating_sub(i64::try_from(keep.as_nanos()).unwrap_or(i64::MAX))
}
