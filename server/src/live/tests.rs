#![expect(clippy::unwrap_used, reason = "a test may panic")]

use futures_util::StreamExt as _;
use spillway_api::{BreakerState as ApiBreakerState, TopologyDelta};
use spillway_model::{
    batch::{Scope, SpanBatch, SpanBatchBuilder, SpanKind, SpanRow, StrId, Value},
    event::{BreakerState, EventBody, HealthStatus},
    identity::{SpanId, TraceId},
    topology::Sampling,
};
use spillway_store::{Projection as _, Watermark};
use tokio::time::{Instant, sleep, timeout};

use super::*;

const NOW: i64 = 1_767_225_600_000_000_000;

/// A map with its task, on a clock that the test drives.
pub(crate) struct Running {
    pub(crate) live: LiveHandle,
    pairing: Pairing,
    committed: u64,
    pub(crate) clock: Clock,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

pub(crate) fn running() -> Running {
    running_from(Rebuilt::empty(7, Sampling::default()))
}

fn running_from(past: Rebuilt) -> Running {
    let began = Instant::now();
    let clock: Clock = Arc::new(move || NOW + i64::try_from(began.elapsed().as_nanos()).unwrap());
    let stop = CancellationToken::new();
    let (live, pairing, task) = prepare(past, Arc::new(Metrics::default()), clock.clone(), stop.clone());
    Running { live, pairing, committed: 0, clock, stop, task: tokio::spawn(task.run()) }
}

/// A pairing without anybody who draws.
pub(crate) fn pairing() -> Pairing {
    prepare(
        Rebuilt::empty(7, Sampling::default()),
        Arc::new(Metrics::default()),
        Arc::new(|| NOW),
        CancellationToken::new(),
    )
    .1
}

impl Running {
    fn now_ns(&self) -> i64 {
        (self.clock)()
    }

    fn health(&self, service: &str, status: HealthStatus) {
        let body = EventBody::Health { status, detail: "".into() };
        self.event(service, body);
    }

    fn event(&self, service: &str, body: EventBody) {
        let now_ns = self.now_ns();
        let event = Event {
            id: "x".into(),
            service: ServiceKey::new("prod", "shop", service),
            instance: "1".into(),
            at_ns: now_ns,
            body,
        };
        self.live.show_events(vec![event], now_ns);
    }

    /// A root request to `service`.
    fn request(&mut self, service: &str, id: u8) {
        self.committed += 1;
        let at = place(self.committed);
        self.pairing.observe(at, &batch(service, id, self.now_ns()), self.now_ns(), &mut |_, _| {});
    }

    /// What the map says of calls of a service, once it was drawn anew.
    async fn rate(&self, service: &str) -> Option<f64> {
        sleep(Duration::from_millis(3_500)).await;
        self.live.snapshot().nodes.iter().find(|node| *node.name == *service)?.rate
    }
}

fn place(block: u64) -> Watermark {
    Watermark { segment: 1, block }
}

fn batch(service: &str, id: u8, now_ns: i64) -> SpanBatch {
    let mut builder = SpanBatchBuilder::new();
    let start = builder.attribute_count();
    let (key, value) = (builder.intern("service.name"), builder.intern(service));
    builder.attribute(key, Value::Str(value));
    let attributes = builder.attributes_since(start);
    let resource = builder.resource(attributes, 0, StrId::EMPTY);
    let scope = builder.scope(Scope { resource, ..Scope::default() });
    let end_ns = u64::try_from(now_ns).unwrap();
    let row = SpanRow {
        scope,
        trace_id: TraceId([id; 16]),
        span_id: SpanId([id; 8]),
        kind: SpanKind::Server,
        start_ns: end_ns - 5_000_000,
        end_ns,
        ..SpanRow::default()
    };
    builder.span(&row);
    builder.finish()
}

/// What a client has after the frames that it got.
#[derive(Default)]
struct Client {
    topology: Option<Topology>,
    last_id: Option<String>,
    others: Vec<(String, String)>,
}

impl Client {
    fn take(&mut self, frame: &Frame) {
        let text = String::from_utf8(frame.bytes().to_vec()).unwrap();
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        let data = field("data: ").unwrap();
        if let Some(id) = field("id: ") {
            self.last_id = Some(id);
        }
        match frame.event() {
            "snapshot" => self.topology = Some(serde_json::from_str(&data).unwrap()),
            "delta" => {
                let delta: TopologyDelta = serde_json::from_str(&data).unwrap();
                self.topology.as_mut().unwrap().apply(&delta).unwrap();
            }
            other => self.others.push((other.to_owned(), data)),
        }
    }

    /// Takes frames until nothing came for `quiet`; says how many.
    async fn follow(&mut self, stream: &mut Subscription, quiet: Duration) -> usize {
        let mut count = 0;
        while let Ok(Some(frame)) = timeout(quiet, stream.next()).await {
            self.take(&frame);
            count += 1;
        }
        count
    }

    /// Whether it has the map that is shown. The instant may be an older one: without a change no frame is sent.
    fn has(&self, shown: &Topology) -> bool {
        let have = self.topology.as_ref().unwrap();
        (have.seq, &have.nodes, &have.edges) == (shown.seq, &shown.nodes, &shown.edges)
    }

    fn node(&self, name: &str) -> &spillway_api::Node {
        self.topology.as_ref().unwrap().nodes.iter().find(|node| node.name == name).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_change_is_seen_within_a_tenth_of_a_second() {
    let running = running();
    sleep(Duration::from_millis(500)).await;
    let mut stream = running.live.subscribe(None).unwrap();
    let mut client = Client::default();
    client.take(&stream.next().await.unwrap());

    running.health("stock", HealthStatus::Down);
    let began = Instant::now();
    client.take(&stream.next().await.unwrap());

    assert!(began.elapsed() <= Duration::from_millis(100), "{:?}", began.elapsed());
    assert_eq!(client.node("stock").health, spillway_api::ServiceHealth::Failing);
    assert!(client.has(&running.live.snapshot()));
}

#[tokio::test(start_paused = true)]
async fn changes_that_come_together_are_one_frame() {
    let running = running();
    let mut stream = running.live.subscribe(None).unwrap();
    let mut client = Client::default();
    client.follow(&mut stream, Duration::from_millis(20)).await;

    for number in 0..20 {
        running.health(&format!("s{number}"), HealthStatus::Up);
        sleep(Duration::from_millis(1)).await;
    }

    assert_eq!(client.follow(&mut stream, Duration::from_millis(500)).await, 1);
    assert_eq!(client.topology.unwrap().nodes.len(), 20);
}

#[tokio::test(start_paused = true)]
async fn numbers_come_once_a_second_and_only_when_they_changed() {
    let mut running = running();
    let mut stream = running.live.subscribe(None).unwrap();
    let mut client = Client::default();
    running.request("stock", 1);
    client.follow(&mut stream, Duration::from_millis(200)).await;
    assert_eq!(client.node("stock").rate, None, "the window is not there yet");

    // The request enters the window two seconds later; then nothing changes until it leaves.
    assert_eq!(client.follow(&mut stream, Duration::from_secs(4)).await, 1);
    assert_eq!(client.node("stock").rate, Some(0.033_3));
    assert_eq!(client.follow(&mut stream, Duration::from_secs(20)).await, 0);

    for id in 2..60 {
        running.request("stock", id);
        sleep(Duration::from_millis(100)).await;
    }
    let frames = client.follow(&mut stream, Duration::from_secs(5)).await;
    assert!((6..=10).contains(&frames), "{frames} frames in eight seconds");
}

#[tokio::test(start_paused = true)]
async fn a_state_change_does_not_hurry_numbers() {
    let mut running = running();
    for id in 1..30 {
        running.request("stock", id);
    }
    sleep(Duration::from_millis(3_950)).await;
    let mut stream = running.live.subscribe(None).unwrap();
    let mut client = Client::default();
    client.take(&stream.next().await.unwrap());
    let rate = client.node("stock").rate;
    assert!(rate.is_some());
    for id in 30..60 {
        running.request("stock", id);
    }
    sleep(Duration::from_millis(2_055)).await;
    client.follow(&mut stream, Duration::from_millis(1)).await;
    let before = client.node("stock").rate;

    running.health("cart", HealthStatus::Up);
    client.follow(&mut stream, Duration::from_millis(100)).await;

    assert_eq!(client.node("stock").rate, before);
    assert_eq!(client.node("cart").health, spillway_api::ServiceHealth::Healthy);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_comes_back_gets_what_it_missed() {
    let running = running();
    let mut stream = running.live.subscribe(None).unwrap();
    let mut client = Client::default();
    client.follow(&mut stream, Duration::from_millis(20)).await;
    drop(stream);
    for number in 0..5 {
        running.health(&format!("s{number}"), HealthStatus::Up);
        sleep(Duration::from_millis(200)).await;
    }

    let mut stream = running.live.subscribe(client.last_id.as_deref()).unwrap();
    let first = stream.next().await.unwrap();
    assert_eq!(first.event(), "delta");
    client.take(&first);
    client.follow(&mut stream, Duration::from_millis(20)).await;

    assert!(client.has(&running.live.snapshot()));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_place_gets_a_snapshot() {
    let running = running();
    running.health("stock", HealthStatus::Up);
    sleep(Duration::from_millis(200)).await;
    let mut client = Client::default();
    let mut stream = running.live.subscribe(None).unwrap();
    client.take(&stream.next().await.unwrap());
    let (epoch, seq) = client.last_id.as_deref().unwrap().rsplit_once('-').unwrap();
    assert_eq!(seq, "1");

    for id in ["0-1".to_owned(), format!("{epoch}-2"), format!("{epoch}-x"), "nonsense".to_owned(), String::new()] {
        let first = running.live.subscribe(Some(&id)).unwrap().next().await.unwrap();
        assert_eq!(first.event(), "snapshot", "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_gets_a_snapshot_instead_of_a_gap() {
    let running = running();
    let mut stream = running.live.subscribe(None).unwrap();
    let mut client = Client::default();
    client.follow(&mut stream, Duration::from_millis(20)).await;
    for number in 0..100 {
        running.health(&format!("s{number}"), HealthStatus::Up);
        sleep(Duration::from_millis(200)).await;
    }

    client.follow(&mut stream, Duration::from_millis(500)).await;

    assert!(client.has(&running.live.snapshot()));
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_later_gets_the_newest_of_every_other_kind() {
    let running = running();
    let mut early = running.live.subscribe(None).unwrap();
    running.live.publish("decisions", r#"{"n":1}"#.into());
    running.live.publish("decisions", r#"{"n":2}"#.into());
    running.live.publish("plugins", "[]".into());

    let mut client = Client::default();
    client.follow(&mut early, Duration::from_millis(20)).await;
    assert_eq!(client.others.len(), 3);

    let mut client = Client::default();
    let mut late = running.live.subscribe(None).unwrap();
    client.follow(&mut late, Duration::from_millis(20)).await;
    assert_eq!(
        client.others,
        [("decisions".to_owned(), r#"{"n":2}"#.to_owned()), ("plugins".to_owned(), "[]".to_owned())]
    );
}

#[tokio::test(start_paused = true)]
async fn the_number_of_streams_is_bounded_and_a_closed_one_makes_room() {
    let running = running();
    let mut streams: Vec<_> = (0..200).map(|_| running.live.subscribe(None).unwrap()).collect();
    assert!(matches!(running.live.subscribe(None), Err(TooManySubscribers)));

    streams.pop();
    assert_eq!(running.live.subscribers(), 199);
    assert!(running.live.subscribe(None).is_ok());
}

#[tokio::test(start_paused = true)]
async fn closing_ends_every_stream() {
    let running = running();
    let mut stream = running.live.subscribe(None).unwrap();
    assert!(stream.next().await.is_some());

    running.live.close();

    assert!(timeout(Duration::from_secs(1), stream.next()).await.unwrap().is_none());
    running.stop.cancel();
    timeout(Duration::from_secs(1), running.task).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_map_that_cannot_keep_up_leaves_events_out_and_counts_them() {
    let (stop, metrics) = (CancellationToken::new(), Arc::new(Metrics::default()));
    // The task does not run: nothing is taken out.
    let (live, _pairing, _task) =
        prepare(Rebuilt::empty(7, Sampling::default()), metrics.clone(), Arc::new(|| NOW), stop);

    for _ in 0..EVENT_INBOX + 5 {
        live.show_events(Vec::new(), NOW);
    }
    assert_eq!(metrics.live_missed.load(Relaxed), 5);
    live.show_usage(Vec::new());
    assert_eq!(metrics.live_missed.load(Relaxed), 5, "reports of enforcers have a queue of their own");
}

#[tokio::test(start_paused = true)]
async fn spans_that_bring_a_service_are_drawn_within_a_tenth_of_a_second() {
    let mut running = running();
    sleep(Duration::from_millis(500)).await;
    let mut stream = running.live.subscribe(None).unwrap();
    let mut client = Client::default();
    client.take(&stream.next().await.unwrap());

    running.request("stock", 1);
    let began = Instant::now();
    client.take(&stream.next().await.unwrap());

    assert!(began.elapsed() <= Duration::from_millis(100), "{:?}", began.elapsed());
    assert_eq!(client.node("stock").health, spillway_api::ServiceHealth::Healthy);
}

/// A step of the projector that failed is taken again, from a replay of what came before it.
#[tokio::test(start_paused = true)]
async fn what_is_paired_again_counts_once() {
    let mut running = running();
    for id in 1..=60 {
        running.request("stock", id);
    }
    let counted = running.rate("stock").await;
    assert_eq!(counted, Some(2.0));

    running.pairing.restart();
    let mut said = 0;
    for id in 1..=60 {
        let batch = batch("stock", id, NOW);
        running.pairing.observe(place(u64::from(id)), &batch, NOW, &mut |_, facts| said += facts.len());
    }
    assert_eq!(said, 120, "the rollups, which had lost it, are told again: of the node and of the edge to it");
    assert_eq!(running.rate("stock").await, counted);

    running.request("stock", 61);
    assert!(running.rate("stock").await > counted);
}

#[tokio::test(start_paused = true)]
async fn what_was_stored_is_on_the_map_from_the_start() {
    let event = |at_ns, state| Event {
        id: "x".into(),
        service: ServiceKey::new("", "", "cart"),
        instance: "1".into(),
        at_ns,
        body: EventBody::Breaker { target: "stock".into(), name: "stock".into(), state },
    };
    let states = LatestStates {
        events: vec![event(NOW - 600_000_000_000, BreakerState::Open), event(NOW - 30_000_000_000, BreakerState::Open)],
    };
    let mut past = Rebuilt::empty(7, Sampling::default());
    past.restore(&states, NOW);

    let mut running = running_from(past);
    let before_ns = NOW - 5_000_000_000;
    running.pairing.observe(place(1), &batch("stock", 1, before_ns), before_ns, &mut |_, _| {});
    sleep(Duration::from_millis(100)).await;

    let topology = running.live.snapshot();
    assert_eq!(topology.nodes.iter().map(|node| &*node.name).collect::<Vec<_>>(), ["cart", "stock", "user"]);
    assert!(topology.nodes[1].rate.is_some());
    let breaker = topology.edges.iter().find_map(|edge| edge.breaker.as_ref()).unwrap();
    assert_eq!((breaker.state, breaker.since.unix_ns()), (ApiBreakerState::Open, NOW - 600_000_000_000));
}
