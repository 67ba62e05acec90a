//! Rollups: the projector and what is read of it.

use std::{collections::HashSet, sync::Arc, time::Duration};

use proptest::prelude::*;
use spillway_model::{
    batch::{SpanBatch, SpanKind, SpanStatus, SpanView},
    identity::{NodeKey, NodeKind, ServiceKey, SpanId, TraceId},
    observation::{EdgeKey, Observation, Protocol, Side, Subject},
};

use super::{
    Engine, check,
    generate::{self, EPOCH_NS},
    spans,
};
use crate::{Projection, Projector, RequestDigest, RollupReader, TopologyRollup, Write, Writer, memory::MemoryStore};

/// A projection that remembers: a span counts once, first as provisional and then, for every other span, as seen from both sides.
#[derive(Default)]
struct Once {
    seen: HashSet<(TraceId, SpanId, SpanKind)>,
}

fn subjects(span: SpanView<'_>) -> [Subject; 2] {
    let source = NodeKey::service(span.batch().service(span.resource()));
    let service = ServiceKey { name: Arc::from(span.name()), ..source.service.clone() };
    let target = NodeKey { kind: NodeKind::Database, service };
    let side = if span.kind() == SpanKind::Server { Side::Callee } else { Side::Caller };
    [Subject::Node(source.clone()), Subject::Edge(EdgeKey { source, target, protocol: Protocol::Http }, side)]
}

impl Projection for Once {
    fn observe(&mut self, batch: &SpanBatch, _received_at_ns: i64, emit: &mut dyn FnMut(Observation)) {
        for span in batch.iter() {
            if !self.seen.insert((span.trace_id(), span.span_id(), span.kind())) {
                continue;
            }
            for subject in subjects(span) {
                let mut fact = |provisional, times| {
                    emit(Observation {
                        subject: subject.clone(),
                        at_ns: span.end_ns(),
                        duration_ns: span.duration_ns(),
                        failed: span.status() == SpanStatus::Error,
                        provisional,
                        times,
                    });
                };
                fact(true, 1);
                if span.span_id().0[0].is_multiple_of(2) {
                    fact(true, -1);
                    fact(false, 2);
                }
            }
        }
    }
}

async fn project_all(store: &impl Projector, projection: &mut Once, limit: usize) {
    loop {
        let progress = store.project(projection, limit).await.expect("the projector goes on");
        if progress.caught_up {
            return;
        }
        assert!(progress.batches > 0, "every step takes something in");
    }
}

/// Equal sums: histograms bucket by bucket.
async fn assert_same(store: &impl RollupReader, oracle: &MemoryStore, from_s: i64, to_s: i64) -> TopologyRollup {
    let map = store.topology(from_s, to_s).await.expect("a map is read");
    assert!(map.from_s <= from_s && to_s <= map.to_s && map.resolution_s > 0);
    let expected = oracle.topology(map.from_s, map.to_s).await.expect("the oracle answers");
    assert_eq!((&map.nodes, &map.edges), (&expected.nodes, &expected.edges), "{from_s}..{to_s}");
    map
}

/// Commits, steps of any size, and restarts in between; maps and series of any range.
pub fn sums_are_those_of_the_oracle_across_restarts<E: Engine>(make: &impl Fn() -> E) {
    let ranges = prop::collection::vec((-30i64..40, 1i64..1_500), 1..6);
    check(
        24,
        (generate::history(8, 60), 1usize..100, any::<prop::sample::Index>(), ranges),
        async |(history, limit, restart, ranges)| {
            let writes = spans::writes(&history);
            let restart = restart.index(writes.len());
            let engine = make();
            let (mut store, mut writer) = engine.open().await;
            let (oracle, mut oracle_writer) = MemoryStore::new();
            let mut projection = Once::default();
            for (index, write) in writes.iter().enumerate() {
                if index == restart {
                    (store, writer) = engine.restart(store, writer).await;
                    projection = Once::default();
                    store.warm(&mut projection, Duration::from_secs(60)).await.expect("the past is read again");
                }
                let outcome = writer.commit(std::slice::from_ref(write)).await;
                assert!(outcome.iter().all(Result::is_ok), "{outcome:?}");
                oracle_writer.commit(std::slice::from_ref(write)).await;
                if index % 2 == 0 {
                    project_all(&store, &mut projection, limit).await;
                }
            }
            project_all(&store, &mut projection, limit).await;
            project_all(&oracle, &mut Once::default(), usize::MAX).await;

            let epoch_s = (EPOCH_NS / 1_000_000_000) as i64;
            for (offset, length) in ranges {
                let map = assert_same(&store, &oracle, epoch_s + offset, epoch_s + offset + length).await;
                let from_s = (epoch_s + offset).div_euclid(600) * 600;
                for step_s in [10, 60, 600] {
                    if let Some(node) = map.nodes.first() {
                        let expected = oracle
                            .node_series(&node.node, from_s, from_s + 1_800, step_s)
                            .await
                            .expect("the oracle answers");
                        let found = store
                            .node_series(&node.node, from_s, from_s + 1_800, step_s)
                            .await
                            .expect("a series is read");
                        assert_eq!(found, expected, "step {step_s}");
                    }
                    if let Some(edge) = map.edges.last() {
                        for side in [Side::Caller, Side::Callee] {
                            let expected = oracle
                                .edge_series(&edge.edge, side, from_s, from_s + 1_800, step_s)
                                .await
                                .expect("the oracle answers");
                            let found = store
                                .edge_series(&edge.edge, side, from_s, from_s + 1_800, step_s)
                                .await
                                .expect("a series is read");
                            assert_eq!(found, expected, "step {step_s}");
                        }
                    }
                }
            }
        },
    );
}

/// A projection that emits what it was given.
struct Emits(Vec<Observation>);

impl Projection for Emits {
    fn observe(&mut self, _batch: &SpanBatch, _received_at_ns: i64, emit: &mut dyn FnMut(Observation)) {
        self.0.drain(..).for_each(emit);
    }
}

fn fact(at_ns: u64, times: i64) -> Observation {
    let subject = Subject::Node(NodeKey::service(ServiceKey::new("", "", "a")));
    Observation { subject, at_ns, duration_ns: 5_000_000, failed: true, provisional: true, times }
}

/// Commits a request with one span and projects it.
async fn step(store: &impl Projector, writer: &mut impl Writer, number: u8, facts: Vec<Observation>) {
    let batch = Arc::new(generate::batch_of(&[generate::Origin { seed: 0, trace: number, span: 0 }]));
    let write = Write::Spans { digest: RequestDigest([number; 32]), batch, received_at_ns: EPOCH_NS as i64 };
    assert!(writer.commit(&[write]).await.remove(0).is_ok());
    let progress = store.project(&mut Emits(facts), usize::MAX).await.expect("the projector goes on");
    assert!(progress.caught_up && progress.batches == 1);
}

/// In a later step, so that it meets a row that was stored.
pub fn a_fact_taken_back_leaves_nothing<E: Engine>(make: &impl Fn() -> E) {
    check(1, Just(()), async |()| {
        let engine = make();
        let (store, mut writer) = engine.open().await;
        let epoch_s = (EPOCH_NS / 1_000_000_000) as i64;

        step(&store, &mut writer, 1, vec![fact(EPOCH_NS, 1)]).await;
        assert_eq!(store.topology(epoch_s, epoch_s + 10).await.expect("a map is read").nodes.len(), 1);
        step(&store, &mut writer, 2, vec![fact(EPOCH_NS, -1)]).await;

        assert_eq!(store.topology(epoch_s, epoch_s + 10).await.expect("a map is read").nodes, []);
    });
}

/// One wrong clock must not decide what is old.
pub fn a_fact_far_in_the_future_is_not_summed_up<E: Engine>(make: &impl Fn() -> E) {
    check(1, Just(()), async |()| {
        let engine = make();
        let (store, mut writer) = engine.open().await;
        let hour_ns = 3_600_000_000_000;

        step(
            &store,
            &mut writer,
            1,
            vec![fact(u64::MAX, 1), fact(EPOCH_NS + hour_ns + 1, 1), fact(EPOCH_NS + hour_ns, 1)],
        )
        .await;

        let epoch_s = (EPOCH_NS / 1_000_000_000) as i64;
        let map = store.topology(epoch_s, epoch_s + 36_000).await.expect("a map is read");
        assert_eq!(map.nodes.iter().map(|node| node.aggregate.count).collect::<Vec<_>>(), [1]);
    });
}
