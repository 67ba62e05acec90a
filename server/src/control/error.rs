//! Why the control plane did not do what it was asked.

use spillway_store::StoreError;

/// An error that the caller can act on.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// A part of the request is wrong.
    #[error("{detail}")]
    Invalid {
        /// JSON pointer, or `body`.
        pointer: String,
        /// What is wrong, in a sentence.
        detail: String,
    },
    /// The upload is no rule, or not one that may run.
    #[error("the upload was rejected: {0}")]
    Rejected(String),
    /// The upload is too large.
    #[error("the upload was rejected: {0}")]
    TooLarge(String),
    /// Not in the state that it is in.
    #[error("{0}")]
    Conflict(String),
    /// Later.
    #[error("{0}")]
    Busy(String),
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Our own fault.
    #[error("{0}")]
    Broken(String),
}

impl ControlError {
    pub(super) fn no_rule(id: &str) -> Self {
        let shown: String = id.chars().take(80).collect();
        Self::NotFound(format!("there is no rule `{shown}`"))
    }
}
