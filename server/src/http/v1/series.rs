//! `GET /api/v1/services/series` and `GET /api/v1/edges/series`: charts, read from rollups.

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use spillway_api as api;
use spillway_model::{
    identity::NodeKey,
    observation::{EdgeKey, Protocol, Side},
};
use spillway_store::{RollupPoint, RollupReader as _};
use spillway_store_sqlite::SqliteStore;

use crate::{clock, http::error::ApiError};

/// A chart has no more points than a wide screen has pixels.
const POINTS: i64 = 2_000;

/// Range and step.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfService {
    node: String,
    from: Option<api::Timestamp>,
    to: Option<api::Timestamp>,
    step_s: Option<u32>,
}

/// An edge, range and step.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfEdge {
    source: String,
    target: String,
    protocol: api::Protocol,
    from: Option<api::Timestamp>,
    to: Option<api::Timestamp>,
    step_s: Option<u32>,
}

struct Range {
    from_s: i64,
    to_s: i64,
    step_s: u32,
}

impl Range {
    fn new(from: Option<api::Timestamp>, to: Option<api::Timestamp>, step_s: Option<u32>) -> Result<Self, ApiError> {
        let to_s = to.map_or_else(clock::unix_ns, api::Timestamp::unix_ns).div_euclid(1_000_000_000);
        let from_s = from.map_or(to_s - 1_800, |from| from.unix_ns().div_euclid(1_000_000_000));
        let length = to_s - from_s;
        let step_s = step_s.unwrap_or_else(|| even_step(length));
        if length <= 0 || step_s == 0 || length / i64::from(step_s) > POINTS {
            return Err(ApiError::bad_request(format!("the range must be positive and hold at most {POINTS} steps"))
                .with_error("step_s", "out of range"));
        }
        Ok(Self { from_s: from_s.div_euclid(i64::from(step_s)) * i64::from(step_s), to_s, step_s })
    }

    /// Every step, with null where nothing happened.
    fn fill(&self, rollup: &[RollupPoint]) -> Vec<api::SeriesPoint> {
        let step = i64::from(self.step_s);
        let steps = (self.to_s - self.from_s).div_euclid(step) + 1;
        let mut points: Vec<api::SeriesPoint> = (0..steps).map(|index| empty(self.from_s + index * step)).collect();
        for point in rollup {
            // Where only a coarser resolution is still stored, its mean holds for every step that it covers.
            let covered = (point.at_s - self.from_s).div_euclid(step)
                ..=(point.at_s + i64::from(point.length_s) - 1 - self.from_s).div_euclid(step);
            let aggregate = &point.aggregate;
            for index in covered.filter_map(|index| usize::try_from(index).ok()) {
                let Some(place) = points.get_mut(index) else { break };
                place.rate = Some(aggregate.count.max(0) as f64 / f64::from(point.length_s));
                place.error_ratio = aggregate.error_ratio();
                place.p50_ms = aggregate.histogram.quantile_ms(0.5);
                place.p95_ms = aggregate.histogram.quantile_ms(0.95);
                place.p99_ms = aggregate.histogram.quantile_ms(0.99);
            }
        }
        points
    }
}

/// A step for some 180 points that stored buckets divide: others are summed up from far more rows than the chart has points.
fn even_step(length_s: i64) -> u32 {
    const STEPS: [u32; 13] = [10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 21_600, 43_200];
    STEPS.into_iter().find(|step| i64::from(*step) * 180 >= length_s).unwrap_or(86_400)
}

fn empty(at_s: i64) -> api::SeriesPoint {
    api::SeriesPoint {
        at: api::Timestamp::from_unix_ms(at_s.saturating_mul(1_000)),
        rate: None,
        error_ratio: None,
        p50_ms: None,
        p95_ms: None,
        p99_ms: None,
    }
}

fn node(name: &'static str, id: &str) -> Result<NodeKey, ApiError> {
    NodeKey::parse(id).map_err(|error| ApiError::bad_request(error.to_string()).with_error(name, "not a node id"))
}

/// `GET /api/v1/services/series`.
#[tracing::instrument(name = "http.services.series", skip_all)]
pub async fn service(
    State(store): State<SqliteStore>,
    Query(of): Query<OfService>,
) -> Result<Json<api::ServiceSeries>, ApiError> {
    let range = Range::new(of.from, of.to, of.step_s)?;
    let rollup = store.node_series(&node("node", &of.node)?, range.from_s, range.to_s, range.step_s).await?;
    Ok(Json(api::ServiceSeries { node: of.node, step_s: range.step_s, points: range.fill(&rollup) }))
}

/// `GET /api/v1/edges/series`: as the caller measured it, else as the callee did.
#[tracing::instrument(name = "http.edges.series", skip_all)]
pub async fn edge(
    State(store): State<SqliteStore>,
    Query(of): Query<OfEdge>,
) -> Result<Json<api::EdgeSeries>, ApiError> {
    let range = Range::new(of.from, of.to, of.step_s)?;
    let key = EdgeKey {
        source: node("source", &of.source)?,
        target: node("target", &of.target)?,
        protocol: protocol(of.protocol),
    };
    let mut rollup = store.edge_series(&key, Side::Caller, range.from_s, range.to_s, range.step_s).await?;
    if rollup.is_empty() {
        rollup = store.edge_series(&key, Side::Callee, range.from_s, range.to_s, range.step_s).await?;
    }
    let edge = api::EdgeKey { source: of.source, target: of.target, protocol: of.protocol };
    Ok(Json(api::EdgeSeries { edge, step_s: range.step_s, points: range.fill(&rollup) }))
}

fn protocol(protocol: api::Protocol) -> Protocol {
    match protocol {
        api::Protocol::Http => Protocol::Http,
        api::Protocol::Grpc => Protocol::Grpc,
        api::Protocol::Graphql => Protocol::Graphql,
        api::Protocol::Websocket => Protocol::Websocket,
        api::Protocol::Rpc => Protocol::Rpc,
        api::Protocol::Messaging => Protocol::Messaging,
        api::Protocol::Database => Protocol::Database,
        api::Protocol::Unknown => Protocol::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_nobody_chose_is_one_that_buckets_divide() {
        let cases = [(60, 10), (1_800, 10), (1_801, 20), (3_600, 20), (86_400, 600), (90 * 86_400, 43_200)];
        for (length_s, step_s) in cases {
            assert_eq!(even_step(length_s), step_s, "{length_s}");
        }
    }
}
