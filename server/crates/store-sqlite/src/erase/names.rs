//! Names of operations and services that no span has any more: a name can be what was to go.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;
use spillway_model::identity::ServiceKey;
use spillway_store::StoreError;
use sqlx::SqliteConnection;

use super::rewrite::Rewritten;
use crate::{
    block::{
        BlockReader, BlockSummary,
        filter::{self, operation_token},
    },
    error,
    search::candidates::ASK,
    segment::Kind,
};

/// Drops operations that rewritten blocks of a compacted file lost, unless another block of it has them. Its summaries name services
/// only, so the filters say where to look, and a block that has it ends the search.
pub(super) async fn drop_operations(tx: &mut SqliteConnection, rewritten: &[Rewritten]) -> Result<(), sqlx::Error> {
    let lost: BTreeSet<&(ServiceKey, String)> = rewritten.iter().flat_map(|block| &block.lost).collect();
    for (service, name) in lost {
        if is_anywhere(tx, service, name).await? {
            continue;
        }
        sqlx::query("DELETE FROM operation WHERE environment = ? AND namespace = ? AND service = ? AND name = ?")
            .bind(&*service.environment)
            .bind(&*service.namespace)
            .bind(&*service.name)
            .bind(name.as_str())
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

async fn is_anywhere(tx: &mut SqliteConnection, service: &ServiceKey, name: &str) -> Result<bool, sqlx::Error> {
    let token = operation_token(name);
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(ASK).bind((token >> 32) as i64).fetch_all(&mut *tx).await?;
    for (first, bits) in rows {
        let may = filter::may_have(&bits, token).zip(first..).filter_map(|(may, block)| may.then_some(block));
        for block in may.collect::<Vec<i64>>() {
            let data: Option<Vec<u8>> = sqlx::query_scalar("SELECT data FROM block_data WHERE block = ?")
                .bind(block)
                .fetch_optional(&mut *tx)
                .await?;
            if data.is_some_and(|data| has(&data, service, name)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// A block that does not decode has nothing that anybody finds.
fn has(data: &[u8], service: &ServiceKey, name: &str) -> bool {
    let Ok(head) = BlockReader::open(data).and_then(|reader| reader.head()) else { return false };
    (0..head.len()).any(|span| {
        let resource = head.resource(span);
        head.str(head.name[span]) == name
            && head.str(resource.service) == &*service.name
            && head.str(resource.namespace) == &*service.namespace
            && head.str(resource.environment) == &*service.environment
    })
}

/// Drops names that no summary of the file mentions: operations of the log, services of a compacted file. Says whether there were any.
pub(super) async fn drop_unmentioned(tx: &mut SqliteConnection, kind: Kind, file: &str) -> Result<bool, StoreError> {
    let failed = || error::sql(format!("drop names of {file}"));
    let summaries: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT summary FROM block ORDER BY id").fetch_all(&mut *tx).await.map_err(failed())?;
    let mut mentioned = FxHashSet::default();
    for summary in summaries {
        // Without knowing what it mentions, nothing may be dropped.
        let Ok(summary) = BlockSummary::from_bytes(&summary) else { return Ok(false) };
        mentioned.extend(summary.operations.iter().map(|row| row.operation));
    }
    let (list, delete) = match kind {
        Kind::Fresh => ("SELECT id FROM operation ORDER BY id", "DELETE FROM operation WHERE id = ?"),
        Kind::Compacted => ("SELECT id FROM service ORDER BY id", "DELETE FROM service WHERE id = ?"),
    };
    let ids: Vec<i64> = sqlx::query_scalar(list).fetch_all(&mut *tx).await.map_err(failed())?;
    let mut dropped = false;
    for id in ids.into_iter().filter(|id| !mentioned.contains(&(*id as u32))) {
        sqlx::query(delete).bind(id).execute(&mut *tx).await.map_err(failed())?;
        dropped = true;
    }
    Ok(dropped)
}
