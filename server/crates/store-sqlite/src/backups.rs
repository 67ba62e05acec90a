//! Notes of the backups that were made, in control.db.

use std::path::Path;

use spillway_store::{AuditEntry, BackupLog, BackupNote, MOST_BACKUPS, StoreError};

use crate::{
    SqliteStore, Synchronous,
    connect::{Purpose, WriterConnection},
    control, error,
    migrate::{self, Schema},
};

/// Notes a backup of the data directory `source`, beside the server that has it open: one short transaction. It is not in the backup itself.
/// False when an older program wrote the directory, and nothing in it can take the note.
///
/// # Errors
/// [`StoreError`]; the backup is as good as without the note.
pub async fn note(source: &Path, note: &BackupNote) -> Result<bool, StoreError> {
    let path = source.join("control.db");
    let file = path.display().to_string();
    let failed = || error::sql(format!("note a backup in {file}"));
    let mut connection = WriterConnection::open(&path, Purpose::Rows, Synchronous::Full).await?;
    if migrate::refuse_newer(connection.statement(), Schema::Control, &file).await? < migrate::newest(Schema::Control) {
        return Ok(false);
    }
    let mut tx = connection.begin().await.map_err(failed())?;
    sqlx::query(
        "INSERT INTO backup (path, made_at_ns, newest_ns) VALUES (?, ?, ?)
         ON CONFLICT (path) DO UPDATE SET made_at_ns = excluded.made_at_ns, newest_ns = excluded.newest_ns",
    )
    .bind(&note.path)
    .bind(note.made_at_ns)
    .bind(note.newest_ns)
    .execute(&mut *tx)
    .await
    .map_err(failed())?;
    sqlx::query("DELETE FROM backup WHERE path NOT IN (SELECT path FROM backup ORDER BY made_at_ns DESC LIMIT ?)")
        .bind(MOST_BACKUPS as i64)
        .execute(&mut *tx)
        .await
        .map_err(failed())?;
    let audit = AuditEntry {
        at_ns: note.made_at_ns,
        actor: "command line".into(),
        action: "backup".into(),
        object: note.path.clone(),
        detail: String::new(),
    };
    control::insert_audit(&mut tx, &audit).await.map_err(failed())?;
    tx.commit().await.map_err(failed())?;
    connection.committed();
    connection.discard().await;
    Ok(true)
}

impl BackupLog for SqliteStore {
    async fn backups(&self) -> Result<Vec<BackupNote>, StoreError> {
        let control = &self.inner.control;
        let rows: Vec<(String, i64, Option<i64>)> =
            sqlx::query_as("SELECT path, made_at_ns, newest_ns FROM backup ORDER BY made_at_ns DESC, path LIMIT ?")
                .bind(MOST_BACKUPS as i64)
                .fetch_all(&mut *control.reader().await?)
                .await
                .map_err(control.failed("list backups"))?;
        let note = |(path, made_at_ns, newest_ns)| BackupNote { path, made_at_ns, newest_ns };
        Ok(rows.into_iter().map(note).collect())
    }
}
