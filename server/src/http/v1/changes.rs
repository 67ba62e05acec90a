//! `GET /api/v1/changes`: what was deployed, configured, switched or scaled, newest first.

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use spillway_api as api;
use spillway_store::{EventKind, EventLog as _, EventQuery};
use spillway_store_sqlite::SqliteStore;

use crate::{
    clock,
    http::{error::ApiError, v1::view},
};

/// What is looked at when nothing is said: a day.
const LOOK_BACK_NS: i64 = 86_400_000_000_000;

/// The query string.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    service: Option<String>,
    from: Option<api::Timestamp>,
    to: Option<api::Timestamp>,
    limit: Option<u32>,
}

/// The changes of a time.
#[tracing::instrument(name = "http.changes.list", skip_all)]
pub async fn list(
    State(store): State<SqliteStore>,
    Query(filter): Query<Filter>,
) -> Result<Json<api::ChangeList>, ApiError> {
    let limit = filter.limit.unwrap_or(100);
    if !(1..=1_000).contains(&limit) {
        return Err(ApiError::bad_request("limit is 1 to 1000").with_error("limit", "out of range"));
    }
    let from_ns = match (filter.from, filter.to) {
        (Some(from), _) => from.unix_ns(),
        (None, to) => to.map_or_else(clock::unix_ns, api::Timestamp::unix_ns).saturating_sub(LOOK_BACK_NS),
    };
    let query = EventQuery {
        kind: Some(EventKind::Change),
        service: filter.service.filter(|service| !service.is_empty()),
        from_ns: Some(from_ns),
        to_ns: filter.to.map(api::Timestamp::unix_ns),
        before_seq: None,
        limit,
    };
    let page = store.events(&query).await?;
    let mut changes: Vec<api::ChangeEvent> =
        page.events.iter().filter_map(|stored| view::change(&stored.event)).collect();
    // The log is in the order of arrival; a deployment may be told late.
    changes.sort_by_key(|change| std::cmp::Reverse(change.at));
    Ok(Json(api::ChangeList { changes, more: page.next.is_some() }))
}
