//! `GET /api/v1/events`: events of health, breakers, limits and changes, newest first.

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use spillway_api as api;
use spillway_store::{EventKind, EventLog as _, EventQuery};
use spillway_store_sqlite::SqliteStore;

use crate::http::{error::ApiError, v1::view};

/// The query string.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    kind: Option<Kind>,
    service: Option<String>,
    from: Option<api::Timestamp>,
    to: Option<api::Timestamp>,
    limit: Option<u32>,
    cursor: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Breaker,
    Health,
    Limit,
    Change,
}

/// A page of events.
#[tracing::instrument(name = "http.events.list", skip_all)]
pub async fn list(
    State(store): State<SqliteStore>,
    Query(filter): Query<Filter>,
) -> Result<Json<api::EventList>, ApiError> {
    let limit = filter.limit.unwrap_or(100);
    if !(1..=1_000).contains(&limit) {
        return Err(ApiError::bad_request("limit is 1 to 1000").with_error("limit", "out of range"));
    }
    let query = EventQuery {
        kind: filter.kind.map(|kind| match kind {
            Kind::Breaker => EventKind::Breaker,
            Kind::Health => EventKind::Health,
            Kind::Limit => EventKind::Limit,
            Kind::Change => EventKind::Change,
        }),
        service: filter.service.filter(|service| !service.is_empty()),
        from_ns: filter.from.map(api::Timestamp::unix_ns),
        to_ns: filter.to.map(api::Timestamp::unix_ns),
        before_seq: filter.cursor,
        limit,
    };
    let page = store.events(&query).await?;
    Ok(Json(api::EventList {
        events: page.events.iter().map(view::event_record).collect(),
        next_cursor: page.next.map(|seq| seq.to_string()),
    }))
}
