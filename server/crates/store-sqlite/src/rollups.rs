//! Sums over time: reading them.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use spillway_model::{
    identity::NodeKey,
    observation::{EdgeKey, Side},
};
use spillway_store::{EdgeAggregate, NodeAggregate, RollupPoint, RollupReader, StoreError, TopologyRollup};
use sqlx::Connection;

use crate::{SqliteStore, error};

mod encoding;
mod expire;
mod pending;
mod project;
mod repeats;
mod resolution;
mod subjects;
pub(crate) mod transfer;

use encoding::{Accumulator, Codec, SUBJECTS_A_ROW, StoredSum, place};
#[cfg(test)]
pub(crate) use expire::STEP;
#[cfg(test)]
pub(crate) use project::BUCKET;
pub(crate) use project::{Rollups, projected};
pub(crate) use resolution::Floors;
use resolution::{BUCKETS_A_SERIES, bucket};
use subjects::{SubjectKey, Subjects};

/// Steps of one series: a longer one is cut at its end.
const MOST_STEPS: i64 = 10_000;

/// Primary key, one seek a bucket: a range of buckets would visit all shards of each.
pub(crate) const SERIES: &str = "WITH RECURSIVE bucket (at) AS (
         VALUES (?1)
         UNION ALL
         SELECT at + ?2 FROM bucket WHERE at + ?2 < ?3)
     SELECT bucket.at, rollup.sums
     FROM bucket
     CROSS JOIN rollup ON resolution_s = ?2 AND bucket_s = bucket.at AND shard = ?4
     LIMIT ?5";

/// Primary key, one range.
pub(crate) const MAP: &str = "SELECT bucket_s, shard, sums
     FROM rollup
     WHERE resolution_s = ? AND bucket_s >= ? AND bucket_s < ?
     ORDER BY bucket_s, shard
     LIMIT ?";

/// Rows that one map is made of. The resolution keeps it far below.
const MOST_ROWS: i64 = 100_000;

/// Sums of a map by row and place.
type Totals = BTreeMap<i64, Vec<[Accumulator; 2]>>;

impl RollupReader for SqliteStore {
    #[tracing::instrument(name = "db.rollup.node", skip_all, err)]
    async fn node_series(
        &self,
        node: &NodeKey,
        from_s: i64,
        to_s: i64,
        step_s: u32,
    ) -> Result<Vec<RollupPoint>, StoreError> {
        self.series(SubjectKey::Node(node.clone()), 0, from_s, to_s, step_s).await
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
        self.series(SubjectKey::Edge(edge.clone()), side as usize, from_s, to_s, step_s).await
    }

    #[tracing::instrument(name = "db.rollup.topology", skip_all, err)]
    async fn topology(&self, from_s: i64, to_s: i64) -> Result<TopologyRollup, StoreError> {
        let history = &self.inner.history;
        let failed = || history.failed("read a map of the past");
        let mut connection = history.reader().await?;
        let pending = self.inner.rollups.pending.read().await;
        let mut tx = connection.begin().await.map_err(failed())?;
        let floors = Floors::read(&mut tx).await.map_err(failed())?;
        let length_s = floors.for_map(from_s, to_s);
        let from_s = bucket(from_s, length_s);
        let to_s = bucket(to_s.saturating_add(i64::from(length_s) - 1), length_s);
        let kept = from_s.max(floors.of(length_s))..to_s;
        let held = pending.map(kept.clone(), length_s);
        drop(pending);

        let rows: Vec<(i64, i64, Vec<u8>)> = sqlx::query_as(MAP)
            .bind(length_s)
            .bind(kept.start)
            .bind(kept.end)
            .bind(MOST_ROWS)
            .fetch_all(&mut *tx)
            .await
            .map_err(failed())?;
        let last = rows.iter().map(|(_, shard, _)| *shard).max();
        if let Some(last) = last {
            let through = (last + 1).saturating_mul(SUBJECTS_A_ROW) - 1;
            self.inner.rollups.subjects.fill(&mut tx, through).await.map_err(failed())?;
        }
        drop(tx);
        drop(connection);
        let store = self.clone();
        self.inner
            .decode(move || {
                store.sum_up(length_s, rows, held).map(|(nodes, edges)| TopologyRollup {
                    from_s,
                    to_s,
                    resolution_s: length_s,
                    nodes,
                    edges,
                })
            })
            .await
    }
}

impl SqliteStore {
    async fn series(
        &self,
        key: SubjectKey,
        side: usize,
        from_s: i64,
        to_s: i64,
        step_s: u32,
    ) -> Result<Vec<RollupPoint>, StoreError> {
        let history = &self.inner.history;
        let failed = || history.failed("read a series");
        let step_s = step_s.max(1);
        let to_s = to_s.min(from_s.saturating_add(MOST_STEPS * i64::from(step_s)));
        let mut connection = history.reader().await?;
        let pending = self.inner.rollups.pending.read().await;
        let mut tx = connection.begin().await.map_err(failed())?;
        let floors = Floors::read(&mut tx).await.map_err(failed())?;
        let length_s = floors.for_step(from_s, to_s, step_s);
        let first = bucket(from_s, length_s).max(floors.of(length_s));
        let held = pending.of(&key, first..to_s, length_s);
        drop(pending);

        let number = if first < to_s { Subjects::find(&mut tx, &key).await.map_err(failed())? } else { None };
        let rows: Vec<(i64, Vec<u8>)> = match number.map(place) {
            Some((shard, _)) => sqlx::query_as(SERIES)
                .bind(first)
                .bind(length_s)
                .bind(to_s)
                .bind(shard)
                .bind(BUCKETS_A_SERIES)
                .fetch_all(&mut *tx)
                .await
                .map_err(failed())?,
            None => Vec::new(),
        };
        drop(tx);
        drop(connection);
        let store = self.clone();
        self.inner
            .decode(move || {
                // The first bucket may begin before the range: it counts for the first step.
                let step = |bucket: i64| (bucket - from_s).div_euclid(i64::from(step_s)).max(0);
                let mut steps: BTreeMap<i64, Accumulator> = BTreeMap::new();
                let mut codec = codec()?;
                let (shard, wanted) = number.map_or((0, 0), place);
                for (at, bytes) in rows {
                    let total = steps.entry(step(at)).or_default();
                    let add = |place, of, sum: StoredSum<'_>| {
                        if place == wanted && of == side { total.add(sum) } else { Ok(()) }
                    };
                    codec.read(&bytes, add).map_err(|why| store.corrupt_rollup(name(length_s, at, shard), why))?;
                }
                for (at, sums) in held {
                    steps.entry(step(at)).or_default().merge(&sums[side]);
                }
                let point = |(step, sum): (i64, Accumulator)| RollupPoint {
                    at_s: from_s + step * i64::from(step_s),
                    length_s: step_s.max(length_s),
                    aggregate: sum.finish(),
                };
                Ok(steps.into_iter().map(point).filter(|point| !point.aggregate.is_empty()).collect())
            })
            .await
    }

    /// Rows, and what is not written yet, to nodes and edges.
    fn sum_up(
        &self,
        length_s: u32,
        rows: Vec<(i64, i64, Vec<u8>)>,
        held: Vec<(SubjectKey, encoding::Sums)>,
    ) -> Result<(Vec<NodeAggregate>, Vec<EdgeAggregate>), StoreError> {
        let mut codec = codec()?;
        let mut totals = Totals::new();
        let empty = || vec![Default::default(); SUBJECTS_A_ROW as usize];
        for (at, shard, bytes) in rows {
            let row: &mut Vec<[Accumulator; 2]> = totals.entry(shard).or_insert_with(empty);
            let add = |place: u8, side: usize, sum: StoredSum<'_>| row[usize::from(place)][side].add(sum);
            codec.read(&bytes, add).map_err(|why| self.corrupt_rollup(name(length_s, at, shard), why))?;
        }
        let by_number = totals.into_iter().flat_map(|(shard, row)| {
            row.into_iter().enumerate().map(move |(at, sums)| (shard * SUBJECTS_A_ROW + at as i64, sums))
        });
        let mut totals: FxHashMap<SubjectKey, [Accumulator; 2]> =
            self.inner.rollups.subjects.names(by_number).into_iter().collect();
        for (key, sums) in held {
            let total = totals.entry(key).or_default();
            total.iter_mut().zip(&sums).for_each(|(total, sum)| total.merge(sum));
        }
        let (mut nodes, mut edges) = (Vec::new(), Vec::new());
        for (key, sums) in totals {
            let [caller, callee] = sums.map(Accumulator::finish);
            match key {
                _ if caller.is_empty() && callee.is_empty() => {}
                SubjectKey::Node(node) => nodes.push(NodeAggregate { node, aggregate: caller }),
                SubjectKey::Edge(edge) => edges.push(EdgeAggregate { edge, caller, callee }),
            }
        }
        nodes.sort_unstable_by(|a, b| a.node.cmp(&b.node));
        edges.sort_unstable_by(|a, b| a.edge.cmp(&b.edge));
        Ok((nodes, edges))
    }

    fn corrupt_rollup(&self, what: String, why: String) -> StoreError {
        StoreError::Corrupt { what: format!("{what} in {}", self.inner.history.path.display()), why }
    }
}

pub(crate) fn codec() -> Result<Codec, StoreError> {
    Codec::new().map_err(error::io("prepare decompression"))
}

/// How a row is named to people.
fn name(length_s: u32, bucket_s: i64, shard: i64) -> String {
    format!("the rollup row of {length_s} s at {bucket_s}, shard {shard},")
}
