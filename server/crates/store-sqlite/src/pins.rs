//! Traces that a person wants to keep.

use spillway_model::identity::TraceId;
use spillway_store::{AuditEntry, MOST_PINS, Pin, PinStore, StoreError};

use crate::{SqliteStore, control::insert_audit};

impl PinStore for SqliteStore {
    #[tracing::instrument(name = "db.pin", skip_all, err)]
    async fn pin(&self, pin: &Pin, audit: &AuditEntry) -> Result<(), StoreError> {
        let control = &self.inner.control;
        let failed = || control.failed("pin a trace");
        let mut connection = control.writer.lock().await;
        let mut tx = connection.begin().await.map_err(failed())?;
        sqlx::query(
            "INSERT INTO pin (trace_id, pinned_at_ns, actor, note) VALUES (?, ?, ?, ?)
             ON CONFLICT (trace_id) DO UPDATE SET note = excluded.note, actor = excluded.actor",
        )
        .bind(pin.trace_id.0.as_slice())
        .bind(pin.pinned_at_ns)
        .bind(&pin.actor)
        .bind(&pin.note)
        .execute(&mut *tx)
        .await
        .map_err(failed())?;
        let pins: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM pin").fetch_one(&mut *tx).await.map_err(failed())?;
        if pins > MOST_PINS as i64 {
            return Err(StoreError::Conflict(format!("{MOST_PINS} traces are pinned: let some go first")));
        }
        insert_audit(&mut tx, audit).await.map_err(failed())?;
        tx.commit().await.map_err(failed())?;
        connection.committed();
        Ok(())
    }

    #[tracing::instrument(name = "db.unpin", skip_all, err)]
    async fn unpin(&self, trace_id: TraceId, audit: &AuditEntry) -> Result<bool, StoreError> {
        let control = &self.inner.control;
        let failed = || control.failed("let a trace go");
        let mut connection = control.writer.lock().await;
        let mut tx = connection.begin().await.map_err(failed())?;
        let gone = sqlx::query("DELETE FROM pin WHERE trace_id = ?")
            .bind(trace_id.0.as_slice())
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

    async fn pins(&self) -> Result<Vec<Pin>, StoreError> {
        let control = &self.inner.control;
        let rows: Vec<(Vec<u8>, i64, String, String)> = sqlx::query_as(
            "SELECT trace_id, pinned_at_ns, actor, note
             FROM pin
             ORDER BY pinned_at_ns DESC, trace_id
             LIMIT ?",
        )
        .bind(MOST_PINS as i64)
        .fetch_all(&mut *control.reader().await?)
        .await
        .map_err(control.failed("list pins"))?;
        rows.into_iter()
            .map(|(id, pinned_at_ns, actor, note)| {
                let id = <[u8; 16]>::try_from(id).map_err(|id| StoreError::Corrupt {
                    what: format!("a pin in {}", control.path.display()),
                    why: format!("its trace id has {} bytes", id.len()),
                })?;
                Ok(Pin { trace_id: TraceId(id), pinned_at_ns, actor, note })
            })
            .collect()
    }
}
