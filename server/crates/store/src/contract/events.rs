//! Events: repeats, conflicts, pages, states.

use std::sync::Arc;

use proptest::prelude::*;
use spillway_model::event::Event;

use super::{
    Engine, check,
    generate::{self, EPOCH_NS},
};
use crate::{EventKind, EventLog, EventQuery, Write, WriteOutcome, Writer, memory::MemoryStore};

/// Requests of events: from one of two sources, some events each, in groups.
fn groups() -> impl Strategy<Value = Vec<Vec<Write>>> {
    let write = (prop::sample::select(&["a", "b"]), prop::collection::vec(generate::event(), 0..6));
    prop::collection::vec(prop::collection::vec(write, 1..4), 1..12).prop_map(|groups| {
        let mut received_at_ns = EPOCH_NS as i64;
        let mut write = |(source, events): (&str, Vec<Event>)| {
            received_at_ns += 1_000_000_000;
            Write::Events { source: Arc::from(source), events: events.into(), received_at_ns }
        };
        groups.into_iter().map(|group| group.into_iter().map(&mut write).collect()).collect()
    })
}

async fn commit(writer: &mut impl Writer, writes: &[Write]) -> Vec<WriteOutcome> {
    writer.commit(writes).await.into_iter().map(|outcome| outcome.expect("events are stored or refused")).collect()
}

/// Write by write, also across a restart.
pub fn repeats_and_conflicts_are_those_of_the_oracle<E: Engine>(make: &impl Fn() -> E) {
    check(48, (groups(), any::<prop::sample::Index>()), async |(groups, restart)| {
        let restart = restart.index(groups.len());
        let engine = make();
        let (mut store, mut writer) = engine.open().await;
        let (oracle, mut oracle_writer) = MemoryStore::new();
        for (index, group) in groups.iter().enumerate() {
            if index == restart {
                (store, writer) = engine.restart(store, writer).await;
            }
            assert_eq!(commit(&mut writer, group).await, commit(&mut oracle_writer, group).await);
        }
        let all = EventQuery { limit: 1_000, ..EventQuery::default() };
        assert_eq!(events(&store, &all).await, events(&oracle, &all).await);
    });
}

/// All pages of a query, without places in the log: engines number as they like.
async fn events(store: &impl EventLog, query: &EventQuery) -> Vec<(i64, Event)> {
    let mut query = query.clone();
    let mut all = Vec::new();
    loop {
        let page = store.events(&query).await.expect("events are listed");
        assert!(page.events.is_sorted_by(|a, b| a.seq > b.seq) && page.events.len() <= query.limit as usize);
        all.extend(page.events.into_iter().map(|stored| (stored.received_at_ns, stored.event)));
        match page.next {
            Some(next) => query.before_seq = Some(next),
            None => return all,
        }
    }
}

fn query() -> impl Strategy<Value = EventQuery> {
    let kind = prop::option::weighted(
        0.4,
        prop::sample::select(&[EventKind::Breaker, EventKind::Health, EventKind::Limit, EventKind::Change]),
    );
    let service = prop::option::weighted(0.5, prop::sample::select(&["checkout", "payments", "bank", "none"]));
    let time = || prop::option::weighted(0.4, (0i64..22).prop_map(|second| EPOCH_NS as i64 + second * 1_000_000_000));
    (kind, service, time(), time(), 1u32..7).prop_map(|(kind, service, from_ns, to_ns, limit)| EventQuery {
        kind,
        service: service.map(str::to_owned),
        from_ns,
        to_ns,
        before_seq: None,
        limit,
    })
}

/// Pages of any query, and the states of any instant.
pub fn pages_and_states_are_those_of_the_oracle<E: Engine>(make: &impl Fn() -> E) {
    let strategy = (groups(), prop::collection::vec(query(), 1..10), prop::collection::vec((0i64..22, 0i64..22), 1..8));
    check(48, strategy, async |(groups, queries, instants)| {
        let engine = make();
        let (store, mut writer) = engine.open().await;
        let (oracle, mut oracle_writer) = MemoryStore::new();
        for group in &groups {
            commit(&mut writer, group).await;
            commit(&mut oracle_writer, group).await;
        }
        for query in queries {
            assert_eq!(events(&store, &query).await, events(&oracle, &query).await, "{query:?}");
        }
        for (since, at) in instants {
            let [since, at] = [since, at].map(|second| EPOCH_NS as i64 + second * 1_000_000_000);
            let found = store.latest_states(since, at).await.expect("states are read");
            assert_eq!(found, oracle.latest_states(since, at).await.expect("the oracle answers"), "{since}..={at}");
        }
    });
}

/// A sender may use an id again when nobody remembers the first.
pub fn an_id_is_free_again_after_a_day<E: Engine>(make: &impl Fn() -> E) {
    check(2, (generate::event(), generate::event()), async |(first, second)| {
        let second = Event { id: first.id.clone(), at_ns: first.at_ns + 1, ..second };
        let write = |event: &Event, hour: i64| {
            let received_at_ns = EPOCH_NS as i64 + hour * 3_600_000_000_000;
            [Write::Events { source: Arc::from("a"), events: Arc::from([event.clone()]), received_at_ns }]
        };
        let engine = make();
        let (_store, mut writer) = engine.open().await;

        let outcomes = [
            commit(&mut writer, &write(&first, 0)).await,
            commit(&mut writer, &write(&second, 23)).await,
            commit(&mut writer, &write(&second, 25)).await,
            commit(&mut writer, &write(&second, 26)).await,
        ]
        .concat();

        let stored = WriteOutcome::Events { stored: vec![0], repeated: 0 };
        let repeated = WriteOutcome::Events { stored: vec![], repeated: 1 };
        let conflict = WriteOutcome::Conflict { id: first.id.clone() };
        assert_eq!(outcomes, [stored.clone(), conflict, stored, repeated]);
    });
}
