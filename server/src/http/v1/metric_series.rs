//! `GET /api/v1/metric-series`: which series of metrics came in by OTLP, and why most of them are not used.

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use spillway_api as api;

use crate::{app::App, http::error::ApiError};

/// The query string.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    limit: Option<u16>,
}

/// Used ones first, then the most frequent.
#[tracing::instrument(name = "http.metric_series.list", skip_all)]
pub async fn list(
    State(app): State<App>,
    Query(filter): Query<Filter>,
) -> Result<Json<api::MetricSeriesList>, ApiError> {
    let limit = filter.limit.unwrap_or(100);
    if !(1..=1_000).contains(&limit) {
        return Err(ApiError::bad_request("limit is 1 to 1000").with_error("limit", "out of range"));
    }
    Ok(Json(api::MetricSeriesList { series: app.ingest.metric_series(limit.into()) }))
}
