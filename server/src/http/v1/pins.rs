//! `POST` and `DELETE /api/v1/traces/{trace_id}/pin`, `GET /api/v1/pins`: traces that are kept whatever the retention says.

use axum::{
    Json,
    extract::{Path, State, rejection::BytesRejection},
};
use bytes::Bytes;
use http::StatusCode;
use spillway_api as api;
use spillway_model::identity::TraceId;
use spillway_store::{AuditEntry, MOST_PINS, Pin, PinStore as _, SpanReader as _};
use spillway_store_sqlite::SqliteStore;

use super::{
    plugins::{Actor, body, json},
    traces::{not_stored, parse_id},
};
use crate::{clock, http::error::ApiError};

/// Characters of a note.
const NOTE: usize = 1_000;

/// `POST /api/v1/traces/{trace_id}/pin`: keeps a trace that is stored.
#[tracing::instrument(name = "http.pins.post", skip_all, fields(trace.id = id))]
pub async fn post(
    State(store): State<SqliteStore>,
    actor: Actor,
    Path(id): Path<String>,
    given: Result<Bytes, BytesRejection>,
) -> Result<Json<api::Pin>, ApiError> {
    let trace_id = parse_id(&id)?;
    let api::PinNote { note } = json(&body(given)?)?;
    if note.chars().count() > NOTE {
        return Err(ApiError::bad_request("the note is too long").with_error("/note", "at most 1,000 characters"));
    }
    if store.trace(trace_id).await?.is_none() {
        return Err(not_stored(trace_id));
    }
    let pin = Pin { trace_id, pinned_at_ns: clock::unix_ns(), actor: actor.name().to_owned(), note };
    store.pin(&pin, &audit(actor, "trace.pin", trace_id, &pin.note)).await?;
    Ok(Json(wire(pin)))
}

/// `DELETE /api/v1/traces/{trace_id}/pin`: lets it go with the others of its age.
#[tracing::instrument(name = "http.pins.delete", skip_all, fields(trace.id = id))]
pub async fn delete(
    State(store): State<SqliteStore>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let trace_id = parse_id(&id)?;
    match store.unpin(trace_id, &audit(actor, "trace.unpin", trace_id, "")).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::not_found(format!("trace {trace_id} is not pinned"))),
    }
}

/// `GET /api/v1/pins`.
pub async fn list(State(store): State<SqliteStore>) -> Result<Json<api::PinList>, ApiError> {
    let pins = store.pins().await?.into_iter().map(wire).collect();
    Ok(Json(api::PinList { pins, most: MOST_PINS as u32 }))
}

fn audit(actor: Actor, action: &str, trace_id: TraceId, detail: &str) -> AuditEntry {
    AuditEntry {
        at_ns: clock::unix_ns(),
        actor: actor.name().to_owned(),
        action: action.to_owned(),
        object: trace_id.to_string(),
        detail: detail.to_owned(),
    }
}

fn wire(pin: Pin) -> api::Pin {
    api::Pin {
        trace_id: pin.trace_id.to_string(),
        pinned_at: api::Timestamp::from_unix_ns(pin.pinned_at_ns),
        by: pin.actor,
        note: pin.note,
    }
}
