//! Notable traces move on before their file goes by age: some 20 s a gigabyte, off the async threads, once in the life of a file.

use std::{sync::Arc, time::Duration};

use rustc_hash::{FxHashMap, FxHashSet};
use spillway_model::{
    batch::{Copied, Distinct, SpanBatch, SpanBatchBuilder},
    identity::{NodeKind, ServiceKey, TraceId},
};
use spillway_query::Filter;
use spillway_store::{RollupReader as _, StoreError};

use super::notable::{Norm, Notable};
use crate::{
    SqliteStore,
    block::{BlockReader, BlockSummary, trace_hash},
    catalogue::Part,
    compact::keep::{self, Moved},
    search,
    segment::Segment,
    storage, trace,
};

/// With fewer served spans, the slowest hundredth is chance.
const ENOUGH_TO_BE_SLOW: i64 = 100;
/// Spans in memory at a time.
const SPANS_AT_A_TIME: usize = 1 << 16;
/// With more traces than this, all blocks are looked at: asking the index for each of them would take longer.
const MOST_LOOKED_UP: usize = 4_096;
/// What a crash left moved is in one of the newest files; they are few, since each lookup is made for each trace.
const NEWEST_FILES: usize = 2;

/// What outlives its file, and how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeepShare {
    /// Of each service's spans in a file, at most this share goes on; more than 0, less than 1.
    pub share: f64,
    /// How much longer than the others, by the begin of the trace.
    pub longer: Duration,
}

/// Copies what is notable of a closed compacted file into the newest one.
pub(super) async fn move_notable(
    store: &SqliteStore,
    from: &Arc<Segment>,
    keep: KeepShare,
    spans_before_ns: i64,
) -> Result<Moved, StoreError> {
    let part = Part { segment: Arc::clone(from), after: 0, last: from.totals().last_block };
    let longer_ns = i64::try_from(keep.longer.as_nanos()).unwrap_or(i64::MAX);
    let not_before_ns = u64::try_from(spans_before_ns.saturating_sub(longer_ns)).unwrap_or_default();
    let chosen = choose(store, &part, keep.share, not_before_ns).await?;
    let (mut moved, mut waiting, mut spans) = (0, Vec::new(), 0);
    for block in blocks_of(&part, &chosen).await? {
        let Some(data) = block_data(from, block).await? else { continue };
        let wanted = Arc::clone(&chosen);
        let batch = store.inner.decode(move || Ok(pick(&data, &wanted))).await?;
        spans += batch.len();
        waiting.push(batch);
        if spans >= SPANS_AT_A_TIME {
            spans = 0;
            match append(store, from, std::mem::take(&mut waiting)).await? {
                Moved::NotNow => return Ok(Moved::NotNow),
                Moved::Spans(spans) => moved += spans,
            }
        }
    }
    match append(store, from, waiting).await? {
        Moved::NotNow => Ok(Moved::NotNow),
        Moved::Spans(spans) => Ok(Moved::Spans(moved + spans)),
    }
}

/// The ids of what goes on.
async fn choose(
    store: &SqliteStore,
    part: &Part,
    share: f64,
    not_before_ns: u64,
) -> Result<Arc<FxHashSet<TraceId>>, StoreError> {
    let shed = spillway_query::parse("spillway.shed=true").expect("it is a filter");
    let shed: FxHashSet<u64> = search::blocks_that_may_match(part, &shed).await?.into_iter().collect();
    let mut notable = Notable::new(norms(store, part, share).await?, not_before_ns);
    for block in search::blocks_that_may_match(part, &Filter::default()).await? {
        let Some(data) = block_data(&part.segment, block).await? else { continue };
        let with_attributes = shed.contains(&block);
        notable = store
            .inner
            .decode(move || {
                // One that does not decode has nothing to keep; `spillway check` names it.
                let read = BlockReader::open(&data).and_then(|reader| {
                    let head = reader.head()?;
                    let whole = with_attributes.then(|| reader.batch_with(head.clone())).transpose()?;
                    Ok((head, whole))
                });
                if let Ok((head, whole)) = read {
                    notable.look_at(&head, whole.as_ref());
                }
                Ok(notable)
            })
            .await?;
    }
    store.inner.decode(move || Ok(Arc::new(notable.choose()))).await
}

/// For each service of the file: what is slow, by the sums of the time in which its spans came, and how many spans may go on.
async fn norms(store: &SqliteStore, part: &Part, share: f64) -> Result<Vec<(ServiceKey, Norm)>, StoreError> {
    let totals = part.segment.totals();
    let second = |ns: i64| ns.div_euclid(1_000_000_000);
    // What came first may have come some minutes before its group was complete.
    let from_s = second(totals.first_received_at_ns) - 600;
    let map = store.topology(from_s, second(totals.last_received_at_ns) + 1).await?;
    let slow = |service: &ServiceKey| {
        let of = |of: &&spillway_store::NodeAggregate| of.node.kind == NodeKind::Service && of.node.service == *service;
        let sum = &map.nodes.iter().find(of)?.aggregate;
        let p99_ms = sum.histogram.quantile_ms(0.99)?;
        (sum.count >= ENOUGH_TO_BE_SLOW).then_some((p99_ms * 1e6) as u64)
    };
    let spans = spans_by_service(part).await?;
    let norm = |(service, spans): (ServiceKey, u64)| {
        let norm = Norm { slow_ns: slow(&service), budget: (spans as f64 * share) as u64 };
        (service, norm)
    };
    Ok(spans.into_iter().map(norm).collect())
}

async fn spans_by_service(part: &Part) -> Result<FxHashMap<ServiceKey, u64>, StoreError> {
    let mut by_number: FxHashMap<u32, u64> = FxHashMap::default();
    let Some(mut connection) = part.segment.reader().await? else { return Ok(FxHashMap::default()) };
    let summaries: Vec<Vec<u8>> = sqlx::query_scalar("SELECT summary FROM block ORDER BY id")
        .fetch_all(&mut *connection)
        .await
        .map_err(part.segment.failed("read the summaries of blocks"))?;
    drop(connection);
    for summary in summaries.iter().filter_map(|bytes| BlockSummary::from_bytes(bytes).ok()) {
        for row in summary.operations {
            *by_number.entry(row.operation).or_default() += u64::from(row.count);
        }
    }
    let names = storage::services_of(&part.segment).await?;
    Ok(names.into_iter().map(|(number, of)| (of, by_number.get(&number).copied().unwrap_or_default())).collect())
}

/// Blocks in which chosen traces may be.
async fn blocks_of(part: &Part, chosen: &FxHashSet<TraceId>) -> Result<Vec<u64>, StoreError> {
    if chosen.len() > MOST_LOOKED_UP {
        return search::blocks_that_may_match(part, &Filter::default()).await;
    }
    let mut blocks = Vec::new();
    for &id in chosen {
        blocks.extend(part.segment.blocks_with(trace_hash(id)).await?);
    }
    blocks.sort_unstable();
    blocks.dedup();
    Ok(blocks)
}

async fn block_data(segment: &Arc<Segment>, block: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(mut connection) = segment.reader().await? else { return Ok(None) };
    sqlx::query_scalar("SELECT data FROM block_data WHERE block = ?")
        .bind(block as i64)
        .fetch_optional(&mut *connection)
        .await
        .map_err(segment.failed("read a block"))
}

/// The spans of those traces; none of a block that does not decode.
fn pick(data: &[u8], wanted: &FxHashSet<TraceId>) -> SpanBatch {
    let (mut picked, mut copied, mut distinct) = (SpanBatchBuilder::new(), Copied::default(), Distinct::default());
    let read = BlockReader::open(data).and_then(|reader| {
        let head = reader.head()?;
        match head.traces.iter().any(|id| wanted.contains(id)) {
            true => reader.batch_with(head).map(Some),
            false => Ok(None),
        }
    });
    if let Ok(Some(batch)) = read {
        for span in (0..batch.len()).filter(|&span| wanted.contains(&batch.spans.trace_id[span])) {
            picked.copy_span(&batch, span, &mut copied, &mut distinct);
        }
    }
    picked.finish()
}

/// Leaves out what an attempt before a crash has moved, and what is pinned and has moved already.
async fn append(store: &SqliteStore, from: &Arc<Segment>, batches: Vec<SpanBatch>) -> Result<Moved, StoreError> {
    let newest: Vec<Part> = store
        .inner
        .catalogue
        .compacted()
        .into_iter()
        .rev()
        .take(NEWEST_FILES)
        .filter(|segment| segment.name != from.name)
        .map(|segment| Part { after: 0, last: segment.totals().last_block, segment })
        .collect();
    let ids: FxHashSet<TraceId> = batches.iter().flat_map(|batch| batch.spans.trace_id.iter().copied()).collect();
    let mut known = FxHashSet::default();
    for id in ids {
        if let Some(there) = trace::read_parts(&store.inner, id, newest.clone()).await? {
            let columns = &there.spans;
            known.extend((0..there.len()).map(|span| (id, columns.span_id[span], columns.kind[span])));
        }
    }
    let (mut missing, mut distinct) = (SpanBatchBuilder::new(), Distinct::default());
    for batch in &batches {
        let (columns, mut copied) = (&batch.spans, Copied::default());
        for span in 0..batch.len() {
            if !known.contains(&(columns.trace_id[span], columns.span_id[span], columns.kind[span])) {
                missing.copy_span(batch, span, &mut copied, &mut distinct);
            }
        }
    }
    keep::append(&store.inner, from, missing.finish()).await
}
