//! Admits what an overloaded service can answer in time.
//!
//! The idea is the client throttling of Google's SRE book: reject with probability
//! `max(0, (requests - K * accepts) / (requests + 1))`. Requests are what callers offer, accepts are what the service
//! answers well and in time. Two things are added, because the book's formula leaves an admitted queue full:
//!
//! - **Wait**: while requests wait longer than acceptable, K gives way to a little less than one, so that the queue
//!   drains within some seconds. What the service answered at that moment is its capacity, and from then on the guard
//!   probes above it in small steps.
//! - **Collapse**: a service that spends all its time on requests nobody waits for any more accepts nothing, and zero
//!   times K is zero. Half of what it could answer a minute ago is then the better guess.
//!
//! It decides for whole services that can enforce. On thin or old data it keeps the last decision for a while and then
//! lets everything in: no rule may shed on what it does not know.

mod config;
mod memory;

use spillway_plugin_sdk::table::Table;
use spillway_plugin_sdk::{Action, Directive, Manifest, ShedPolicy, Signals, Snapshot, class, metrics, text};

use crate::config::Config;
use crate::memory::{Memory, NUMBERS};

/// A queue is drained in this time. Shorter than the signals are late, and the loop would swing: they cover some seconds
/// and are one old, and a loop comes to rest only when it is slower than what it looks at.
const DRAIN_MS: f64 = 6_000.0;
/// The longest queue takes half of the admitted requests away; more does no more, because one window is no proof.
const STRONGEST_BRAKE: f64 = 0.5;
/// More time-outs than this: what it answers says nothing about what it could answer.
const COLLAPSED: f64 = 0.3;
/// Fewer failures than this are noise, not the end of its capacity.
const FAILING: f64 = 0.1;
/// Share of the remembered capacity that a collapsed service is trusted with.
const COLLAPSE_SHARE: f64 = 0.5;
/// A median this many times the usual is still the usual.
const SLOWER: f64 = 1.5;
/// Fewer requests in flight than this are chance, not a queue.
const ENOUGH_INFLIGHT: u32 = 20;
/// A share above this is not worth a directive.
const AS_GOOD_AS_ALL: f64 = 0.99;
/// Outlives four missed ticks; the host lets the lease decay after that.
const TTL_MS: u32 = 5_000;

/// The rule.
#[derive(Debug)]
pub struct GoodputGuard {
    config: Config,
}

impl ShedPolicy for GoodputGuard {
    fn describe() -> Manifest {
        Manifest {
            name: "goodput-guard".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            description: "Admits what an overloaded service can answer in time, least important traffic shed first."
                .into(),
            config_schema: include_str!("../config-schema.json").into(),
            tick_ms: 1_000,
        }
    }

    fn configure(config: &str) -> Result<Self, String> {
        Ok(Self { config: Config::parse(config)? })
    }

    fn evaluate(&mut self, snapshot: &Snapshot) -> Result<Vec<Directive>, String> {
        let mut directives = Vec::new();
        let mut guarded = 0;
        let mut memories = Table::<NUMBERS>::load("services");
        for signals in &snapshot.signals {
            if signals.instances_enforcing == 0 || !signals.target.whole_service() {
                continue;
            }
            let mut memory = Memory::of(memories.get(&signals.target));
            let decision = self.decide(signals, &mut memory, snapshot.now_ms);
            memories.set(&signals.target, memory.numbers());
            guarded += u64::from(decision.is_some());
            for (class, share) in decision.iter().flat_map(|decision| class::shares(signals, decision.admit)) {
                directives.push(Directive {
                    target: signals.target.clone(),
                    class,
                    action: Action::AdmitRatio(share),
                    ttl_ms: TTL_MS,
                    retry_after_ms: Some(1_000),
                    reason: decision.as_ref().map_or_else(String::new, |decision| decision.reason.clone()),
                });
            }
        }
        memories.save().map_err(|error| format!("cannot remember {guarded} guarded services: {error}"))?;
        metrics::gauge("services_guarded", guarded as f64);
        Ok(directives)
    }
}

struct Decision {
    admit: f64,
    reason: String,
}

impl GoodputGuard {
    fn decide(&self, signals: &Signals, memory: &mut Memory, now_ms: u64) -> Option<Decision> {
        let requests = signals.offered_rps * f64::from(signals.window_ms) / 1_000.0;
        if signals.age_ms > self.config.max_age_ms || requests < f64::from(self.config.min_requests) {
            return self.hold(signals, memory, now_ms);
        }
        memory.observe(signals);
        let Load { admit, wait_ms, target_ms } = self.load(signals, memory);
        memory.decided_at_ms = now_ms as f64;
        if admit >= AS_GOOD_AS_ALL {
            memory.all_is_well();
            return None;
        }
        memory.admit = admit;
        let name = text::short(&signals.target.service.name);
        let (offered, goodput) = (text::whole(signals.offered_rps), text::whole(signals.goodput_rps));
        let percent = text::percent(admit);
        let reason = if wait_ms > target_ms {
            let (wait_ms, target_ms) = (text::whole(wait_ms), text::whole(target_ms));
            format!(
                "{name} answers {goodput} of {offered} requests/s and they wait {wait_ms} ms (ok: {target_ms}); admitting {percent} % so its queue drains"
            )
        } else {
            format!(
                "{name} answers only {goodput} of {offered} requests/s in time; admitting {percent} %, which it can serve"
            )
        };
        Some(Decision { admit, reason })
    }

    /// The last decision on good data, for a while.
    fn hold(&self, signals: &Signals, memory: &mut Memory, now_ms: u64) -> Option<Decision> {
        let held_ms = now_ms as f64 - memory.decided_at_ms;
        if memory.admit >= AS_GOOD_AS_ALL || held_ms > f64::from(self.config.hold_ms) {
            memory.all_is_well();
            return None;
        }
        let name = text::short(&signals.target.service.name);
        let reason = format!(
            "too little fresh data about {name} to decide anew; keeping {} % of its traffic for up to {} s more",
            text::percent(memory.admit),
            text::whole((f64::from(self.config.hold_ms) - held_ms) / 1_000.0)
        );
        Some(Decision { admit: memory.admit, reason })
    }

    fn load(&self, signals: &Signals, memory: &mut Memory) -> Load {
        // Callers of a slow service are used to waiting: as long as the work itself takes is acceptable.
        let target_ms = self.config.target_wait_ms.max(memory.base_ms);
        let accepts = signals.goodput_rps.max(COLLAPSE_SHARE * memory.peak_rps);
        let wait_ms = wait_ms(signals, memory, accepts);
        let queued = wait_ms > target_ms;
        if (queued || signals.error_ratio > FAILING) && signals.timeout_ratio < COLLAPSED {
            memory.saturated(accepts);
        }
        let answerable = if queued {
            accepts * (1.0 - (wait_ms - target_ms) / DRAIN_MS).max(STRONGEST_BRAKE)
        } else {
            (self.config.accept_multiplier * accepts).min(memory.probe())
        };
        let requests = signals.offered_rps;
        let reject = ((requests - answerable) / (requests + 1.0)).max(0.0);
        Load { admit: (1.0 - reject).max(self.config.min_admit), wait_ms, target_ms }
    }
}

/// The worst of three witnesses, because not every service reports its queue: what it reports, what its requests take
/// longer than usual, and what Little's law says of the requests in flight, which is the earliest of the three.
fn wait_ms(signals: &Signals, memory: &Memory, accepts_rps: f64) -> f64 {
    let usual_ms = SLOWER * memory.base_ms;
    let slower_ms = signals.latency.p50_ms - usual_ms;
    let inflight = signals.inflight.filter(|inflight| *inflight >= ENOUGH_INFLIGHT).map_or(0.0, f64::from);
    let little_ms = if accepts_rps > 0.0 { inflight / accepts_rps * 1_000.0 - usual_ms } else { 0.0 };
    signals.queue_wait_ms.unwrap_or(0.0).max(slower_ms).max(little_ms)
}

struct Load {
    admit: f64,
    wait_ms: f64,
    target_ms: f64,
}

spillway_plugin_sdk::export_policy!(GoodputGuard);

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
