//! `GET /api/v1/directives`: what is in force for one instance, by long poll.
//!
//! 200 with an ETag carries the whole set with fresh leases; 304 says that nothing is in force, as before. Two answers with
//! the same ETag may differ in their leases and reasons: an enforcer replaces what it has either way.

use std::time::Duration;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use spillway_model::identity::ServiceKey;

use crate::{
    control::{Control, Fetched},
    http::error::ApiError,
};

/// The query string.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    service: String,
    #[serde(default)]
    environment: String,
    #[serde(default)]
    namespace: String,
    /// Leases are for all instances of a service alike; who asks says so all the same, for the log.
    #[serde(default)]
    instance: String,
    #[serde(default)]
    wait_ms: u64,
}

/// Waits for a change, a renewal or the end of the wait.
#[tracing::instrument(name = "http.directives.get", skip_all)]
pub async fn get(
    State(control): State<Control>,
    query: Result<Query<Instance>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Query(asked) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    if asked.service.is_empty() {
        return Err(ApiError::bad_request("which service?").with_error("service", "must not be empty"));
    }
    tracing::trace!(service.name = asked.service, service.instance = asked.instance, "directives asked for");
    let service = ServiceKey::new(&asked.environment, &asked.namespace, &asked.service);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tag| tag.to_str().ok()).map(revision_of);
    let fetched = control.directives(&service, known, Duration::from_millis(asked.wait_ms)).await;
    let (revision, mut response) = match fetched {
        Fetched::Unchanged { revision } => (revision, StatusCode::NOT_MODIFIED.into_response()),
        Fetched::Set(set) => (set.revision.clone(), Json(set).into_response()),
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{revision}\"")) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The revision in an entity tag, which a proxy may have made weak.
fn revision_of(tag: &str) -> &str {
    tag.trim().trim_start_matches("W/").trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_in_every_form() {
        assert_eq!(["\"a-1\"", "W/\"a-1\"", " a-1 "].map(revision_of), ["a-1"; 3]);
    }
}
