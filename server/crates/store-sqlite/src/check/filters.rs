//! The filters of a compacted file: asked for anything that a block has, its filter must say yes.

use rustc_hash::FxHashMap;
use spillway_model::batch::SpanBatch;
use spillway_store::StoreError;
use sqlx::SqliteConnection;

use super::Report;
use crate::block::filter::{MARK_SLOT, may_have, name_tokens, slot, tokens};

/// The filters of one group of blocks at a time, since blocks come in their order.
#[derive(Default)]
pub(super) struct Filters {
    group: Option<Group>,
}

struct Group {
    first: u64,
    last: u64,
    slots: u64,
    /// Its filters say how long spans took.
    marked: bool,
    rows: FxHashMap<u64, Vec<u8>>,
}

impl Filters {
    pub(super) async fn check(
        &mut self,
        connection: &mut SqliteConnection,
        block: u64,
        batch: &SpanBatch,
        report: &mut Report<'_>,
    ) -> Result<(), StoreError> {
        if self.group.as_ref().is_none_or(|group| block > group.last) {
            self.group = Group::load(connection, block, report).await?;
        }
        let Some(group) = self.group.as_ref().filter(|group| group.first <= block) else {
            report.found(Some(block), "it has no filter: searches by attribute may miss its spans");
            return Ok(());
        };
        let tokens = if group.marked { tokens(batch) } else { name_tokens(batch) };
        let denied = tokens.iter().filter(|&&token| !group.may_have(block, token)).count();
        if denied > 0 {
            let all = tokens.len();
            report.found(
                Some(block),
                format!(
                    "its filter denies {denied} of its {all} attributes, operations and lengths: searches miss them"
                ),
            );
        }
        Ok(())
    }
}

impl Group {
    async fn load(
        connection: &mut SqliteConnection,
        block: u64,
        report: &Report<'_>,
    ) -> Result<Option<Self>, StoreError> {
        let failed = || report.failed("read the filters");
        let group: Option<(i64, i64, i64)> = sqlx::query_as(
            "SELECT first_block, last_block, slots FROM filter_group WHERE last_block >= ? ORDER BY first_block LIMIT 1",
        )
        .bind(block as i64)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed())?;
        let Some((first, last, slots)) = group else { return Ok(None) };
        let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as("SELECT slot, bits FROM filter_slot WHERE first_block = ?")
            .bind(first)
            .fetch_all(connection)
            .await
            .map_err(failed())?;
        let marked = rows.iter().any(|(slot, _)| *slot == MARK_SLOT);
        let rows = rows.into_iter().filter_map(|(slot, bits)| Some((u64::try_from(slot).ok()?, bits))).collect();
        Ok(Some(Self { first: first as u64, last: last as u64, slots: slots as u64, marked, rows }))
    }

    fn may_have(&self, block: u64, token: u64) -> bool {
        let row = self.rows.get(&slot(token, self.slots));
        row.and_then(|row| may_have(row, token).nth((block - self.first) as usize)).unwrap_or(false)
    }
}
