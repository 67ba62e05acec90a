//! Erasing spans for good.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What is to be erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EraseRequest {
    /// A filter: spans that fulfil it go. Not empty.
    pub r#where: String,
    /// Whether all other spans of their traces go too.
    #[serde(default)]
    pub traces: bool,
    /// Only count what would go.
    #[serde(default)]
    pub dry_run: bool,
}

/// How far an erasure is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Erasure {
    /// Asks how far it is, at `/api/v1/erase/{id}`; null when nothing was erased, but only counted.
    pub id: Option<u64>,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// When all of it was gone from every file; null while it is not.
    pub done_at: Option<Timestamp>,
    /// Spans that went; one that was stored twice counts twice.
    pub spans: u64,
    /// Traces that lost spans.
    pub traces: u64,
    /// Blocks that were rewritten.
    pub blocks: u64,
    /// Bytes of these blocks before.
    pub bytes_before: u64,
    /// And after.
    pub bytes_after: u64,
    /// Damaged blocks: nobody can say what is in them.
    pub unreadable_blocks: u64,
    /// Why the last attempt failed, else empty. It is tried again.
    pub failure: String,
    /// Backups that were made of this store and may still hold what went: nothing is erased from them. They may have been moved, copied or deleted
    /// since; newest first, at most 1,000 are remembered.
    #[serde(default)]
    pub backups: Vec<BackupMade>,
}

/// A backup, as it was noted when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackupMade {
    /// Where to, on the machine that made it.
    pub path: String,
    /// When it began.
    pub made_at: Timestamp,
    /// Arrival of the newest span in it.
    pub newest_at: Option<Timestamp>,
}
