//! Forgetting sums, and giving their room back to the disk.

use spillway_store::{RollupBounds, RollupRetention, StoreError};

use super::resolution::Floors;
use crate::{SqliteStore, store::Database};

/// Rows that one statement deletes, of some kilobytes each: the one writer of the file is held for a few milliseconds at a time.
const ROWS_A_STEP: i64 = 500;
/// Pages that one statement moves and cuts off.
const PAGES_A_STEP: i64 = 500;
/// Free pages that are kept for what comes next. Beyond that, an eighth of the file: else each round would cut off what the next needs.
const PAGES_KEPT: i64 = 1_024;

/// Primary key, the oldest first.
pub(crate) const STEP: &str = "DELETE FROM rollup
     WHERE rowid IN (
         SELECT rowid FROM rollup
         WHERE resolution_s = ?1 AND bucket_s < ?2
         ORDER BY bucket_s
         LIMIT ?3)";

impl RollupRetention for SqliteStore {
    #[tracing::instrument(name = "db.rollup.expire", skip_all, err)]
    async fn expire_rollups(&self, before: RollupBounds) -> Result<u64, StoreError> {
        let history = &self.inner.history;
        // First what must not be read or written any more, then the rows: a stop in between leaves nothing that would be believed.
        let floors = raise(history, Floors::new(before)).await?;
        let mut rows = 0;
        for (length_s, from_s) in floors.iter() {
            loop {
                let step = sqlx::query(STEP)
                    .bind(length_s)
                    .bind(from_s)
                    .bind(ROWS_A_STEP)
                    .execute(history.writer.lock().await.statement())
                    .await
                    .map_err(history.failed("delete old rollups"))?
                    .rows_affected();
                rows += step;
                if step < ROWS_A_STEP as u64 {
                    break;
                }
            }
        }
        give_back(history).await?;
        Ok(rows)
    }
}

/// Floors only rise: a longer retention does not bring back what is gone.
async fn raise(history: &Database, to: Floors) -> Result<Floors, StoreError> {
    let failed = || history.failed("say which rollups are old");
    let mut connection = history.writer.lock().await;
    let mut tx = connection.begin().await.map_err(failed())?;
    let floors = Floors::read(&mut tx).await.map_err(failed())?.max(to);
    for (length_s, from_s) in floors.iter() {
        sqlx::query(
            "INSERT INTO rollup_floor (resolution_s, from_s)
             VALUES (?, ?)
             ON CONFLICT (resolution_s) DO UPDATE SET from_s = excluded.from_s",
        )
        .bind(length_s)
        .bind(from_s)
        .execute(&mut *tx)
        .await
        .map_err(failed())?;
    }
    tx.commit().await.map_err(failed())?;
    connection.committed();
    Ok(floors)
}

/// Cuts free pages off the file, a few at a time.
async fn give_back(history: &Database) -> Result<(), StoreError> {
    let failed = || history.failed("give free pages back");
    loop {
        let mut connection = history.writer.lock().await;
        let connection = connection.statement();
        let free: i64 =
            sqlx::query_scalar("PRAGMA freelist_count").fetch_one(&mut *connection).await.map_err(failed())?;
        let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *connection).await.map_err(failed())?;
        let spare = free - PAGES_KEPT.max(pages / 8);
        if spare <= 0 {
            return Ok(());
        }
        let statement = sqlx::AssertSqlSafe(format!("PRAGMA incremental_vacuum({})", spare.min(PAGES_A_STEP)));
        // To its end: it gives one page back each time that it is asked for a row.
        sqlx::query(statement).fetch_all(&mut *connection).await.map_err(failed())?;
        let left: i64 =
            sqlx::query_scalar("PRAGMA freelist_count").fetch_one(&mut *connection).await.map_err(failed())?;
        if left >= free {
            // A file that was made without it keeps its pages, for what comes next.
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use crate::OpenOptions;

    use super::*;

    /// Rows of incompressible bytes, 4 kB each.
    async fn fill(store: &SqliteStore, rows: i64) {
        let mut connection = store.inner.history.writer.lock().await;
        sqlx::query(
            "WITH RECURSIVE bucket (at) AS (VALUES (0) UNION ALL SELECT at + 1 FROM bucket WHERE at + 1 < ?)
             INSERT INTO rollup (resolution_s, bucket_s, shard, sums) SELECT 1, at, 0, randomblob(4000) FROM bucket",
        )
        .bind(rows)
        .execute(connection.statement())
        .await
        .unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_forgotten_gives_its_room_back_to_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _writer) = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();
        fill(&store, 5_000).await;

        let rows = store.expire_rollups(RollupBounds { seconds: 4_900, tens: 0, minutes: 0 }).await.unwrap();

        assert_eq!(rows, 4_900);
        store.close().await;
        let bytes = std::fs::metadata(dir.path().join("history.db")).unwrap().len();
        // What stays, and the pages that are kept for what comes next.
        assert!(bytes < (100 + PAGES_KEPT as u64 + 300) * 4_096, "{bytes} bytes of 20,000,000 are left");
    }
}
