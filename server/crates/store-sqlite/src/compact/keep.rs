//! Kept traces move on before the file that they are in is deleted: into the newest compacted file, as if they had been compacted now.
//!
//! Their spans are in two files until the old one is taken out, and again after a crash in between. Readers drop repeats anyway, and a span
//! that another file has is not copied again.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use spillway_model::{
    batch::{Copied, Distinct, SpanBatch, SpanBatchBuilder},
    identity::TraceId,
};
use spillway_store::StoreError;

use super::{Codec, Group, merge::Merger, open_target};
use crate::{block::BlockError, catalogue::Part, segment::Segment, store::Inner, trace};

/// Spans in memory at a time.
const SPANS_AT_A_TIME: usize = 1 << 16;

/// Whether the file may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// What is kept of it is in another file; so many spans.
    Spans(u64),
    /// A backup is copying: later.
    NotNow,
}

/// Copies what is kept of a compacted file that is not the newest one.
pub(crate) async fn move_kept(inner: &Inner, from: &Arc<Segment>, kept: &[TraceId]) -> Result<Moved, StoreError> {
    let mut target = inner.compactor.lock().await;
    let Some(_pass) = inner.compaction.pass()? else { return Ok(Moved::NotNow) };
    let (mut moved, mut waiting, mut spans) = (0, Vec::new(), 0);
    for (&id, left) in kept.iter().zip((0..kept.len()).rev()) {
        let (here, elsewhere): (Vec<Part>, Vec<Part>) =
            inner.catalogue.view(None).into_iter().partition(|part| part.segment.name == from.name);
        if let Some(found) = trace::read_parts(inner, id, here).await? {
            let known = trace::read_parts(inner, id, elsewhere).await?;
            let missing = missing(&found, known.as_ref());
            spans += missing.len();
            waiting.push(missing);
        }
        if spans == 0 || (spans < SPANS_AT_A_TIME && left > 0) {
            continue;
        }
        moved += spans as u64;
        spans = 0;
        if let Err(error) = insert(inner, &mut target, from, std::mem::take(&mut waiting)).await {
            // What the connection has open is unknown; the file is opened anew.
            *target = None;
            return Err(error);
        }
    }
    Ok(Moved::Spans(moved))
}

/// Adds spans of a compacted file to the newest one.
pub(crate) async fn append(inner: &Inner, from: &Arc<Segment>, batch: SpanBatch) -> Result<Moved, StoreError> {
    let spans = batch.len() as u64;
    if spans == 0 {
        return Ok(Moved::Spans(0));
    }
    let mut target = inner.compactor.lock().await;
    let Some(_pass) = inner.compaction.pass()? else { return Ok(Moved::NotNow) };
    if let Err(error) = insert(inner, &mut target, from, vec![batch]).await {
        *target = None;
        return Err(error);
    }
    Ok(Moved::Spans(spans))
}

/// The spans that the other parts do not have.
fn missing(found: &SpanBatch, known: Option<&SpanBatch>) -> SpanBatch {
    let known: FxHashSet<_> =
        known.into_iter().flat_map(|known| known.spans.span_id.iter().zip(&known.spans.kind)).collect();
    let mut missing = SpanBatchBuilder::new();
    let (mut copied, mut distinct) = (Copied::default(), Distinct::default());
    for span in 0..found.len() {
        if !known.contains(&(&found.spans.span_id[span], &found.spans.kind[span])) {
            missing.copy_span(found, span, &mut copied, &mut distinct);
        }
    }
    missing.finish()
}

async fn insert(
    inner: &Inner,
    target: &mut super::Compactor,
    from: &Segment,
    batches: Vec<SpanBatch>,
) -> Result<(), StoreError> {
    let newest = inner.catalogue.compacted().last().map_or(0, |newest| newest.totals().last_received_at_ns);
    // They stay as long as what is compacted now, then they move on.
    let received_at_ns = newest.max(from.totals().last_received_at_ns);
    let open = open_target(inner, target, received_at_ns).await?;
    let Some(mut codec) = open.lend() else {
        return Err(StoreError::Io { action: "keep traces".into(), source: "the encoder was lost".into() });
    };
    let (codec, blocks, filters) = inner
        .decode(move || {
            let failed =
                |error: BlockError| StoreError::Io { action: "encode a block".into(), source: Box::new(error) };
            let mut merger = Merger::default();
            batches.iter().for_each(|batch| merger.add(batch));
            let merge = merger.finish();
            let blocks: Result<Vec<_>, _> = merge.blocks().map(|batch| codec.seal(&batch).map_err(failed)).collect();
            let mut blocks = blocks?;
            let filters = Codec::filters(&mut blocks);
            Ok((codec, blocks, filters))
        })
        .await?;
    open.take_back(codec);
    let through = inner.catalogue.through();
    let group = Group { blocks, filters, damaged: Vec::new(), digests: Vec::new(), received_at_ns, through };
    let totals = open.insert(&group).await?;
    inner.catalogue.compacted_to(open.segment(), totals, &[]);
    open.merge_index().await;
    Ok(())
}
