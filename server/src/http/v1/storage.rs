//! `GET /api/v1/storage`: where the space goes, and how long it lasts.

use axum::{Json, extract::State};
use spillway_api::Storage;

use crate::{http::error::ApiError, storage::StorageGauge};

/// Measured at most ten seconds ago.
#[tracing::instrument(name = "http.storage", skip_all)]
pub async fn get(State(gauge): State<StorageGauge>) -> Result<Json<Storage>, ApiError> {
    Ok(Json(gauge.read().await?))
}
