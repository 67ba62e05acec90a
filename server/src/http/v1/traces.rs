//! `GET /api/v1/traces`, `GET /api/v1/traces/{trace_id}` and `GET /api/v1/operations`.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, Query, State},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use spillway_api as api;
use spillway_model::{batch::SpanStatus, identity::TraceId};
use spillway_query::{Comparison, Equality, Filter, Order, Pattern, Term, TextField, TextTest};
use spillway_store::{Cursor, SpanReader as _, TraceQuery, Watermark};
use spillway_store_sqlite::SqliteStore;

use crate::http::{error::ApiError, v1::view};

/// A page that takes longer is sent short, with a cursor.
const DEADLINE: Duration = Duration::from_secs(5);
/// Operations in one answer: for completion in a form, not for export.
const OPERATIONS: usize = 10_000;

/// The query string of a search.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    q: Option<String>,
    environment: Option<String>,
    namespace: Option<String>,
    service: Option<String>,
    operation: Option<String>,
    status: Option<api::SpanStatus>,
    min_duration_ms: Option<f64>,
    max_duration_ms: Option<f64>,
    from: Option<api::Timestamp>,
    to: Option<api::Timestamp>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// `GET /api/v1/traces`: newest first.
#[tracing::instrument(name = "http.traces.search", skip_all)]
pub async fn search(
    State(store): State<SqliteStore>,
    Query(search): Query<Search>,
) -> Result<Json<api::TraceList>, ApiError> {
    let page = store.search(&query(search)?).await?;
    Ok(Json(api::TraceList {
        traces: page.traces.iter().map(view::trace_summary).collect(),
        next_cursor: page.next.as_ref().map(write_cursor),
        blocks_read: page.blocks_read,
        blocks_skipped: page.blocks_skipped,
        complete: page.complete,
        reached: page.reached_ns().map(view::timestamp),
    }))
}

/// `GET /api/v1/traces/{trace_id}`.
#[tracing::instrument(name = "http.traces.get", skip_all, fields(trace.id = id))]
pub async fn get(State(store): State<SqliteStore>, Path(id): Path<String>) -> Result<Json<api::Trace>, ApiError> {
    let trace_id = parse_id(&id)?;
    let batch = store.trace(trace_id).await?.ok_or_else(|| not_stored(trace_id))?;
    Ok(Json(api::Trace { trace_id: trace_id.to_string(), spans: batch.iter().map(view::span).collect() }))
}

/// A trace id of a path.
pub(super) fn parse_id(id: &str) -> Result<TraceId, ApiError> {
    TraceId::parse(id)
        .ok_or_else(|| ApiError::bad_request("a trace id is 32 hex digits").with_error("trace_id", "not 32 hex digits"))
}

pub(super) fn not_stored(trace_id: TraceId) -> ApiError {
    ApiError::not_found(format!(
        "no span of trace {trace_id} is stored: it was never sent, or is older than the retention"
    ))
}

/// `GET /api/v1/operations`.
pub async fn operations(State(store): State<SqliteStore>) -> Result<Json<api::OperationList>, ApiError> {
    let rows = store.operations(OPERATIONS).await?;
    let operations = rows
        .into_iter()
        .map(|row| api::Operation {
            environment: row.service.environment.to_string(),
            namespace: row.service.namespace.to_string(),
            service: row.service.name.to_string(),
            name: row.name,
        })
        .collect();
    Ok(Json(api::OperationList { operations }))
}

fn query(search: Search) -> Result<TraceQuery, ApiError> {
    let milliseconds = |name: &'static str, value: Option<f64>| match value {
        None => Ok(None),
        // A day in milliseconds is 8.64e7; a year of nanoseconds still fits 64 bits.
        Some(ms) if (0.0..=3.2e10).contains(&ms) => Ok(Some((ms * 1e6) as u64)),
        Some(_) => Err(ApiError::bad_request(format!("{name} is a number of milliseconds, 0 or more"))
            .with_error(name, "out of range")),
    };
    let instant = |name: &'static str, value: Option<api::Timestamp>| match value.map(|at| u64::try_from(at.unix_ns()))
    {
        None => Ok(None),
        Some(Ok(ns)) => Ok(Some(ns)),
        Some(Err(_)) => Err(ApiError::bad_request(format!("{name} lies before 1970")).with_error(name, "out of range")),
    };
    let limit = search.limit.unwrap_or(20);
    if !(1..=1_000).contains(&limit) {
        return Err(ApiError::bad_request("limit is 1 to 1000").with_error("limit", "out of range"));
    }
    let cursor = search
        .cursor
        .as_deref()
        .map(|text| read_cursor(text).ok_or(spillway_store::StoreError::InvalidCursor))
        .transpose()?;
    let name = |field: TextField, text: Option<String>| {
        let pattern = text.filter(|text| !text.is_empty()).map(Pattern::Exact);
        pattern.map(|pattern| Term::Text(field, TextTest::Is(pattern)))
    };
    let status = search.status.map(|status| match status {
        api::SpanStatus::Unset => SpanStatus::Unset,
        api::SpanStatus::Ok => SpanStatus::Ok,
        api::SpanStatus::Error => SpanStatus::Error,
    });
    let duration = |order: Order, ns: Option<u64>| ns.map(|ns| Term::Duration(Comparison::Order(order), ns));
    let start = |order: Order, ns: Option<u64>| ns.map(|ns| Term::Start(Comparison::Order(order), ns));
    let terms = [
        name(TextField::Environment, search.environment),
        name(TextField::Namespace, search.namespace),
        name(TextField::Service, search.service),
        name(TextField::Operation, search.operation),
        status.map(|status| Term::Status(Equality::Is, status)),
        duration(Order::AtLeast, milliseconds("min_duration_ms", search.min_duration_ms)?),
        duration(Order::AtMost, milliseconds("max_duration_ms", search.max_duration_ms)?),
        start(Order::AtLeast, instant("from", search.from)?),
        start(Order::Less, instant("to", search.to)?),
    ];
    let written = read_filter(search.q.as_deref().unwrap_or_default())?;
    let filter = Filter::all(terms.into_iter().flatten().map(Filter::Term).chain([written]));
    Ok(TraceQuery { filter, limit, cursor, deadline: Some(DEADLINE) })
}

/// The filter in the parameter `q`; the error says which characters are wrong.
fn read_filter(text: &str) -> Result<Filter, ApiError> {
    spillway_query::parse(text).map_err(|error| {
        let first = error.character - 1;
        let last = first + text[error.range.clone()].chars().count();
        let detail = match &error.hint {
            Some(hint) => format!("expected {}; {hint}", error.expected),
            None => format!("expected {}", error.expected),
        };
        ApiError::bad_request(format!("q is not a filter: {error}"))
            .with_error(format!("q#char={first},{last}"), detail)
    })
}

/// Version byte, start, bound and trace: opaque to clients.
fn write_cursor(cursor: &Cursor) -> String {
    let mut bytes = vec![1];
    bytes.extend(cursor.start_ns.to_be_bytes());
    bytes.extend(cursor.bound.segment.to_be_bytes());
    bytes.extend(cursor.bound.block.to_be_bytes());
    bytes.extend(cursor.trace_id.0);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn read_cursor(text: &str) -> Option<Cursor> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (&version, rest) = bytes.split_first()?;
    let (start, rest) = rest.split_first_chunk::<8>()?;
    let (segment, rest) = rest.split_first_chunk::<4>()?;
    let (block, rest) = rest.split_first_chunk::<8>()?;
    let trace_id = TraceId(rest.try_into().ok()?);
    let bound = Watermark { segment: u32::from_be_bytes(*segment), block: u64::from_be_bytes(*block) };
    (version == 1).then_some(Cursor { start_ns: u64::from_be_bytes(*start), trace_id, bound })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_cursor_survives_its_text_and_a_made_up_one_does_not() {
        let cursor =
            Cursor { start_ns: 7, trace_id: TraceId([9; 16]), bound: Watermark { segment: 3, block: 1 << 40 } };

        assert_eq!(read_cursor(&write_cursor(&cursor)), Some(cursor));
        for bad in ["", "AQ", "!!", &write_cursor(&cursor)[1..]] {
            assert_eq!(read_cursor(bad), None, "{bad}");
        }
    }

    #[test]
    fn parameters_and_filter_all_have_to_hold() {
        let search = Search {
            q: Some("a=1 or b=2".into()),
            service: Some("cart".into()),
            min_duration_ms: Some(2.5),
            to: Some(api::Timestamp::from_unix_ns(1_000_000_000)),
            ..Search::default()
        };

        assert_eq!(
            query(search).unwrap().filter.to_string(),
            "service=cart duration>=2500us start<1970-01-01T00:00:01Z (a=1 or b=2)"
        );
    }

    #[test]
    fn a_search_out_of_range_names_the_parameter() {
        let refused = |search: Search| query(search).unwrap_err().status();

        assert_eq!(refused(Search { limit: Some(0), ..Search::default() }), http::StatusCode::BAD_REQUEST);
        assert_eq!(
            refused(Search { min_duration_ms: Some(f64::NAN), ..Search::default() }),
            http::StatusCode::BAD_REQUEST
        );
        assert_eq!(refused(Search { cursor: Some("x".into()), ..Search::default() }), http::StatusCode::BAD_REQUEST);
    }
}
