//! The task of one target: ask, publish, wait.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use rand::Rng as _;
use spillway_api as api;
use spillway_decode::{health::Verdict, series::Turns};
use spillway_model::event::HealthStatus;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    Pull,
    ask::{self, Said},
    fetch::{self, Failed},
    steady::Memory,
    target::Target,
};
use crate::{clock, steady::Owner};

/// The first question comes within this, so that a page that was just opened fills soon.
const FIRST_WITHIN: Duration = Duration::from_secs(2);

/// What is remembered of one address between questions.
#[derive(Clone, Default)]
struct Remembered {
    memory: Memory,
    turns: Turns,
}

/// Asks until it is stopped.
pub(super) async fn run(
    pull: Pull,
    target: Arc<Target>,
    mut now: mpsc::Receiver<oneshot::Sender<()>>,
    stop: CancellationToken,
) {
    let mut remembered: BTreeMap<Arc<str>, Remembered> = BTreeMap::new();
    let mut wait = rand::rng().random_range(Duration::ZERO..FIRST_WITHIN.min(target.every()));
    loop {
        let mut asked = None;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
            // The sender lives as long as the entry, whose end cancels this task.
            who = now.recv() => asked = who,
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = round(&pull, &target, &mut remembered) => {}
        }
        if let Some(asked) = asked {
            let _ = asked.send(());
        }
        wait = target.every().mul_f64(rand::rng().random_range(0.9..1.1));
    }
}

/// Asks every address of the target once.
async fn round(pull: &Pull, target: &Target, remembered: &mut BTreeMap<Arc<str>, Remembered>) {
    let began = Instant::now();
    let resolved = tokio::time::timeout(target.timeout(), fetch::addresses(&target.place, target.trust)).await;
    let resolved =
        resolved.unwrap_or_else(|_| Err(Failed::NoAnswer(format!("the name {} took too long", target.place.host))));
    let mut addresses = match resolved {
        Ok(addresses) => addresses,
        Err(failed) => {
            // Nobody was asked, so all that are known failed alike; before anybody is, it is the place itself.
            let mut instances: Vec<Arc<str>> = remembered.keys().cloned().collect();
            if instances.is_empty() {
                instances.push(instance_of(target, &target.place.authority()));
            }
            for instance in instances {
                let known = remembered.entry(instance.clone()).or_default();
                settle(pull, target, instance, known, Err(failed.clone()), began).await;
            }
            return;
        }
    };
    if !target.spec.each_address {
        // In the order of the addresses, which is the same every time.
        addresses.truncate(1);
    }
    let instances: Vec<(Arc<str>, SocketAddr)> = addresses
        .into_iter()
        .map(|address| {
            let name = if target.spec.each_address { address.to_string() } else { target.place.authority() };
            (instance_of(target, &name), address)
        })
        .collect();
    pull.forget_others(target, &instances);
    let mut before = std::mem::take(remembered);
    // A loop, because a closure that borrows from two sides makes a future that cannot change threads.
    let mut questions = Vec::with_capacity(instances.len());
    for (instance, address) in instances {
        let known = before.remove(&instance).unwrap_or_default();
        questions.push(question(pull, target, instance, address, known));
    }
    remembered.extend(futures_util::future::join_all(questions).await);
}

/// Asks one address, and gives what is remembered of it then.
async fn question(
    pull: &Pull,
    target: &Target,
    instance: Arc<str>,
    address: SocketAddr,
    mut known: Remembered,
) -> (Arc<str>, Remembered) {
    // It is never closed.
    let _open = pull.inner.open.acquire().await;
    let began = Instant::now();
    let mut turns = known.turns.clone();
    let answer = tokio::time::timeout(ask::patience(target), ask::ask(target, address, &mut turns)).await;
    let answer = answer.unwrap_or_else(|_| {
        Err(Failed::NoAnswer(format!("no answer from {address} within {} ms", target.spec.timeout_ms)))
    });
    if settle(pull, target, instance.clone(), &mut known, answer, began).await {
        known.turns = turns;
    }
    (instance, known)
}

fn instance_of(target: &Target, asked: &str) -> Arc<str> {
    if target.spec.instance.is_empty() { asked.into() } else { target.spec.instance.as_str().into() }
}

/// Draws conclusions from an answer and stores them; false when they could not be stored, and are drawn anew from the next answer.
async fn settle(
    pull: &Pull,
    target: &Target,
    instance: Arc<str>,
    known: &mut Remembered,
    answer: Result<Said, Failed>,
    began: Instant,
) -> bool {
    let at_ns = clock::unix_ns();
    let owner = Owner { service: target.service(), instance: instance.clone() };
    let (mut memory, mut events) = (known.memory.clone(), Vec::new());
    let mut check = api::TargetCheck {
        instance: (&*instance).into(),
        at: api::Timestamp::from_unix_ns(at_ns),
        took_ms: u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX),
        health: None,
        detail: String::new(),
        failures: 0,
        readings: 0,
        ignored: Vec::new(),
        status: None,
        body: String::new(),
    };
    match answer {
        Err(failed) => {
            check.detail = failed.to_string();
            // That a feed cannot be had says nothing of the health of its service.
            if matches!(failed, Failed::NoAnswer(_)) && has_health(target) {
                let down = Verdict::says(HealthStatus::Down, check.detail.clone());
                memory.health_is(&down, &owner, at_ns, &mut events);
            }
        }
        Ok(said) => {
            check.detail = said.trouble.unwrap_or_default();
            if let Some(verdict) = &said.health {
                memory.health_is(verdict, &owner, at_ns, &mut events);
                let (Verdict::Says { detail, .. } | Verdict::None { why: detail }) = verdict;
                check.detail = [detail.as_str(), &check.detail]
                    .into_iter()
                    .filter(|text| !text.is_empty())
                    .collect::<Vec<_>>()
                    .join("; ");
            }
            let mut all = said.happened;
            all.extend(said.states);
            memory.reads(&all.readings, &owner, at_ns, &mut events);
            check.readings = u32::try_from(all.readings.len()).unwrap_or(u32::MAX);
            check.ignored = all
                .ignored
                .iter()
                .map(|(what, why, times)| api::TargetIgnored { what: what.into(), why: why.into(), times })
                .collect();
            check.status = said.status;
            check.body = pull.inner.ingest.shown_body(&said.body, ask::KEPT_BODY_BYTES);
        }
    }
    check.health = memory.health().map(wire);
    check.failures = memory.failures();
    check.detail = pull.inner.ingest.shown(&check.detail);
    let stored = match events.is_empty() {
        true => Ok(()),
        false => pull.inner.ingest.pulled(format!("target:{}", target.id).into(), events).await,
    };
    if let Err(refused) = &stored {
        tracing::warn!(target.id = %target.id, "what a target said could not be stored: {}", refused.reason());
        check.detail = format!("it answered, but that could not be stored ({})", refused.reason());
    } else {
        known.memory = memory;
    }
    pull.show(target, instance, check);
    stored.is_ok()
}

fn wire(status: HealthStatus) -> api::HealthStatus {
    match status {
        HealthStatus::Up => api::HealthStatus::Up,
        HealthStatus::Degraded => api::HealthStatus::Degraded,
        HealthStatus::Down => api::HealthStatus::Down,
    }
}

/// Formats whose answer is also the health of their service.
fn has_health(target: &Target) -> bool {
    use api::TargetFormat::{Envoy, Hystrix, Prometheus};
    !matches!(target.spec.format, Envoy | Hystrix | Prometheus)
}

impl Pull {
    fn show(&self, target: &Target, instance: Arc<str>, check: api::TargetCheck) {
        if let Some(entry) = self.board().entries.get_mut(&target.id) {
            entry.checks.insert(instance, check);
        }
    }

    /// Takes addresses off the board that the name no longer has.
    fn forget_others(&self, target: &Target, instances: &[(Arc<str>, SocketAddr)]) {
        if let Some(entry) = self.board().entries.get_mut(&target.id) {
            entry.checks.retain(|known, _| instances.iter().any(|(instance, _)| instance == known));
        }
    }
}
