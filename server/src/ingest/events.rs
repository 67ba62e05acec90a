//! Events on their way in, from a webhook or from whoever asked for them.

use std::{collections::BTreeMap, sync::Arc};

use spillway_decode::{
    Limits,
    redact::RedactionCounts,
    webhook::{Posted, WebhookError},
};
use spillway_model::{event::Event, identity::ServiceKey};
use spillway_store::{Write, WriteOutcome};

use super::{Ingest, Refused, Reservation, body::Received};
use crate::{clock, metrics::Source, senders::Outcome};

/// Memory that a stored event takes on its way, roughly: what names and texts usually have.
const EVENT_BYTES: usize = 512;

/// Ids that the server makes are apart from those of senders.
const OURSELVES: &str = "spillway";

/// Events that were stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredEvents {
    /// How many were new.
    pub stored: u32,
    /// How many were known.
    pub repeated: u32,
    /// What was left out, by reason.
    pub ignored: BTreeMap<String, u32>,
}

impl Ingest {
    /// Stores the events of one webhook request, those of a source all or none; returns after the commit, with the events as they were
    /// stored.
    ///
    /// # Errors
    /// [`Refused`]; of an event with a source that was refused nothing is stored. Sending all of it again changes nothing else.
    pub async fn posted(
        &self,
        source: Source,
        body: Received,
        reservation: Reservation,
        read: impl FnOnce(&[u8], &Limits, i64) -> Result<Posted, WebhookError> + Send + 'static,
    ) -> Result<(StoredEvents, Vec<Event>), Refused> {
        let now_ns = clock::unix_ns();
        let (redactor, limits) = (self.redactor.clone(), self.limits.clone());
        let decoded = self.decode(Some(source), body, reservation, move |body| {
            let mut posted = read(body, &limits, now_ns).map_err(|error| Refused::Malformed(error.to_string()))?;
            let mut counts = RedactionCounts::default();
            posted.events_mut().for_each(|events| redactor.redact_events(events, &mut counts));
            Ok((posted, counts))
        });
        let ((posted, counts), reservation) = decoded.await?;
        self.count_redactions(&counts);
        let mut stored = StoredEvents { ignored: posted.ignored, ..StoredEvents::default() };
        stored.ignored.values().for_each(|times| self.metrics.rejected(source, "ignored", u64::from(*times)));
        let mut events = Vec::new();
        let mut reservation = Some(reservation);
        let mut commits = Vec::new();
        for (whose, of_source) in posted.by_source {
            let of_source: Arc<[Event]> = of_source.into();
            events.extend(of_source.iter().cloned());
            // The first one keeps what the body needed; together they fit in one commit.
            let reservation = match reservation.take() {
                Some(reservation) => reservation,
                None => self.reserve(of_source.len() * EVENT_BYTES)?,
            };
            let write = Write::Events { source: whose, events: of_source, received_at_ns: now_ns };
            commits.push(self.commit(write, reservation));
        }
        for outcome in futures_util::future::join_all(commits).await {
            let (new, repeated) = told(outcome?)?;
            stored.stored += new;
            stored.repeated += repeated;
        }
        self.count_events(source, &stored, now_ns);
        self.count_senders(source, &events, stored.stored == 0, now_ns);
        Ok((stored, events))
    }

    /// Stores what the server itself has seen; returns after the commit.
    ///
    /// # Errors
    /// [`Refused`]; nothing is stored then.
    pub async fn told_by_ourselves(&self, events: Arc<[Event]>) -> Result<(), Refused> {
        let reservation = self.reserve(events.len() * EVENT_BYTES)?;
        let write = Write::Events { source: OURSELVES.into(), events, received_at_ns: clock::unix_ns() };
        told(self.commit(write, reservation).await?).map(drop)
    }

    /// Events seldom come from more than one service.
    fn count_senders(&self, source: Source, events: &[Event], repeated: bool, now_ns: i64) {
        let mut counts: BTreeMap<&ServiceKey, u64> = BTreeMap::new();
        events.iter().for_each(|event| *counts.entry(&event.service).or_default() += 1);
        for (service, count) in counts {
            let outcome = if repeated { Outcome::Repeated } else { Outcome::Stored(count) };
            self.metrics.senders.arrived(source, &service.environment, &service.name, outcome, now_ns);
        }
    }

    fn count_events(&self, source: Source, stored: &StoredEvents, now_ns: i64) {
        if stored.stored == 0 {
            self.metrics.repeated(source, now_ns);
        } else {
            self.metrics.stored(source, u64::from(stored.stored), now_ns);
        }
    }
}

/// How many were new, and how many were known.
fn told(outcome: WriteOutcome) -> Result<(u32, u32), Refused> {
    match outcome {
        WriteOutcome::Events { stored, repeated } => Ok((u32::try_from(stored.len()).unwrap_or(u32::MAX), repeated)),
        WriteOutcome::Conflict { id } => Err(Refused::Conflict(id)),
        WriteOutcome::Stored { .. } | WriteOutcome::Repeated => Err(Refused::Failed),
    }
}
