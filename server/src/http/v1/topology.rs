//! `GET /api/v1/topology`: the map now, or at an instant of the past.

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use spillway_api as api;
use spillway_store::{EventLog, RollupReader, StoreError};
use spillway_store_sqlite::SqliteStore;

use crate::{
    clock,
    http::error::ApiError,
    live::{LiveHandle, view},
};

/// The past is summed up over as long a window as the present.
const WINDOW_S: i64 = 30;
/// Breakers and health reports older than this say nothing of that instant.
const STATES_NS: i64 = 900_000_000_000;
/// A client's clock may be a little ahead.
const SKEW_NS: i64 = 60_000_000_000;

/// The query string.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instant {
    at: Option<api::Timestamp>,
    environment: Option<String>,
}

/// The map, whole or of one environment.
#[tracing::instrument(name = "http.topology", skip_all)]
pub async fn get(
    State(live): State<LiveHandle>,
    State(store): State<SqliteStore>,
    Query(instant): Query<Instant>,
) -> Result<Json<api::Topology>, ApiError> {
    let now_ns = clock::unix_ns();
    let topology = match instant.at.map(api::Timestamp::unix_ns) {
        Some(at_ns) if at_ns > now_ns.saturating_add(SKEW_NS) => {
            return Err(ApiError::bad_request("the future is not known yet").with_error("at", "lies in the future"));
        }
        Some(at_ns) if at_ns < 0 => {
            return Err(ApiError::bad_request("nothing was recorded before 1970").with_error("at", "out of range"));
        }
        Some(at_ns) if at_ns < now_ns => past(&store, at_ns).await?,
        _ => live.snapshot().as_ref().clone(),
    };
    Ok(Json(match instant.environment {
        Some(environment) => only(topology, &environment),
        None => topology,
    }))
}

async fn past(store: &(impl RollupReader + EventLog), at_ns: i64) -> Result<api::Topology, StoreError> {
    // Rounded up, so that the second of the instant itself is in it.
    let to_s = at_ns.div_euclid(1_000_000_000) + 1;
    let rollup = store.topology(to_s - WINDOW_S, to_s).await?;
    let states = store.latest_states(at_ns - STATES_NS, at_ns).await?;
    Ok(view::past(&rollup, &states, at_ns))
}

/// The part of one environment. Edges do not cross environments.
fn only(mut topology: api::Topology, environment: &str) -> api::Topology {
    topology.nodes.retain(|node| node.environment == environment);
    let known = |id: &str| topology.nodes.binary_search_by(|node| node.id.as_str().cmp(id)).is_ok();
    topology.edges.retain(|edge| known(&edge.source) && known(&edge.target));
    topology
}

#[cfg(test)]
mod tests;
