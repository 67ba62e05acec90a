//! Sums over time, projected from the log of commits: charts and the topology of the past read these, never spans.

use std::{future::Future, time::Duration};

use spillway_model::{
    batch::SpanBatch,
    identity::NodeKey,
    observation::{Aggregate, EdgeKey, Measurement, Side, Subject},
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
    /// What a node served, in steps of `step_s` from `from_s` on; steps without data are left out. It is summed up from stored buckets
    /// that divide the step and still cover the range. Where there are none any more, or they would be too many to read, points say by
    /// their length how coarse they are, and a bucket counts for the step that it begins in. A series of too many steps is cut at its end.
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

    /// All nodes and edges of a range, rounded outwards to the stored buckets that it is read from. The answer names both.
    fn topology(&self, from_s: i64, to_s: i64) -> impl Future<Output = Result<TopologyRollup, StoreError>> + Send;
}

/// What one step of the projector did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProjectProgress {
    /// Readers see everything up to here.
    pub watermark: Option<Watermark>,
    /// Batches that this step took in.
    pub batches: usize,
    /// True when nothing is left to project.
    pub caught_up: bool,
}

/// The pure function that the projector applies to every committed batch, in order. The engine owns the log and the sums, the model owns what spans mean.
pub trait Projection: Send {
    /// Turns one batch into facts; an engine may leave spans out that it knows to have given before. `at` is the commit that it is from, which
    /// may hold several; `received_at_ns` drives the expiry of half-seen calls, so that a replay gives the same facts.
    fn observe(
        &mut self,
        at: Watermark,
        batch: &SpanBatch,
        received_at_ns: i64,
        emit: &mut dyn FnMut(&Subject, &[Measurement]),
    );

    /// Lets the time go on without a batch: says what has waited long enough by `now_ns`.
    fn settle(&mut self, now_ns: i64, emit: &mut dyn FnMut(&Subject, &[Measurement]));
}

/// Keeping the rollups up with the log of commits. There is one projector a store.
///
/// Readers see at once what was taken in. An engine may hold it in memory for some seconds before it writes it: sums and watermark are
/// committed together, and what was not written is taken from the log again after a restart, so that a crash repeats or skips nothing.
pub trait Projector: Send + Sync {
    /// Takes in committed batches behind the watermark, at least one if there is one, then until `span_limit` spans. `observe` runs on the
    /// caller's task, a batch at a time. After a failure begin with [`Self::warm`] and a new projection.
    fn project(
        &self,
        projection: &mut dyn Projection,
        span_limit: usize,
    ) -> impl Future<Output = Result<ProjectProgress, StoreError>> + Send;

    /// Takes in what the projection says when nothing has come for a while, and writes what has been held long enough. `now_ns` is not
    /// later than the arrival of any batch that is still to be projected: a replay settles before it takes that batch in.
    fn settle(
        &self,
        projection: &mut dyn Projection,
        now_ns: i64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Writes what is held in memory, so that the next start has nothing to take in again. Without it nothing is lost.
    fn flush(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Spans that were committed and are in no sum yet.
    fn unprojected(&self) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Feeds what arrived in the `window` before the written watermark to a new projection and drops what it emits: after a restart it
    /// knows again which calls it had seen half of. What was held in memory is given up, and is projected again.
    fn warm(
        &self,
        projection: &mut dyn Projection,
        window: Duration,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// How far back sums are kept, by the length of their buckets, in seconds since the Unix epoch: a bucket that ended before its bound is
/// forgotten. What is forgotten finely is answered coarser, so a finer bound is no earlier than a coarser one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollupBounds {
    /// Buckets of a second.
    pub seconds: i64,
    /// Buckets of ten seconds.
    pub tens: i64,
    /// Buckets of a minute, and whatever an engine keeps that is coarser.
    pub minutes: i64,
}

/// Forgetting sums.
pub trait RollupRetention: Send + Sync {
    /// Forgets in small steps, and gives the room back to the disk; returns how many rows went. What was forgotten does not come back: facts
    /// that arrive later still are summed up in those buckets only that are kept.
    fn expire_rollups(&self, before: RollupBounds) -> impl Future<Output = Result<u64, StoreError>> + Send;
}
