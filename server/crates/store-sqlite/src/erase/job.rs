//! The row of an erasure in `control.db`: what makes it survive a crash, and what forgets the filter when it is done.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use spillway_model::identity::TraceId;
use spillway_query::Filter;
use spillway_store::{AuditEntry, EraseExtent, EraseReport, Erasure, ErasureState, StoreError};

use super::{Wanted, file::checkpoint};
use crate::{control, store::Inner};

/// One that is not done.
pub(super) struct Job {
    pub(super) id: u64,
    erasure: Erasure,
    traces: Option<Vec<u8>>,
}

pub(super) async fn begin(inner: &Inner, erasure: &Erasure, audit: &AuditEntry) -> Result<u64, StoreError> {
    let filter = erasure.filter.to_string();
    // It is read back from here: what would not read the same must not be begun.
    if erasure.filter == Filter::default() || spillway_query::parse(&filter).ok().as_ref() != Some(&erasure.filter) {
        return Err(StoreError::Conflict("this filter cannot be erased by: it is empty, or too long".into()));
    }
    let failed = || inner.control.failed("note an erasure");
    let mut connection = inner.control.writer.lock().await;
    let mut tx = connection.begin().await.map_err(failed())?;
    let id: i64 =
        sqlx::query_scalar("INSERT INTO erasure (asked_at_ns, filter, whole_traces) VALUES (?, ?, ?) RETURNING id")
            .bind(audit.at_ns)
            .bind(filter)
            .bind(erasure.extent == EraseExtent::Traces)
            .fetch_one(&mut *tx)
            .await
            .map_err(failed())?;
    control::insert_audit(&mut tx, audit).await.map_err(failed())?;
    tx.commit().await.map_err(failed())?;
    connection.committed();
    Ok(id as u64)
}

/// How much of it is to be done.
pub(super) enum Left {
    All(Job),
    /// All spans are gone.
    Forget,
    /// It is done, or there is none.
    Nothing,
}

pub(super) async fn load(inner: &Inner, id: u64) -> Result<Left, StoreError> {
    let row: Option<(bool, String, bool, Option<Vec<u8>>)> =
        sqlx::query_as("SELECT erased, filter, whole_traces, traces FROM erasure WHERE id = ? AND done_at_ns IS NULL")
            .bind(i64::try_from(id).unwrap_or(i64::MAX))
            .fetch_optional(&mut *inner.control.reader().await?)
            .await
            .map_err(inner.control.failed("read an erasure"))?;
    let (filter, whole_traces, traces) = match row {
        None => return Ok(Left::Nothing),
        Some((true, ..)) => return Ok(Left::Forget),
        Some((false, filter, whole_traces, traces)) => (filter, whole_traces, traces),
    };
    let filter = spillway_query::parse(&filter).map_err(|error| StoreError::Corrupt {
        what: format!("erasure {id} in {}", inner.control.path.display()),
        why: error.to_string(),
    })?;
    let extent = if whole_traces { EraseExtent::Traces } else { EraseExtent::Spans };
    Ok(Left::All(Job { id, erasure: Erasure { filter, extent }, traces }))
}

/// What goes. Whole traces are written down before the first span goes: nothing else would tell the next process which they were.
pub(super) async fn wanted(inner: &Inner, job: &Job) -> Result<Arc<Wanted>, StoreError> {
    if let Some(ids) = &job.traces {
        let traces: FxHashSet<TraceId> = ids.as_chunks::<16>().0.iter().map(|id| TraceId(*id)).collect();
        return Ok(Arc::new(Wanted::Traces(traces)));
    }
    let wanted = super::wanted(inner, &job.erasure).await?;
    if let Wanted::Traces(traces) = &wanted {
        let ids: Vec<u8> = traces.iter().flat_map(|trace| trace.0).collect();
        sqlx::query("UPDATE erasure SET traces = ? WHERE id = ?")
            .bind(ids)
            .bind(job.id as i64)
            .execute(inner.control.writer.lock().await.statement())
            .await
            .map_err(inner.control.failed("note the traces of an erasure"))?;
    }
    Ok(Arc::new(wanted))
}

pub(super) async fn add(inner: &Inner, id: u64, report: &EraseReport) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE erasure
         SET erased_spans = erased_spans + ?1, erased_traces = erased_traces + ?2, rewritten_blocks = rewritten_blocks + ?3,
             bytes_before = bytes_before + ?4, bytes_after = bytes_after + ?5, unreadable_blocks = unreadable_blocks + ?6,
             first_start_ns = MIN(COALESCE(first_start_ns, ?7), COALESCE(?7, first_start_ns))
         WHERE id = ?8",
    )
    .bind(report.spans as i64)
    .bind(report.traces as i64)
    .bind(report.blocks as i64)
    .bind(report.bytes_before as i64)
    .bind(report.bytes_after as i64)
    .bind(report.unreadable_blocks as i64)
    .bind(report.first_start_ns.map(|start_ns| i64::try_from(start_ns).unwrap_or(i64::MAX)))
    .bind(id as i64)
    .execute(inner.control.writer.lock().await.statement())
    .await
    .map_err(inner.control.failed("note what was erased"))?;
    Ok(())
}

/// Forgets what it was about, and says that it is done.
pub(super) async fn finish(inner: &Inner, id: u64, now_ns: i64) -> Result<(), StoreError> {
    let failed = || inner.control.failed("end an erasure");
    let mut connection = inner.control.writer.lock().await;
    // One statement: an empty filter that is still to be erased by would mean every span.
    sqlx::query("UPDATE erasure SET erased = 1, filter = '', traces = NULL, failure = '' WHERE id = ?")
        .bind(id as i64)
        .execute(connection.statement())
        .await
        .map_err(failed())?;
    sqlx::query("VACUUM").execute(connection.statement()).await.map_err(failed())?;
    checkpoint(&mut connection, &inner.control.path).await?;
    sqlx::query("UPDATE erasure SET done_at_ns = ? WHERE id = ?")
        .bind(now_ns)
        .bind(id as i64)
        .execute(connection.statement())
        .await
        .map_err(failed())?;
    Ok(())
}

/// Damage and a locked file are named to whoever asks how far it is.
pub(super) async fn note_failure(inner: &Inner, id: u64, error: &StoreError) -> Result<(), StoreError> {
    sqlx::query("UPDATE erasure SET failure = ? WHERE id = ?")
        .bind(error.to_string())
        .bind(id as i64)
        .execute(inner.control.writer.lock().await.statement())
        .await
        .map_err(inner.control.failed("note a failure"))?;
    Ok(())
}

pub(super) async fn unfinished(inner: &Inner) -> Result<Option<u64>, StoreError> {
    let id: Option<i64> = sqlx::query_scalar("SELECT id FROM erasure WHERE done_at_ns IS NULL ORDER BY id LIMIT 1")
        .fetch_optional(&mut *inner.control.reader().await?)
        .await
        .map_err(inner.control.failed("look for erasures"))?;
    Ok(id.map(|id| id as u64))
}

/// When it was asked for and done, what went, and why it failed.
type StateRow = (i64, Option<i64>, i64, i64, i64, i64, i64, i64, Option<i64>, String);

pub(super) async fn state(inner: &Inner, id: u64) -> Result<Option<ErasureState>, StoreError> {
    let row: Option<StateRow> = sqlx::query_as(
        "SELECT asked_at_ns, done_at_ns, erased_spans, erased_traces, rewritten_blocks, bytes_before, bytes_after,
             unreadable_blocks, first_start_ns, failure
         FROM erasure
         WHERE id = ?",
    )
    .bind(i64::try_from(id).unwrap_or(i64::MAX))
    .fetch_optional(&mut *inner.control.reader().await?)
    .await
    .map_err(inner.control.failed("read an erasure"))?;
    Ok(row.map(|(asked_at_ns, done_at_ns, spans, traces, blocks, before, after, unreadable, first, failure)| {
        ErasureState {
            id,
            asked_at_ns,
            done_at_ns,
            report: EraseReport {
                spans: spans as u64,
                traces: traces as u64,
                blocks: blocks as u64,
                bytes_before: before as u64,
                bytes_after: after as u64,
                unreadable_blocks: unreadable as u64,
                first_start_ns: first.map(|start_ns| start_ns as u64),
            },
            failure,
        }
    }))
}
