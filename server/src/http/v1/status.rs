//! `GET /api/v1/status`, `/healthz`, `/readyz` and `/metrics`: what the server says of itself.

use axum::{Json, extract::State, response::IntoResponse};
use http::{StatusCode, header};
use spillway_api::{Status, Timestamp};
use spillway_store::{Compaction as _, Projector as _, SpanReader as _};

use crate::{app::App, http::error::ApiError, metrics::Source};

/// Series of metrics that are named as not used: a page holds as many.
const IGNORED_SHOWN: usize = 20;

/// `GET /api/v1/status`.
pub async fn get(State(app): State<App>) -> Result<Json<Status>, ApiError> {
    let usage = app.store.usage().await?;
    let mut ingest = app.metrics.ingest();
    if let Some(metrics) = ingest.iter_mut().find(|source| source.source == Source::OtlpMetrics.as_str()) {
        metrics.ignored = app.ingest.ignored_series(IGNORED_SHOWN);
    }
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION").into(),
        started_at: Timestamp::from_unix_ns(app.started_at_ns),
        listeners: app.listeners.get().cloned().unwrap_or_default(),
        ingest_key_required: app.access.key_required(),
        ingest,
        spans_stored: usage.spans,
        bytes_stored: usage.bytes,
        retention_s: app.config.retention_spans.as_secs(),
        redacted: app.metrics.redactions(),
        demo: app.demo.is_some(),
    }))
}

/// `GET /healthz`: the process answers. Never depends on anything else, or an orchestrator would kill it for its disk's fault.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the store answers and the writer takes work. While writes fail it says why; reads are answered all the same.
pub async fn readyz(State(app): State<App>) -> Result<&'static str, ApiError> {
    if app.ingest.is_stopping() {
        return Err(ApiError::unavailable("the server is stopping"));
    }
    if let Some(why) = app.trouble.why() {
        let detail = format!("nothing can be stored just now, reads go on: {why}; it is tried again each second");
        return Err(ApiError::unavailable(detail).with_retry_after(5));
    }
    app.store.usage().await.map_err(|error| ApiError::unavailable(format!("the store does not answer: {error}")))?;
    Ok("ready\n")
}

/// `GET /metrics`: Prometheus text format.
pub async fn metrics(State(app): State<App>) -> Result<impl IntoResponse, ApiError> {
    let usage = app.store.usage().await?;
    let mut gauges = vec![
        ("spillway_store_spans", "Spans that are stored.", usage.spans as f64),
        ("spillway_store_bytes", "Bytes on disk.", usage.bytes as f64),
        (
            "spillway_store_unprojected_spans",
            "Spans that are stored and in no rollup yet.",
            app.store.unprojected().await? as f64,
        ),
        (
            "spillway_store_uncompacted_spans",
            "Spans that are stored as they came, not sorted by trace yet.",
            app.store.uncompacted() as f64,
        ),
        (
            "spillway_ingest_budget_bytes",
            "Memory that is left for requests on their way to a commit.",
            app.ingest.budget_left_bytes() as f64,
        ),
    ];
    gauges.extend(app.control.metrics());
    let live = app.live.stats();
    gauges.extend([
        ("spillway_live_subscribers", "Streams of the live map that are open.", app.live.subscribers() as f64),
        ("spillway_live_late", "Observations that came too late for the live window.", live.late as f64),
        ("spillway_live_ahead", "Observations from clocks that are ahead.", live.ahead as f64),
        ("spillway_live_refused", "Nodes, instances and breakers that found no room on the map.", live.refused as f64),
    ]);
    Ok((
        StatusCode::OK,
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        app.metrics.exposition(&gauges),
    ))
}

/// `GET /api/v1/openapi.json`.
pub async fn openapi(State(app): State<App>) -> impl IntoResponse {
    let document = app.openapi.get().cloned().unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], document)
}
