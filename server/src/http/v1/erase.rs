//! `POST /api/v1/erase`, `GET /api/v1/erase/{id}`: erase spans for good, and ask how far it is.

use axum::{
    Json,
    extract::{Path, State, rejection::BytesRejection},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::StatusCode;
use spillway_api as api;
use spillway_query::Filter;
use spillway_store::{
    AuditEntry, BackupLog as _, BackupNote, EraseExtent, EraseReport, Eraser as _, Erasure, ErasureState,
};

use super::plugins::{Actor, body, json};
use crate::{app::App, clock, http::error::ApiError};

/// Notes it durably and answers 202; it is done in the background. A dry run counts and answers 200.
#[tracing::instrument(name = "http.erase", skip_all)]
pub async fn post(
    State(app): State<App>,
    actor: Actor,
    given: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let request: api::EraseRequest = json(&body(given)?)?;
    let filter = spillway_query::parse(&request.r#where)
        .map_err(|error| ApiError::bad_request(error.to_string()).with_error("/where", error.to_string()))?;
    if filter == Filter::default() {
        return Err(ApiError::bad_request("an empty filter would erase everything: delete the data directory instead")
            .with_error("/where", "empty"));
    }
    let extent = if request.traces { EraseExtent::Traces } else { EraseExtent::Spans };
    let (erasure, now_ns) = (Erasure { filter, extent }, clock::unix_ns());
    if request.dry_run {
        let report = app.store.count_erasable(&erasure).await?;
        let backups = app.store.backups_with(&report).await?;
        return Ok(Json(wire(None, now_ns, Some(now_ns), &report, String::new(), backups)).into_response());
    }
    // Who and when, not what: that must not be kept.
    let audit = AuditEntry {
        at_ns: now_ns,
        actor: actor.name().into(),
        action: "erase".into(),
        object: if request.traces { "traces".into() } else { "spans".into() },
        detail: String::new(),
    };
    let id = app.store.begin_erasure(&erasure, &audit).await?;
    app.erasures.notify_one();
    let begun = wire(Some(id), now_ns, None, &EraseReport::default(), String::new(), Vec::new());
    Ok((StatusCode::ACCEPTED, Json(begun)).into_response())
}

/// How far it is.
#[tracing::instrument(name = "http.erase.get", skip_all)]
pub async fn get(State(app): State<App>, Path(id): Path<String>) -> Result<Json<api::Erasure>, ApiError> {
    let none = || ApiError::not_found(format!("there is no erasure `{}`", id.chars().take(40).collect::<String>()));
    let number: u64 = id.parse().map_err(|_| none())?;
    let ErasureState { id, asked_at_ns, done_at_ns, report, failure } =
        app.store.erasure(number).await?.ok_or_else(none)?;
    let backups = app.store.backups_with(&report).await?;
    Ok(Json(wire(Some(id), asked_at_ns, done_at_ns, &report, failure, backups)))
}

fn wire(
    id: Option<u64>,
    asked_at_ns: i64,
    done_at_ns: Option<i64>,
    report: &EraseReport,
    failure: String,
    backups: Vec<BackupNote>,
) -> api::Erasure {
    api::Erasure {
        id,
        asked_at: api::Timestamp::from_unix_ns(asked_at_ns),
        done_at: done_at_ns.map(api::Timestamp::from_unix_ns),
        spans: report.spans,
        traces: report.traces,
        blocks: report.blocks,
        bytes_before: report.bytes_before,
        bytes_after: report.bytes_after,
        unreadable_blocks: report.unreadable_blocks,
        failure,
        backups: backups
            .into_iter()
            .map(|note| api::BackupMade {
                path: note.path,
                made_at: api::Timestamp::from_unix_ns(note.made_at_ns),
                newest_at: note.newest_ns.map(api::Timestamp::from_unix_ns),
            })
            .collect(),
    }
}
