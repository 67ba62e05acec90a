//! Whom somebody asked the server to ask.

use spillway_store::{AuditEntry, MOST_TARGETS, StoreError, TargetRow, TargetStore};

use crate::{SqliteStore, control::insert_audit};

impl TargetStore for SqliteStore {
    #[tracing::instrument(name = "db.target.add", skip_all, err)]
    async fn add_target(&self, target: &TargetRow, audit: &AuditEntry) -> Result<bool, StoreError> {
        let control = &self.inner.control;
        let failed = || control.failed("add a target");
        let mut connection = control.writer.lock().await;
        let mut tx = connection.begin().await.map_err(failed())?;
        let new = sqlx::query(
            "INSERT INTO target (id, spec, added_at_ns, actor) VALUES (?, ?, ?, ?)
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(&target.id)
        .bind(&target.spec)
        .bind(target.added_at_ns)
        .bind(&target.actor)
        .execute(&mut *tx)
        .await
        .map_err(failed())?
        .rows_affected();
        if new == 0 {
            return Ok(false);
        }
        let targets: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM target").fetch_one(&mut *tx).await.map_err(failed())?;
        if targets > MOST_TARGETS as i64 {
            return Err(StoreError::Conflict(format!("there are {MOST_TARGETS} targets: remove some first")));
        }
        insert_audit(&mut tx, audit).await.map_err(failed())?;
        tx.commit().await.map_err(failed())?;
        connection.committed();
        Ok(true)
    }

    #[tracing::instrument(name = "db.target.remove", skip_all, err)]
    async fn remove_target(&self, id: &str, audit: &AuditEntry) -> Result<bool, StoreError> {
        let control = &self.inner.control;
        let failed = || control.failed("remove a target");
        let mut connection = control.writer.lock().await;
        let mut tx = connection.begin().await.map_err(failed())?;
        let gone = sqlx::query("DELETE FROM target WHERE id = ?")
            .bind(id)
            .execute(&mut *tx)
            .await
            .map_err(failed())?
            .rows_affected();
        if gone == 0 {
            return Ok(false);
        }
        insert_audit(&mut tx, audit).await.map_err(failed())?;
        tx.commit().await.map_err(failed())?;
        connection.committed();
        Ok(true)
    }

    async fn targets(&self) -> Result<Vec<TargetRow>, StoreError> {
        let control = &self.inner.control;
        let rows: Vec<(String, String, i64, String)> = sqlx::query_as(
            "SELECT id, spec, added_at_ns, actor
             FROM target
             ORDER BY added_at_ns, id
             LIMIT ?",
        )
        .bind(MOST_TARGETS as i64)
        .fetch_all(&mut *control.reader().await?)
        .await
        .map_err(control.failed("list targets"))?;
        let row = |(id, spec, added_at_ns, actor)| TargetRow { id, spec, added_at_ns, actor };
        Ok(rows.into_iter().map(row).collect())
    }
}
