//! Plugins, their settings, what they remember, and the audit log.

use spillway_store::{AuditEntry, ControlStore, InsertedPlugin, PluginRow, PluginSetting, RuleMode, StoreError};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use crate::{SqliteStore, store::Database};

const MOST_AUDIT_ENTRIES: u32 = 10_000;
/// Rules that are built in have no row of their own but the setting.
const BUILTIN: &str = "builtin:";

impl ControlStore for SqliteStore {
    #[tracing::instrument(name = "db.plugin.insert", skip_all, fields(plugin.id = %row.id), err)]
    async fn insert_plugin(
        &self,
        row: &PluginRow,
        wasm: &[u8],
        audit: &AuditEntry,
    ) -> Result<InsertedPlugin, StoreError> {
        let control = &self.inner.control;
        let failed = || control.failed("store a plugin");
        let mut connection = control.writer.lock().await;
        let mut tx = connection.begin().await.map_err(failed())?;
        let inserted = sqlx::query(
            "INSERT INTO plugin (id, name, version, description, config_schema, tick_ms, size_bytes, uploaded_at_ns, mode, config, demoted)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(&row.id)
        .bind(&row.name)
        .bind(&row.version)
        .bind(&row.description)
        .bind(&row.config_schema)
        .bind(row.tick_ms)
        .bind(row.size_bytes as i64)
        .bind(row.uploaded_at_ns)
        .bind(row.setting.mode as i64)
        .bind(&row.setting.config)
        .bind(row.setting.demoted)
        .execute(&mut *tx)
        .await
        .map_err(failed())?;
        if inserted.rows_affected() == 0 {
            return Ok(InsertedPlugin::Known);
        }
        sqlx::query("INSERT INTO plugin_wasm (plugin, wasm) VALUES (?, ?)")
            .bind(&row.id)
            .bind(wasm)
            .execute(&mut *tx)
            .await
            .map_err(failed())?;
        insert_audit(&mut tx, audit).await.map_err(failed())?;
        tx.commit().await.map_err(failed())?;
        connection.committed();
        Ok(InsertedPlugin::New)
    }

    async fn plugins(&self) -> Result<Vec<PluginRow>, StoreError> {
        let control = &self.inner.control;
        let rows = sqlx::query(
            "SELECT id, name, version, description, config_schema, tick_ms, size_bytes, uploaded_at_ns, mode, config, demoted
             FROM plugin
             ORDER BY name, uploaded_at_ns, id",
        )
        .fetch_all(&mut *control.reader().await?)
        .await
        .map_err(control.failed("list plugins"))?;
        rows.iter()
            .map(|row| read_plugin(row).map_err(control.failed("read a plugin"))?.ok_or_else(|| unknown_mode(control)))
            .collect()
    }

    async fn plugin_wasm(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let control = &self.inner.control;
        sqlx::query_scalar("SELECT wasm FROM plugin_wasm WHERE plugin = ?")
            .bind(id)
            .fetch_optional(&mut *control.reader().await?)
            .await
            .map_err(control.failed("read a plugin"))
    }

    async fn builtin_settings(&self) -> Result<Vec<(String, PluginSetting)>, StoreError> {
        let control = &self.inner.control;
        let rows: Vec<(String, i64, String, bool)> =
            sqlx::query_as("SELECT id, mode, config, demoted FROM builtin_setting ORDER BY id")
                .fetch_all(&mut *control.reader().await?)
                .await
                .map_err(control.failed("list settings"))?;
        rows.into_iter()
            .map(|(id, mode, config, demoted)| {
                Ok((id, PluginSetting { mode: rule_mode(mode).ok_or_else(|| unknown_mode(control))?, config, demoted }))
            })
            .collect()
    }

    #[tracing::instrument(name = "db.plugin.set", skip_all, fields(plugin.id = %id), err)]
    async fn set_plugin(
        &self,
        id: &str,
        setting: &PluginSetting,
        audit: &AuditEntry,
    ) -> Result<Option<Vec<String>>, StoreError> {
        let control = &self.inner.control;
        let failed = || control.failed("set a plugin");
        let mut connection = control.writer.lock().await;
        let mut tx = connection.begin().await.map_err(failed())?;
        let retired = if id.starts_with(BUILTIN) {
            set_builtin(&mut tx, id, setting).await.map_err(failed())?;
            Vec::new()
        } else {
            let Some(retired) = set_uploaded(&mut tx, id, setting).await.map_err(failed())? else { return Ok(None) };
            retired
        };
        insert_audit(&mut tx, audit).await.map_err(failed())?;
        tx.commit().await.map_err(failed())?;
        connection.committed();
        Ok(Some(retired))
    }

    #[tracing::instrument(name = "db.plugin.delete", skip_all, fields(plugin.id = %id), err)]
    async fn delete_plugin(&self, id: &str, audit: &AuditEntry) -> Result<bool, StoreError> {
        let control = &self.inner.control;
        let failed = || control.failed("delete a plugin");
        let mut connection = control.writer.lock().await;
        let mut tx = connection.begin().await.map_err(failed())?;
        let mode: Option<i64> = sqlx::query_scalar("SELECT mode FROM plugin WHERE id = ?")
            .bind(id)
            .fetch_optional(&mut *tx)
            .await
            .map_err(failed())?;
        match mode {
            None => return Ok(false),
            Some(mode) if mode != RuleMode::Off as i64 => {
                return Err(StoreError::Conflict(format!("plugin {id} is in use: set it to off before deleting it")));
            }
            Some(_) => {}
        }
        sqlx::query("DELETE FROM plugin_kv WHERE plugin = ?").bind(id).execute(&mut *tx).await.map_err(failed())?;
        sqlx::query("DELETE FROM plugin WHERE id = ?").bind(id).execute(&mut *tx).await.map_err(failed())?;
        insert_audit(&mut tx, audit).await.map_err(failed())?;
        tx.commit().await.map_err(failed())?;
        connection.committed();
        Ok(true)
    }

    async fn plugin_kv(&self, id: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let control = &self.inner.control;
        sqlx::query_as("SELECT key, value FROM plugin_kv WHERE plugin = ? ORDER BY key")
            .bind(id)
            .fetch_all(&mut *control.reader().await?)
            .await
            .map_err(control.failed("read what a plugin keeps"))
    }

    async fn set_plugin_kv(&self, id: &str, kv: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        let control = &self.inner.control;
        let failed = || control.failed("write what a plugin keeps");
        let mut connection = control.writer.lock().await;
        let mut tx = connection.begin().await.map_err(failed())?;
        sqlx::query("DELETE FROM plugin_kv WHERE plugin = ?").bind(id).execute(&mut *tx).await.map_err(failed())?;
        for (key, value) in kv {
            sqlx::query("INSERT INTO plugin_kv (plugin, key, value) VALUES (?, ?, ?)")
                .bind(id)
                .bind(key)
                .bind(value.as_slice())
                .execute(&mut *tx)
                .await
                .map_err(failed())?;
        }
        tx.commit().await.map_err(failed())?;
        connection.committed();
        Ok(())
    }

    async fn audit(&self, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        let control = &self.inner.control;
        let rows: Vec<(i64, String, String, String, String)> =
            sqlx::query_as("SELECT at_ns, actor, action, object, detail FROM audit ORDER BY seq DESC LIMIT ?")
                .bind(limit.min(MOST_AUDIT_ENTRIES))
                .fetch_all(&mut *control.reader().await?)
                .await
                .map_err(control.failed("read the audit log"))?;
        Ok(rows
            .into_iter()
            .map(|(at_ns, actor, action, object, detail)| AuditEntry { at_ns, actor, action, object, detail })
            .collect())
    }
}

async fn set_builtin(tx: &mut SqliteConnection, id: &str, setting: &PluginSetting) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO builtin_setting (id, mode, config, demoted)
         VALUES (?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET mode = excluded.mode, config = excluded.config, demoted = excluded.demoted",
    )
    .bind(id)
    .bind(setting.mode as i64)
    .bind(&setting.config)
    .bind(setting.demoted)
    .execute(tx)
    .await?;
    Ok(())
}

/// Ids of the versions that are off because of it; `None` when there is no such upload.
async fn set_uploaded(
    tx: &mut SqliteConnection,
    id: &str,
    setting: &PluginSetting,
) -> Result<Option<Vec<String>>, sqlx::Error> {
    let name: Option<String> =
        sqlx::query_scalar("UPDATE plugin SET mode = ?, config = ?, demoted = ? WHERE id = ? RETURNING name")
            .bind(setting.mode as i64)
            .bind(&setting.config)
            .bind(setting.demoted)
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
    let Some(name) = name else { return Ok(None) };
    if setting.mode != RuleMode::Active {
        return Ok(Some(Vec::new()));
    }
    let mut retired: Vec<String> =
        sqlx::query_scalar("UPDATE plugin SET mode = 0 WHERE name = ? AND id <> ? AND mode = 2 RETURNING id")
            .bind(&name)
            .bind(id)
            .fetch_all(tx)
            .await?;
    retired.sort_unstable();
    Ok(Some(retired))
}

pub(crate) async fn insert_audit(tx: &mut SqliteConnection, entry: &AuditEntry) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO audit (at_ns, actor, action, object, detail) VALUES (?, ?, ?, ?, ?)")
        .bind(entry.at_ns)
        .bind(&entry.actor)
        .bind(&entry.action)
        .bind(&entry.object)
        .bind(&entry.detail)
        .execute(tx)
        .await?;
    Ok(())
}

/// `Ok(None)` when the mode is not one of ours.
fn read_plugin(row: &SqliteRow) -> Result<Option<PluginRow>, sqlx::Error> {
    let Some(mode) = rule_mode(row.try_get(8)?) else { return Ok(None) };
    Ok(Some(PluginRow {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        version: row.try_get(2)?,
        description: row.try_get(3)?,
        config_schema: row.try_get(4)?,
        tick_ms: row.try_get(5)?,
        size_bytes: row.try_get::<i64, _>(6)? as u64,
        uploaded_at_ns: row.try_get(7)?,
        setting: PluginSetting { mode, config: row.try_get(9)?, demoted: row.try_get(10)? },
    }))
}

fn rule_mode(number: i64) -> Option<RuleMode> {
    [RuleMode::Off, RuleMode::Shadow, RuleMode::Active].into_iter().find(|mode| *mode as i64 == number)
}

fn unknown_mode(control: &Database) -> StoreError {
    StoreError::Corrupt {
        what: format!("a plugin in {}", control.path.display()),
        why: "it has an unknown mode".into(),
    }
}
