//! Rollups: the projector and what is read of it.

use std::{collections::HashSet, sync::Arc, time::Duration};

use proptest::prelude::*;
use spillway_model::{
    batch::{SpanBatch, SpanKind, SpanStatus, SpanView},
    identity::{NodeKey, NodeKind, ServiceKey, SpanId, TraceId},
    observation::{EdgeKey, Measurement, Protocol, Side, Subject},
};

use super::{
    Engine, check,
    generate::{self, EPOCH_NS},
    spans,
};
use crate::{
    Projection, Projector, RequestDigest, RollupBounds, RollupPoint, RollupReader, RollupRetention, TopologyRollup,
    Watermark, Write, Writer, memory::MemoryStore,
};

/// A projection that says nothing: for tests of what follows a projection.
pub struct Silent;

impl Projection for Silent {
    fn observe(&mut self, _: Watermark, _: &SpanBatch, _: i64, _: &mut dyn FnMut(&Subject, &[Measurement])) {}

    fn settle(&mut self, _: i64, _: &mut dyn FnMut(&Subject, &[Measurement])) {}
}

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
    fn observe(
        &mut self,
        _: Watermark,
        batch: &SpanBatch,
        _received_at_ns: i64,
        emit: &mut dyn FnMut(&Subject, &[Measurement]),
    ) {
        for span in batch.iter() {
            if !self.seen.insert((span.trace_id(), span.span_id(), span.kind())) {
                continue;
            }
            for subject in subjects(span) {
                let fact = |provisional, times| Measurement {
                    at_ns: span.end_ns(),
                    duration_ns: span.duration_ns(),
                    failed: span.status() == SpanStatus::Error,
                    provisional,
                    times,
                };
                emit(&subject, &[fact(true, 1)]);
                if span.span_id().0[0].is_multiple_of(2) {
                    emit(&subject, &[fact(true, -1), fact(false, 2)]);
                }
            }
        }
    }

    fn settle(&mut self, _now_ns: i64, _emit: &mut dyn FnMut(&Subject, &[Measurement])) {}
}

async fn project_all(store: &impl Projector, projection: &mut Once, limit: usize) {
    loop {
        let progress = store.project(projection, limit).await.expect("the projector goes on");
        let left = store.unprojected().await.expect("what is left is known");
        if progress.caught_up {
            assert_eq!(left, 0);
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

/// Commits, steps of any size, writing now and then, and a restart in between; maps and series of any range.
pub fn sums_are_those_of_the_oracle_across_restarts<E: Engine>(make: &impl Fn() -> E) {
    let ranges = prop::collection::vec((-30i64..40, 1i64..1_500), 1..6);
    check(
        24,
        (generate::history(8, 60), 1usize..100, any::<prop::sample::Index>(), any::<u8>(), ranges),
        async |(history, limit, restart, flushes, ranges)| {
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
                if flushes >> index & 1 == 1 {
                    store.flush().await.expect("what is held is written");
                }
            }
            project_all(&store, &mut projection, limit).await;
            project_all(&oracle, &mut Once::default(), usize::MAX).await;

            let epoch_s = (EPOCH_NS / 1_000_000_000) as i64;
            for (offset, length) in ranges {
                let map = assert_same(&store, &oracle, epoch_s + offset, epoch_s + offset + length).await;
                let from_s = (epoch_s + offset).div_euclid(600) * 600;
                for step_s in [1, 7, 10, 60, 600] {
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
struct Emits(Vec<Measurement>);

impl Projection for Emits {
    fn observe(
        &mut self,
        _: Watermark,
        _batch: &SpanBatch,
        _received_at_ns: i64,
        emit: &mut dyn FnMut(&Subject, &[Measurement]),
    ) {
        emit(&Subject::Node(node()), &std::mem::take(&mut self.0));
    }

    fn settle(&mut self, _now_ns: i64, _emit: &mut dyn FnMut(&Subject, &[Measurement])) {}
}

fn fact(at_ns: u64, times: i64) -> Measurement {
    Measurement { at_ns, duration_ns: 5_000_000, failed: true, provisional: true, times }
}

/// Commits a request with one span and projects it.
async fn step(store: &impl Projector, writer: &mut impl Writer, number: u8, facts: Vec<Measurement>) {
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
        store.flush().await.expect("what is held is written");
        step(&store, &mut writer, 2, vec![fact(EPOCH_NS, -1)]).await;

        assert_eq!(store.topology(epoch_s, epoch_s + 10).await.expect("a map is read").nodes, []);
        store.flush().await.expect("what is held is written");
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

fn node() -> NodeKey {
    NodeKey::service(ServiceKey::new("", "", "a"))
}

async fn series(store: &impl RollupReader, from_s: i64, to_s: i64, step_s: u32) -> Vec<RollupPoint> {
    store.node_series(&node(), from_s, to_s, step_s).await.expect("a series is read")
}

/// Histograms of scale 4 have buckets whose ends differ by 2^(1/16): the geometric middle is off by at most 2.2 %, wherever the exact value
/// lies, in any bucket of time and after any number of writes.
pub fn quantiles_are_exact_within_the_error_of_the_histogram<E: Engine>(make: &impl Fn() -> E) {
    let durations = prop::collection::vec((1_000u64..100_000_000_000, 0u64..90), 1..300);
    check(12, (durations, 1usize..4), async |(durations, steps)| {
        let engine = make();
        let (store, mut writer) = engine.open().await;
        let epoch_s = (EPOCH_NS / 1_000_000_000) as i64;
        for (number, part) in durations.chunks(durations.len().div_ceil(steps)).enumerate() {
            let facts = part.iter().map(|&(duration_ns, second)| Measurement {
                duration_ns,
                failed: false,
                provisional: false,
                ..fact(EPOCH_NS + second * 1_000_000_000, 1)
            });
            step(&store, &mut writer, number as u8, facts.collect()).await;
            store.flush().await.expect("what is held is written");
        }

        let from_s = epoch_s.div_euclid(60) * 60;
        for step_s in [1, 10, 60, 3_600] {
            let points = series(&store, from_s, from_s + 3_600, step_s).await;
            let mut seen = 0;
            for point in points {
                let within =
                    |second: &u64| (point.at_s..point.at_s + i64::from(step_s)).contains(&(epoch_s + *second as i64));
                let mut exact: Vec<u64> =
                    durations.iter().filter(|(_, second)| within(second)).map(|(duration, _)| *duration).collect();
                exact.sort_unstable();
                seen += exact.len();
                for q in [0.0, 0.5, 0.9, 0.95, 0.99, 1.0] {
                    let rank = ((q * exact.len() as f64).ceil() as usize).clamp(1, exact.len());
                    let exact = exact[rank - 1] as f64 / 1e6;
                    let stored = point.aggregate.histogram.quantile_ms(q).expect("there are samples");
                    assert!((stored / exact - 1.0).abs() < 0.0225, "{stored} for {exact}, q {q}, step {step_s}");
                }
            }
            assert_eq!(seen, durations.len(), "step {step_s}");
        }
    });
}

/// Facts at every ten seconds of four hours, the last of them at the time of arrival.
async fn four_hours<E: Engine>(store: &E::Store, writer: &mut E::Writer) -> (i64, i64) {
    let begin_s = (EPOCH_NS / 1_000_000_000) as i64 / 3_600 * 3_600 - 4 * 3_600;
    let facts = (0..1_440).map(|index| fact((begin_s + index * 10) as u64 * 1_000_000_000, 1));
    step(store, writer, 1, facts.collect()).await;
    (begin_s, begin_s + 4 * 3_600)
}

/// A chart of what is old still tells the truth: the same counts, over longer times.
pub fn what_is_forgotten_finely_is_answered_coarser<E: Engine>(make: &impl Fn() -> E) {
    // Short of the end: the last minute that is asked for must have something in it.
    check(4, 0i64..3_500, async |offset| {
        let engine = make();
        let (store, mut writer) = engine.open().await;
        let (begin_s, end_s) = four_hours::<E>(&store, &mut writer).await;
        store.flush().await.expect("what is held is written");
        let (seconds, tens) = (end_s - 3_600 + offset, end_s - 7_200 + offset);

        store.expire_rollups(RollupBounds { seconds, tens, minutes: begin_s }).await.expect("old sums are deleted");

        for from_s in [begin_s, tens, seconds, begin_s + 5_000] {
            let from_s = (from_s + 59).div_euclid(60) * 60;
            let points = series(&store, from_s, end_s, 10).await;
            assert!(points.iter().all(|point| point.at_s >= from_s && point.length_s >= 10));
            let calls: i64 = points.iter().map(|point| point.aggregate.count).sum();
            assert_eq!(calls, (end_s - from_s) / 10, "from {}", from_s - begin_s);
            let map = store.topology(from_s, from_s + 30).await.expect("a map is read");
            let calls: Vec<i64> = map.nodes.iter().map(|node| node.aggregate.count).collect();
            assert_eq!(calls, [(map.to_s - map.from_s + 9) / 10], "{map:?}");
        }
    });
}

/// Else a late fact would stand alone where there were others, and be taken for all.
pub fn what_was_forgotten_does_not_come_back<E: Engine>(make: &impl Fn() -> E) {
    check(1, Just(()), async |()| {
        let engine = make();
        let (store, mut writer) = engine.open().await;
        let (begin_s, end_s) = four_hours::<E>(&store, &mut writer).await;
        let bounds = RollupBounds { seconds: end_s, tens: end_s - 7_200, minutes: end_s - 10_800 };
        store.flush().await.expect("what is held is written");
        store.expire_rollups(bounds).await.expect("old sums are deleted");

        let late = [begin_s, begin_s + 3_600, end_s - 9_000, end_s - 10].map(|at| fact(at as u64 * 1_000_000_000, 1));
        step(&store, &mut writer, 2, late.into()).await;

        for _ in 0..2 {
            let count = async |from_s: i64| -> i64 {
                let points = series(&store, from_s, end_s, 60).await;
                points.iter().map(|point| point.aggregate.count).sum()
            };
            assert_eq!(count(begin_s).await, 3 * 360 + 3);
            assert_eq!(count(end_s - 10_800).await, 3 * 360 + 3);
            assert_eq!(count(end_s - 9_000).await, 900 + 2);
            assert_eq!(count(end_s - 60).await, 6 + 1);
            store.flush().await.expect("what is held is written");
        }
        let rows = store.expire_rollups(bounds).await.expect("there is nothing to delete");
        assert_eq!(rows, 0);
    });
}

/// Whatever range and step are asked for, nothing counts twice, and what is left out is at the end.
pub fn a_long_series_is_cut_or_coarse_but_never_wrong<E: Engine>(make: &impl Fn() -> E) {
    check(1, Just(()), async |()| {
        let engine = make();
        let (store, mut writer) = engine.open().await;
        let (begin_s, end_s) = four_hours::<E>(&store, &mut writer).await;
        for (from_s, step_s) in [(begin_s, 1), (begin_s, 7), (end_s - 90 * 86_400, 7_200), (end_s - 90 * 86_400, 5_000)]
        {
            let points = series(&store, from_s, end_s, step_s).await;
            let calls: i64 = points.iter().map(|point| point.aggregate.count).sum();
            let before = |until_s: i64| (until_s.min(end_s) - begin_s).div_euclid(10);
            assert!(
                calls == before(end_s)
                    || points.len() <= 10_000 && calls == before(from_s + 10_000 * i64::from(step_s)),
                "{calls} of {} in steps of {step_s}",
                before(end_s)
            );
            assert!(points.is_sorted_by(|a, b| a.at_s < b.at_s));
        }
    });
}

/// Says of each batch, five seconds after it came, that a call was waiting in it.
#[derive(Default)]
struct Waits(Vec<i64>);

impl Projection for Waits {
    fn observe(
        &mut self,
        _: Watermark,
        _batch: &SpanBatch,
        received_at_ns: i64,
        emit: &mut dyn FnMut(&Subject, &[Measurement]),
    ) {
        self.settle(received_at_ns, emit);
        self.0.push(received_at_ns);
    }

    fn settle(&mut self, now_ns: i64, emit: &mut dyn FnMut(&Subject, &[Measurement])) {
        self.0.retain(|&came| {
            let over = now_ns >= came + 5_000_000_000;
            if over {
                emit(&Subject::Node(node()), &[fact(came as u64, 1)]);
            }
            !over
        });
    }
}

/// Without a batch that would say it, and across a restart.
pub fn what_time_alone_said_is_said_once<E: Engine>(make: &impl Fn() -> E) {
    check(1, Just(()), async |()| {
        let engine = make();
        let epoch_ns = EPOCH_NS as i64;
        let write = |number: u8, received_at_ns: i64| {
            let batch = Arc::new(generate::batch_of(&[generate::Origin { seed: 0, trace: number, span: 0 }]));
            [Write::Spans { digest: RequestDigest([number; 32]), batch, received_at_ns }]
        };
        let count = async |store: &E::Store| -> i64 {
            let epoch_s = epoch_ns / 1_000_000_000;
            series(store, epoch_s, epoch_s + 60, 1).await.iter().map(|point| point.aggregate.count).sum()
        };
        for written in [false, true] {
            let (store, mut writer) = engine.open().await;
            let first = 1 + u8::from(written) * 10;
            let before = count(&store).await;
            let mut projection = Waits::default();
            store.warm(&mut projection, Duration::from_secs(60)).await.expect("the past is read again");
            let begin_ns = epoch_ns + i64::from(written) * 20_000_000_000;
            assert!(writer.commit(&write(first, begin_ns)).await.remove(0).is_ok());
            store.project(&mut projection, usize::MAX).await.expect("the projector goes on");
            store.settle(&mut projection, begin_ns + 4_000_000_000).await.expect("the time goes on");
            let waiting = count(&store).await;
            store.settle(&mut projection, begin_ns + 6_000_000_000).await.expect("the time goes on");
            assert_eq!((waiting, count(&store).await), (before, before + 1));
            if written {
                store.flush().await.expect("what is held is written");
            }

            let (store, mut writer) = engine.restart(store, writer).await;
            let mut projection = Waits::default();
            store.warm(&mut projection, Duration::from_secs(60)).await.expect("the past is read again");
            assert!(writer.commit(&write(first + 1, begin_ns + 7_000_000_000)).await.remove(0).is_ok());
            store.project(&mut projection, usize::MAX).await.expect("the projector goes on");

            assert_eq!(count(&store).await, before + 1, "written: {written}");
            store.settle(&mut projection, begin_ns + 13_000_000_000).await.expect("the time goes on");
            assert_eq!(count(&store).await, before + 2, "written: {written}");
            store.flush().await.expect("what is held is written");
        }
    });
}
