//! Spans: writing, reading, searching, replaying, forgetting.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use proptest::prelude::*;
use spillway_model::{batch::SpanBatch, identity::TraceId};
use spillway_query::{AttributeKey, Place};

use super::{
    Engine, check,
    generate::{self, EPOCH_NS, Origin},
    plain,
};
use crate::{
    Cursor, RequestDigest, Retention, SpanReader, StoreError, TraceFound, TraceQuery, Watermark, Write, WriteOutcome,
    Writer, memory::MemoryStore,
};

/// A request's spans with a digest that no other number has.
pub(super) fn write(number: usize, batch: SpanBatch, received_at_ns: i64) -> Write {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&(number as u64).to_le_bytes());
    Write::Spans { digest: RequestDigest(digest), batch: Arc::new(batch), received_at_ns }
}

/// Arrivals long after the spans, each some time after the one before.
pub(super) fn writes(history: &[(Vec<Origin>, i64)]) -> Vec<Write> {
    let mut received_at_ns = EPOCH_NS as i64 + 100_000_000_000;
    let mut writes = Vec::new();
    for (number, (origins, gap)) in history.iter().enumerate() {
        received_at_ns += gap;
        writes.push(write(number, generate::batch_of(origins), received_at_ns));
    }
    writes
}

/// Commits everything, a few at a time.
pub(super) async fn commit(writer: &mut impl Writer, writes: &[Write], group: usize) -> Vec<WriteOutcome> {
    let mut outcomes = Vec::new();
    for group in writes.chunks(group) {
        outcomes.extend(writer.commit(group).await.into_iter().map(|outcome| outcome.expect("a good write is stored")));
    }
    outcomes
}

pub(super) async fn oracle(writes: &[Write]) -> MemoryStore {
    let (store, mut writer) = MemoryStore::new();
    commit(&mut writer, writes, 1).await;
    store
}

/// All pages of a query.
async fn pages(store: &impl SpanReader, query: &TraceQuery) -> Vec<Vec<TraceFound>> {
    let mut query = query.clone();
    let mut pages = Vec::new();
    loop {
        let page = store.search(&query).await.expect("a search is answered");
        assert!(page.complete, "a search without deadline is complete");
        assert!(page.traces.len() <= query.limit as usize);
        assert_eq!(page.reached_ns().is_some(), page.next.is_some());
        pages.push(page.traces);
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return pages,
        }
    }
}

/// Every page of every query, on data in which times are often equal and traces spread over many commits.
pub fn a_search_finds_what_the_oracle_finds<E: Engine>(make: &impl Fn() -> E) {
    let strategy = (generate::history(8, 40), prop::collection::vec(generate::query(), 1..8), 1usize..4);
    check(48, strategy, async |(history, queries, group)| {
        let writes = writes(&history);
        let engine = make();
        let (store, mut writer) = engine.open().await;
        commit(&mut writer, &writes, group).await;
        engine.settle(&store).await;
        let oracle = oracle(&writes).await;
        for query in queries {
            assert_eq!(pages(&store, &query).await, pages(&oracle, &query).await, "{query:?}");
        }
        let operations = store.operations(1_000).await.expect("operations are listed");
        assert_eq!(operations, oracle.operations(1_000).await.expect("the oracle answers"));
        assert_eq!(store.operations(3).await.expect("operations are listed"), operations[..operations.len().min(3)]);
    });
}

/// Completion may look at less than there is, but offers nothing that is not there, and what was stored last.
pub fn completion_offers_what_is_there<E: Engine>(make: &impl Fn() -> E) {
    const MANY: usize = 10_000;
    check(12, (generate::history(6, 30), 0usize..4), async |(history, limit)| {
        let writes = writes(&history);
        let engine = make();
        let (store, mut writer) = engine.open().await;
        commit(&mut writer, &writes, 2).await;
        let everything = oracle(&writes).await;
        let last = oracle(&writes[writes.len() - 1..]).await;
        for place in [Place::Nearest, Place::Span, Place::Resource, Place::Event] {
            for prefix in ["", "SER", "u"] {
                let found = store.attribute_keys(place, prefix, MANY).await.expect("keys are listed");
                let all = everything.attribute_keys(place, prefix, MANY).await.expect("the oracle answers");
                let newest = last.attribute_keys(place, prefix, MANY).await.expect("the oracle answers");
                assert!(found.is_sorted() && found.iter().all(|key| all.contains(key)), "{found:?}");
                assert!(newest.iter().all(|key| found.contains(key)), "{found:?} {newest:?}");
            }
            for key in ["http.response.status_code", "user.id", "tags", "service.name", "attempt"] {
                let key = AttributeKey { place, key: key.to_owned() };
                let found = store.attribute_values(&key, "", MANY).await.expect("values are listed");
                let all = everything.attribute_values(&key, "", MANY).await.expect("the oracle answers");
                let newest = last.attribute_values(&key, "", MANY).await.expect("the oracle answers");
                assert!(found.is_sorted() && found.iter().all(|value| all.contains(value)), "{found:?}");
                assert!(newest.iter().all(|value| found.contains(value)), "{found:?} {newest:?}");
            }
        }
        let few = store.attribute_keys(Place::Nearest, "", limit).await.expect("keys are listed");
        assert!(few.len() <= limit);
    });
}

/// A page that follows sees what was committed when the first page was read.
pub fn pages_stay_the_same_under_writes<E: Engine>(make: &impl Fn() -> E) {
    check(
        24,
        (generate::history(6, 30), generate::history(4, 30), generate::query()),
        async |(before, after, query)| {
            let first = writes(&before);
            let later: Vec<Write> = writes(&after)
                .into_iter()
                .enumerate()
                .map(|(number, later)| match later {
                    Write::Spans { batch, received_at_ns, .. } => {
                        write(1_000 + number, (*batch).clone(), received_at_ns + 3_600_000_000_000)
                    }
                    events @ Write::Events { .. } => events,
                })
                .collect();
            let engine = make();
            let (store, mut writer) = engine.open().await;
            commit(&mut writer, &first, 2).await;
            let expected = pages(&oracle(&first).await, &query).await;

            let mut query = query;
            let mut later = later.chunks(1);
            for expected in expected {
                let page = store.search(&query).await.expect("a search is answered");
                assert_eq!(page.traces, expected, "{query:?}");
                query.cursor = page.next;
                commit(&mut writer, later.next().unwrap_or_default(), 1).await;
            }
            assert_eq!(query.cursor, None);
        },
    );
}

/// A cursor from the future of this store.
pub fn a_cursor_of_another_store_is_refused<E: Engine>(make: &impl Fn() -> E) {
    check(1, Just(()), async |()| {
        let engine = make();
        let (store, _writer) = engine.open().await;
        let bound = Watermark { segment: 9_999, block: 1 };
        let cursor = Some(Cursor { start_ns: 1, trace_id: TraceId::default(), bound });

        let refused = store.search(&TraceQuery { limit: 1, cursor, ..TraceQuery::default() }).await;

        assert!(matches!(refused, Err(StoreError::InvalidCursor)), "{refused:?}");
    });
}

/// Spans that were sent in several requests, some twice.
pub fn a_trace_has_each_span_once_in_order<E: Engine>(make: &impl Fn() -> E) {
    check(32, (generate::history(6, 60), 1usize..5), async |(history, group)| {
        let writes = writes(&history);
        let engine = make();
        let (store, mut writer) = engine.open().await;
        commit(&mut writer, &writes, group).await;
        engine.settle(&store).await;
        let oracle = oracle(&writes).await;
        for trace in 0..13 {
            let id = generate::trace_id(trace);
            let found = store.trace(id).await.expect("a trace is read");
            let expected = oracle.trace(id).await.expect("the oracle answers");
            assert_eq!(found.as_ref().map(plain::spans), expected.as_ref().map(plain::spans));
        }
    });
}

/// In a group, in a later group, and after a restart.
pub fn a_repeated_request_changes_nothing<E: Engine>(make: &impl Fn() -> E) {
    check(16, (generate::history(6, 100), 1usize..8), async |(history, group)| {
        let once = writes(&history);
        let twice: Vec<Write> = once.iter().flat_map(|write| [write.clone(), write.clone()]).collect();
        let engine = make();
        let (store, mut writer) = engine.open().await;

        let outcomes = commit(&mut writer, &twice, group).await;
        let usage = store.usage().await.expect("usage is known");
        for pair in outcomes.chunks(2) {
            assert!(matches!(pair, [WriteOutcome::Stored { .. }, WriteOutcome::Repeated]), "{pair:?}");
        }
        engine.settle(&store).await;
        let settled = store.usage().await.expect("usage is known");
        let (store, mut writer) = engine.restart(store, writer).await;
        let again = commit(&mut writer, &twice, group).await;

        assert!(again.iter().all(|outcome| *outcome == WriteOutcome::Repeated), "{again:?}");
        assert_eq!(store.usage().await.expect("usage is known").spans, settled.spans);
        let spans: usize = history.iter().map(|(origins, _)| origins.len()).sum();
        assert_eq!(usage.spans, spans as u64);
    });
}

/// Everything acknowledged before is there after.
pub fn a_restart_keeps_everything<E: Engine>(make: &impl Fn() -> E) {
    check(
        12,
        (generate::history(6, 40), generate::query(), any::<prop::sample::Index>()),
        async |(history, query, cut)| {
            let writes = writes(&history);
            let (early, late) = writes.split_at(cut.index(writes.len()));
            let engine = make();
            let (store, mut writer) = engine.open().await;
            commit(&mut writer, early, 2).await;
            engine.settle(&store).await;
            let (store, mut writer) = engine.restart(store, writer).await;
            commit(&mut writer, late, 2).await;
            engine.settle(&store).await;
            let (store, _writer) = engine.restart(store, writer).await;
            let oracle = oracle(&writes).await;

            assert_eq!(pages(&store, &query).await, pages(&oracle, &query).await);
            for trace in 0..12 {
                let id = generate::trace_id(trace);
                let found = store.trace(id).await.expect("a trace is read");
                let expected = oracle.trace(id).await.expect("the oracle answers");
                assert_eq!(found.as_ref().map(plain::spans), expected.as_ref().map(plain::spans));
            }
        },
    );
}

/// From any place and with any limit; the place before an arrival skips nothing that came after it.
pub fn replay_gives_every_batch_in_order<E: Engine>(make: &impl Fn() -> E) {
    check(16, (generate::history(8, 120), 1usize..200, 1usize..4), async |(history, limit, group)| {
        let writes = writes(&history);
        let engine = make();
        let (store, mut writer) = engine.open().await;
        commit(&mut writer, &writes, group).await;
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = store.replay(after, limit).await.expect("the log is read");
            let Some(last) = page.last() else { break };
            assert!(after < Some(page[0].at) && page.is_sorted_by_key(|batch| batch.at));
            let but_last: usize = page[..page.len() - 1].iter().map(|batch| batch.batch.len()).sum();
            assert!(page.len() == 1 || but_last < limit, "a page ends when the limit is reached");
            after = Some(last.at);
            all.extend(page);
        }
        // Small requests may share a block, so what a batch holds is compared over all of them.
        let mut replayed: Vec<_> = all.iter().flat_map(|batch| plain::spans(&batch.batch)).collect();
        let mut written: Vec<_> =
            history.iter().flat_map(|(origins, _)| plain::spans(&generate::batch_of(origins))).collect();
        replayed.sort();
        written.sort();
        assert_eq!(replayed, written);

        for batch in &all {
            let before = store.watermark_before(batch.received_at_ns).await.expect("a place is found");
            let rest = store.replay(before, usize::MAX).await.expect("the log is read");
            let places: BTreeSet<Watermark> = rest.iter().map(|batch| batch.at).collect();
            assert!(
                all.iter()
                    .filter(|other| other.received_at_ns >= batch.received_at_ns)
                    .all(|other| places.contains(&other.at))
            );
        }
    });
}

/// One trace of 20,000 spans over many requests; batches with every field and extreme; a batch without spans.
pub fn a_large_trace_and_extremes_come_back<E: Engine>(make: &impl Fn() -> E) {
    check(4, prop::collection::vec(generate::wild_batch(60), 1..4), async |wild| {
        let engine = make();
        let (store, mut writer) = engine.open().await;
        let (oracle, mut oracle_writer) = MemoryStore::new();
        let large = (0..40).map(|number| generate::one_trace(number, 500));
        let empty = generate::batch_of(&[]);
        let batches = large.chain(wild).chain([empty]);
        let writes: Vec<Write> =
            batches.enumerate().map(|(number, batch)| write(number, batch, number as i64)).collect();
        commit(&mut writer, &writes, 5).await;
        commit(&mut oracle_writer, &writes, 5).await;

        let large = store.trace(generate::trace_id(200)).await.expect("a trace is read").expect("it was stored");
        assert_eq!(large.len(), 20_000);
        let mut ids = BTreeSet::new();
        for write in &writes[40..] {
            if let Write::Spans { batch, .. } = write {
                ids.extend(batch.spans.trace_id.iter().copied());
            }
        }
        for id in ids {
            let found = store.trace(id).await.expect("a trace is read").expect("it was stored");
            let expected = oracle.trace(id).await.expect("the oracle answers").expect("it has it too");
            // Spans of one id with other content are one span: which one stays is the engine's choice.
            let keys =
                |batch: &SpanBatch| batch.iter().map(|span| (span.span_id(), span.kind())).collect::<BTreeSet<_>>();
            assert_eq!(keys(&found), keys(&expected));
        }
        let all = TraceQuery { limit: 1_000, ..TraceQuery::default() };
        assert_eq!(pages(&store, &all).await.concat().len(), pages(&oracle, &all).await.concat().len());
    });
}

/// What arrived later than the bound is all there; nothing is lost that was not old.
pub fn retention_keeps_what_is_newer<E: Engine>(make: &impl Fn() -> E) {
    check(12, (generate::history(8, 40), any::<prop::sample::Index>()), async |(history, cut)| {
        let writes = writes(&history);
        let arrival = |write: &Write| match write {
            Write::Spans { received_at_ns, .. } | Write::Events { received_at_ns, .. } => *received_at_ns,
        };
        let bound = arrival(&writes[cut.index(writes.len())]);
        let engine = make();
        let (store, mut writer) = engine.open().await;
        commit(&mut writer, &writes, 1).await;

        store.expire(bound, bound).await.expect("old things are deleted");

        let newer: Vec<Write> = writes.iter().filter(|write| arrival(write) >= bound).cloned().collect();
        let kept = oracle(&newer).await;
        for trace in 0..12 {
            let id = generate::trace_id(trace);
            let found = store.trace(id).await.expect("a trace is read").as_ref().map(plain::spans).unwrap_or_default();
            let expected =
                kept.trace(id).await.expect("the oracle answers").as_ref().map(plain::spans).unwrap_or_default();
            assert!(expected.iter().all(|span| found.contains(span)));
        }
        let outcomes = commit(&mut writer, &newer, 3).await;
        assert!(outcomes.iter().all(|outcome| *outcome == WriteOutcome::Repeated), "{outcomes:?}");
    });
}

/// Pages that end early, one after the other, are together what one long search finds.
pub fn a_deadline_shortens_pages_and_loses_nothing<E: Engine>(make: &impl Fn() -> E) {
    check(24, (generate::history(8, 40), generate::query()), async |(history, query)| {
        let writes = writes(&history);
        let engine = make();
        let (store, mut writer) = engine.open().await;
        commit(&mut writer, &writes, 1).await;
        let expected = pages(&oracle(&writes).await, &query).await.concat();

        let mut query = TraceQuery { deadline: Some(Duration::ZERO), ..query };
        let mut found = Vec::new();
        for _ in 0..1_000 {
            let page = store.search(&query).await.expect("a search is answered");
            assert!(page.complete || page.next.is_some(), "a page that ended early goes on");
            found.extend(page.traces);
            query.cursor = page.next;
            if page.next.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "{query:?}");
    });
}
