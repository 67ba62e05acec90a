//! Putting spans in order after they were committed.

use std::future::Future;

use crate::StoreError;

/// What one step of compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactProgress {
    /// Spans that it took over.
    pub spans: u64,
    /// Spans that it dropped, because the same span had come before in another request.
    pub repeats: u64,
    /// Blocks of the log that did not decode and were set aside.
    pub damaged: u64,
}

/// Gathers traces that arrived apart. A commit writes spans as they come, so that its acknowledgement waits for nothing else; compaction
/// rewrites them, sorted and more tightly, when no replay will ask for them any more. What a reader finds does not change by it.
pub trait Compaction: Send + Sync {
    /// Does one step, if enough has come together. `now_ns` is the time of the clock that stamps arrivals.
    fn compact(&self, now_ns: i64) -> impl Future<Output = Result<CompactProgress, StoreError>> + Send;

    /// Spans that were committed and not compacted yet.
    fn uncompacted(&self) -> u64;
}
