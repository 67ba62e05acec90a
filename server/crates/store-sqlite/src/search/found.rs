//! A trace on a page: summed up over all of its stored spans.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use spillway_model::{
    batch::{SpanKind, SpanStatus},
    identity::{ServiceKey, SpanId, TraceId},
};
use spillway_store::{StoreError, TraceFound};

use super::{
    filter::Filter,
    outline::{Outline, Outlines},
};
use crate::{block::trace_hash, catalogue::Part, error, store::Inner};

/// Blocks of one trace that are looked at for a page; a trace in more is summed up from its first ones.
const MOST_BLOCKS: usize = 1_024;

/// `None` when the trace has a match before the cursor, so that an earlier page has it.
pub(super) async fn sum_up(
    inner: &Inner,
    outlines: &mut Outlines,
    filter: &Filter,
    id: TraceId,
    view: &[Part],
) -> Result<Option<TraceFound>, StoreError> {
    let mut spans = Vec::new();
    let mut seen: FxHashSet<(SpanId, SpanKind)> = FxHashSet::default();
    let mut blocks = 0;
    for part in view {
        let segment = &part.segment;
        let found = error::left_out(segment.blocks_with(trace_hash(id)).await)?.unwrap_or_default();
        for block in found.into_iter().filter(|block| part.contains(*block)) {
            blocks += 1;
            if blocks > MOST_BLOCKS {
                break;
            }
            // On a first page nothing can stand before the cursor: attributes of these blocks need not be read.
            let asked = (!filter.is_first_page()).then_some(&filter.wanted);
            let Some(outline) = outlines.read(inner, segment, block, asked).await? else { continue };
            let Some(mine) = outline.head.traces.iter().position(|trace| *trace == id) else { continue };
            for span in 0..outline.head.len() {
                if outline.head.trace[span] as usize != mine
                    || !seen.insert((outline.span_id[span], outline.head.kind[span]))
                {
                    continue;
                }
                if outline.matches(span) && !filter.is_before_cursor((outline.head.start_ns[span], id)) {
                    return Ok(None);
                }
                spans.push((Arc::clone(&outline), span));
            }
        }
    }
    Ok(sum(id, spans))
}

fn sum(id: TraceId, mut spans: Vec<(Arc<Outline>, usize)>) -> Option<TraceFound> {
    spans.sort_unstable_by_key(|(outline, span)| {
        (outline.head.start_ns[*span], outline.span_id[*span], outline.head.kind[*span])
    });
    let root = spans.iter().find(|(outline, span)| outline.parent_id[*span].is_none());
    let (outline, span) = root.or(spans.first())?;
    let resource = outline.head.resource(*span);
    let text = |id| outline.head.str(id);
    let mut found = TraceFound {
        trace_id: id,
        root_service: ServiceKey::new(text(resource.environment), text(resource.namespace), text(resource.service)),
        root_name: text(outline.head.name[*span]).to_owned(),
        root_seen: root.is_some(),
        start_ns: u64::MAX,
        end_ns: 0,
        spans: u32::try_from(spans.len()).unwrap_or(u32::MAX),
        errors: 0,
        services: Vec::new(),
    };
    for (outline, span) in &spans {
        let head = &outline.head;
        found.start_ns = found.start_ns.min(head.start_ns[*span]);
        found.end_ns = found.end_ns.max(head.end_ns[*span]);
        found.errors += u32::from(head.status[*span] == SpanStatus::Error);
        let service = head.str(head.resource(*span).service);
        if !found.services.iter().any(|known| known == service) {
            found.services.push(service.to_owned());
        }
    }
    Some(found)
}
