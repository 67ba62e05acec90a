//! Sums over time: reading them, and forgetting them by age.

use std::collections::BTreeMap;

use spillway_model::{
    identity::NodeKey,
    observation::{EdgeKey, Side},
};
use spillway_store::{EdgeAggregate, NodeAggregate, RollupPoint, RollupReader, StoreError, TopologyRollup};
use sqlx::SqliteConnection;

use crate::{SqliteStore, store::Database};

mod encoding;
mod project;
pub(crate) mod resolution;
mod subjects;

use encoding::Accumulator;
pub(crate) use project::{ProjectorState, projected};
use resolution::{Floors, RESOLUTIONS};
use subjects::{SubjectKey, Subjects};

/// Steps of one series: a longer one is cut at its end.
const MOST_STEPS: i64 = 10_000;

/// Primary key, one seek a bucket: a range of buckets would read all subjects of each.
pub(crate) const NODE_SERIES: &str = "WITH RECURSIVE bucket (at) AS (
         VALUES (?1)
         UNION ALL
         SELECT at + ?2 FROM bucket WHERE at + ?2 < ?3)
     SELECT bucket.at, node_rollup.served
     FROM bucket
     CROSS JOIN node_rollup ON resolution_s = ?2 AND bucket_s = bucket.at AND subject = ?4
     LIMIT ?5";

/// Primary key, one seek a bucket.
pub(crate) const EDGE_SERIES: &str = "WITH RECURSIVE bucket (at) AS (
         VALUES (?1)
         UNION ALL
         SELECT at + ?2 FROM bucket WHERE at + ?2 < ?3)
     SELECT bucket.at, CASE ?6 WHEN 0 THEN edge_rollup.caller ELSE edge_rollup.callee END
     FROM bucket
     CROSS JOIN edge_rollup ON resolution_s = ?2 AND bucket_s = bucket.at AND subject = ?4
     LIMIT ?5";

/// Primary key, one range.
pub(crate) const NODES: &str = "SELECT subject, served
     FROM node_rollup
     WHERE resolution_s = ? AND bucket_s >= ? AND bucket_s < ?
     ORDER BY bucket_s, subject
     LIMIT ?";

/// Primary key, one range.
pub(crate) const EDGES: &str = "SELECT subject, caller, callee
     FROM edge_rollup
     WHERE resolution_s = ? AND bucket_s >= ? AND bucket_s < ?
     ORDER BY bucket_s, subject
     LIMIT ?";

/// Rows that one map is made of. The resolution keeps it far below.
const MOST_ROWS: i64 = 2_000_000;

impl RollupReader for SqliteStore {
    #[tracing::instrument(name = "db.rollup.node", skip_all, err)]
    async fn node_series(
        &self,
        node: &NodeKey,
        from_s: i64,
        to_s: i64,
        step_s: u32,
    ) -> Result<Vec<RollupPoint>, StoreError> {
        self.series(&SubjectKey::Node(node.clone()), 0, from_s, to_s, step_s).await
    }

    #[tracing::instrument(name = "db.rollup.edge", skip_all, err)]
    async fn edge_series(
        &self,
        edge: &EdgeKey,
        side: Side,
        from_s: i64,
        to_s: i64,
        step_s: u32,
    ) -> Result<Vec<RollupPoint>, StoreError> {
        self.series(&SubjectKey::Edge(edge.clone()), side as i64, from_s, to_s, step_s).await
    }

    #[tracing::instrument(name = "db.rollup.topology", skip_all, err)]
    async fn topology(&self, from_s: i64, to_s: i64) -> Result<TopologyRollup, StoreError> {
        let history = &self.inner.history;
        let mut connection = history.reader().await?;
        let floors = self.floors(&mut connection).await?;
        let resolution_s = floors.for_map(from_s, to_s);
        let length = i64::from(resolution_s);
        let from_s = from_s.div_euclid(length) * length;
        let to_s = to_s.saturating_add(length - 1).div_euclid(length) * length;
        let failed = || history.failed("read a map of the past");

        let mut nodes: BTreeMap<i64, Accumulator> = BTreeMap::new();
        let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(NODES)
            .bind(resolution_s)
            .bind(from_s)
            .bind(to_s)
            .bind(MOST_ROWS)
            .fetch_all(&mut *connection)
            .await
            .map_err(failed())?;
        for (subject, served) in rows {
            nodes.entry(subject).or_default().add(&served).map_err(|why| self.corrupt_rollup(subject, &why))?;
        }
        let mut edges: BTreeMap<i64, (Accumulator, Accumulator)> = BTreeMap::new();
        let rows: Vec<(i64, Vec<u8>, Vec<u8>)> = sqlx::query_as(EDGES)
            .bind(resolution_s)
            .bind(from_s)
            .bind(to_s)
            .bind(MOST_ROWS)
            .fetch_all(&mut *connection)
            .await
            .map_err(failed())?;
        for (subject, caller, callee) in rows {
            let (callers, callees) = edges.entry(subject).or_default();
            callers
                .add(&caller)
                .and_then(|()| callees.add(&callee))
                .map_err(|why| self.corrupt_rollup(subject, &why))?;
        }

        let mut map = TopologyRollup { from_s, to_s, resolution_s, nodes: Vec::new(), edges: Vec::new() };
        for (subject, served) in nodes {
            let aggregate = served.finish();
            if let (false, Some(SubjectKey::Node(node))) =
                (aggregate.is_empty(), self.subject(&mut connection, subject).await?)
            {
                map.nodes.push(NodeAggregate { node, aggregate });
            }
        }
        for (subject, (caller, callee)) in edges {
            let (caller, callee) = (caller.finish(), callee.finish());
            if let (false, Some(SubjectKey::Edge(edge))) =
                (caller.is_empty() && callee.is_empty(), self.subject(&mut connection, subject).await?)
            {
                map.edges.push(EdgeAggregate { edge, caller, callee });
            }
        }
        map.nodes.sort_unstable_by(|a, b| a.node.cmp(&b.node));
        map.edges.sort_unstable_by(|a, b| a.edge.cmp(&b.edge));
        Ok(map)
    }
}

impl SqliteStore {
    async fn series(
        &self,
        key: &SubjectKey,
        side: i64,
        from_s: i64,
        to_s: i64,
        step_s: u32,
    ) -> Result<Vec<RollupPoint>, StoreError> {
        let history = &self.inner.history;
        let mut connection = history.reader().await?;
        let Some(subject) = Subjects::find(&mut connection, key).await.map_err(history.failed("look a series up"))?
        else {
            return Ok(Vec::new());
        };
        let step_s = step_s.max(1);
        let resolution_s = self.floors(&mut connection).await?.for_step(from_s, step_s);
        let length = i64::from(resolution_s);
        let first = from_s.div_euclid(length) * length;
        let last = to_s.min(from_s.saturating_add(MOST_STEPS * i64::from(step_s)));
        if first >= last {
            return Ok(Vec::new());
        }
        let statement = match key {
            SubjectKey::Node(_) => NODE_SERIES,
            SubjectKey::Edge(_) => EDGE_SERIES,
        };
        let query = sqlx::query_as(statement).bind(first).bind(length).bind(last).bind(subject).bind(MOST_STEPS);
        let query = if matches!(key, SubjectKey::Edge(_)) { query.bind(side) } else { query };
        let rows: Vec<(i64, Vec<u8>)> =
            query.fetch_all(&mut *connection).await.map_err(history.failed("read a series"))?;
        let mut steps: BTreeMap<i64, Accumulator> = BTreeMap::new();
        for (bucket, sum) in rows {
            // The first bucket may begin before the range: it counts for the first step.
            let step = (bucket - from_s).div_euclid(i64::from(step_s)).max(0);
            steps.entry(step).or_default().add(&sum).map_err(|why| self.corrupt_rollup(subject, &why))?;
        }
        let point = |(step, sum): (i64, Accumulator)| RollupPoint {
            at_s: from_s + step * i64::from(step_s),
            length_s: step_s.max(resolution_s),
            aggregate: sum.finish(),
        };
        Ok(steps.into_iter().map(point).filter(|point| !point.aggregate.is_empty()).collect())
    }

    async fn floors(&self, connection: &mut SqliteConnection) -> Result<Floors, StoreError> {
        Floors::read(connection).await.map_err(self.inner.history.failed("read how far rollups go back"))
    }

    /// What a subject's number stands for.
    async fn subject(&self, connection: &mut SqliteConnection, id: i64) -> Result<Option<SubjectKey>, StoreError> {
        if let Some(key) = self.inner.subjects.read().expect("no panic while it was held").get(&id) {
            return Ok(Some(key.clone()));
        }
        let key =
            Subjects::read(connection, id).await.map_err(self.inner.history.failed("read what a rollup is about"))?;
        if let Some(key) = &key {
            self.inner.subjects.write().expect("no panic while it was held").insert(id, key.clone());
        }
        Ok(key)
    }

    fn corrupt_rollup(&self, subject: i64, why: &str) -> StoreError {
        StoreError::Corrupt {
            what: format!("a rollup of subject {subject} in {}", self.inner.history.path.display()),
            why: why.to_owned(),
        }
    }
}

/// What the projector and the readers keep of subjects, by number. As many as there are rows: the cardinality cap of the topology bounds it.
pub(crate) type SubjectCache = std::sync::RwLock<rustc_hash::FxHashMap<i64, SubjectKey>>;

/// Deletes what is older than the bound, and what its resolution is not kept for; a bucket at a time.
pub(crate) async fn expire(history: &Database, before_ns: i64) -> Result<u64, StoreError> {
    let mut rows = 0;
    let before_s = before_ns.div_euclid(1_000_000_000);
    for resolution in RESOLUTIONS {
        for statements in [resolution::NODE_STEP, resolution::EDGE_STEP] {
            rows += expire_resolution(history, statements, resolution, before_s).await?;
        }
    }
    Ok(rows)
}

async fn expire_resolution(
    history: &Database,
    statements: resolution::Step,
    resolution: resolution::Resolution,
    before_s: i64,
) -> Result<u64, StoreError> {
    let failed = || history.failed("delete old rollups");
    let newest: Option<i64> = sqlx::query_scalar(statements.newest)
        .bind(resolution.length_s)
        .fetch_one(&mut *history.reader().await?)
        .await
        .map_err(failed())?;
    let Some(newest) = newest else { return Ok(0) };
    // A bucket goes when all of it is older.
    let bound =
        before_s.saturating_sub(i64::from(resolution.length_s) - 1).max(newest.saturating_sub(resolution.kept_s));
    let mut rows = 0;
    loop {
        let mut connection = history.writer.lock().await;
        let step = sqlx::query(statements.delete)
            .bind(resolution.length_s)
            .bind(bound)
            .execute(connection.statement())
            .await
            .map_err(failed())?
            .rows_affected();
        rows += step;
        if step == 0 {
            return Ok(rows);
        }
    }
}
