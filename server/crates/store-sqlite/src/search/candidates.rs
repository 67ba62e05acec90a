//! Blocks of a compacted file that may have what a search needs, by their filters.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;
use spillway_store::StoreError;
use sqlx::SqliteConnection;

use crate::{block::filter, segment::Segment};

/// Primary keys, two seeks a group; `?1` is the upper half of a token, which chooses its slot (`block::filter::slot`), `?2` the slot of the mark.
pub(crate) const ASK: &str = "SELECT filter_group.first_block,
         filter_slot.bits,
         EXISTS (
             SELECT 1 FROM filter_slot AS mark
             WHERE mark.first_block = filter_group.first_block
               AND mark.slot = ?2)
     FROM filter_group
     CROSS JOIN filter_slot
        ON filter_slot.first_block = filter_group.first_block
       AND filter_slot.slot = (?1 * filter_group.slots) >> 32
     ORDER BY filter_group.first_block";

/// Tokens of which a block must have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clause {
    pub(super) tokens: BTreeSet<u64>,
    /// Which filters can answer: those without a mark know nothing of lengths.
    pub(super) needs_mark: bool,
}

/// The blocks that fulfil all clauses. `None` when there are no clauses: then any block will do.
pub(super) async fn candidates(
    segment: &Segment,
    connection: &mut SqliteConnection,
    clauses: &[Clause],
) -> Result<Option<FxHashSet<u64>>, StoreError> {
    let mut candidates: Option<FxHashSet<u64>> = None;
    for clause in clauses {
        let mut blocks = FxHashSet::default();
        for &token in &clause.tokens {
            let rows: Vec<(i64, Vec<u8>, bool)> = sqlx::query_as(ASK)
                .bind((token >> 32) as i64)
                .bind(filter::MARK_SLOT)
                .fetch_all(&mut *connection)
                .await
                .map_err(segment.failed("ask the filters"))?;
            for (first, bits, marked) in rows {
                let cannot_say = clause.needs_mark && !marked;
                let may = filter::may_have(&bits, token).zip(first as u64..);
                blocks.extend(may.filter_map(|(may, block)| (may || cannot_say).then_some(block)));
            }
        }
        candidates = Some(match candidates {
            Some(before) => before.intersection(&blocks).copied().collect(),
            None => blocks,
        });
    }
    Ok(candidates)
}
