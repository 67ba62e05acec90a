//! Traces out of the store and into it, as OTLP/JSON lines: one request a line, all spans of a trace on one line (very large ones on several,
//! one after the other). Whoever moves to another tool, or from one, needs no more than this.

use std::collections::{BTreeSet, HashSet};

use spillway_decode::otlp;
use spillway_model::{
    batch::{Copied, Distinct, SpanBatch, SpanBatchBuilder, SpanKind},
    identity::{SpanId, TraceId},
};
use spillway_query::Filter;
use spillway_store::{Cursor, SpanReader, StoreError, TraceQuery};

/// Spans on one line: some megabytes at most, what any receiver takes.
const SPANS_A_LINE: usize = 2_000;
/// Traces that are looked for at a time.
const TRACES_A_PAGE: u32 = 100;

/// Goes through the traces that have a span fulfilling a filter, newest first, as they were stored when it began.
pub struct Export<S> {
    store: S,
    filter: Filter,
    cursor: Option<Cursor>,
    found: std::vec::IntoIter<TraceId>,
    begun: bool,
}

/// One trace.
pub struct Exported {
    /// Its lines, each with its end.
    pub lines: String,
    /// Its spans.
    pub spans: usize,
}

impl<S: SpanReader> Export<S> {
    /// Nothing is read yet.
    pub fn new(store: S, filter: Filter) -> Self {
        Self { store, filter, cursor: None, found: Vec::new().into_iter(), begun: false }
    }

    /// `None` at the end.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn next(&mut self) -> Result<Option<Exported>, StoreError> {
        loop {
            for id in self.found.by_ref() {
                // Retention or an erasure may have come between.
                if let Some(trace) = self.store.trace(id).await? {
                    return Ok(Some(Exported { lines: lines(&trace), spans: trace.len() }));
                }
            }
            if self.begun && self.cursor.is_none() {
                return Ok(None);
            }
            self.begun = true;
            let (filter, cursor) = (self.filter.clone(), self.cursor);
            let query = TraceQuery { filter, limit: TRACES_A_PAGE, cursor, deadline: None };
            let page = self.store.search(&query).await?;
            self.cursor = page.next;
            self.found = page.traces.iter().map(|trace| trace.trace_id).collect::<Vec<_>>().into_iter();
        }
    }
}

/// A batch as lines, each with its end.
pub fn lines(trace: &SpanBatch) -> String {
    let mut lines = String::new();
    let rows: Vec<usize> = (0..trace.len()).collect();
    for rows in rows.chunks(SPANS_A_LINE) {
        lines.push_str(&otlp::write::write_traces(&part(trace, rows.iter().copied())));
        lines.push('\n');
    }
    lines
}

fn part(batch: &SpanBatch, rows: impl Iterator<Item = usize>) -> SpanBatch {
    let (mut builder, mut copied, mut distinct) = (SpanBatchBuilder::new(), Copied::default(), Distinct::default());
    rows.for_each(|span| builder.copy_span(batch, span, &mut copied, &mut distinct));
    builder.finish()
}

/// Leaves out spans that are stored already, whenever that was: an import that is repeated, or that was cut off, changes nothing but what is
/// missing. Also how many there were.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub async fn without_known(store: &impl SpanReader, batch: SpanBatch) -> Result<(SpanBatch, usize), StoreError> {
    let traces: BTreeSet<TraceId> = batch.spans.trace_id.iter().copied().collect();
    let mut known: HashSet<(TraceId, SpanId, SpanKind)> = HashSet::new();
    for id in traces {
        if let Some(stored) = store.trace(id).await? {
            let columns = &stored.spans;
            known.extend((0..stored.len()).map(|span| (id, columns.span_id[span], columns.kind[span])));
        }
    }
    let columns = &batch.spans;
    let key = |span: usize| (columns.trace_id[span], columns.span_id[span], columns.kind[span]);
    let new: Vec<usize> = (0..batch.len()).filter(|&span| !known.contains(&key(span))).collect();
    if new.len() == batch.len() {
        return Ok((batch, 0));
    }
    let repeats = batch.len() - new.len();
    Ok((part(&batch, new.into_iter()), repeats))
}
