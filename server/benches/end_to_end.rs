//! The end-to-end load run: the real binary, realistic traces from a seed, every figure checked against what was sent.
//!
//! `cargo xtask bench` runs it; alone: `cargo bench -p spillway --bench end_to_end [-- REQUESTS]`. Wall-clock figures are noisy on
//! shared machines, so the throughput is per CPU-second of the server, from the kernel's accounting of the process.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot be made must fail")]
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status},
};
use prost::Message as _;
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

type Http = Client<HttpConnector, Full<Bytes>>;

/// Spans in a request: what the SDKs send at most by default.
const BATCH: usize = 512;
const SERVICES: usize = 20;
/// Senders at once.
const SENDERS: usize = 16;

fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap()
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(Value::StringValue(value.into())) }),
        ..KeyValue::default()
    }
}

fn int(key: &str, value: i64) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(Value::IntValue(value)) }), ..KeyValue::default() }
}

/// Traces as a system makes them: calls that go through several services, each of which sends its own spans in its own batches.
struct Generator {
    dice: SmallRng,
    waiting: Vec<Vec<Span>>,
    /// How many spans each trace got: the oracle.
    traces: HashMap<[u8; 16], u32>,
    clock_ns: u64,
}

impl Generator {
    fn new(seed: u64) -> Self {
        Self {
            dice: SmallRng::seed_from_u64(seed),
            waiting: vec![Vec::new(); SERVICES],
            traces: HashMap::new(),
            clock_ns: now_ns() - 5_000_000_000,
        }
    }

    /// The next full batch.
    fn batch(&mut self) -> Bytes {
        loop {
            if let Some(service) = self.waiting.iter().position(|spans| spans.len() >= BATCH) {
                let rest = self.waiting[service].split_off(BATCH);
                let spans = std::mem::replace(&mut self.waiting[service], rest);
                return encode(service, spans);
            }
            self.trace();
        }
    }

    fn trace(&mut self) {
        let trace_id: [u8; 16] = self.dice.random();
        self.clock_ns += self.dice.random_range(1_000..20_000);
        let (service, start) = (self.dice.random_range(0..SERVICES), self.clock_ns);
        let length = self.dice.random_range(5_000_000..200_000_000);
        let mut count = 0;
        self.span(trace_id, Vec::new(), service, start, length, 0, &mut count);
        self.traces.insert(trace_id, count);
    }

    /// A server's span and the calls that it makes: a client's span here, a server's span in the callee.
    #[expect(clippy::too_many_arguments, reason = "one recursive step of a generator")]
    fn span(
        &mut self,
        trace_id: [u8; 16],
        parent: Vec<u8>,
        service: usize,
        start: u64,
        length: u64,
        depth: u32,
        count: &mut u32,
    ) {
        let id: [u8; 8] = self.dice.random();
        let route = self.dice.random_range(0..20);
        let failed = self.dice.random_bool(0.02);
        self.push(trace_id, id, parent, service, 2, format!("GET /api/{route}/{{id}}"), start, length, failed, route);
        *count += 1;
        let calls = if depth >= 3 { 0 } else { self.dice.random_range(0..3) };
        for call in 0..calls {
            let client: [u8; 8] = self.dice.random();
            let callee = (service + 1 + self.dice.random_range(0..4)) % SERVICES;
            let (from, took) = (start + length / 10 * (call + 1), length / 4);
            self.push(trace_id, client, id.to_vec(), service, 3, "GET".into(), from, took, false, route);
            *count += 1;
            self.span(trace_id, client.to_vec(), callee, from + took / 20, took - took / 10, depth + 1, count);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "every field of a span")]
    fn push(
        &mut self,
        trace_id: [u8; 16],
        id: [u8; 8],
        parent: Vec<u8>,
        service: usize,
        kind: i32,
        name: String,
        start: u64,
        length: u64,
        failed: bool,
        route: i64,
    ) {
        let dice = &mut self.dice;
        let length = length + dice.random_range(0..1_000_000);
        let attributes = vec![
            text("http.request.method", "GET"),
            text("http.route", format!("/api/{route}/{{id}}")),
            int("http.response.status_code", if failed { 500 } else { 200 }),
            text("url.path", format!("/api/{route}/{}", dice.random_range(0..100_000))),
            text("server.address", format!("service-{service}.shop.svc")),
            int("server.port", 8080),
            text("network.protocol.version", "1.1"),
            text(
                "user_agent.original",
                ["Mozilla/5.0 (X11; Linux x86_64)", "curl/8.5.0", "okhttp/4.12.0"][dice.random_range(0..3)],
            ),
            int("thread.id", dice.random_range(1..64)),
            text("app.customer.id", format!("c-{}", dice.random_range(0..20_000))),
        ];
        self.waiting[service].push(Span {
            trace_id: trace_id.to_vec(),
            span_id: id.to_vec(),
            parent_span_id: parent,
            name,
            kind,
            start_time_unix_nano: start,
            end_time_unix_nano: start + length,
            attributes,
            status: Some(Status { code: if failed { 2 } else { 0 }, message: String::new() }),
            ..Span::default()
        });
    }

    /// Spans that did not fill a batch.
    fn rest(&mut self) -> Vec<Bytes> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting
            .into_iter()
            .enumerate()
            .filter(|(_, spans)| !spans.is_empty())
            .map(|(service, spans)| encode(service, spans))
            .collect()
    }
}

fn encode(service: usize, spans: Vec<Span>) -> Bytes {
    let attributes = vec![
        text("service.name", format!("service-{service}")),
        text("service.namespace", "shop"),
        text("deployment.environment.name", "bench"),
        text("service.instance.id", format!("service-{service}-7d9f")),
        text("telemetry.sdk.language", "rust"),
    ];
    let resource = Resource { attributes, ..Resource::default() };
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }],
    };
    request.encode_to_vec().into()
}

struct Server {
    child: Child,
    http: String,
    otlp: String,
}

impl Server {
    fn start(data: &Path) -> (Self, Duration) {
        let began = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_spillway"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--otlp-http",
                "127.0.0.1:0",
                "--otlp-grpc",
                "off",
                "--log-filter",
                "warn",
                "--data-dir",
            ])
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |name: &str| {
            let line = lines.next().expect("the server ended before it listened").unwrap();
            line.strip_prefix(&format!("listening {name} ")).unwrap_or_else(|| panic!("unexpected: {line}")).to_owned()
        };
        let (http, otlp) = (address("http"), address("otlp-http"));
        (Self { child, http, otlp }, began.elapsed())
    }

    /// User and system time, as the kernel counts it.
    fn cpu_s(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        // utime and stime are fields 14 and 15 of proc(5), in ticks of 1/100 s on every common Linux.
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }

    /// A line of /proc/PID/status in MB.
    fn memory_mb(&self, what: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn get(http: &Http, url: &str) -> serde_json::Value {
    let response = http.get(url.parse().unwrap()).await.unwrap();
    assert!(response.status().is_success(), "{url}: {}", response.status());
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

/// Sends one request until it is acknowledged, and returns how long the acknowledgement took.
async fn send(http: &Http, url: &str, body: Bytes) -> Duration {
    loop {
        let request = Request::post(url)
            .header(header::CONTENT_TYPE, "application/x-protobuf")
            .body(Full::new(body.clone()))
            .unwrap();
        let began = Instant::now();
        let response = http.request(request).await.unwrap();
        let status = response.status();
        response.into_body().collect().await.unwrap();
        if status.is_success() {
            return began.elapsed();
        }
        assert_eq!(status, 503, "only overload may refuse");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted[((sorted.len() as f64 * q).ceil() as usize).clamp(1, sorted.len()) - 1]
}

fn disk_bytes(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { disk_bytes(&path) } else { path.metadata().unwrap().blocks() * 512 }
        })
        .sum()
}

/// The same disk, one 4 KiB write and a sync at a time: what an acknowledgement cannot be faster than.
fn sync_ms(folder: &Path) -> Vec<f64> {
    use std::io::Write as _;
    let mut file = std::fs::File::create(folder.join("sync-probe")).unwrap();
    let mut times: Vec<f64> = (0..100)
        .map(|_| {
            file.write_all(&[7; 4096]).unwrap();
            let began = Instant::now();
            file.sync_data().unwrap();
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    std::fs::remove_file(folder.join("sync-probe")).unwrap();
    times.sort_by(f64::total_cmp);
    times
}

async fn ingest(http: &Http, server: &Server, bodies: Vec<Bytes>) -> Vec<f64> {
    let url = format!("{}/v1/traces", server.otlp);
    let queue = std::sync::Arc::new(tokio::sync::Mutex::new(bodies.into_iter()));
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let (http, url, queue) = (http.clone(), url.clone(), queue.clone());
            tokio::spawn(async move {
                let mut acks = Vec::new();
                loop {
                    let Some(body) = queue.lock().await.next() else { return acks };
                    acks.push(send(&http, &url, body).await.as_secs_f64() * 1e3);
                }
            })
        })
        .collect();
    let mut acks = Vec::new();
    for sender in senders {
        acks.extend(sender.await.unwrap());
    }
    acks.sort_by(f64::total_cmp);
    acks
}

/// From the post of a breaker event to the frame that shows it.
async fn event_to_frame(http: &Http, server: &Server, rounds: usize) -> Vec<f64> {
    let mut stream = http.get(format!("{}/api/v1/live", server.http).parse().unwrap()).await.unwrap().into_body();
    let mut seen = String::new();
    let mut times = Vec::new();
    for round in 0..rounds {
        let (id, target) = (format!("bench-{round}"), format!("target-{round}"));
        let event = serde_json::json!({ "id": id, "kind": "breaker", "environment": "bench", "namespace": "shop", "service": "service-1", "instance": "i-1",
            "target": target, "state": "open", "at": spillway_api::Timestamp::from_unix_ns(now_ns().try_into().unwrap()) });
        let began = Instant::now();
        let request = Request::post(format!("{}/webhooks/spillway", server.http))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(event.to_string().into()))
            .unwrap();
        let response = http.request(request).await.unwrap();
        assert!(response.status().is_success());
        let shown = async {
            while !seen.contains(&format!("/{target}\"")) {
                let frame = stream.frame().await.expect("the stream ended").unwrap();
                seen.push_str(&String::from_utf8_lossy(frame.data_ref().unwrap()));
            }
        };
        tokio::time::timeout(Duration::from_secs(10), shown).await.expect("the event never reached the stream");
        times.push(began.elapsed().as_secs_f64() * 1e3);
        seen.clear();
    }
    times.sort_by(f64::total_cmp);
    times
}

#[tokio::main]
async fn main() {
    let requests: usize = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(1_000);
    let folder = tempfile::tempdir().unwrap();
    let http: Http = Client::builder(TokioExecutor::new()).build_http();

    let mut generator = Generator::new(7);
    let mut bodies: Vec<Bytes> = (0..requests).map(|_| generator.batch()).collect();
    bodies.extend(generator.rest());
    let spans: u64 = generator.traces.values().map(|count| u64::from(*count)).sum();
    let wire: usize = bodies.iter().map(Bytes::len).sum();
    println!(
        "{spans} spans in {} traces and {} requests, {:.0} B a span on the wire",
        generator.traces.len(),
        bodies.len(),
        wire as f64 / spans as f64
    );

    let (server, started) = Server::start(folder.path());
    println!(
        "idle memory                       {:>10.1} MB   (started in {:.0} ms)",
        server.memory_mb("VmRSS:"),
        started.as_secs_f64() * 1e3
    );
    let syncs = sync_ms(folder.path());

    let (cpu, began) = (server.cpu_s(), Instant::now());
    let acks = ingest(&http, &server, bodies).await;
    let (wall, busy) = (began.elapsed().as_secs_f64(), server.cpu_s() - cpu);
    let status = get(&http, &format!("{}/api/v1/status", server.http)).await;
    assert_eq!(status["spans_stored"], spans, "the store disagrees with what was sent");
    println!(
        "durable, queryable spans          {:>10.0} /CPU-s ({:.0}/s wall, {:.0} ns CPU a span)",
        spans as f64 / busy,
        spans as f64 / wall,
        busy * 1e9 / spans as f64
    );
    println!(
        "acknowledgement                   {:>10.1} ms p50, {:.1} ms p99, flat out with {SENDERS} senders (sync alone: {:.1} ms p50, {:.1} ms p99)",
        quantile(&acks, 0.5),
        quantile(&acks, 0.99),
        quantile(&syncs, 0.5),
        quantile(&syncs, 0.99)
    );

    // Settled: the projector has nothing left to do when CPU time stands still.
    let mut last = server.cpu_s();
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = server.cpu_s();
        if now - last < 0.03 {
            break;
        }
        last = now;
    }
    println!("  with rollups settled            {:>10.0} /CPU-s", spans as f64 / (server.cpu_s() - cpu));
    println!("memory at the peak                {:>10.1} MB", server.memory_mb("VmHWM:"));
    println!("on disk                           {:>10.1} B a span", disk_bytes(folder.path()) as f64 / spans as f64);

    let mut times = Vec::new();
    let mut sample: Vec<_> = generator.traces.iter().collect();
    sample.sort();
    for (id, count) in sample.iter().step_by((sample.len() / 500).max(1)) {
        let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let began = Instant::now();
        let trace = get(&http, &format!("{}/api/v1/traces/{hex}", server.http)).await;
        times.push(began.elapsed().as_secs_f64() * 1e3);
        assert_eq!(trace["spans"].as_array().unwrap().len(), **count as usize, "trace {hex} is not whole");
    }
    times.sort_by(f64::total_cmp);
    println!(
        "trace by id, over HTTP            {:>10.2} ms p50, {:.2} ms p99, over {} traces",
        quantile(&times, 0.5),
        quantile(&times, 0.99),
        times.len()
    );

    let mut times = Vec::new();
    for service in 0..SERVICES {
        let began = Instant::now();
        let page = get(
            &http,
            &format!(
                "{}/api/v1/traces?service=service-{service}&status=error&min_duration_ms=20&limit=20",
                server.http
            ),
        )
        .await;
        times.push(began.elapsed().as_secs_f64() * 1e3);
        assert!(!page["traces"].as_array().unwrap().is_empty());
    }
    times.sort_by(f64::total_cmp);
    println!(
        "search, service + error + duration{:>10.2} ms p50, {:.2} ms worst",
        quantile(&times, 0.5),
        quantile(&times, 1.0)
    );

    let times = event_to_frame(&http, &server, 100).await;
    println!(
        "event to SSE frame                {:>10.1} ms p50, {:.1} ms p99",
        quantile(&times, 0.5),
        quantile(&times, 0.99)
    );
}
