//! The one writer: a group of requests becomes blocks and rows, one transaction a file.

use std::{sync::Arc, time::Instant};

use spillway_store::{StoreError, Watermark, Write, WriteOutcome, Writer};

use crate::{OpenOptions, error, segment::Kind, store::Inner, tail::TailBlock};

mod active;
mod codec;
pub(crate) mod digests;
mod events;
mod plan;
mod recovery;

pub(crate) use active::Active;
use codec::{Codec, SealedBlock};
use digests::Digests;
use plan::{Plan, Slot, Source};
use recovery::Suspect;

/// Writes spans and events. There is one a store; it is not shared.
pub struct SqliteWriter {
    inner: Arc<Inner>,
    options: OpenOptions,
    digests: Digests,
    /// Set after a failure that leaves it unknown what is on the disk: no span is acknowledged until [`Self::recover`] is sure of it.
    suspect: Option<Suspect>,
}

impl SqliteWriter {
    pub(crate) async fn open(
        inner: Arc<Inner>,
        options: OpenOptions,
        remembered: Watermark,
    ) -> Result<Self, StoreError> {
        let digests = Digests::load(&inner.catalogue).await?;
        if let Some(segment) = inner.catalogue.continued(remembered) {
            *inner.active.lock().await = Some(Active::reopen(segment, options.synchronous).await?);
        }
        Ok(Self { inner, options, digests, suspect: None })
    }

    /// Closes the file that is written, after a checkpoint. Without it nothing is lost.
    ///
    /// # Errors
    /// [`StoreError`] when the checkpoint fails.
    pub async fn close(self) -> Result<(), StoreError> {
        match self.inner.active.lock().await.take() {
            Some(active) => active.close().await,
            None => Ok(()),
        }
    }

    /// The file that takes the next blocks; a new one when the last is full or old.
    async fn open_active<'a>(
        &self,
        active: &'a mut Option<Active>,
        received_at_ns: i64,
    ) -> Result<&'a mut Active, StoreError> {
        if active.as_ref().is_none_or(|active| active.is_full(&self.options, received_at_ns)) {
            let name = self.inner.catalogue.next(Kind::Fresh);
            let next = Active::create(&self.inner.dir, name, self.options.synchronous).await?;
            self.inner.catalogue.insert(Arc::clone(next.segment()));
            if let Some(mut old) = active.replace(next) {
                let file = old.segment().file();
                // The spans are safe in it: what is left in its log, or not yet in its index, is found by the next one who opens it.
                let sealed = old.seal_index().await;
                if let Err(error) = old.close().await.and(sealed) {
                    tracing::warn!(segment.file = file, "cannot finish a full segment: {error}");
                }
            }
        }
        Ok(active.as_mut().expect("it was created above"))
    }

    /// Seals the planned blocks and commits them; a result for each.
    async fn commit_spans(&mut self, plan: &Plan, writes: &[Write]) -> Vec<Result<Watermark, StoreError>> {
        let all = |error: StoreError| plan.blocks.iter().map(|_| Err(error::copy(&error))).collect();
        if let Err(error) = self.recover().await {
            return all(error);
        }
        let blocks_a_run = self.options.blocks_a_run;
        let inner = Arc::clone(&self.inner);
        let mut slot = inner.active.lock().await;
        let active = match self.open_active(&mut slot, plan.received_at_ns).await {
            Ok(active) => active,
            Err(error) => return all(error),
        };
        let sources = plan.sources(writes);
        let sealed = match active.seal(sources.clone()).await {
            Ok(sealed) => sealed,
            Err(error) => return all(error),
        };
        let good: Vec<&SealedBlock> = sealed.iter().filter_map(|block| block.as_ref().ok()).collect();
        let begun = Instant::now();
        let first = match active.insert(&good).await {
            Ok(first) => first,
            Err(failure) => {
                if failure.in_doubt {
                    self.distrust(&mut slot, &failure.error).await;
                }
                return all(failure.error);
            }
        };
        tracing::debug!(block.count = good.len(), commit.us = begun.elapsed().as_micros() as u64, "spans committed");
        let segment = active.segment().number();
        // What was committed before stays acknowledged.
        if let Err(error) = active.fold(blocks_a_run).await {
            self.distrust(&mut slot, &error).await;
        }
        let mut next = first;
        sealed
            .into_iter()
            .zip(sources)
            .map(|(block, source)| {
                block.map(|_| {
                    let at = Watermark { segment, block: next };
                    next += 1;
                    let Source { batches, received_at_ns, .. } = source;
                    self.inner.tail.push(TailBlock { at, received_at_ns, batches });
                    at
                })
            })
            .collect()
    }
}

impl Writer for SqliteWriter {
    async fn commit(&mut self, writes: &[Write]) -> Vec<Result<WriteOutcome, StoreError>> {
        let plan = Plan::of(writes, &self.digests);
        let mut events = Vec::new();
        if plan.events {
            match events::commit(&self.inner.history, writes).await {
                Ok(outcomes) => events = outcomes.into_iter().map(Ok).collect(),
                Err(failure) => {
                    if failure.in_doubt {
                        self.inner.history.writer.lock().await.distrust();
                    }
                    events = writes
                        .iter()
                        .filter(|write| matches!(write, Write::Events { .. }))
                        .map(|_| Err(error::copy(&failure.error)))
                        .collect();
                }
            }
        }
        let blocks = if plan.blocks.is_empty() { Vec::new() } else { self.commit_spans(&plan, writes).await };
        let mut events = events.into_iter();
        let mut outcomes: Vec<Result<WriteOutcome, StoreError>> = Vec::with_capacity(writes.len());
        for (slot, write) in plan.slots.iter().zip(writes) {
            let outcome = match *slot {
                Slot::Repeated => Ok(WriteOutcome::Repeated),
                Slot::Events => events.next().expect("one outcome for each write of events"),
                Slot::Block(block) => match &blocks[block] {
                    Ok(at) => {
                        if let Write::Spans { digest, received_at_ns, .. } = write {
                            self.digests.insert(*digest, *received_at_ns);
                        }
                        Ok(WriteOutcome::Stored { at: *at })
                    }
                    Err(error) => Err(error::copy(error)),
                },
                // A repeat within the group is a repeat only if the first one was stored.
                Slot::SameAs(first) => match &outcomes[first] {
                    Ok(_) => Ok(WriteOutcome::Repeated),
                    Err(error) => Err(error::copy(error)),
                },
            };
            outcomes.push(outcome);
        }
        outcomes
    }

    async fn probe(&mut self) -> Result<(), StoreError> {
        self.recover().await?;
        self.try_disk().await
    }
}

/// Why a transaction failed.
pub(crate) struct Failure {
    error: StoreError,
    /// True when it is unknown what is on the disk.
    in_doubt: bool,
}

impl Failure {
    pub(crate) fn sql(action: String) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self { in_doubt: error::in_doubt(&source), error: error::sql(action)(source) }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { error, in_doubt: false }
    }
}

#[cfg(test)]
mod tests;
