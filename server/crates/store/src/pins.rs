//! Traces that a person wants to keep: they outlive the retention until they are let go.

use std::future::Future;

use spillway_model::identity::TraceId;

use crate::{AuditEntry, StoreError};

/// Pins of a store, at most: each is looked up in every file that retention deletes.
pub const MOST_PINS: usize = 1_000;

/// A trace that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Which.
    pub trace_id: TraceId,
    /// Since when.
    pub pinned_at_ns: i64,
    /// By whom, as in the audit log.
    pub actor: String,
    /// Why.
    pub note: String,
}

/// Keeping traces.
pub trait PinStore: Send + Sync {
    /// Keeps a trace; a pin that is there gets the new note. With its entry in the audit log.
    ///
    /// [`StoreError::Conflict`] when there are [`MOST_PINS`] others.
    fn pin(&self, pin: &Pin, audit: &AuditEntry) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Lets a trace go; false when it was not pinned. With its entry in the audit log.
    fn unpin(&self, trace_id: TraceId, audit: &AuditEntry) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// All, newest first.
    fn pins(&self) -> impl Future<Output = Result<Vec<Pin>, StoreError>> + Send;
}
