//! `GET /api/v1/export`: traces as OTLP/JSON lines, as long as there are any.

use axum::{
    body::{Body, Bytes},
    extract::{Query, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, header};
use serde::Deserialize;
use spillway_store_sqlite::SqliteStore;

use crate::{exchange::Export, http::error::ApiError};

/// The query string.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    #[serde(default)]
    q: String,
}

/// Reads a trace when the last one was taken: memory holds one, however slowly the other side reads. A failure breaks the body off.
#[tracing::instrument(name = "http.export", skip_all)]
pub async fn get(State(store): State<SqliteStore>, Query(asked): Query<Asked>) -> Result<Response, ApiError> {
    let filter = spillway_query::parse(&asked.q)
        .map_err(|error| ApiError::bad_request(error.to_string()).with_error("q", error.to_string()))?;
    let lines = futures_util::stream::try_unfold(Export::new(store, filter), |mut export| async move {
        let next = export.next().await.inspect_err(|error| tracing::error!(%error, "an export broke off"))?;
        Ok::<_, spillway_store::StoreError>(next.map(|trace| (Bytes::from(trace.lines), export)))
    });
    let mut response = Body::from_stream(lines).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
