//! Whom somebody asked the server to ask how they are.

use std::future::Future;

use crate::{AuditEntry, StoreError};

/// Targets of a store, at most: each is asked every few seconds.
pub const MOST_TARGETS: usize = 1_000;

/// A target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRow {
    /// Names it.
    pub id: String,
    /// What it is, in JSON.
    pub spec: String,
    /// When it was added.
    pub added_at_ns: i64,
    /// By whom, as in the audit log.
    pub actor: String,
}

/// Keeping targets.
pub trait TargetStore: Send + Sync {
    /// Keeps a target; false when one of this id is there already. With its entry in the audit log.
    ///
    /// [`StoreError::Conflict`] when there are [`MOST_TARGETS`] others.
    fn add_target(
        &self,
        target: &TargetRow,
        audit: &AuditEntry,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Forgets a target; false when there was none. With its entry in the audit log.
    fn remove_target(&self, id: &str, audit: &AuditEntry) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// All, oldest first.
    fn targets(&self) -> impl Future<Output = Result<Vec<TargetRow>, StoreError>> + Send;
}
