//! What is no span goes from store to store, and is the same there.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{path::Path, sync::Arc};

use spillway_model::{
    batch::SpanBatch,
    event::{BreakerState, ChangeKind, Event, EventBody, Guard, HealthStatus, LimitState},
    identity::{NodeKey, ServiceKey},
    observation::{EdgeKey, Measurement, Protocol, Side, Subject},
};
use spillway_store::{
    DecisionLog, DecisionQuery, DecisionRow, EventLog, EventPage, EventQuery, Projection, Projector, RequestDigest,
    RollupReader, TopologyRollup, Watermark, Write, Writer, contract::generate,
};
use spillway_store_sqlite::{
    OpenOptions, SqliteStore, SqliteWriter,
    history::{self, HistoryLine, ImportedHistory},
};

const SECOND_NS: i64 = 1_000_000_000;
const BEGIN_S: i64 = 1_790_000_000;

fn service(name: &str) -> NodeKey {
    NodeKey::service(ServiceKey::new("prod", "a/b", name))
}

/// Says something of nodes and of both sides of edges, over some minutes.
struct Says;

impl Projection for Says {
    fn observe(&mut self, _: Watermark, _: &SpanBatch, _: i64, emit: &mut dyn FnMut(&Subject, &[Measurement])) {
        for call in 0..500_u64 {
            let target = service(["cart", "payments", "stock"][call as usize % 3]);
            let edge = EdgeKey { source: service("checkout"), target: target.clone(), protocol: Protocol::Grpc };
            for subject in
                [Subject::Node(target), Subject::Edge(edge, if call % 2 == 0 { Side::Caller } else { Side::Callee })]
            {
                let fact = Measurement {
                    at_ns: (BEGIN_S as u64 + call) * SECOND_NS as u64,
                    duration_ns: call * call * 1_000,
                    failed: call % 7 == 0,
                    provisional: call % 11 == 0,
                    times: 1,
                };
                emit(&subject, &[fact]);
            }
        }
    }

    fn settle(&mut self, _now_ns: i64, _emit: &mut dyn FnMut(&Subject, &[Measurement])) {}
}

async fn open(dir: &Path) -> (SqliteStore, SqliteWriter) {
    SqliteStore::open(dir, OpenOptions::default()).await.unwrap()
}

async fn filled(dir: &Path) -> SqliteStore {
    let (store, mut writer) = open(dir).await;
    let received_at_ns = (BEGIN_S + 600) * SECOND_NS;
    let spans = Write::Spans {
        digest: RequestDigest([1; 32]),
        batch: Arc::new(generate::realistic_batch(1, 10)),
        received_at_ns,
    };
    let event = |number: i64, body| Event {
        id: number.to_string().into(),
        service: ServiceKey::new("prod", "shop", "checkout"),
        instance: "checkout-1".into(),
        at_ns: (BEGIN_S + number) * SECOND_NS,
        body,
    };
    let breaker = EventBody::Breaker { target: "payments".into(), name: "p".into(), state: BreakerState::Open };
    let health = EventBody::Health { status: HealthStatus::Down, detail: "out of \"memory\"".into() };
    let limit = EventBody::Limit {
        guard: Guard::RateLimiter,
        target: "".into(),
        name: "uploads".into(),
        state: LimitState::Exhausted,
        in_use: Some(10),
        limit: Some(10),
        waiting: None,
    };
    let change = EventBody::Change {
        change: ChangeKind::Deploy,
        version: "1.2.3".into(),
        title: "Roll out 1.2.3".into(),
        url: "https://ci.example/7".into(),
    };
    let events = [event(1, breaker), event(2, health), event(3, limit), event(4, change)].into();
    let events = Write::Events { source: "key".into(), events, received_at_ns };
    for outcome in writer.commit(&[spans, events]).await {
        outcome.unwrap();
    }
    while !store.project(&mut Says, usize::MAX).await.unwrap().caught_up {}
    store.flush().await.unwrap();
    let decision = |number: i64| DecisionRow {
        id: format!("d{number}"),
        began_at_ns: number,
        renewed_at_ns: number + 5,
        ended: number == 1,
        service: "checkout".into(),
        body: b"\x01{\"why\":\"overload\"}".to_vec(),
    };
    store.record(&[], &[decision(1), decision(2)]).await.unwrap();
    store
}

/// All that can be asked for.
async fn all(store: &SqliteStore) -> (Vec<TopologyRollup>, EventPage, Vec<DecisionRow>) {
    let mut maps = Vec::new();
    for (from_s, to_s) in [(0, 30), (100, 400), (0, 1_200), (0, 86_400)] {
        maps.push(store.topology(BEGIN_S + from_s, BEGIN_S + to_s).await.unwrap());
    }
    let events = store.events(&EventQuery { limit: 100, ..EventQuery::default() }).await.unwrap();
    let decisions = store.decisions(&DecisionQuery { limit: 100, ..DecisionQuery::default() }).await.unwrap();
    (maps, events, decisions)
}

async fn lines(dir: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut keep = |line: &str| {
        lines.push(line.to_owned());
        Ok(())
    };
    let count = history::export(dir, &mut keep).await.unwrap();
    assert_eq!(count, lines.len() as u64);
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_the_same_after_an_export_and_an_import_however_often() {
    let [from, to] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    // It is read beside the one who has it open.
    let store = filled(from.path()).await;
    let exported = lines(from.path()).await;
    assert!(exported.len() > 1_000, "{} lines", exported.len());
    let parsed: Vec<HistoryLine> = exported.iter().map(|line| HistoryLine::parse(line.as_bytes()).unwrap()).collect();

    let (other, _writer) = open(to.path()).await;
    let stored = other.import_history(&parsed).await.unwrap();
    assert_eq!(stored, ImportedHistory { stored: exported.len() as u64, known: 0 });
    let expected = all(&store).await;
    assert!(expected.0.iter().all(|map| map.nodes.len() == 3 && map.edges.len() == 3));
    assert_eq!(all(&other).await, expected);
    assert_eq!(lines(to.path()).await, exported);

    let again = other.import_history(&parsed).await.unwrap();
    assert_eq!(again, ImportedHistory { stored: 0, known: exported.len() as u64 });
    assert_eq!(all(&other).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_has_seen_itself_is_not_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path()).await;
    let expected = all(&store).await;
    let mut lines: Vec<HistoryLine> =
        lines(dir.path()).await.iter().map(|line| HistoryLine::parse(line.as_bytes()).unwrap()).collect();
    for line in &mut lines {
        match line {
            HistoryLine::Rollup { caller: Some(sum), .. } => sum.count += 1,
            HistoryLine::Decision { body, .. } => body.push('x'),
            _ => {}
        }
    }

    assert_eq!(store.import_history(&lines).await.unwrap().stored, 0);
    assert_eq!(all(&store).await, expected);
}
