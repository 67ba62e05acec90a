//! Search: walk blocks from the newest span back, skip those whose summary rules them out, stop when the page is full.
//!
//! Pages are ordered by (start of the trace's newest matching span, trace id), newest first. Blocks are walked by their last start,
//! falling; a trace is settled when no block that is left can hold a newer span of it. A trace of an earlier page may match again
//! with an older span: whole traces are looked at before they go on a page, so it is recognised.

use std::{cmp::Reverse, collections::BTreeMap, time::Instant};

use rustc_hash::FxHashMap;
use spillway_model::identity::TraceId;
use spillway_store::{Cursor, StoreError, TraceFound, TracePage, TraceQuery, Watermark};

use crate::{catalogue::Part, store::Inner};

pub(crate) mod candidates;
mod filter;
mod found;
mod judge;
pub(crate) mod listing;
mod outline;
pub(crate) mod walk;

use filter::Filter;
use outline::Outlines;
use walk::Walk;

/// Traces a page, at most.
const MOST_TRACES: u32 = 1_000;

/// Where a trace stands in the order of pages.
type Place = (u64, TraceId);

pub(crate) async fn search(inner: &Inner, query: &TraceQuery) -> Result<TracePage, StoreError> {
    let newest = inner.catalogue.end();
    let bound = query.cursor.map_or(newest, |cursor| cursor.bound);
    if bound > newest {
        return Err(StoreError::InvalidCursor);
    }
    let until = query.deadline.map(|deadline| Instant::now() + deadline);
    let mut walks = Vec::new();
    let filter = Filter::new(query);
    let view = inner.catalogue.view(Some(bound));
    for part in &view {
        walks.push(Walk::new(part.clone(), &filter));
    }
    let limit = query.limit.clamp(1, MOST_TRACES) as usize;
    let mut search = Search {
        inner,
        limit,
        filter,
        bound,
        until,
        view,
        walks,
        outlines: Outlines::default(),
        candidates: BTreeMap::new(),
        newest: FxHashMap::default(),
        pruned: None,
        page: TracePage { traces: Vec::new(), next: None, blocks_read: 0, blocks_skipped: 0, complete: true },
    };
    search.run().await?;
    Ok(search.page)
}

/// Blocks of a part that may hold a span that fulfils the filter.
pub(crate) async fn blocks_that_may_match(
    part: &Part,
    filter: &spillway_query::Filter,
) -> Result<Vec<u64>, StoreError> {
    let filter = Filter::new(&TraceQuery { filter: filter.clone(), ..TraceQuery::default() });
    let mut walk = Walk::new(part.clone(), &filter);
    let mut page = TracePage { traces: Vec::new(), next: None, blocks_read: 0, blocks_skipped: 0, complete: true };
    let mut blocks = Vec::new();
    while walk.next_start(&filter, &mut page).await?.is_some() {
        blocks.extend(walk.take());
    }
    Ok(blocks)
}

struct Search<'a> {
    inner: &'a Inner,
    filter: Filter,
    bound: Watermark,
    until: Option<Instant>,
    limit: usize,
    /// What is read, whatever compaction does meanwhile.
    view: Vec<Part>,
    walks: Vec<Walk>,
    outlines: Outlines,
    /// Traces that were seen and are not settled, newest first.
    candidates: BTreeMap<Reverse<Place>, ()>,
    /// The newest matching start of each of them, and of those that are settled (`None`).
    newest: FxHashMap<TraceId, Option<u64>>,
    /// The newest candidate that was let go of because the page could not hold it.
    pruned: Option<Place>,
    page: TracePage,
}

impl Search<'_> {
    async fn run(&mut self) -> Result<(), StoreError> {
        let mut last: Option<Place> = None;
        // A page that ends early must have got somewhere: put a trace on it, or gone below where it began.
        let mut ceiling = self.filter.cursor_start();
        let mut lowest = None;
        loop {
            let horizon = self.horizon().await?;
            ceiling = ceiling.or(horizon);
            while let Some(place) = self.settled(horizon) {
                if self.is_late() && last.is_some() {
                    return self.stop(last);
                }
                // Candidates that damage keeps from the page had pushed others off it: those come before this one, on the next page.
                if self.pruned.is_some_and(|pruned| place < pruned) {
                    self.page.next = lowest.map(|lowest| self.cursor(lowest));
                    return Ok(());
                }
                lowest = Some(place);
                if let Some(found) = self.look_at(place).await? {
                    if self.page.traces.len() == self.limit {
                        self.page.next = last.map(|last| self.cursor(last));
                        return Ok(());
                    }
                    self.page.traces.push(found);
                    last = Some(place);
                }
            }
            let Some(horizon) = horizon else {
                self.page.next = lowest.filter(|_| self.pruned.is_some()).map(|lowest| self.cursor(lowest));
                return Ok(());
            };
            if self.is_late() && (last.is_some() || ceiling.is_some_and(|ceiling| horizon < ceiling)) {
                return self.stop(last.or(Some((horizon, TraceId([0xff; 16])))));
            }
            self.step().await?;
        }
    }

    /// The last start of all blocks that are left; `None` when there are none.
    async fn horizon(&mut self) -> Result<Option<u64>, StoreError> {
        let mut horizon = None;
        for walk in &mut self.walks {
            // A segment whose last start lies below what another offers is not opened yet.
            if walk.ceiling().is_some_and(|ceiling| horizon.is_none_or(|horizon| ceiling > horizon)) {
                horizon = horizon.max(walk.next_start(&self.filter, &mut self.page).await?);
            }
        }
        Ok(horizon)
    }

    /// Takes the newest candidate, if nothing newer can come.
    fn settled(&mut self, horizon: Option<u64>) -> Option<Place> {
        let (Reverse(place), ()) = self.candidates.first_key_value()?;
        let place = *place;
        if horizon.is_some_and(|horizon| place.0 <= horizon) {
            return None;
        }
        self.candidates.pop_first();
        self.newest.insert(place.1, None);
        Some(place)
    }

    /// Reads the block with the last start.
    async fn step(&mut self) -> Result<(), StoreError> {
        let newest = self
            .walks
            .iter_mut()
            .filter(|walk| walk.buffered_start().is_some())
            .max_by_key(|walk| walk.buffered_start());
        let Some(walk) = newest else { return Ok(()) };
        let Some(block) = walk.take() else { return Ok(()) };
        self.page.blocks_read += 1;
        let asked = Some(&self.filter.wanted);
        let Some(outline) = self.outlines.read(self.inner, &walk.part.segment, block, asked).await? else {
            return Ok(());
        };
        for span in 0..outline.head.len() {
            let start = outline.head.start_ns[span];
            let trace = outline.head.traces[outline.head.trace[span] as usize];
            if !self.filter.is_before_cursor((start, trace)) || !outline.matches(span) {
                continue;
            }
            match self.newest.get_mut(&trace) {
                // Settled: it is on the page, or was on one before.
                Some(None) => {}
                Some(Some(known)) if *known >= start => {}
                Some(Some(known)) => {
                    self.candidates.remove(&Reverse((*known, trace)));
                    *known = start;
                    self.candidates.insert(Reverse((start, trace)), ());
                }
                None => {
                    self.newest.insert(trace, Some(start));
                    self.candidates.insert(Reverse((start, trace)), ());
                }
            }
        }
        self.prune();
        Ok(())
    }

    /// On a first page no candidate falls away, so those past the page and the one that says whether there is more never get on it.
    fn prune(&mut self) {
        while self.filter.is_first_page() && self.candidates.len() > self.limit + 1 {
            if let Some((Reverse(place), ())) = self.candidates.pop_last() {
                self.newest.remove(&place.1);
                self.pruned = self.pruned.max(Some(place));
            }
        }
    }

    /// The whole trace, summed up; `None` when an earlier page has it.
    async fn look_at(&mut self, place: Place) -> Result<Option<TraceFound>, StoreError> {
        found::sum_up(self.inner, &mut self.outlines, &self.filter, place.1, &self.view).await
    }

    fn is_late(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    fn cursor(&self, (start_ns, trace_id): Place) -> Cursor {
        Cursor { start_ns, trace_id, bound: self.bound }
    }

    /// Ends a page early. The next one goes on behind the last trace, or, without one, where the walk had come to.
    fn stop(&mut self, at: Option<Place>) -> Result<(), StoreError> {
        self.page.complete = false;
        self.page.next = at.map(|place| self.cursor(place));
        Ok(())
    }
}
