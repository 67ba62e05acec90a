//! Questions to the server, each answer compared with the oracle.

use http::StatusCode;

use super::{
    disk,
    oracle::{AT_LEAST_MS, Newest, Oracle, PAGE, TraceId, WATCHED, Whole},
    process,
    sender::quantile,
    server::Server,
    shop::{ENVIRONMENT, NAMESPACE, SERVICES, service_name},
    traces::{CUSTOMER, MARKER},
};

/// Times of one kind of question.
pub struct Times {
    /// Sorted milliseconds, until the last byte was here.
    pub ms: Vec<f64>,
    /// Kilobytes that a question had to fetch from the disk, on average; `None` where the kernel does not say.
    pub disk_kb: Option<f64>,
}

impl Times {
    pub fn p50(&self) -> f64 {
        quantile(&self.ms, 0.5)
    }

    pub fn p99(&self) -> f64 {
        quantile(&self.ms, 0.99)
    }

    fn new(mut ms: Vec<f64>, disk_bytes: Option<u64>) -> Self {
        ms.sort_by(f64::total_cmp);
        let disk_kb = disk_bytes.map(|bytes| bytes as f64 / 1e3 / ms.len().max(1) as f64);
        Self { ms, disk_kb }
    }
}

/// Whether files are cached when a trace is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    AsItIs,
    /// The kernel is asked to forget every file before each question.
    Forgotten,
}

pub fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whole traces by their id.
pub async fn traces_by_id<'a>(server: &Server, traces: impl Iterator<Item = &'a Whole>, cache: Cache) -> Times {
    let read_before = process::disk_read_bytes(server.pid());
    let mut ms = Vec::new();
    for whole in traces {
        if cache == Cache::Forgotten {
            disk::forget(server.data());
        }
        let (trace, took_ms) = server.json(&format!("/api/v1/traces/{}", hex(&whole.trace_id))).await;
        ms.push(took_ms);
        assert_eq!(read_back(whole.trace_id, &trace), *whole, "trace {} is not as it was sent", hex(&whole.trace_id));
    }
    let read = process::disk_read_bytes(server.pid()).zip(read_before).map(|(after, before)| after - before);
    Times::new(ms, read)
}

fn read_back(trace_id: TraceId, trace: &serde_json::Value) -> Whole {
    let spans = trace["spans"].as_array().unwrap();
    let mut whole = Whole { trace_id, spans: spans.len() as u32, ..Whole::default() };
    for span in spans {
        let id = u64::from_str_radix(span["span_id"].as_str().unwrap(), 16).unwrap();
        whole.ids = whole.ids.wrapping_add(id);
        whole.length_ns += span["duration_ns"].as_u64().unwrap();
    }
    whole
}

/// The newest traces of each service that have a span of at least so many milliseconds.
pub async fn slow_of_service(server: &Server, oracle: &Oracle) -> Times {
    let mut ms = Vec::new();
    for service in 0..SERVICES {
        for (least, expected) in AT_LEAST_MS.iter().zip(&oracle.slow[service]) {
            let path = format!("/api/v1/traces?service={}&min_duration_ms={least}&limit={PAGE}", service_name(service));
            let (page, took_ms) = server.json(&path).await;
            ms.push(took_ms);
            compare(&path, &page, expected);
        }
    }
    Times::new(ms, None)
}

/// Traces by a rare attribute's value: the planted markers, and customers. The text says why there is no answer.
pub async fn by_attribute(server: &Server, oracle: &Oracle) -> Result<Times, String> {
    let markers = oracle.marked.iter().map(|(value, expected)| (MARKER, value.clone(), expected));
    let customers =
        oracle.customers.iter().map(|(customer, expected)| (CUSTOMER, format!("c-{customer:05}"), expected));
    let mut ms = Vec::new();
    for (key, value, expected) in markers.chain(customers) {
        let path = format!("/api/v1/traces?q={key}%3D{value}&limit={PAGE}");
        let (status, body, took_ms) = server.get(&path).await;
        if status == StatusCode::BAD_REQUEST {
            return Err(format!("the server refuses `q`: {}", String::from_utf8_lossy(&body).replace('\n', " ")));
        }
        assert!(status.is_success(), "{path}: {status}");
        compare(&path, &serde_json::from_slice(&body).unwrap(), expected);
        ms.push(took_ms);
    }
    // A value that nobody has: everything must be ruled out.
    let path = format!("/api/v1/traces?q={CUSTOMER}%3Dnobody&limit={PAGE}");
    let (page, took_ms) = server.json(&path).await;
    compare(&path, &page, &Newest::default());
    ms.push(took_ms);
    debug_assert!(oracle.customers.len() <= WATCHED.len());
    Ok(Times::new(ms, None))
}

fn compare(path: &str, page: &serde_json::Value, expected: &Newest) {
    assert_eq!(page["complete"], true, "{path}: the deadline ended the search");
    let found: Vec<&str> =
        page["traces"].as_array().unwrap().iter().map(|trace| trace["trace_id"].as_str().unwrap()).collect();
    let expected: Vec<String> = expected.page().iter().map(|id| hex(id)).collect();
    assert_eq!(found, expected, "{path}: the wrong traces were found");
}

/// Every span is stored, and the rollups have every call that was served.
pub async fn counts(server: &Server, oracle: &Oracle) {
    let (status, _) = server.json("/api/v1/status").await;
    assert_eq!(status["spans_stored"], oracle.spans, "the store disagrees with what was sent");
    let minute = |ns: u64| ns / 60_000_000_000 * 60_000;
    let (from_ms, to_ms) = (minute(oracle.from_ns), minute(oracle.to_ns) + 60_000);
    for (service, served) in oracle.served.iter().enumerate() {
        let name = service_name(service);
        let stamp =
            |ms: u64| spillway_api::Timestamp::from_unix_ms(ms.try_into().unwrap()).to_string().replace('+', "%2B");
        let path = format!(
            "/api/v1/services/series?node=service:{ENVIRONMENT}/{NAMESPACE}/{name}&from={}&to={}&step_s=60",
            stamp(from_ms),
            stamp(to_ms)
        );
        let (series, _) = server.json(&path).await;
        let points = series["points"].as_array().unwrap();
        let counted: f64 = points.iter().filter_map(|point| point["rate"].as_f64()).sum::<f64>() * 60.0;
        assert_eq!(counted.round() as u64, *served, "the rollups disagree with the calls that {name} served");
    }
}
