//! Forgets what is older than it should be.

use std::time::{Duration, Instant};

use spillway_store::{Retention, RollupBounds, RollupRetention};
use tokio_util::sync::CancellationToken;

use super::believed::Believed;
use crate::clock;

/// Segments are a day or a gigabyte: at top rate one is full in some minutes, and a look costs next to nothing.
const EVERY: Duration = Duration::from_secs(60);

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Spans.
    pub spans: Duration,
    /// At most so many bytes of everything, by letting the oldest spans go.
    pub bytes: Option<u64>,
    /// Events and decisions.
    pub history: Duration,
    /// Sums of single seconds.
    pub rollups_1s: Duration,
    /// Sums of ten seconds.
    pub rollups_10s: Duration,
    /// Sums of a minute and more.
    pub rollups_1m: Duration,
}

impl Keep {
    fn rollups(&self, now_ns: i64) -> RollupBounds {
        let bound = |keep| before(now_ns, keep).div_euclid(1_000_000_000);
        RollupBounds { seconds: bound(self.rollups_1s), tens: bound(self.rollups_10s), minutes: bound(self.rollups_1m) }
    }
}

/// Runs until `stop`. `newest_ns` is the newest arrival in the store, 0 when there is none.
pub async fn run(store: impl Retention + RollupRetention, keep: Keep, newest_ns: i64, stop: CancellationToken) {
    let started = Instant::now();
    let mut believed = Believed::new(clock::unix_ns(), newest_ns, started.elapsed());
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {}
        }
        let now_ns = believed.now_ns(clock::unix_ns(), started.elapsed());
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
                "retention failed, it is tried again in a minute"
            ),
        }
        if let Some(bytes) = keep.bytes {
            shrink(&store, bytes).await;
        }
        match store.expire_rollups(keep.rollups(now_ns)).await {
            Ok(rows) if rows > 0 => tracing::info!(rows, "forgot rollups that are older than their retention"),
            Ok(_) => {}
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "old rollups stay, it is tried again in a minute"
            ),
        }
    }
}

async fn shrink(store: &impl Retention, most_bytes: u64) {
    match store.shrink(most_bytes).await {
        Ok(report) if report.segments > 0 => {
            tracing::info!(
                segments = report.segments,
                bytes = report.bytes,
                "forgot the oldest spans: the space is used up"
            );
        }
        Ok(_) => {}
        Err(error) => tracing::error!(
            error = &error as &dyn std::error::Error,
            "the store is larger than it may be, it is tried again in a minute"
        ),
    }
}

fn before(now_ns: i64, keep: Duration) -> i64 {
    now_ns.saturating_sub(i64::try_from(keep.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_resolution_has_its_own_bound() {
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        let keep = Keep {
            spans: hours(1),
            bytes: None,
            history: hours(1),
            rollups_1s: hours(1),
            rollups_10s: hours(24),
            rollups_1m: hours(48),
        };

        let bounds = keep.rollups(1_790_000_000_500_000_000);

        let expected = RollupBounds { seconds: 1_789_996_400, tens: 1_789_913_600, minutes: 1_789_827_200 };
        assert_eq!(bounds, expected);
    }
}
