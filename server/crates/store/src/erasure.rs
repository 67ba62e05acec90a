//! Erasing spans for good: what a person asks for who may not be known any more.

use std::future::Future;

use spillway_query::Filter;

use crate::{AuditEntry, StoreError};

/// What to erase.
#[derive(Clone, Debug, PartialEq)]
pub struct Erasure {
    /// Spans that fulfil it.
    pub filter: Filter,
    /// How much goes with each of them.
    pub extent: EraseExtent,
}

/// How much goes with a span that is erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EraseExtent {
    /// Nothing else: other spans of its trace stay.
    #[default]
    Spans,
    /// All of its trace.
    Traces,
}

/// What went. The work of a step that a crash cut off may be missing from the sums, never from the erasure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EraseReport {
    /// Spans; one that was stored twice counts twice.
    pub spans: u64,
    /// Traces that lost spans.
    pub traces: u64,
    /// Blocks that were rewritten.
    pub blocks: u64,
    /// Bytes of these blocks before
    pub bytes_before: u64,
    /// and after.
    pub bytes_after: u64,
    /// Damaged blocks: nobody can say what is in them.
    pub unreadable_blocks: u64,
    /// Begin of the earliest span that went: backups whose newest span came before it do not hold any of them.
    pub first_start_ns: Option<u64>,
}

/// An erasure that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureState {
    /// Its number.
    pub id: u64,
    /// When it was asked for.
    pub asked_at_ns: i64,
    /// When it was done; `None` while it is not.
    pub done_at_ns: Option<i64>,
    /// What went so far.
    pub report: EraseReport,
    /// Why the last attempt failed, else empty. It is tried again.
    pub failure: String,
}

/// Erasing spans. An erasure that was begun is finished, also by the next process; what it finds is what was committed when it runs.
/// The digests of requests stay, so a sender that repeats one does not bring it back.
pub trait Eraser: Send + Sync {
    /// Notes that this is to be erased, durably, and returns its number. [`Self::run_erasure`] does it.
    fn begin_erasure(
        &self,
        erasure: &Erasure,
        audit: &AuditEntry,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Does the whole of an erasure, from wherever the last attempt came to; `now_ns` is noted as the time when it was done. Afterwards the
    /// text stands in no file of the store any more, nor does the filter. Doing one that is done changes nothing.
    fn run_erasure(&self, id: u64, now_ns: i64) -> impl Future<Output = Result<ErasureState, StoreError>> + Send;

    /// The oldest erasure that is not done.
    fn unfinished_erasure(&self) -> impl Future<Output = Result<Option<u64>, StoreError>> + Send;

    /// How far one is.
    fn erasure(&self, id: u64) -> impl Future<Output = Result<Option<ErasureState>, StoreError>> + Send;

    /// What would go, without changing anything: `bytes_*` are 0.
    fn count_erasable(&self, erasure: &Erasure) -> impl Future<Output = Result<EraseReport, StoreError>> + Send;
}
