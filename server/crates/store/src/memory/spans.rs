//! Spans in the oracle.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use spillway_model::{
    batch::{Copied, Distinct, SpanBatch, SpanBatchBuilder, SpanStatus, SpanView},
    identity::TraceId,
};

use spillway_query::{AttributeKey, Listing, Place};

use super::{MemoryStore, State};
use crate::{
    Cursor, OperationRow, ReplayedBatch, SpanReader, StoreError, TraceFound, TracePage, TraceQuery, Usage, Watermark,
};

impl State {
    fn newest(&self) -> Watermark {
        self.log.last().map_or(Watermark::default(), |committed| committed.at)
    }

    /// Spans of a trace committed up to `bound`, each (span id, kind) once, sorted by start.
    fn spans_of(&self, id: TraceId, bound: Watermark) -> Vec<SpanView<'_>> {
        let mut seen = HashSet::new();
        let mut spans: Vec<SpanView<'_>> = self
            .log
            .iter()
            .filter(|committed| committed.at <= bound)
            .flat_map(|committed| committed.batch.iter())
            .filter(|span| span.trace_id() == id && seen.insert((span.span_id(), span.kind())))
            .collect();
        spans.sort_by_key(|span| (span.start_ns(), span.span_id(), span.kind()));
        spans
    }

    fn traces(&self, bound: Watermark) -> BTreeSet<TraceId> {
        let committed = self.log.iter().filter(|committed| committed.at <= bound);
        committed.flat_map(|committed| committed.batch.spans.trace_id.iter().copied()).collect()
    }
}

fn sum_up(spans: &[SpanView<'_>]) -> TraceFound {
    let root = spans.iter().find(|span| span.parent_id().is_none());
    let top = root.unwrap_or(&spans[0]);
    let mut services = Vec::new();
    for span in spans {
        let name = span.batch().str(span.resource().service).to_owned();
        if !services.contains(&name) {
            services.push(name);
        }
    }
    TraceFound {
        trace_id: top.trace_id(),
        root_service: top.batch().service(top.resource()),
        root_name: top.name().to_owned(),
        root_seen: root.is_some(),
        start_ns: spans.iter().map(|span| span.start_ns()).min().unwrap_or_default(),
        end_ns: spans.iter().map(|span| span.end_ns()).max().unwrap_or_default(),
        spans: spans.len() as u32,
        errors: spans.iter().filter(|span| span.status() == SpanStatus::Error).count() as u32,
        services,
    }
}

impl SpanReader for MemoryStore {
    async fn trace(&self, id: TraceId) -> Result<Option<SpanBatch>, StoreError> {
        let state = self.state();
        let (mut builder, mut distinct) = (SpanBatchBuilder::new(), Distinct::default());
        for span in state.spans_of(id, state.newest()) {
            builder.copy_span(span.batch(), span.index(), &mut Copied::default(), &mut distinct);
        }
        let batch = builder.finish();
        Ok((!batch.is_empty()).then_some(batch))
    }

    async fn search(&self, query: &TraceQuery) -> Result<TracePage, StoreError> {
        let state = self.state();
        let bound = query.cursor.map_or(state.newest(), |cursor| cursor.bound);
        if bound > state.newest() {
            return Err(StoreError::InvalidCursor);
        }
        let mut found = BTreeMap::new();
        for id in state.traces(bound) {
            let spans = state.spans_of(id, bound);
            let newest = spans
                .iter()
                .filter(|span| query.filter.matches(span.batch(), span.index()))
                .map(|span| span.start_ns())
                .max();
            if let Some(newest) = newest {
                found.insert((newest, id), sum_up(&spans));
            }
        }
        let limit = query.limit.clamp(1, 1_000) as usize;
        let behind =
            |place: &(u64, TraceId)| query.cursor.is_none_or(|cursor| *place < (cursor.start_ns, cursor.trace_id));
        let mut rest = found.into_iter().rev().filter(|(place, _)| behind(place));
        let page: Vec<_> = rest.by_ref().take(limit).collect();
        let more = rest.next().is_some();
        let last =
            page.last().map(|((start_ns, trace_id), _)| Cursor { start_ns: *start_ns, trace_id: *trace_id, bound });
        Ok(TracePage {
            traces: page.into_iter().map(|(_, found)| found).collect(),
            next: last.filter(|_| more),
            blocks_read: state.log.len() as u64,
            blocks_skipped: 0,
            complete: true,
        })
    }

    async fn operations(&self, limit: usize) -> Result<Vec<OperationRow>, StoreError> {
        let state = self.state();
        let spans = state.log.iter().flat_map(|committed| committed.batch.iter());
        let rows: BTreeSet<OperationRow> = spans
            .map(|span| OperationRow { service: span.batch().service(span.resource()), name: span.name().to_owned() })
            .collect();
        Ok(rows.into_iter().take(limit).collect())
    }

    async fn attribute_keys(&self, place: Place, prefix: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        let mut listing = Listing::new(prefix, limit);
        self.state().log.iter().for_each(|committed| listing.keys(&committed.batch, place));
        Ok(listing.finish())
    }

    async fn attribute_values(
        &self,
        key: &AttributeKey,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let mut listing = Listing::new(prefix, limit);
        self.state().log.iter().for_each(|committed| listing.values(&committed.batch, key));
        Ok(listing.finish())
    }

    async fn replay(&self, after: Option<Watermark>, span_limit: usize) -> Result<Vec<ReplayedBatch>, StoreError> {
        let state = self.state();
        let mut batches: Vec<ReplayedBatch> = Vec::new();
        let mut spans = 0;
        for committed in state.log.iter().filter(|committed| after.is_none_or(|after| committed.at > after)) {
            if spans >= span_limit && !batches.is_empty() {
                break;
            }
            spans += committed.batch.len();
            let (at, received_at_ns) = (committed.at, committed.received_at_ns);
            batches.push(ReplayedBatch { at, received_at_ns, batch: (*committed.batch).clone() });
        }
        Ok(batches)
    }

    async fn watermark_before(&self, received_at_ns: i64) -> Result<Option<Watermark>, StoreError> {
        let state = self.state();
        let early = state.log.iter().take_while(|committed| committed.received_at_ns < received_at_ns);
        Ok(early.last().map(|committed| committed.at))
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        let state = self.state();
        let spans = state.log.iter().map(|committed| committed.batch.len() as u64).sum();
        let bytes = state.log.iter().map(|committed| committed.batch.size_bytes() as u64).sum();
        Ok(Usage { spans, bytes })
    }
}
