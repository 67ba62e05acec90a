//! Where the space goes, and whose spans take it.

use std::future::Future;

use spillway_model::identity::ServiceKey;

use crate::StoreError;

/// Bytes on the disk by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageParts {
    /// The log of commits: spans as they came, before they are compacted.
    pub log_bytes: u64,
    /// Spans by trace, compressed.
    pub compacted_bytes: u64,
    /// Rollups, events and decisions.
    pub history_bytes: u64,
    /// Rules, pins, erasures, the audit log, and what migrations keep of the release before.
    pub control_bytes: u64,
}

impl StorageParts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.log_bytes + self.compacted_bytes + self.history_bytes + self.control_bytes
    }
}

/// What is stored, and how much has come lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageState {
    /// Where the bytes are.
    pub parts: StorageParts,
    /// What the filesystem would still take; `None` when nobody can say.
    pub disk_free_bytes: Option<u64>,
    /// Spans stored, as in [`crate::Usage`].
    pub spans: u64,
    /// Those of them that are compacted: what a span costs in the end is told by these
    pub compacted_spans: u64,
    /// and by their bytes, without logs that are still to be written back.
    pub compacted_net_bytes: u64,
    /// Arrival of the oldest spans, exact to the group that they were compacted in.
    pub oldest_ns: Option<i64>,
    /// Arrival of the newest.
    pub newest_ns: Option<i64>,
    /// What came lately.
    pub lately: Arrivals,
}

/// Spans that came in some time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// Spans are counted that came later than this. An engine that remembers arrivals by group begins where a group ends, and one that found
    /// too much to count begins later than it was asked to.
    pub from_ns: i64,
    /// How many.
    pub spans: u64,
    /// By service, most first; those of a service that the engine cannot name count in `spans` only.
    pub services: Vec<ServiceArrivals>,
}

/// Spans of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceArrivals {
    /// Whose.
    pub service: ServiceKey,
    /// How many.
    pub spans: u64,
    /// Arrival of the oldest that is stored, exact to the file; `None` when looking for it would take too long.
    pub oldest_ns: Option<i64>,
}

/// Telling where the space goes.
pub trait StorageReader: Send + Sync {
    /// What is stored, and what came since about `since_ns`. Reads sums, never spans, and a bounded number of them.
    fn storage(&self, since_ns: i64) -> impl Future<Output = Result<StorageState, StoreError>> + Send;
}
