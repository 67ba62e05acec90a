//! Waits until the server has nothing left to do.

use std::time::{Duration, Instant};

use super::{disk, progress::Progress, server::Server};

/// Gauges of `/metrics` that say how much is left, and how much may be: one that the server does not have is not waited for.
const ROLLUPS: Left = Left { gauge: "spillway_store_unprojected", may_stay: 0.0 };
/// Fewer spans than this wait on for others to come: they would make a poor block.
const COMPACTION: Left = Left { gauge: "spillway_store_uncompacted", may_stay: 4_096.0 };
/// Without a gauge: so long without work counts as settled. More than any pause in which the server gathers work.
const STILL: Duration = Duration::from_secs(3);
/// Share of a core that an idle server may take.
const IDLE: f64 = 0.03;
/// Asking is work for the server, which is counted.
const PAUSE: Duration = Duration::from_secs(1);
/// So long without a change of the space taken, waited for at most so long: a server may always have something to tidy up.
const DISK_STILL: Duration = Duration::from_secs(5);
const DISK_LONGEST: Duration = Duration::from_secs(60);
/// A server that is never done must not hold the run for ever.
const LONGEST: Duration = Duration::from_secs(1_800);

#[derive(Clone, Copy)]
struct Left {
    /// How its name begins; the unit follows.
    gauge: &'static str,
    may_stay: f64,
}

/// CPU seconds of the server when it was done with each part.
pub struct Settled {
    pub rollups_cpu_s: f64,
    pub compaction_cpu_s: f64,
    /// False when the server has no such gauge: then standing still was taken for it.
    pub rollups_gauge: bool,
    pub compaction_gauge: bool,
}

/// Waits for rollups, then for compaction and what it leaves to be deleted.
pub async fn settle(server: &Server, progress: &mut Progress) -> Settled {
    progress.step("settling: rollups");
    let rollups_gauge = nothing_left(server, ROLLUPS, progress).await;
    let rollups_cpu_s = server.cpu_s();
    progress.step("settling: compaction");
    let compaction_gauge = nothing_left(server, COMPACTION, progress).await;
    progress.step("settling: disk");
    disk_still(server).await;
    Settled { rollups_cpu_s, compaction_cpu_s: server.cpu_s(), rollups_gauge, compaction_gauge }
}

/// Files that were rewritten are deleted after the gauge says that nothing is left.
async fn disk_still(server: &Server) {
    let (began, mut since) = (Instant::now(), Instant::now());
    let mut bytes = disk::space(server.data()).all;
    while since.elapsed() < DISK_STILL && began.elapsed() < DISK_LONGEST {
        tokio::time::sleep(PAUSE).await;
        let now = disk::space(server.data()).all;
        if now != bytes {
            (since, bytes) = (Instant::now(), now);
        }
    }
}

/// True when a gauge said so, false when the server stood still.
async fn nothing_left(server: &Server, left: Left, progress: &mut Progress) -> bool {
    let began = Instant::now();
    let (mut since, mut cpu_s) = (Instant::now(), server.cpu_s());
    loop {
        assert!(began.elapsed() < LONGEST, "{}: the server did not settle within {LONGEST:?}", left.gauge);
        let (_, text, _) = server.get("/metrics").await;
        match value(&String::from_utf8_lossy(&text), left.gauge) {
            Some(count) if count <= left.may_stay => return true,
            Some(count) => progress.at(&format!("{count} left")),
            None => {
                let now_s = server.cpu_s();
                if now_s - cpu_s > IDLE * since.elapsed().as_secs_f64() + 0.02 {
                    (since, cpu_s) = (Instant::now(), now_s);
                } else if since.elapsed() >= STILL {
                    return false;
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The gauge whose name begins like this.
fn value(metrics: &str, name: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| line.starts_with(name))?;
    line.rsplit_once(' ')?.1.parse().ok()
}
