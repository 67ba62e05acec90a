//! Which traces of a file are worth keeping when it goes: those that failed, were slow, or were shed. Pure.
//!
//! Each service has a budget, a share of its spans in the file. Among its notable traces those with the lowest hash of their id are taken until
//! it is used up: the choice depends on nothing but what is stored, so the same file gives the same traces however often it is asked, and no
//! kind of failure drives out the others. What is kept is spans of another file then, and has to share the budget there when that file goes:
//! all that is ever kept is less than share / (1 - share) of the store.

use rustc_hash::{FxHashMap, FxHashSet};
use spillway_model::{
    batch::{SpanBatch, SpanKind, SpanStatus, ValueRef},
    identity::{ServiceKey, TraceId},
};

use crate::block::{Head, trace_hash};

/// Candidates in memory, 40 bytes each, twice that before those of high hashes are dropped.
const MOST_CANDIDATES: usize = 1 << 20;

/// What is known of a service before its spans are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Norm {
    /// Spans that it served are slow when they took longer; `None` when too few are known to say.
    pub(super) slow_ns: Option<u64>,
    /// Spans that its traces may have, in all.
    pub(super) budget: u64,
}

/// A notable trace, for one of the services that make it one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    hash: u32,
    trace: TraceId,
    service: u32,
    spans: u32,
}

/// Goes through the blocks of a file.
pub(super) struct Notable {
    numbers: FxHashMap<ServiceKey, u32>,
    norms: Vec<Norm>,
    /// What began before goes in any case.
    not_before_ns: u64,
    candidates: Vec<Candidate>,
}

impl Notable {
    pub(super) fn new(norms: impl IntoIterator<Item = (ServiceKey, Norm)>, not_before_ns: u64) -> Self {
        let mut notable =
            Self { numbers: FxHashMap::default(), norms: Vec::new(), not_before_ns, candidates: Vec::new() };
        for (service, norm) in norms {
            notable.numbers.insert(service, notable.norms.len() as u32);
            notable.norms.push(norm);
        }
        notable
    }

    /// Looks at a block. `whole` is the same with its attributes, when some of its spans may have been shed.
    pub(super) fn look_at(&mut self, head: &Head, whole: Option<&SpanBatch>) {
        let services: Vec<Option<u32>> = (head.resources.iter())
            .map(|row| {
                let [environment, namespace, name] =
                    [row.environment, row.namespace, row.service].map(|id| head.str(id));
                self.numbers.get(&ServiceKey::new(environment, namespace, name)).copied()
            })
            .collect();
        let mut spans = vec![0_u32; head.traces.len()];
        let mut first_ns = vec![u64::MAX; head.traces.len()];
        let mut found: FxHashSet<(u32, u32)> = FxHashSet::default();
        for span in 0..head.len() {
            let trace = head.trace[span];
            spans[trace as usize] += 1;
            first_ns[trace as usize] = first_ns[trace as usize].min(head.start_ns[span]);
            let Some(service) = services[head.scopes[head.scope[span] as usize].resource as usize] else { continue };
            let took_ns = head.end_ns[span].saturating_sub(head.start_ns[span]);
            let served = matches!(head.kind[span], SpanKind::Server | SpanKind::Consumer);
            let slow = served && self.norms[service as usize].slow_ns.is_some_and(|slow_ns| took_ns > slow_ns);
            if slow || head.status[span] == SpanStatus::Error || whole.is_some_and(|whole| was_shed(whole, span)) {
                found.insert((trace, service));
            }
        }
        let candidates = found.into_iter().filter(|(trace, _)| first_ns[*trace as usize] >= self.not_before_ns);
        self.candidates.extend(candidates.map(|(index, service)| {
            let trace = head.traces[index as usize];
            Candidate { hash: trace_hash(trace), trace, service, spans: spans[index as usize] }
        }));
        if self.candidates.len() >= 2 * MOST_CANDIDATES {
            self.candidates.sort_unstable();
            self.candidates.truncate(MOST_CANDIDATES);
        }
    }

    /// Lowest hash first, as long as the budget lasts. A trace that is taken for one service costs the others nothing.
    pub(super) fn choose(mut self) -> FxHashSet<TraceId> {
        self.candidates.sort_unstable();
        let mut left: Vec<u64> = self.norms.iter().map(|norm| norm.budget).collect();
        let mut chosen = FxHashSet::default();
        for candidate in &self.candidates {
            let (left, spans) = (&mut left[candidate.service as usize], u64::from(candidate.spans));
            if spans <= *left && chosen.insert(candidate.trace) {
                *left -= spans;
            }
        }
        chosen
    }
}

/// As the enforcer's layer marks it, so that a shed request does not count as a failure of the service.
fn was_shed(batch: &SpanBatch, span: usize) -> bool {
    let attributes = batch.span(span).attributes();
    matches!(attributes.get("spillway.shed"), Some(ValueRef::Bool(true)))
        || attributes.text("spillway.shed") == Some("true")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use spillway_model::batch::{SpanBatchBuilder, SpanRow, StrId, Value};

    use super::*;
    use crate::block::{BlockReader, Encoder};

    /// When everything begins.
    const BEGIN_NS: u64 = 1_000;

    /// How a trace of ten spans, all of one service, stands out.
    #[derive(Clone, Copy, PartialEq)]
    enum As {
        Plain,
        Failed,
        /// The root takes this long.
        Took(u64),
        Shed,
    }

    fn block(traces: &[As]) -> (Head, SpanBatch) {
        let mut builder = SpanBatchBuilder::new();
        let start = builder.attribute_count();
        let (key, name) = (builder.intern("service.name"), builder.intern("cart"));
        builder.attribute(key, Value::Str(name));
        let attributes = builder.attributes_since(start);
        let resource = builder.resource(attributes, 0, StrId::EMPTY);
        let scope = builder.scope(spillway_model::batch::Scope { resource, ..Default::default() });
        for (trace, stands_out) in traces.iter().enumerate() {
            for span in 0..10_u8 {
                let start = builder.attribute_count();
                if *stands_out == As::Shed && span == 0 {
                    let key = builder.intern("spillway.shed");
                    builder.attribute(key, Value::Bool(true));
                }
                let took_ns = match stands_out {
                    As::Took(took_ns) if span == 0 => *took_ns,
                    _ => 10,
                };
                let failed = *stands_out == As::Failed && span == 3;
                let row = SpanRow {
                    trace_id: id(trace),
                    span_id: spillway_model::identity::SpanId([span + 1; 8]),
                    start_ns: BEGIN_NS,
                    end_ns: BEGIN_NS + took_ns,
                    kind: if span == 0 { SpanKind::Server } else { SpanKind::Internal },
                    status: if failed { SpanStatus::Error } else { SpanStatus::Unset },
                    scope,
                    attributes: builder.attributes_since(start),
                    ..SpanRow::default()
                };
                builder.span(&row);
            }
        }
        let data = Encoder::new().encode(&builder.finish()).unwrap();
        let reader = BlockReader::open(&data).unwrap();
        (reader.head().unwrap(), reader.batch().unwrap())
    }

    fn id(trace: usize) -> TraceId {
        TraceId([trace as u8 + 1; 16])
    }

    fn chosen(traces: &[As], norm: Norm, not_before_ns: u64) -> Vec<usize> {
        let (head, whole) = block(traces);
        let mut notable = Notable::new([(ServiceKey::new("", "", "cart"), norm)], not_before_ns);
        notable.look_at(&head, Some(&whole));
        let chosen = notable.choose();
        (0..traces.len()).filter(|&trace| chosen.contains(&id(trace))).collect()
    }

    #[test]
    fn what_failed_was_slow_or_was_shed_is_notable() {
        let traces = [As::Plain, As::Failed, As::Took(101), As::Took(100), As::Shed];

        let norm = Norm { slow_ns: Some(100), budget: 1_000 };
        assert_eq!(chosen(&traces, norm, BEGIN_NS), [1, 2, 4]);
        assert_eq!(chosen(&traces, Norm { slow_ns: None, ..norm }, BEGIN_NS), [1, 4]);
        assert_eq!(chosen(&traces, norm, BEGIN_NS + 1), [0_usize; 0]);
    }

    #[test]
    fn the_budget_of_spans_is_kept_and_the_lowest_hashes_are_taken() {
        let traces = [As::Failed; 40];

        for (budget, traces_kept) in [(0, 0), (9, 0), (10, 1), (55, 5), (400, 40), (1_000, 40)] {
            let kept = chosen(&traces, Norm { slow_ns: None, budget }, 0);

            assert_eq!(kept.len(), traces_kept, "{budget}");
            let highest = kept.iter().map(|&trace| trace_hash(id(trace))).max().unwrap_or_default();
            let others = (0..traces.len()).filter(|trace| !kept.contains(trace));
            assert!(others.into_iter().all(|trace| trace_hash(id(trace)) > highest), "{budget}");
        }
    }
}
