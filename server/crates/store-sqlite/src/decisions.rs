//! What the control plane did: decisions and ticks.

use spillway_store::{DecisionLog, DecisionQuery, DecisionRow, StoreError, TickRow};

use crate::SqliteStore;

const MOST_DECISIONS: u32 = 1_000;
const MOST_TICKS: u32 = 100_000;

type Row = (String, i64, i64, bool, String, Vec<u8>);

fn decision((id, began_at_ns, renewed_at_ns, ended, service, body): Row) -> DecisionRow {
    DecisionRow { id, began_at_ns, renewed_at_ns, ended, service, body }
}

/// Index: decision_by_begin, backwards.
pub(crate) const PAGE_OF_ALL: &str = "SELECT id, began_at_ns, renewed_at_ns, ended, service, body
     FROM decision
     WHERE (began_at_ns, id) < (?1, ?2)
     ORDER BY began_at_ns DESC, id DESC
     LIMIT ?3";

/// Index: decision_by_service, backwards.
pub(crate) const PAGE_OF_SERVICE: &str = "SELECT id, began_at_ns, renewed_at_ns, ended, service, body
     FROM decision
     WHERE (began_at_ns, id) < (?1, ?2) AND service = ?4
     ORDER BY began_at_ns DESC, id DESC
     LIMIT ?3";

/// Index: tick_by_plugin.
pub(crate) const TICKS: &str = "SELECT tick, at_ns, body
     FROM tick
     WHERE plugin_id = ? AND at_ns >= ? AND at_ns < ?
     ORDER BY at_ns, tick
     LIMIT ?";

impl DecisionLog for SqliteStore {
    #[tracing::instrument(name = "db.decisions.record", skip_all, err)]
    async fn record(&self, ticks: &[TickRow], decisions: &[DecisionRow]) -> Result<(), StoreError> {
        let history = &self.inner.history;
        let failed = || history.failed("record a tick");
        let mut connection = history.writer.lock().await;
        let mut tx = connection.begin().await.map_err(failed())?;
        for tick in ticks {
            sqlx::query(
                "INSERT INTO tick (plugin_id, at_ns, tick, body)
                 VALUES (?, ?, ?, ?)
                 ON CONFLICT (plugin_id, at_ns, tick) DO UPDATE SET body = excluded.body",
            )
            .bind(&tick.plugin_id)
            .bind(tick.at_ns)
            .bind(tick.tick as i64)
            .bind(tick.body.as_slice())
            .execute(&mut *tx)
            .await
            .map_err(failed())?;
        }
        for row in decisions {
            sqlx::query(
                "INSERT INTO decision (id, began_at_ns, renewed_at_ns, ended, service, body)
                 VALUES (?, ?, ?, ?, ?, ?)
                 ON CONFLICT (id) DO UPDATE SET
                     began_at_ns = excluded.began_at_ns,
                     renewed_at_ns = excluded.renewed_at_ns,
                     ended = excluded.ended,
                     service = excluded.service,
                     body = excluded.body",
            )
            .bind(&row.id)
            .bind(row.began_at_ns)
            .bind(row.renewed_at_ns)
            .bind(row.ended)
            .bind(&row.service)
            .bind(row.body.as_slice())
            .execute(&mut *tx)
            .await
            .map_err(failed())?;
        }
        tx.commit().await.map_err(failed())?;
        connection.committed();
        Ok(())
    }

    async fn decisions(&self, query: &DecisionQuery) -> Result<Vec<DecisionRow>, StoreError> {
        let history = &self.inner.history;
        let (began, id) = query.before.as_ref().map_or((i64::MAX, ""), |(began, id)| (*began, id.as_str()));
        let limit = query.limit.clamp(1, MOST_DECISIONS);
        let page = match &query.service {
            None => sqlx::query_as(PAGE_OF_ALL).bind(began).bind(id).bind(limit),
            Some(service) => sqlx::query_as(PAGE_OF_SERVICE).bind(began).bind(id).bind(limit).bind(service),
        };
        let rows: Vec<Row> =
            page.fetch_all(&mut *history.reader().await?).await.map_err(history.failed("list decisions"))?;
        Ok(rows.into_iter().map(decision).collect())
    }

    async fn decision(&self, id: &str) -> Result<Option<DecisionRow>, StoreError> {
        let history = &self.inner.history;
        let row: Option<Row> =
            sqlx::query_as("SELECT id, began_at_ns, renewed_at_ns, ended, service, body FROM decision WHERE id = ?")
                .bind(id)
                .fetch_optional(&mut *history.reader().await?)
                .await
                .map_err(history.failed("read a decision"))?;
        Ok(row.map(decision))
    }

    async fn ticks(&self, plugin_id: &str, from_ns: i64, to_ns: i64, limit: u32) -> Result<Vec<TickRow>, StoreError> {
        let history = &self.inner.history;
        let rows: Vec<(i64, i64, Vec<u8>)> = sqlx::query_as(TICKS)
            .bind(plugin_id)
            .bind(from_ns)
            .bind(to_ns)
            .bind(limit.min(MOST_TICKS))
            .fetch_all(&mut *history.reader().await?)
            .await
            .map_err(history.failed("read ticks"))?;
        Ok(rows
            .into_iter()
            .map(|(tick, at_ns, body)| TickRow { plugin_id: plugin_id.to_owned(), tick: tick as u64, at_ns, body })
            .collect())
    }
}
