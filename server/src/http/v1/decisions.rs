//! `GET /api/v1/decisions` and `/api/v1/decisions/{id}`: what was decided, why, and by whom.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use serde::Deserialize;
use spillway_api::{DecisionList, DecisionRecord};
use spillway_store::DecisionQuery;

use crate::{
    control::{Control, parse_cursor},
    http::error::ApiError,
};

/// Decisions a page, unless said.
const PAGE: u32 = 50;

/// The query string.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    service: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// A page, newest first.
#[tracing::instrument(name = "http.decisions.list", skip_all)]
pub async fn list(
    State(control): State<Control>,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<DecisionList>, ApiError> {
    let Query(filter) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let limit = filter.limit.unwrap_or(PAGE);
    if !(1..=1_000).contains(&limit) {
        return Err(ApiError::bad_request("limit is 1 to 1000").with_error("limit", "out of range"));
    }
    let before = match &filter.cursor {
        None => None,
        Some(cursor) => Some(parse_cursor(cursor).ok_or_else(|| {
            ApiError::bad_request("the cursor is not one of this list")
                .with_error("cursor", "start again without a cursor")
        })?),
    };
    let service = filter.service.filter(|service| !service.is_empty());
    Ok(Json(control.decisions(DecisionQuery { service, before, limit }).await?))
}

/// One, by its id or by what a rejected request carries.
#[tracing::instrument(name = "http.decisions.get", skip_all)]
pub async fn get(State(control): State<Control>, Path(id): Path<String>) -> Result<Json<DecisionRecord>, ApiError> {
    Ok(Json(control.decision(&id).await?))
}
