//! What the store must answer. Its memory does not grow with the stream: counts, a sample of traces, the newest finds of each search.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::shop::SERVICES;

/// Traces in the sample from the begin, and in the one from the end.
const SAMPLE: usize = 400;
/// Traces of a page.
pub const PAGE: usize = 20;
/// Searches ask for spans of a service that took at least this many milliseconds: many, some, few.
pub const AT_LEAST_MS: [u64; 3] = [20, 200, 2_000];
/// Markers that are planted, each at several places from begin to end.
const MARKERS: u64 = 12;
const PLACES: u64 = 4;
/// Every one of these customers' traces is known.
pub const WATCHED: [u64; 8] = [11, 1_207, 4_650, 7_777, 10_001, 13_370, 17_013, 19_998];

/// A trace id.
pub type TraceId = [u8; 16];

/// A trace as it must come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Whole {
    pub trace_id: TraceId,
    pub spans: u32,
    /// Wrapping sum of the span ids, read as big-endian numbers.
    pub ids: u64,
    /// Sum of the durations.
    pub length_ns: u64,
}

/// A span, as far as the oracle cares.
pub struct Placed {
    pub service: usize,
    pub span_id: [u8; 8],
    pub start_ns: u64,
    pub length_ns: u64,
    pub server: bool,
}

/// The newest traces that fulfil something: by start of the trace's newest span that does, then by id.
#[derive(Clone, Default)]
pub struct Newest {
    found: BTreeSet<(u64, TraceId)>,
    /// How many there are at all.
    pub total: u64,
}

impl Newest {
    fn add(&mut self, start_ns: u64, trace_id: TraceId) {
        self.total += 1;
        self.found.insert((start_ns, trace_id));
        if self.found.len() > PAGE {
            self.found.pop_first();
        }
    }

    /// Newest first.
    pub fn page(&self) -> Vec<TraceId> {
        self.found.iter().rev().map(|(_, trace_id)| *trace_id).collect()
    }
}

/// Filled while the stream is made.
pub struct Oracle {
    pub spans: u64,
    pub traces: u64,
    /// Calls that each service served.
    pub served: [u64; SERVICES],
    /// The first start and the last end.
    pub from_ns: u64,
    pub to_ns: u64,
    oldest: Vec<Whole>,
    newest: VecDeque<Whole>,
    /// By service and place in [`AT_LEAST_MS`].
    pub slow: Vec<[Newest; AT_LEAST_MS.len()]>,
    /// By the value of the attribute.
    pub marked: BTreeMap<String, Newest>,
    pub customers: BTreeMap<u64, Newest>,
    /// Spans from one planted marker to the next.
    distance: u64,
    planted: u64,
    /// The trace that is being made.
    now: Whole,
    customer: u64,
    marker: Option<String>,
    slowest: Vec<[u64; AT_LEAST_MS.len()]>,
    starts: (u64, u64),
}

impl Oracle {
    /// For a stream of about so many spans.
    pub fn new(spans: u64) -> Self {
        Self {
            spans: 0,
            traces: 0,
            served: [0; SERVICES],
            from_ns: u64::MAX,
            to_ns: 0,
            oldest: Vec::new(),
            newest: VecDeque::new(),
            slow: vec![<[Newest; AT_LEAST_MS.len()]>::default(); SERVICES],
            marked: BTreeMap::new(),
            customers: BTreeMap::new(),
            distance: (spans / (MARKERS * PLACES)).max(1),
            planted: 0,
            now: Whole::default(),
            customer: 0,
            marker: None,
            slowest: vec![[0; AT_LEAST_MS.len()]; SERVICES],
            starts: (0, 0),
        }
    }

    /// What the next trace's first span is to be marked with.
    pub fn marker(&mut self) -> Option<String> {
        let due = self.planted < MARKERS * PLACES && self.spans >= self.planted * self.distance;
        self.marker = due.then(|| format!("marker-{:02}", self.planted % MARKERS));
        self.planted += u64::from(due);
        self.marker.clone()
    }

    /// A trace begins.
    pub fn begin(&mut self, trace_id: TraceId, customer: u64) {
        self.now = Whole { trace_id, ..Whole::default() };
        self.customer = customer;
        self.slowest.fill([0; AT_LEAST_MS.len()]);
        self.starts = (0, 0);
    }

    /// One of its spans; the last one is that of the first service.
    pub fn span(&mut self, span: Placed) {
        self.spans += 1;
        self.served[span.service] += u64::from(span.server);
        self.from_ns = self.from_ns.min(span.start_ns);
        self.to_ns = self.to_ns.max(span.start_ns + span.length_ns);
        self.now.spans += 1;
        self.now.ids = self.now.ids.wrapping_add(u64::from_be_bytes(span.span_id));
        self.now.length_ns += span.length_ns;
        for (place, least) in AT_LEAST_MS.iter().enumerate() {
            if span.length_ns >= least * 1_000_000 {
                let newest = &mut self.slowest[span.service][place];
                *newest = (*newest).max(span.start_ns);
            }
        }
        self.starts = (self.starts.0.max(span.start_ns), span.start_ns);
    }

    /// It is whole.
    pub fn end(&mut self) {
        self.traces += 1;
        let trace_id = self.now.trace_id;
        for (service, slowest) in self.slow.iter_mut().zip(&self.slowest) {
            for (newest, start_ns) in service.iter_mut().zip(slowest).filter(|(_, start_ns)| **start_ns > 0) {
                newest.add(*start_ns, trace_id);
            }
        }
        let (latest, first_service) = self.starts;
        if WATCHED.contains(&self.customer) {
            // Every span has the customer.
            self.customers.entry(self.customer).or_default().add(latest, trace_id);
        }
        if let Some(marker) = self.marker.take() {
            self.marked.entry(marker).or_default().add(first_service, trace_id);
        }
        if self.oldest.len() < SAMPLE {
            self.oldest.push(self.now);
        }
        self.newest.push_back(self.now);
        if self.newest.len() > SAMPLE {
            self.newest.pop_front();
        }
    }

    /// The traces that came first.
    pub fn oldest(&self) -> &[Whole] {
        &self.oldest
    }

    /// The traces that came last, in the order of their begin.
    pub fn newest(&self) -> impl Iterator<Item = &Whole> {
        self.newest.iter()
    }
}
