//! Heads and ids of blocks, kept while a search runs: traces of a page mostly stand in the same few blocks.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use spillway_model::identity::SpanId;
use spillway_query::{Filter, Verdict};
use spillway_store::StoreError;

use super::judge;
use crate::{
    block::{BlockError, BlockReader, Head},
    error,
    segment::{FileName, Segment},
    store::Inner,
};

/// Some 30 kB each.
const KEPT: usize = 256;

/// What a search needs of a block.
pub(super) struct Outline {
    pub(super) head: Head,
    pub(super) span_id: Vec<SpanId>,
    pub(super) parent_id: Vec<SpanId>,
    /// Whether each span fulfils the filter; `None` when nobody has asked yet.
    matches: Option<Vec<bool>>,
}

impl Outline {
    fn decode(data: &[u8], filter: Option<&Filter>) -> Result<Self, BlockError> {
        let reader = BlockReader::open(data)?;
        let head = reader.head()?;
        let (span_id, parent_id) = reader.links()?;
        let matches = match filter {
            None => None,
            Some(filter) => Some(decide(filter, &reader, &head, &span_id, &parent_id)?),
        };
        Ok(Self { head, span_id, parent_id, matches })
    }

    /// Whether a span fulfils the filter that it was read with.
    pub(super) fn matches(&self, span: usize) -> bool {
        self.matches.as_ref().is_some_and(|matches| matches[span])
    }
}

/// Decodes attributes only if some span is left that they decide.
fn decide(
    filter: &Filter,
    reader: &BlockReader<'_>,
    head: &Head,
    span_id: &[SpanId],
    parent_id: &[SpanId],
) -> Result<Vec<bool>, BlockError> {
    let verdicts = judge::judge(filter, head, span_id, parent_id);
    if !verdicts.contains(&Verdict::Maybe) {
        return Ok(verdicts.into_iter().map(|verdict| verdict == Verdict::Yes).collect());
    }
    let batch = reader.batch_with(head.clone())?;
    let decided = verdicts.into_iter().enumerate().map(|(span, verdict)| match verdict {
        Verdict::Maybe => filter.matches(&batch, span),
        verdict => verdict == Verdict::Yes,
    });
    Ok(decided.collect())
}

#[derive(Default)]
pub(super) struct Outlines {
    kept: FxHashMap<(FileName, u64), Arc<Outline>>,
}

impl Outlines {
    /// The block, and which of its spans fulfil `filter` when that is asked: with the same filter all through a search.
    ///
    /// `None` when the block is gone with its segment, or does not decode: then it is named in the log.
    pub(super) async fn read(
        &mut self,
        inner: &Inner,
        segment: &Arc<Segment>,
        block: u64,
        filter: Option<&Arc<Filter>>,
    ) -> Result<Option<Arc<Outline>>, StoreError> {
        let key = (segment.name, block);
        if let Some(outline) = self.kept.get(&key).filter(|known| filter.is_none() || known.matches.is_some()) {
            return Ok(Some(Arc::clone(outline)));
        }
        let Some(mut connection) = segment.reader().await? else { return Ok(None) };
        let data: Result<Option<Vec<u8>>, _> = sqlx::query_scalar("SELECT data FROM block_data WHERE block = ?")
            .bind(block as i64)
            .fetch_optional(&mut *connection)
            .await;
        drop(connection);
        let Some(Some(data)) = error::left_out(data.map_err(segment.failed("read a block")))? else { return Ok(None) };
        let filter = filter.map(Arc::clone);
        let outline = match inner.decode(move || Ok(Outline::decode(&data, filter.as_deref()))).await? {
            Ok(outline) => Arc::new(outline),
            Err(failed) => {
                let error = error::corrupt(format!("block {block} of {}", segment.file()))(failed);
                tracing::error!(segment.file = segment.file(), block, "a block is left out: {error}");
                return Ok(None);
            }
        };
        // Which one goes matters little: a search that needs more than this reads on, not back.
        if self.kept.len() >= KEPT {
            self.kept.clear();
        }
        self.kept.insert(key, Arc::clone(&outline));
        Ok(Some(outline))
    }
}
