//! One instance: its newest counters, and what it counted over the last seconds.

use std::{collections::VecDeque, sync::Arc};

use super::{ENFORCING_NS, Received, Report, Totals, WINDOW_NS};

/// Differences that are kept: those of the window at one a second, with room for a hasty sender. The oldest are merged
/// beyond that.
const STEPS: usize = 16;
/// Boots that are remembered, so that a late report of one that is over is not taken for a new start.
const BOOTS: usize = 4;
/// A start that is seen for the first time within so many reports began with zero lately, so its counters are all of this
/// window.
const YOUNG_SEQ: u64 = 3;

/// What was counted between two reports.
#[derive(Clone, Debug)]
struct Step {
    from_ns: u64,
    to_ns: u64,
    totals: Totals,
}

/// What was counted lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    pub(super) totals: Totals,
    /// The time that it covers.
    pub(super) covered_ns: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Instance {
    boot: Arc<str>,
    ended_boots: VecDeque<Arc<str>>,
    seq: u64,
    last: Totals,
    steps: VecDeque<Step>,
    pub(super) received_ns: u64,
    pub(super) revision: Arc<str>,
    pub(super) in_flight: u32,
    pub(super) in_flight_limit: Option<u32>,
    pub(super) queue_wait_ms: Option<f64>,
}

impl Instance {
    /// The first report is a baseline: its counters may be of days.
    pub(super) fn new(report: Report, now_ns: u64) -> Self {
        Self {
            boot: report.boot,
            ended_boots: VecDeque::new(),
            seq: report.seq,
            last: report.totals,
            steps: VecDeque::new(),
            received_ns: now_ns,
            revision: report.revision,
            in_flight: report.in_flight,
            in_flight_limit: report.in_flight_limit,
            queue_wait_ms: report.queue_wait_ms,
        }
    }

    pub(super) fn receive(&mut self, report: Report, now_ns: u64) -> Received {
        let came = if report.boot == self.boot {
            if report.seq <= self.seq {
                return Received::Repeated;
            }
            report.totals.since(&self.last)
        } else {
            if self.ended_boots.contains(&report.boot) {
                return Received::Repeated;
            }
            self.ended_boots.push_front(std::mem::replace(&mut self.boot, report.boot));
            self.ended_boots.truncate(BOOTS);
            (report.seq <= YOUNG_SEQ).then(|| report.totals.clone())
        };
        // `None` is a new baseline; nothing is known of the time before it.
        if let Some(totals) = came {
            self.steps.push_back(Step { from_ns: self.received_ns, to_ns: now_ns, totals });
            self.bound(now_ns);
        }
        self.seq = report.seq;
        self.last = report.totals;
        self.received_ns = now_ns;
        self.revision = report.revision;
        self.in_flight = report.in_flight;
        self.in_flight_limit = report.in_flight_limit;
        self.queue_wait_ms = report.queue_wait_ms;
        Received::New
    }

    fn bound(&mut self, now_ns: u64) {
        while self.steps.front().is_some_and(|step| step.to_ns + WINDOW_NS <= now_ns) {
            self.steps.pop_front();
        }
        if self.steps.len() > STEPS
            && let Some(oldest) = self.steps.pop_front()
            && let Some(next) = self.steps.front_mut()
        {
            next.from_ns = oldest.from_ns;
            next.totals.merge(&oldest.totals);
        }
    }

    pub(super) fn enforces(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.received_ns) < ENFORCING_NS
    }

    /// Steps that ended within the window count whole: a report a second makes that five or six seconds.
    pub(super) fn window(&self, now_ns: u64) -> Window {
        let mut window = Window::default();
        for step in self.steps.iter().filter(|step| step.to_ns + WINDOW_NS > now_ns) {
            window.totals.merge(&step.totals);
            // Two reports in one instant are still some time apart for their sender.
            window.covered_ns += step.to_ns.saturating_sub(step.from_ns);
        }
        window
    }
}
