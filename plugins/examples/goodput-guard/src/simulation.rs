//! A small system to close the loop with: one service with slots, a queue and impatient callers, in steps of 1 ms.
//!
//! It is the plainest model that collapses: callers give up after a second, but the service learns of that only when it
//! has done the work. Everything is counted, nothing is random, so a test on it gives the same numbers each time.

use std::collections::VecDeque;

use spillway_plugin_sdk::{Action, ClassCounts, Criticality, Directive, Latency, Origin, Signals, Snapshot, Target};

/// Requests served at once.
const SLOTS: usize = 10;
/// Work per request. Ten slots make 100 requests/s.
const SERVICE_MS: u64 = 100;
/// How long a caller waits for an answer.
const PATIENCE_MS: u64 = 1_000;
/// How many wait at most; the rest is refused at once.
const QUEUE: usize = 400;
/// Signals cover this long and end one second ago, like the reports of enforcers do.
const WINDOW_S: usize = 5;
const AGE_S: usize = 1;

/// Capacity in requests a second.
pub(crate) const CAPACITY: f64 = SLOTS as f64 * 1_000.0 / SERVICE_MS as f64;

#[derive(Clone, Default)]
pub(crate) struct Second {
    pub(crate) offered: u64,
    pub(crate) admitted: u64,
    pub(crate) good: u64,
    pub(crate) late: u64,
    pub(crate) refused: u64,
    pub(crate) waits_ms: Vec<u64>,
    pub(crate) latencies_ms: Vec<u64>,
}

pub(crate) struct Service {
    now_ms: u64,
    queue: VecDeque<u64>,
    /// Arrival and end of what is being served.
    serving: Vec<(u64, u64)>,
    admit: f64,
    offered_owed: f64,
    admit_owed: f64,
    pub(crate) seconds: Vec<Second>,
    /// Tells its queue wait, as a service with the enforcing layer around its semaphore does.
    pub(crate) reports_wait: bool,
}

impl Service {
    pub(crate) fn new(reports_wait: bool) -> Self {
        Self {
            now_ms: 0,
            queue: VecDeque::new(),
            serving: Vec::new(),
            admit: 1.0,
            offered_owed: 0.0,
            admit_owed: 0.0,
            seconds: Vec::new(),
            reports_wait,
        }
    }

    /// One second of traffic.
    pub(crate) fn run(&mut self, rps: f64) {
        let mut second = Second::default();
        for _ in 0..1_000 {
            self.now_ms += 1;
            let now_ms = self.now_ms;
            self.serving.retain(|(arrived, ends)| {
                let done = *ends <= now_ms;
                if done {
                    let latency_ms = now_ms - arrived;
                    let count = if latency_ms <= PATIENCE_MS { &mut second.good } else { &mut second.late };
                    *count += 1;
                    second.latencies_ms.push(latency_ms.min(PATIENCE_MS));
                }
                !done
            });
            self.offered_owed += rps / 1_000.0;
            while self.offered_owed >= 1.0 {
                self.offered_owed -= 1.0;
                second.offered += 1;
                self.admit_owed += self.admit;
                if self.admit_owed < 1.0 {
                    continue;
                }
                self.admit_owed -= 1.0;
                second.admitted += 1;
                if self.queue.len() < QUEUE {
                    self.queue.push_back(now_ms);
                } else {
                    second.refused += 1;
                    second.latencies_ms.push(0);
                }
            }
            while self.serving.len() < SLOTS
                && let Some(arrived) = self.queue.pop_front()
            {
                second.waits_ms.push(now_ms - arrived);
                self.serving.push((arrived, now_ms + SERVICE_MS));
            }
        }
        self.seconds.push(second);
    }

    /// What Spillway would show a rule now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let end = self.seconds.len().saturating_sub(AGE_S);
        let window = &self.seconds[end.saturating_sub(WINDOW_S)..end];
        let sum = |field: fn(&Second) -> u64| window.iter().map(field).sum::<u64>();
        let (offered, admitted) = (sum(|s| s.offered), sum(|s| s.admitted));
        let served = (sum(|s| s.good) + sum(|s| s.late) + sum(|s| s.refused)).max(1) as f64;
        let latencies: Vec<u64> = window.iter().flat_map(|second| second.latencies_ms.iter().copied()).collect();
        let waits: Vec<u64> = window.iter().flat_map(|second| second.waits_ms.iter().copied()).collect();
        let seconds = window.len().max(1) as f64;
        let signals = Signals {
            target: Target::service("test", "", "service"),
            origin: Origin::Enforcer,
            age_ms: 1_000 * AGE_S as u32,
            instances: 1,
            instances_enforcing: 1,
            window_ms: 1_000 * window.len() as u32,
            offered_rps: offered as f64 / seconds,
            goodput_rps: sum(|s| s.good) as f64 / seconds,
            error_ratio: (sum(|s| s.late) + sum(|s| s.refused)) as f64 / served,
            timeout_ratio: sum(|s| s.late) as f64 / served,
            inflight: Some((self.serving.len() + self.queue.len()) as u32),
            queue_wait_ms: self.reports_wait.then(|| waits.iter().sum::<u64>() as f64 / waits.len().max(1) as f64),
            latency: Latency {
                p50_ms: quantile(&latencies, 0.5),
                p95_ms: quantile(&latencies, 0.95),
                p99_ms: quantile(&latencies, 0.99),
                min_ms: quantile(&latencies, 0.0),
                samples: latencies.len() as u32,
            },
            by_class: vec![ClassCounts { class: Criticality::Critical, offered, admitted, shed: offered - admitted }],
            ..Signals::default()
        };
        let tick = self.seconds.len() as u64;
        Snapshot { tick, now_ms: 1_000_000 + tick * 1_000, signals: vec![signals], edges: Vec::new() }
    }

    /// The host's part: at most 40 points down and 20 up a second.
    pub(crate) fn enforce(&mut self, directives: &[Directive]) {
        let asked = directives.iter().filter_map(|directive| match directive.action {
            Action::AdmitRatio(share) => Some(share),
            _ => None,
        });
        self.admit = asked.fold(1.0, f64::min).clamp(self.admit - 0.4, self.admit + 0.2);
    }
}

pub(crate) fn quantile(values: &[u64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let at = ((sorted.len() as f64 - 1.0) * q).round().max(0.0) as usize;
    sorted.get(at).copied().unwrap_or(0) as f64
}
