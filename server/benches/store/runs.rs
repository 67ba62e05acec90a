//! The load runs against the server: flat out, small requests at a pace, and at half of the top rate.

use std::{
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    disk::{self, Space},
    now_ns,
    oracle::Oracle,
    process,
    progress::Progress,
    report::grouped,
    sender::{Encoding, Pace, Sending, Sent},
    server::Server,
    settle::{Settled, settle},
    stream::{Plan, Request, Stream},
};

/// Senders at once, flat out.
pub const SENDERS: usize = 16;
/// Spans of a request: what SDKs send at most by default.
pub const BATCH: usize = 512;
/// Processes a service, flat out.
const PODS: usize = 16;
/// Spans lie so far in the past when they are sent: they ended, waited for their batch, travelled.
const BEHIND_NS: u64 = 6_000_000_000;

/// The second scenario: twenty senders, one process each, 500 spans a second by the clock of the spans.
pub const SLOW_SENDERS: usize = 20;
pub const SLOW_SPANS_PER_S: f64 = 500.0;
pub const SLOW_BATCH: usize = 25;
/// It is sent so many times faster than that.
pub const HURRY: f64 = 10.0;

/// Where the program is and where it may write.
pub struct Bench {
    pub binary: PathBuf,
    pub work: PathBuf,
    pub seed: u64,
}

/// What the process had used when so many spans were acknowledged.
#[derive(Clone, Copy)]
pub struct Sample {
    pub spans: u64,
    pub cpu_s: f64,
    pub memory_mb: f64,
}

/// What a stream cost a server until it had settled.
pub struct Ingested {
    pub plan: Plan,
    pub oracle: Oracle,
    pub sent: Sent,
    /// From its start until it listened.
    pub started: Duration,
    pub idle_mb: f64,
    /// CPU seconds until the last acknowledgement, and until it was settled.
    pub acked_cpu_s: f64,
    pub settled: Settled,
    pub samples: Vec<Sample>,
    pub peak_mb: f64,
    pub end_mb: f64,
    pub space: Space,
}

impl Ingested {
    pub fn spans(&self) -> f64 {
        self.oracle.spans as f64
    }

    pub fn bytes_per_span(&self) -> f64 {
        self.space.all as f64 / self.spans()
    }

    /// Microseconds of CPU a span, from one count of acknowledged spans to another.
    pub fn cost_us(&self, from: u64, to: u64) -> f64 {
        let at = |spans: u64| self.samples.iter().find(|sample| sample.spans >= spans).or(self.samples.last());
        let (Some(begin), Some(end)) = (at(from), at(to)) else { return f64::NAN };
        (end.cpu_s - begin.cpu_s) * 1e6 / (end.spans - begin.spans).max(1) as f64
    }

    /// Memory when this share of the spans was acknowledged.
    pub fn memory_at(&self, share: f64) -> f64 {
        let spans = (self.spans() * share) as u64;
        self.samples
            .iter()
            .find(|sample| sample.spans >= spans)
            .or(self.samples.last())
            .map_or(0.0, |sample| sample.memory_mb)
    }
}

impl Bench {
    /// The stream of the top rate: spans lie on the clock as densely as they are sent, so that they are neither late nor early.
    pub fn top_plan(&self, spans: u64, spans_per_s: f64) -> Plan {
        let from_ns = now_ns() - BEHIND_NS;
        Plan { seed: self.seed, spans, pods: PODS, batch: BATCH, spans_per_s, from_ns }
    }

    /// The stream of few spans.
    pub fn slow_plan(&self, spans: u64) -> Plan {
        let length_ns = (spans as f64 / SLOW_SPANS_PER_S * 1e9) as u64;
        Plan {
            seed: self.seed + 1,
            spans,
            pods: 1,
            batch: SLOW_BATCH,
            spans_per_s: SLOW_SPANS_PER_S,
            from_ns: now_ns() - BEHIND_NS - length_ns,
        }
    }

    /// As many senders as keep the server busy.
    pub fn flat_out(&self, server: &Server, encoding: Encoding) -> Sending {
        let url = format!("{}/v1/traces", server.otlp);
        Sending { url, senders: SENDERS, encoding, pace: Pace::FlatOut, acked: Arc::default() }
    }

    /// Sends a plan to a fresh server and waits until it has settled.
    pub async fn ingest(&self, plan: Plan, encoding: Encoding, progress: &mut Progress) -> (Server, Ingested) {
        let slow = plan.batch == SLOW_BATCH;
        let server = Server::start(&self.binary, &self.work);
        let idle_mb = process::memory_mb(server.pid(), "VmRSS:");
        let mut sending = self.flat_out(&server, encoding);
        if slow {
            sending.senders = SLOW_SENDERS;
            sending.pace = Pace::PerSecond(SLOW_SPANS_PER_S * HURRY / SLOW_BATCH as f64);
        }
        let before_s = server.cpu_s();
        progress.step(if slow {
            "small requests"
        } else if encoding == Encoding::Gzip {
            "flat out, gzip"
        } else {
            "flat out"
        });
        let (mut samples, step) = (vec![], (plan.spans / 80).max(1));
        let (sent, stream) = {
            let watch = async {
                loop {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    let spans = sending.acked.load(Relaxed);
                    if spans / step > samples.last().map_or(0, |last: &Sample| last.spans / step) {
                        let memory_mb = process::memory_mb(server.pid(), "VmRSS:");
                        samples.push(Sample { spans, cpu_s: server.cpu_s() - before_s, memory_mb });
                        progress.at(&format!("{} of {} spans", grouped(spans as f64), grouped(plan.spans as f64)));
                    }
                }
            };
            tokio::select! {
                done = sending.stream(Stream::new(plan)) => done,
                () = watch => unreachable!("it watches for ever"),
            }
        };
        let acked_cpu_s = server.cpu_s() - before_s;
        samples.push(Sample {
            spans: sent.spans,
            cpu_s: acked_cpu_s,
            memory_mb: process::memory_mb(server.pid(), "VmRSS:"),
        });
        let oracle = stream.oracle;
        assert_eq!(sent.spans, oracle.spans, "the generator lost spans");
        let mut settled = settle(&server, progress).await;
        settled.rollups_cpu_s -= before_s;
        settled.compaction_cpu_s -= before_s;
        let ingested = Ingested {
            started: server.started,
            idle_mb,
            acked_cpu_s,
            settled,
            samples,
            peak_mb: process::memory_mb(server.pid(), "VmHWM:"),
            end_mb: process::memory_mb(server.pid(), "VmRSS:"),
            space: disk::space(server.data()),
            plan,
            oracle,
            sent,
        };
        (server, ingested)
    }

    /// Sends at a pace to a server that has data already; the requests lie ready on the disk, so that making them costs no CPU.
    pub async fn at_pace(&self, server: &Server, spans: u64, spans_per_s: f64, progress: &mut Progress) -> Sent {
        progress.step("acknowledgements at half of the top rate");
        let mut plan = self.top_plan(spans, spans_per_s);
        plan.seed += 2;
        // What is made now is sent some seconds later.
        plan.from_ns += (spans as f64 / 1e6 * 2e9) as u64;
        let spool = self.work.join("spool");
        let lengths = write_spool(&spool, Stream::new(plan));
        let requests_per_s =
            spans_per_s * lengths.len() as f64 / lengths.iter().map(|(_, spans)| f64::from(*spans)).sum::<f64>();
        let sending = Sending { pace: Pace::PerSecond(requests_per_s), ..self.flat_out(server, Encoding::Plain) };
        let (to_senders, requests) = mpsc::channel(16);
        let reader = std::thread::spawn({
            let spool = spool.clone();
            move || read_spool(&spool, &lengths, &to_senders)
        });
        let sent = sending.send(requests).await;
        reader.join().expect("the reader of the spool panicked");
        std::fs::remove_file(spool).unwrap();
        sent
    }
}

/// One request behind the other; returns length and spans of each. Synced, or writing it back would disturb what is measured.
fn write_spool(path: &Path, stream: Stream) -> Vec<(usize, u32)> {
    use std::io::Write as _;
    let mut file = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(path).unwrap());
    let lengths = stream
        .map(|request| {
            file.write_all(&request.body).unwrap();
            (request.body.len(), request.spans)
        })
        .collect();
    file.into_inner().unwrap().sync_all().unwrap();
    lengths
}

fn read_spool(path: &Path, lengths: &[(usize, u32)], to_senders: &mpsc::Sender<Request>) {
    let file = std::fs::File::open(path).unwrap();
    let mut at = 0;
    for (length, spans) in lengths {
        let mut body = vec![0; *length];
        file.read_exact_at(&mut body, at).unwrap();
        at += *length as u64;
        if to_senders.blocking_send(Request { body: body.into(), spans: *spans }).is_err() {
            return;
        }
    }
}
