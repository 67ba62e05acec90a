//! Whether writes fail just now, and why: set by the writer, told by `/readyz`.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use spillway_store::{StoreError, WriteOutcome};

/// What the writer's last attempt came to. Cheap to clone.
#[derive(Clone, Default)]
pub struct Trouble(Arc<ArcSwapOption<String>>);

impl Trouble {
    /// Why the last write failed; `None` when it succeeded.
    pub fn why(&self) -> Option<Arc<String>> {
        self.0.load_full()
    }

    /// True when the last write failed.
    pub fn exists(&self) -> bool {
        self.0.load().is_some()
    }

    /// Takes note of what became of a group. A write that is refused for what it says (a conflict) says nothing about the store.
    pub fn note(&self, outcomes: &[Result<WriteOutcome, StoreError>]) {
        if let Some(error) = outcomes.iter().find_map(|outcome| outcome.as_ref().err()) {
            self.0.store(Some(Arc::new(told(error))));
        } else if !outcomes.is_empty() && self.exists() {
            self.0.store(None);
        }
    }

    /// Takes note of an attempt without a write.
    pub fn note_probe(&self, outcome: &Result<(), StoreError>) {
        self.0.store(outcome.as_ref().err().map(|error| Arc::new(told(error))));
    }
}

/// With all causes, since the first one seldom says what the disk said.
fn told(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_there_from_a_failure_to_the_next_success() {
        let trouble = Trouble::default();
        let full = || StoreError::Full { what: "spans".into() };

        trouble.note(&[Ok(WriteOutcome::Repeated), Err(full())]);
        assert_eq!(trouble.why().map(|why| why.to_string()).as_deref(), Some("no space left on the disk for spans"));

        trouble.note(&[]);
        trouble.note_probe(&Err(full()));
        assert!(trouble.exists());

        trouble.note(&[Ok(WriteOutcome::Repeated)]);
        assert!(!trouble.exists());
    }
}
