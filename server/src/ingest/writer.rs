//! The one task that writes telemetry.
//!
//! It commits what has queued as soon as the previous commit returned: no timer. A sender alone waits for one sync; a
//! hundred senders share one. Order: commit, then the word to the projector and to the live map, then the answer.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use spillway_store::{StoreError, Write, WriteOutcome, Writer};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::{Job, trouble::Trouble};
use crate::{live::LiveHandle, metrics::Metrics};

/// Requests in one commit: bounds the time that the first of them waits for the last.
const GROUP_REQUESTS: usize = 256;
/// Bytes in one commit, for the same reason.
const GROUP_BYTES: usize = 16 << 20;
/// While writes fail, the store is asked this often whether they would succeed: a balancer that heeds `/readyz` sends nothing that could show it.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// Runs until `stop`, then commits everything that is queued: nobody who was let in is turned away.
pub async fn run(
    mut inbox: mpsc::Receiver<Job>,
    mut writer: impl Writer,
    live: LiveHandle,
    committed: Arc<Notify>,
    metrics: Arc<Metrics>,
    trouble: Trouble,
    stop: CancellationToken,
) {
    let mut jobs: Vec<Job> = Vec::new();
    loop {
        let first = tokio::select! {
            biased;
            first = inbox.recv() => first,
            () = stop.cancelled(), if !inbox.is_closed() => {
                inbox.close();
                continue;
            }
            () = tokio::time::sleep(PROBE_EVERY), if trouble.exists() => {
                let outcome = writer.probe().await;
                match &outcome {
                    Ok(()) => tracing::info!("the disk takes writes again"),
                    Err(error) => tracing::debug!("the disk does not take writes yet: {error}"),
                }
                trouble.note_probe(&outcome);
                continue;
            }
        };
        let Some(first) = first else { return };
        let mut bytes = size(&first.write);
        jobs.push(first);
        while jobs.len() < GROUP_REQUESTS && bytes < GROUP_BYTES {
            let Ok(job) = inbox.try_recv() else { break };
            bytes += size(&job.write);
            jobs.push(job);
        }
        let writes: Vec<Write> = jobs.iter().map(|job| job.write.clone()).collect();
        let began = Instant::now();
        let outcomes = writer.commit(&writes).await;
        metrics.commits.fetch_add(1, Relaxed);
        metrics.committed_requests.fetch_add(writes.len() as u64, Relaxed);
        metrics.commit_ns.fetch_add(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX), Relaxed);
        trouble.note(&outcomes);
        committed.notify_one();
        drop(writes);
        for (job, outcome) in jobs.drain(..).zip(outcomes) {
            publish(&live, &job.write, &outcome);
            // The sender may have given up; what it sent is stored all the same.
            let _ = job.reply.send(outcome);
        }
    }
}

fn size(write: &Write) -> usize {
    match write {
        Write::Spans { batch, .. } => batch.size_bytes(),
        Write::Events { events, .. } => events.len() * 512,
    }
}

/// Spans come to the map by the projector.
fn publish(live: &LiveHandle, write: &Write, outcome: &Result<WriteOutcome, StoreError>) {
    if let (Write::Events { events, received_at_ns, .. }, Ok(WriteOutcome::Events { stored, .. })) = (write, outcome)
        && !stored.is_empty()
    {
        let new = stored.iter().filter_map(|&index| events.get(index as usize).cloned()).collect();
        live.show_events(new, *received_at_ns);
    }
}
