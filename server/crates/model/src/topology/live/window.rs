//! A sliding window of seconds, by the time of the spans.

use std::collections::VecDeque;

use super::LiveLimits;
use crate::{
    histogram::Histogram,
    observation::{Aggregate, Measurement},
};

/// Which seconds count now: `from..to`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub from_s: u64,
    pub to_s: u64,
    length_s: u64,
    lag_s: u64,
    ahead_s: u64,
}

/// Where a second lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the window, or about to be.
    Counts,
    /// Before it.
    Late,
    /// So far behind it that the clock must be wrong.
    Ahead,
}

impl Span {
    pub(super) fn new(limits: &LiveLimits) -> Self {
        Self {
            from_s: 0,
            to_s: 0,
            length_s: u64::from(limits.window_s),
            lag_s: u64::from(limits.lag_s),
            ahead_s: u64::from(limits.ahead_s),
        }
    }

    pub(super) fn advance(&mut self, now_s: u64) {
        self.to_s = now_s.saturating_sub(self.lag_s);
        self.from_s = self.to_s.saturating_sub(self.length_s);
    }

    pub(super) fn place(&self, at_s: u64) -> Place {
        if at_s < self.from_s {
            Place::Late
        } else if at_s > self.to_s + self.lag_s + self.ahead_s {
            Place::Ahead
        } else {
            Place::Counts
        }
    }

    fn holds(&self, at_s: u64) -> bool {
        (self.from_s..self.to_s).contains(&at_s)
    }
}

/// Sums by second, and the sum of those in the window, kept up as it slides: a map of thousands of edges is drawn every second.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    seconds: VecDeque<(u64, Aggregate)>,
    sum: Aggregate,
    /// The window that `sum` is for.
    span: Span,
}

impl Window {
    pub(super) fn new(span: Span) -> Self {
        Self { span, ..Self::default() }
    }

    pub(super) fn add(&mut self, fact: &Measurement, at_s: u64) {
        let bucket = Histogram::index(fact.duration_ns);
        self.second(at_s).count_at(fact, bucket);
        if self.span.holds(at_s) {
            self.sum.count_at(fact, bucket);
        }
    }

    pub(super) fn load(&mut self, sum: &Aggregate, at_s: u64) {
        self.second(at_s).merge(sum);
        if self.span.holds(at_s) {
            self.sum.merge(sum);
        }
    }

    /// The sum of the window that it was last slid to.
    pub(super) fn sum(&self) -> &Aggregate {
        &self.sum
    }

    fn second(&mut self, at_s: u64) -> &mut Aggregate {
        // Nearly always the last one or the one before.
        let behind = self.seconds.iter().rev().take_while(|(second, _)| *second > at_s).count();
        let at = self.seconds.len() - behind;
        if at == 0 || self.seconds[at - 1].0 != at_s {
            self.seconds.insert(at, (at_s, Aggregate::default()));
            return &mut self.seconds[at].1;
        }
        &mut self.seconds[at - 1].1
    }

    /// Slides on, and gives the sum.
    pub(super) fn slide(&mut self, span: Span) -> &Aggregate {
        if span != self.span {
            for (second, sum) in &self.seconds {
                match (self.span.holds(*second), span.holds(*second)) {
                    (false, true) => self.sum.merge(sum),
                    (true, false) => subtract(&mut self.sum, sum),
                    _ => {}
                }
            }
            self.span = span;
            while self.seconds.front().is_some_and(|(second, _)| *second < span.from_s) {
                self.seconds.pop_front();
            }
        }
        &self.sum
    }
}

fn subtract(sum: &mut Aggregate, gone: &Aggregate) {
    sum.count -= gone.count;
    sum.failed -= gone.failed;
    sum.provisional -= gone.provisional;
    sum.histogram.subtract(&gone.histogram);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fact(at_s: u64, duration_ns: u64, times: i64) -> Measurement {
        let failed = duration_ns.is_multiple_of(3);
        Measurement { at_ns: at_s * 1_000_000_000, duration_ns, failed, provisional: false, times }
    }

    proptest! {
        /// However it slid there, the window holds what is in it.
        #[test]
        fn sliding_gives_the_sum_of_the_window(facts in proptest::collection::vec((90u64..220, 1u64..1_000_000_000, 1i64..4, any::<bool>()), 0..200)) {
            let limits = LiveLimits::default();
            let mut span = Span::new(&limits);
            let mut window = Window::new(span);
            let mut taken = Vec::new();
            let mut now_s = 120;
            for (at_s, duration_ns, times, slide) in facts {
                now_s += u64::from(slide);
                span.advance(now_s);
                if slide {
                    window.slide(span);
                }
                if span.place(at_s) == Place::Counts {
                    let fact = fact(at_s, duration_ns, times);
                    window.add(&fact, at_s);
                    taken.push((at_s, fact));
                }
            }

            let mut expected = Aggregate::default();
            taken.iter().filter(|(at_s, _)| (now_s - 32..now_s - 2).contains(at_s)).for_each(|(_, fact)| expected.add(fact));
            prop_assert_eq!(window.slide(span), &expected);
        }
    }
}
