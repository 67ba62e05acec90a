//! Sends requests: as fast as they are taken, or at a pace.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request as HttpRequest, header};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::{Mutex, mpsc};

use super::{
    server::{Http, client},
    stream::{Request, Stream},
};

/// Requests that are made before they are sent: some megabytes.
const AHEAD: usize = 32;
/// A timer wakes up to a millisecond late, which is not the server's fault. What is later than this is.
const SLACK: Duration = Duration::from_millis(3);

/// How a body travels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Plain,
    Gzip,
}

/// When requests go.
#[derive(Clone, Copy)]
pub enum Pace {
    /// Each sender as soon as its last request was acknowledged.
    FlatOut,
    /// So many a second over all senders, whatever the server does. What is sent late counts from when it was due.
    PerSecond(f64),
}

/// Where to and how.
#[derive(Clone)]
pub struct Sending {
    pub url: String,
    pub senders: usize,
    pub encoding: Encoding,
    pub pace: Pace,
    /// Counts acknowledged spans while it runs.
    pub acked: Arc<AtomicU64>,
}

/// What was sent.
pub struct Sent {
    pub spans: u64,
    pub wall: Duration,
    /// Milliseconds from request to acknowledgement, sorted.
    pub acks_ms: Vec<f64>,
}

struct Source {
    requests: mpsc::Receiver<Request>,
    taken: u64,
}

impl Sending {
    /// Makes a stream on a thread of its own and sends it; gives the stream back for its oracle.
    pub async fn stream(&self, mut stream: Stream) -> (Sent, Stream) {
        let (to_senders, requests) = mpsc::channel(AHEAD);
        let encoding = self.encoding;
        let maker = std::thread::spawn(move || {
            for mut request in &mut stream {
                if encoding == Encoding::Gzip {
                    request.body = gzip(&request.body);
                }
                if to_senders.blocking_send(request).is_err() {
                    break;
                }
            }
            stream
        });
        let sent = self.send(requests).await;
        (sent, maker.join().expect("the maker of the stream panicked"))
    }

    /// Sends what comes until there is no more.
    pub async fn send(&self, requests: mpsc::Receiver<Request>) -> Sent {
        let began = Instant::now();
        // Taking turns at the source is all that happens inside.
        let source = Arc::new(Mutex::new(Source { requests, taken: 0 }));
        let senders: Vec<_> =
            (0..self.senders).map(|_| tokio::spawn(one_sender(self.clone(), Arc::clone(&source), began))).collect();
        let (mut spans, mut acks_ms) = (0, Vec::new());
        for sender in senders {
            let (sent, acks) = sender.await.expect("a sender panicked");
            spans += sent;
            acks_ms.extend(acks);
        }
        acks_ms.sort_by(f64::total_cmp);
        Sent { spans, wall: began.elapsed(), acks_ms }
    }
}

async fn one_sender(sending: Sending, source: Arc<Mutex<Source>>, began: Instant) -> (u64, Vec<f64>) {
    let http = client();
    let (mut spans, mut acks_ms) = (0, Vec::new());
    loop {
        let (request, turn) = {
            let mut source = source.lock().await;
            source.taken += 1;
            (source.requests.recv().await, source.taken - 1)
        };
        let Some(request) = request else { return (spans, acks_ms) };
        let mut from = Instant::now();
        if let Pace::PerSecond(rate) = sending.pace {
            let due = began + Duration::from_secs_f64(turn as f64 / rate);
            tokio::time::sleep_until(due.into()).await;
            from = Instant::now();
            if from > due + SLACK {
                from = due;
            }
        }
        until_acknowledged(&http, &sending, request.body).await;
        acks_ms.push(from.elapsed().as_secs_f64() * 1e3);
        spans += u64::from(request.spans);
        sending.acked.fetch_add(u64::from(request.spans), Relaxed);
    }
}

async fn until_acknowledged(http: &Http, sending: &Sending, body: Bytes) {
    loop {
        let mut request = HttpRequest::post(&sending.url).header(header::CONTENT_TYPE, "application/x-protobuf");
        if sending.encoding == Encoding::Gzip {
            request = request.header(header::CONTENT_ENCODING, "gzip");
        }
        let response = http.request(request.body(Full::new(body.clone())).unwrap()).await.unwrap();
        let status = response.status();
        let answer = response.into_body().collect().await.unwrap().to_bytes();
        if status.is_success() {
            // An answer with content is a partial success: something was refused.
            assert!(answer.len() <= 2, "not everything was taken: {}", String::from_utf8_lossy(&answer));
            return;
        }
        assert!(matches!(status.as_u16(), 429 | 503), "only overload may refuse: {status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Level 1: the price of inflating hardly depends on it, and the sender shares the machine.
fn gzip(body: &[u8]) -> Bytes {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(body.len() / 4), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap().into()
}

/// The value below which a share `q` of sorted ones lies; 0 of none.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = ((sorted.len() as f64 * q).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(place).copied().unwrap_or(0.0)
}
