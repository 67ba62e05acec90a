//! What can go wrong in an engine.

/// An engine could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full: the write can be repeated when there is room.
    #[error("no space left on the disk for {what}")]
    Full {
        /// What was being written.
        what: String,
    },
    /// The engine's files cannot be read or written.
    #[error("cannot {action}")]
    Io {
        /// What it was doing, to which file.
        action: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Stored bytes do not decode: they are named, and the rest is served.
    #[error("{what} is corrupt: {why}")]
    Corrupt {
        /// Which file, table and row.
        what: String,
        /// What does not fit.
        why: String,
    },
    /// The data directory was written by a newer program.
    #[error(
        "{file} has schema version {found}, this program knows {known}: run the newer program, or restore a backup"
    )]
    TooNew {
        /// The file.
        file: String,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A cursor of another query, or made up.
    #[error("the cursor does not belong to this query")]
    InvalidCursor,
    /// The change is not possible in the state that the object is in.
    #[error("{0}")]
    Conflict(String),
}
