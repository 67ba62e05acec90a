//! Blocks of a compacted file that may have what a search needs, by their filters.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;
use spillway_store::StoreError;
use sqlx::SqliteConnection;

use crate::{block::filter, segment::Segment};

/// Primary keys, one seek a group; `?1` is the upper half of a token, which chooses its slot (`block::filter::slot`).
pub(crate) const ASK: &str = "SELECT filter_group.first_block, filter_slot.bits
     FROM filter_group
     CROSS JOIN filter_slot
        ON filter_slot.first_block = filter_group.first_block
       AND filter_slot.slot = (?1 * filter_group.slots) >> 32
     ORDER BY filter_group.first_block";

/// Of each clause, a block must have one of the tokens. `None` when there are no clauses: then any block will do.
pub(super) async fn candidates(
    segment: &Segment,
    connection: &mut SqliteConnection,
    clauses: &[BTreeSet<u64>],
) -> Result<Option<FxHashSet<u64>>, StoreError> {
    let mut candidates: Option<FxHashSet<u64>> = None;
    for clause in clauses {
        let mut blocks = FxHashSet::default();
        for &token in clause {
            let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(ASK)
                .bind((token >> 32) as i64)
                .fetch_all(&mut *connection)
                .await
                .map_err(segment.failed("ask the filters"))?;
            for (first, bits) in rows {
                let may = filter::may_have(&bits, token).zip(first as u64..);
                blocks.extend(may.filter_map(|(may, block)| may.then_some(block)));
            }
        }
        candidates = Some(match candidates {
            Some(before) => before.intersection(&blocks).copied().collect(),
            None => blocks,
        });
    }
    Ok(candidates)
}
