//! The order in which spans travel: each process sends its own, when it has a batch together or has waited long enough, so that
//! the spans of one trace arrive in pieces, from different senders, over seconds.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use bytes::Bytes;

use super::{
    oracle::{Oracle, Placed},
    shop::{SERVICES, Shop},
    traces::{Made, Maker},
};

/// SDKs send what they have after this time (`OTEL_BSP_SCHEDULE_DELAY`).
const DELAY_NS: u64 = 5_000_000_000;
/// How often the delay is looked at.
const LOOK_NS: u64 = 100_000_000;

/// What stream to make; the same plan gives the same bytes.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub spans: u64,
    /// Processes a service.
    pub pods: usize,
    /// Spans of a request.
    pub batch: usize,
    /// Spans a second by the clock of the spans.
    pub spans_per_s: f64,
    /// When the first trace begins.
    pub from_ns: u64,
}

/// One request to send.
pub struct Request {
    pub body: Bytes,
    pub spans: u32,
}

/// Requests, until the plan is fulfilled.
pub struct Stream {
    plan: Plan,
    maker: Maker,
    /// What the store must answer, once everything was sent.
    pub oracle: Oracle,
    clock_ns: u64,
    made: u64,
    /// Spans that are not over yet, by when they are.
    running: BinaryHeap<Running>,
    waiting: Vec<Waiting>,
    ready: Vec<Request>,
    looked_ns: u64,
    ended: bool,
}

#[derive(Default)]
struct Waiting {
    spans: Vec<u8>,
    count: u32,
    since_ns: u64,
}

/// Ordered by when it is over, then by when it was made, earliest on top of the heap.
struct Running(Reverse<(u64, u64)>, Made);

impl PartialEq for Running {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Running {}

impl PartialOrd for Running {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Running {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl Stream {
    pub fn new(plan: Plan) -> Self {
        let shop = Arc::new(Shop::new(plan.pods));
        Self {
            maker: Maker::new(plan.seed, shop),
            oracle: Oracle::new(plan.spans),
            clock_ns: plan.from_ns,
            made: 0,
            running: BinaryHeap::new(),
            waiting: (0..SERVICES * plan.pods).map(|_| Waiting::default()).collect(),
            ready: Vec::new(),
            looked_ns: plan.from_ns,
            ended: false,
            plan,
        }
    }

    /// Information in what was made so far.
    pub fn bits(&self) -> f64 {
        self.maker.dice.bits()
    }

    fn trace(&mut self) {
        let at_ns = self.clock_ns;
        let (trace_id, customer, spans) = self.maker.trace(at_ns, self.oracle.marker());
        self.oracle.begin(trace_id, customer);
        let before = self.made;
        for span in spans {
            self.made += 1;
            let (service, start_ns, length_ns) = (span.service, span.start_ns, span.length_ns);
            self.oracle.span(Placed { service, span_id: span.span_id, start_ns, length_ns, server: span.server });
            self.running.push(Running(Reverse((span.over_ns, self.made)), span));
        }
        self.oracle.end();
        // The mean of what is drawn makes the rate; the draw itself is information like any other.
        let mean = (self.made - before) as f64 * 1e9 / self.plan.spans_per_s;
        self.clock_ns += self.maker.dice.below((2.0 * mean).max(1.0) as u64);
    }

    /// Hands spans that are over to their processes' batches.
    fn pass(&mut self, until_ns: u64) {
        while let Some(Running(Reverse((over_ns, _)), _)) = self.running.peek()
            && *over_ns <= until_ns
            && let Some(Running(Reverse((over_ns, _)), span)) = self.running.pop()
        {
            let place = span.service * self.plan.pods + span.pod;
            let waiting = &mut self.waiting[place];
            if waiting.count == 0 {
                waiting.since_ns = over_ns;
            }
            waiting.spans.extend_from_slice(&span.bytes);
            waiting.count += 1;
            if waiting.count as usize >= self.plan.batch {
                self.flush(place);
            }
        }
    }

    fn flush(&mut self, place: usize) {
        let waiting = std::mem::take(&mut self.waiting[place]);
        let pod = &self.maker.shop.services[place / self.plan.pods].pods[place % self.plan.pods];
        self.ready.push(Request { body: pod.request(&waiting.spans).into(), spans: waiting.count });
    }

    fn flush_if(&mut self, due: impl Fn(&Waiting) -> bool) {
        for place in 0..self.waiting.len() {
            if self.waiting[place].count > 0 && due(&self.waiting[place]) {
                self.flush(place);
            }
        }
    }
}

impl Iterator for Stream {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        while self.ready.is_empty() && !self.ended {
            if self.made < self.plan.spans {
                self.trace();
                self.pass(self.clock_ns);
                if self.clock_ns - self.looked_ns >= LOOK_NS {
                    self.looked_ns = self.clock_ns;
                    self.flush_if(due(self.looked_ns));
                }
            } else {
                self.pass(u64::MAX);
                self.flush_if(|_| true);
                self.ended = true;
            }
            // The list is taken from its end; what became ready first goes first.
            self.ready.reverse();
        }
        self.ready.pop()
    }
}

fn due(now_ns: u64) -> impl Fn(&Waiting) -> bool {
    move |waiting| waiting.since_ns + DELAY_NS <= now_ns
}
