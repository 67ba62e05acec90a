//! Forgetting by age and size: whole segment files, and history in small steps.

use std::sync::Arc;

use spillway_model::identity::TraceId;
use spillway_store::{PinStore as _, Retention, RetentionReport, SpanReader as _, StoreError};

use crate::{
    SqliteStore,
    compact::keep::{self, Moved},
    segment::{Kind, Segment},
    store::Database,
};

mod keep_share;
mod notable;

pub use keep_share::KeepShare;

/// Rows that one statement deletes: the one writer of the file is held for a few milliseconds at a time.
const ROWS_A_STEP: i64 = 1_000;

/// Each deletes at most `?2` rows older than `?1`.
pub(crate) const STEPS: [&str; 4] = [
    // In the order of arrival, which is that of seq: the inner walk ends at the first row that stays.
    "DELETE FROM event
     WHERE seq <= (SELECT MAX(seq) FROM (SELECT seq FROM event ORDER BY seq LIMIT ?2))
       AND received_at_ns < ?1",
    // An id is known for 24 hours, however long events are kept. Index: event_id_by_arrival.
    "DELETE FROM event_id
     WHERE (source, id) IN (
         SELECT source, id FROM event_id
         WHERE received_at_ns < (SELECT MAX(received_at_ns) FROM event_id) - 86400000000000
         ORDER BY received_at_ns
         LIMIT ?2)",
    // Index: decision_by_renewal.
    "DELETE FROM decision
     WHERE rowid IN (SELECT rowid FROM decision WHERE renewed_at_ns < ?1 ORDER BY renewed_at_ns LIMIT ?2)",
    // Index: tick_by_time.
    "DELETE FROM tick
     WHERE row IN (SELECT row FROM tick WHERE at_ns < ?1 ORDER BY at_ns LIMIT ?2)",
];

impl Retention for SqliteStore {
    #[tracing::instrument(name = "db.expire", skip_all, err)]
    async fn expire(&self, spans_before_ns: i64, history_before_ns: i64) -> Result<RetentionReport, StoreError> {
        let mut report = RetentionReport::default();
        let catalogue = &self.inner.catalogue;
        // A backup is copying: what is too old goes the next time.
        let Some(_pass) = self.inner.retention.pass()? else { return Ok(report) };
        for segments in [catalogue.compacted(), catalogue.fresh()] {
            // The last one of each is being written: it is left to be filled, or to age.
            for segment in segments.split_last().map_or(&[][..], |(_, closed)| closed) {
                if segment.totals().last_received_at_ns < spans_before_ns {
                    report.segments += u32::from(forget(self, segment, Some(spans_before_ns)).await?);
                }
            }
        }
        report.bytes += catalogue.sweep().await?;
        for statement in STEPS {
            report.rows += expire_rows(&self.inner.history, statement, history_before_ns).await?;
        }
        Ok(report)
    }

    #[tracing::instrument(name = "db.shrink", skip_all, err)]
    async fn shrink(&self, most_bytes: u64) -> Result<RetentionReport, StoreError> {
        let mut report = RetentionReport::default();
        let catalogue = &self.inner.catalogue;
        let Some(_pass) = self.inner.retention.pass()? else { return Ok(report) };
        // Listed once: files that take kept traces now are not looked at, so it ends.
        for segment in catalogue.compacted().split_last().map_or(&[][..], |(_, closed)| closed) {
            if self.usage().await?.bytes <= most_bytes {
                break;
            }
            report.segments += u32::from(forget(self, segment, None).await?);
        }
        report.bytes += catalogue.sweep().await?;
        Ok(report)
    }
}

/// Takes a file out; false when that has to wait. What is pinned of it goes on in another; when it goes by age, by what came before
/// `too_old_ns`, so does what is notable, if that is configured.
async fn forget(store: &SqliteStore, segment: &Arc<Segment>, too_old_ns: Option<i64>) -> Result<bool, StoreError> {
    if segment.name.kind == Kind::Compacted {
        // An erasure looks at the newest file first: nothing may move there behind its back.
        let Ok(_turn) = store.inner.eraser.try_lock() else { return Ok(false) };
        let kept: Vec<TraceId> = store.pins().await?.into_iter().map(|pin| pin.trace_id).collect();
        match keep::move_kept(&store.inner, segment, &kept).await? {
            Moved::NotNow => return Ok(false),
            Moved::Spans(0) => {}
            Moved::Spans(spans) => tracing::info!(span.count = spans, "pinned spans moved on"),
        }
        if let (Some(too_old_ns), Some(share)) = (too_old_ns, store.inner.options.keep) {
            match keep_share::move_notable(store, segment, share, too_old_ns).await? {
                Moved::NotNow => return Ok(false),
                Moved::Spans(0) => {}
                Moved::Spans(spans) => tracing::info!(span.count = spans, "notable spans moved on"),
            }
        }
    }
    store.inner.catalogue.remove(segment);
    Ok(true)
}

async fn expire_rows(history: &Database, statement: &'static str, before_ns: i64) -> Result<u64, StoreError> {
    let mut rows = 0;
    loop {
        let step = sqlx::query(statement)
            .bind(before_ns)
            .bind(ROWS_A_STEP)
            .execute(history.writer.lock().await.statement())
            .await
            .map_err(history.failed("delete old rows"))?
            .rows_affected();
        rows += step;
        if step < ROWS_A_STEP as u64 {
            return Ok(rows);
        }
    }
}
