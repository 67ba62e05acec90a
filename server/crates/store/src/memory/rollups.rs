//! Rollups in the oracle: every fact is kept, and summed up when asked.

use std::{collections::BTreeMap, time::Duration};

use spillway_model::{
    identity::NodeKey,
    observation::{Aggregate, EdgeKey, Measurement, Side, Subject},
};

use super::{MemoryStore, State};
use crate::{
    EdgeAggregate, NodeAggregate, ProjectProgress, Projection, Projector, RollupBounds, RollupPoint, RollupReader,
    RollupRetention, SpanReader, StoreError, TopologyRollup,
};

/// The finest buckets that engines keep: facts of one bucket are not told apart.
const BUCKET_S: i64 = 1;
/// A fact further ahead of its arrival is not summed up.
const FUTURE_NS: i64 = 3_600 * 1_000_000_000;

fn bucket_s(at_ns: u64) -> i64 {
    i64::try_from(at_ns).unwrap_or(i64::MAX).div_euclid(BUCKET_S * 1_000_000_000) * BUCKET_S
}

impl MemoryStore {
    fn sum(&self, subject: &Subject, from_s: i64, to_s: i64) -> Aggregate {
        let mut sum = Aggregate::default();
        for (_, fact) in self.state().facts.iter().filter(|(of, _)| of == subject) {
            if (from_s..to_s).contains(&bucket_s(fact.at_ns)) {
                sum.add(fact);
            }
        }
        sum
    }

    fn series(&self, subject: &Subject, from_s: i64, to_s: i64, step_s: u32) -> Vec<RollupPoint> {
        let steps = (from_s..to_s).step_by(step_s.max(1) as usize);
        let points = steps.map(|at_s| {
            let to_s = to_s.min(at_s + i64::from(step_s));
            RollupPoint { at_s, length_s: step_s, aggregate: self.sum(subject, at_s, to_s) }
        });
        points.filter(|point| !point.aggregate.is_empty()).collect()
    }
}

impl State {
    /// Keeps facts, but for those that lie far in the future or were forgotten.
    fn keep(&mut self, subject: &Subject, facts: &[Measurement], now_ns: i64) {
        let from_s = self.rollups_from_s;
        let is_near =
            |fact: &Measurement| i64::try_from(fact.at_ns).is_ok_and(|at| at <= now_ns.saturating_add(FUTURE_NS));
        let kept = facts.iter().filter(|fact| is_near(fact) && bucket_s(fact.at_ns) >= from_s);
        self.facts.extend(kept.map(|fact| (subject.clone(), *fact)));
    }
}

impl RollupReader for MemoryStore {
    async fn node_series(
        &self,
        node: &NodeKey,
        from_s: i64,
        to_s: i64,
        step_s: u32,
    ) -> Result<Vec<RollupPoint>, StoreError> {
        Ok(self.series(&Subject::Node(node.clone()), from_s, to_s, step_s))
    }

    async fn edge_series(
        &self,
        edge: &EdgeKey,
        side: Side,
        from_s: i64,
        to_s: i64,
        step_s: u32,
    ) -> Result<Vec<RollupPoint>, StoreError> {
        Ok(self.series(&Subject::Edge(edge.clone(), side), from_s, to_s, step_s))
    }

    async fn topology(&self, from_s: i64, to_s: i64) -> Result<TopologyRollup, StoreError> {
        let from_s = from_s.div_euclid(BUCKET_S) * BUCKET_S;
        let to_s = (to_s + BUCKET_S - 1).div_euclid(BUCKET_S) * BUCKET_S;
        let mut nodes: BTreeMap<NodeKey, Aggregate> = BTreeMap::new();
        let mut edges: BTreeMap<EdgeKey, [Aggregate; 2]> = BTreeMap::new();
        for (subject, fact) in &self.state().facts {
            if !(from_s..to_s).contains(&bucket_s(fact.at_ns)) {
                continue;
            }
            match subject {
                Subject::Node(node) => nodes.entry(node.clone()).or_default().add(fact),
                Subject::Edge(edge, side) => edges.entry(edge.clone()).or_default()[*side as usize].add(fact),
            }
        }
        let nodes = nodes.into_iter().filter(|(_, sum)| !sum.is_empty());
        let edges = edges.into_iter().filter(|(_, sums)| sums.iter().any(|sum| !sum.is_empty()));
        Ok(TopologyRollup {
            from_s,
            to_s,
            resolution_s: BUCKET_S as u32,
            nodes: nodes.map(|(node, aggregate)| NodeAggregate { node, aggregate }).collect(),
            edges: edges.map(|(edge, [caller, callee])| EdgeAggregate { edge, caller, callee }).collect(),
        })
    }
}

impl Projector for MemoryStore {
    async fn project(&self, projection: &mut dyn Projection, span_limit: usize) -> Result<ProjectProgress, StoreError> {
        let before = self.state().projected;
        let batches = self.replay(before, span_limit).await?;
        let mut state = self.state();
        for batch in &batches {
            let received_at_ns = batch.received_at_ns;
            projection.observe(batch.at, &batch.batch, received_at_ns, &mut |subject, facts| {
                state.keep(subject, facts, received_at_ns);
            });
            state.projected = Some(batch.at);
        }
        let caught_up = state.projected == state.log.last().map(|committed| committed.at);
        Ok(ProjectProgress { watermark: state.projected, batches: batches.len(), caught_up })
    }

    async fn settle(&self, projection: &mut dyn Projection, now_ns: i64) -> Result<(), StoreError> {
        let mut state = self.state();
        projection.settle(now_ns, &mut |subject, facts| state.keep(subject, facts, now_ns));
        state.settled_ns = state.settled_ns.max(now_ns);
        Ok(())
    }

    async fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn unprojected(&self) -> Result<u64, StoreError> {
        let state = self.state();
        let left = state.log.iter().filter(|committed| Some(committed.at) > state.projected);
        Ok(left.map(|committed| committed.batch.len() as u64).sum())
    }

    async fn warm(&self, projection: &mut dyn Projection, window: Duration) -> Result<(), StoreError> {
        let state = self.state();
        let past: Vec<_> = state.log.iter().filter(|committed| Some(committed.at) <= state.projected).collect();
        let Some(last) = past.last() else { return Ok(()) };
        let from = last.received_at_ns.saturating_sub(i64::try_from(window.as_nanos()).unwrap_or(i64::MAX));
        for committed in past.iter().filter(|committed| committed.received_at_ns >= from) {
            projection.observe(committed.at, &committed.batch, committed.received_at_ns, &mut |_, _| {});
        }
        if state.settled_ns > 0 {
            projection.settle(state.settled_ns, &mut |_, _| {});
        }
        Ok(())
    }
}

impl RollupRetention for MemoryStore {
    /// Facts answer at any resolution: they go when the coarsest bound has passed them.
    async fn expire_rollups(&self, before: RollupBounds) -> Result<u64, StoreError> {
        let mut state = self.state();
        let had = state.facts.len();
        state.rollups_from_s = state.rollups_from_s.max(before.minutes);
        let from_s = state.rollups_from_s;
        state.facts.retain(|(_, fact)| bucket_s(fact.at_ns) >= from_s);
        Ok((had - state.facts.len()) as u64)
    }
}
