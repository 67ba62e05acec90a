//! `POST /api/v1/usage`: what an enforcer counted. A repeated report changes nothing.

use axum::{
    Json,
    extract::{State, rejection::BytesRejection},
};
use bytes::Bytes;
use spillway_api::{UsageAnswer, UsageReport};

use crate::{
    control::Control,
    http::{
        error::ApiError,
        v1::plugins::{body, json},
    },
};

/// Counts it and answers with the newest revision.
#[tracing::instrument(name = "http.usage.post", skip_all)]
pub async fn post(
    State(control): State<Control>,
    given: Result<Bytes, BytesRejection>,
) -> Result<Json<UsageAnswer>, ApiError> {
    let report: UsageReport = json(&body(given)?)?;
    Ok(Json(control.receive(&report)?))
}
