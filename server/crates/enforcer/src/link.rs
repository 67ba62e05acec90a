//! The line to Spillway: directives come by long poll, usage goes each second. Every call has a deadline, every failure
//! waits longer than the last, and neither ever touches the request path.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use spillway_api::{IgnoredDirective, UsageReport};
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

mod backoff;
mod client;

use backoff::Backoff;

pub(crate) use client::Client;

use crate::{
    Identity,
    layer::{Shared, now},
};

/// Time between two reports.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// What a poll takes at least, unless it brings news: something that answers every long poll at once must not be asked in
/// a circle.
const POLL_AT_MOST_EVERY: Duration = Duration::from_millis(200);
/// Directives that were not understood, named in a report.
const IGNORED: usize = 20;
/// Time for the last report of a service that stops.
const LAST_REPORT: Duration = Duration::from_millis(500);

/// What the background task works with.
pub(crate) struct Link {
    shared: Arc<Shared>,
    client: Client,
    identity: Identity,
    boot: String,
    in_flight_limit: Option<u32>,
    /// What is applied. A mutex: written with each set, read with each report; no await happens inside.
    applied: Mutex<Applied>,
    /// A report's answer named another revision.
    news: Notify,
}

#[derive(Clone, Debug, Default)]
struct Applied {
    revision: String,
    ignored: Vec<IgnoredDirective>,
}

impl Link {
    pub(crate) fn new(
        shared: Arc<Shared>,
        client: Client,
        identity: Identity,
        boot: u64,
        in_flight_limit: Option<u32>,
    ) -> Self {
        let boot = format!("{boot:016x}");
        Self { shared, client, identity, boot, in_flight_limit, applied: Mutex::default(), news: Notify::new() }
    }

    fn applied(&self) -> Applied {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One long poll. `Ok(true)` when it brought another revision.
    async fn poll(&self) -> Result<bool, client::CallError> {
        let before = self.applied().revision;
        let Some(set) = self.client.directives(&before).await? else {
            return Ok(false);
        };
        let count = set.directives.len();
        let mut ignored = set.ignored;
        ignored.extend(self.shared.admission.apply(set.directives, Instant::now().into_std()));
        for one in &ignored {
            debug!(directive.id = one.id, "cannot obey directive {}: {}", one.id, one.reason);
        }
        ignored.truncate(IGNORED);
        let changed = set.revision != before;
        if changed {
            debug!(directive.revision = set.revision, "{count} directives in force");
        }
        *self.applied.lock().unwrap_or_else(PoisonError::into_inner) = Applied { revision: set.revision, ignored };
        Ok(changed)
    }

    fn report(&self, seq: u64) -> UsageReport {
        let Applied { revision, ignored } = self.applied();
        let at = now();
        let hours = at.unix_ms() / 3_600_000;
        self.shared.admission.set_hour(u64::try_from(hours).unwrap_or(0));
        UsageReport {
            environment: self.identity.environment.clone(),
            namespace: self.identity.namespace.clone(),
            service: self.identity.service.clone(),
            instance: self.identity.instance.clone(),
            boot: self.boot.clone(),
            seq,
            at,
            revision,
            ignored,
            in_flight: self.shared.admission.in_flight(),
            in_flight_limit: self.in_flight_limit,
            queue_wait_ms: self.shared.meter.take_queue_wait_ms(),
            usage: self.shared.meter.usage(),
            shed_samples: self.shared.meter.take_samples(),
        }
    }

    /// Sends one report; when its answer names another revision, the poll is told.
    async fn send(&self, seq: u64) -> Result<(), client::CallError> {
        let answer = self.client.usage(&self.report(seq)).await?;
        if answer.revision != self.applied().revision {
            self.news.notify_one();
        }
        Ok(())
    }
}

/// Polls and reports until it is stopped.
pub(crate) async fn run(link: Link, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = poll(&link) => {}
        () = report(&link) => {}
    }
    // Its sequence is above all that were sent, so it counts whatever was under way.
    tokio::time::timeout(LAST_REPORT, link.send(u64::MAX >> 1)).await.ok();
}

async fn poll(link: &Link) {
    let mut backoff = Backoff::default();
    loop {
        let began_at = Instant::now();
        let polled = tokio::select! {
            polled = link.poll() => polled,
            // The poll under way may hang on a connection that is no more; a new one is answered at once.
            () = link.news.notified() => Ok(true),
        };
        match polled {
            Ok(changed) => {
                if backoff.reset() {
                    info!("spillway answers again");
                }
                let elapsed = began_at.elapsed();
                if !changed && elapsed < POLL_AT_MOST_EVERY {
                    sleep(REPORT_EVERY).await;
                }
            }
            Err(error) => {
                if backoff.is_fresh() {
                    warn!("cannot fetch directives, all requests are admitted once their leases end: {error}");
                }
                sleep(backoff.next(rand::random())).await;
            }
        }
    }
}

async fn report(link: &Link) {
    let mut every = interval(REPORT_EVERY);
    // After a stall one report says it all: counters are cumulative.
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for seq in 1.. {
        every.tick().await;
        if let Err(error) = link.send(seq).await {
            debug!("cannot report usage: {error}");
        }
    }
}
