//! Backups that were made of a store: what is erased from it may still be in them.

use std::future::Future;

use crate::{EraseReport, StoreError};

/// Backups that are remembered, at most: the newest.
pub const MOST_BACKUPS: usize = 1_000;

/// A backup, as it was noted when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupNote {
    /// Where to, as the machine that made it names it. It may have been moved, copied or deleted since.
    pub path: String,
    /// When it began.
    pub made_at_ns: i64,
    /// Arrival of the newest span in it; `None` when there is none.
    pub newest_ns: Option<i64>,
}

impl BackupNote {
    /// Whether it may hold a span that began then: a span comes after it began, but for clocks that are ahead, by an hour at most.
    pub fn may_hold(&self, start_ns: u64) -> bool {
        const AHEAD_NS: u64 = 3_600 * 1_000_000_000;
        self.newest_ns
            .is_some_and(|newest| u64::try_from(newest).unwrap_or_default().saturating_add(AHEAD_NS) >= start_ns)
    }
}

/// Remembering backups.
pub trait BackupLog: Send + Sync {
    /// All that are remembered, newest first.
    fn backups(&self) -> impl Future<Output = Result<Vec<BackupNote>, StoreError>> + Send;

    /// Those that may still hold what was erased, or would be.
    fn backups_with(&self, erased: &EraseReport) -> impl Future<Output = Result<Vec<BackupNote>, StoreError>> + Send {
        let EraseReport { spans, first_start_ns, .. } = *erased;
        async move {
            let mut notes = self.backups().await?;
            // An older program noted how much went, but not since when: then all of them may.
            notes.retain(|note| spans > 0 && first_start_ns.is_none_or(|start_ns| note.may_hold(start_ns)));
            Ok(notes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_may_hold_what_began_before_its_newest_span_came() {
        const HOUR_NS: u64 = 3_600 * 1_000_000_000;
        let note = |newest_ns| BackupNote { path: "/b".into(), made_at_ns: 0, newest_ns };

        assert!(note(Some(10 * HOUR_NS as i64)).may_hold(10 * HOUR_NS));
        assert!(note(Some(10 * HOUR_NS as i64)).may_hold(11 * HOUR_NS));
        assert!(!note(Some(10 * HOUR_NS as i64)).may_hold(11 * HOUR_NS + 1));
        assert!(!note(None).may_hold(0));
    }
}
