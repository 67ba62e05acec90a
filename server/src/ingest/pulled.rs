//! What targets said when they were asked: the same way to the one writer, without a body of its own.

use std::sync::Arc;

use spillway_decode::redact::RedactionCounts;
use spillway_model::event::Event;
use spillway_store::{Write, WriteOutcome};

use super::{Ingest, Refused};
use crate::clock;

/// What an event takes until it is committed, as the writer counts it.
const EVENT_BYTES: usize = 512;

impl Ingest {
    /// Stores events; returns after the commit.
    ///
    /// # Errors
    /// [`Refused`]; nothing is stored then.
    pub async fn pulled(&self, source: Arc<str>, mut events: Vec<Event>) -> Result<(), Refused> {
        let reservation = self.reserve(events.len() * EVENT_BYTES)?;
        let mut counts = RedactionCounts::default();
        self.redactor.redact_events(&mut events, &mut counts);
        self.count_redactions(&counts);
        let write = Write::Events { source, events: events.into(), received_at_ns: clock::unix_ns() };
        match self.commit(write, reservation).await? {
            WriteOutcome::Conflict { id } => Err(Refused::Conflict(id)),
            _ => Ok(()),
        }
    }

    /// A sentence with a stranger's words in it, as it may be shown.
    pub fn shown(&self, text: &str) -> String {
        self.redactor.redact_text(text, &mut RedactionCounts::default())
    }

    /// The begin of a stranger's body, as it may be shown.
    pub fn shown_body(&self, body: &[u8], most: usize) -> String {
        self.redactor.shown(body, most)
    }
}
