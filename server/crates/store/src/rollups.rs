//! Sums over time, projected from the log of commits: charts and the topology of the past read these, never spans.

use std::{future::Future, time::Duration};

use spillway_model::{
    batch::SpanBatch,
    identity::NodeKey,
    observation::{Aggregate, EdgeKey, Observation, Side},
};

use crate::{StoreError, Watermark};

/// One step of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollupPoint {
    /// Begin of the step, in seconds since the Unix epoch.
    pub at_s: i64,
    /// How long the sum covers: the step, or the stored resolution where that is coarser. A rate is counts by this.
    pub length_s: u32,
    /// What happened in it.
    pub aggregate: Aggregate,
}

/// A node's sum over a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAggregate {
    /// The node.
    pub node: NodeKey,
    /// What it served.
    pub aggregate: Aggregate,
}

/// An edge's sums over a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeAggregate {
    /// The edge.
    pub edge: EdgeKey,
    /// As the caller measured it.
    pub caller: Aggregate,
    /// As the callee measured it.
    pub callee: Aggregate,
}

/// The map of a range of time, from rollups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopologyRollup {
    /// Begin of the range that was read: rounded down to the resolution.
    pub from_s: i64,
    /// End of it.
    pub to_s: i64,
    /// Length of the buckets that it was read from.
    pub resolution_s: u32,
    /// Sorted by node.
    pub nodes: Vec<NodeAggregate>,
    /// Sorted by edge.
    pub edges: Vec<EdgeAggregate>,
}

/// Reading rollups.
pub trait RollupReader: Send + Sync {
    /// What a node served, in steps of `step_s` from `from_s` on, of the finest stored resolution that divides the step and still covers
    /// the range; steps without data are left out.
    fn node_series(
        &self,
        node: &NodeKey,
        from_s: i64,
        to_s: i64,
        step_s: u32,
    ) -> impl Future<Output = Result<Vec<RollupPoint>, StoreError>> + Send;

    /// The calls over an edge, as one side measured them.
    fn edge_series(
        &self,
        edge: &EdgeKey,
        side: Side,
        from_s: i64,
        to_s: i64,
        step_s: u32,
    ) -> impl Future<Output = Result<Vec<RollupPoint>, StoreError>> + Send;

    /// All nodes and edges of a range.
    fn topology(&self, from_s: i64, to_s: i64) -> impl Future<Output = Result<TopologyRollup, StoreError>> + Send;
}

/// What one step of the projector did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProjectProgress {
    /// Everything up to here is in the rollups.
    pub watermark: Option<Watermark>,
    /// Batches that this step took in.
    pub batches: usize,
    /// True when nothing is left to project.
    pub caught_up: bool,
}

/// The pure function that the projector applies to every committed batch, in order. The engine owns the log and the sums, the model owns what spans mean.
pub trait Projection: Send {
    /// Turns one batch into facts. `received_at_ns` drives the expiry of half-seen calls, so that a replay gives the same facts.
    fn observe(&mut self, batch: &SpanBatch, received_at_ns: i64, emit: &mut dyn FnMut(Observation));
}

/// Keeping the rollups up with the log of commits. There is one projector a store.
pub trait Projector: Send + Sync {
    /// Takes in committed batches behind the watermark, at least one if there is one, then until `span_limit` spans; their sums and the
    /// new watermark are committed together, so that a crash repeats or skips nothing. `observe` runs on the caller's task, a batch at a time.
    fn project(
        &self,
        projection: &mut dyn Projection,
        span_limit: usize,
    ) -> impl Future<Output = Result<ProjectProgress, StoreError>> + Send;

    /// Feeds what arrived in the `window` before the watermark to a new projection and drops what it emits: after a restart it knows
    /// again which calls it had seen half of.
    fn warm(
        &self,
        projection: &mut dyn Projection,
        window: Duration,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
