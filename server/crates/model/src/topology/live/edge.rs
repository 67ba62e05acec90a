//! What is known of one edge now.

use super::window::{Span, Window};
use crate::observation::{Aggregate, Measurement, Side};

/// An edge and its two windows.
#[derive(Clone, Debug, Default)]
pub(super) struct LiveEdge {
    pub caller: Window,
    pub callee: Window,
    /// Calls in all, less those taken back: at zero, every call turned out to belong elsewhere.
    net: i64,
    /// The same without provisional ones.
    confirmed: i64,
    pub last_seen_ns: u64,
    pub sampled_at_ns: Option<u64>,
    /// A call was seen that counts for nothing, since it was chosen by what became of it.
    uncounted: bool,
}

impl LiveEdge {
    /// Adds a fact; to the window of the second `at_s` if it counts there.
    pub(super) fn add(&mut self, fact: &Measurement, side: Side, at_s: Option<u64>, now_ns: u64, span: Span) {
        if fact.times == 0 {
            // It cannot be taken back, so only what is certain is shown.
            if !fact.provisional {
                self.uncounted = true;
                self.last_seen_ns = self.last_seen_ns.max(fact.at_ns.min(now_ns));
            }
            return;
        }
        self.net += fact.times;
        if !fact.provisional {
            self.confirmed += fact.times;
        }
        if fact.times > 0 {
            self.last_seen_ns = self.last_seen_ns.max(fact.at_ns.min(now_ns));
        }
        if fact.times.abs() > 1 {
            self.sampled_at_ns = Some(now_ns);
        }
        if let Some(at_s) = at_s {
            self.window(side, span).add(fact, at_s);
        }
    }

    /// Adds a stored sum.
    pub(super) fn load(&mut self, sum: &Aggregate, side: Side, at_s: u64, now_ns: u64, span: Span) {
        self.net += sum.count;
        self.confirmed += sum.count - sum.provisional;
        self.last_seen_ns = now_ns;
        self.window(side, span).load(sum, at_s);
    }

    fn window(&mut self, side: Side, span: Span) -> &mut Window {
        let window = match side {
            Side::Caller => &mut self.caller,
            Side::Callee => &mut self.callee,
        };
        // Slid on first, so that the sum is that of this span.
        window.slide(span);
        window
    }

    /// False when all its calls were taken back.
    pub(super) fn exists(&self) -> bool {
        self.net > 0 || self.uncounted
    }

    /// True while nothing but one half of its calls was seen, and more may come.
    pub(super) fn provisional(&self) -> bool {
        self.confirmed <= 0 && !self.uncounted
    }
}
