//! The way in: admission → decode → redact → queue → one writer, and an answer only after the commit.
//!
//! Every protocol takes the same way. Memory is budgeted in bytes *before* a body is read: a reservation of the request's
//! size is held until its commit, and when the budget is spent senders are told to come back (503 and Retry-After), which OTLP
//! clients obey. So the queue's length bounds itself, and so does the time that a request waits.

pub mod alerts;
pub mod body;
mod events;
mod import;
pub mod otlp_grpc;
pub mod otlp_http;
mod otlp_metrics;
mod pulled;
pub mod trouble;
pub mod webhook;
pub mod writer;
pub mod zipkin;

use std::sync::Arc;

use body::Received;
pub use events::StoredEvents;
use spillway_decode::{
    Decoded, Limits, otlp,
    redact::{RedactionCounts, Redactor},
    zipkin as zipkin_spans,
};
use spillway_store::{RequestDigest, StoreError, Write, WriteOutcome};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::{
    clock, fault,
    metrics::{Metrics, Source},
    senders::BODY_BYTES,
};

/// The budget is counted in KiB: a semaphore counts to 2^29 or so, memory goes further.
const UNIT: usize = 1 << 10;
/// Requests that wait for the writer. The byte budget binds long before unless requests are tiny.
const QUEUE_REQUESTS: usize = 8_192;

/// Encoding of an OTLP request, and so of its answer.
pub use otlp::response::Encoding;
use otlp_metrics::Reported;

/// How the spans of a request are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `ExportTraceServiceRequest`.
    Otlp(Encoding),
    /// Zipkin's list of spans.
    Zipkin(zipkin_spans::Encoding),
}

impl Form {
    /// What a request's digest is taken with: the same bytes mean something else elsewhere.
    const fn endpoint(self) -> &'static str {
        match self {
            Self::Otlp(_) => "/v1/traces",
            Self::Zipkin(_) => "/api/v2/spans",
        }
    }

    fn decode(self, body: &[u8], limits: &Limits) -> Result<Decoded, Refused> {
        match self {
            Self::Otlp(Encoding::Protobuf) => otlp::protobuf::decode_traces(body, limits),
            Self::Otlp(Encoding::Json) => otlp::json::decode_traces(body, limits),
            Self::Zipkin(encoding) => zipkin_spans::decode_spans(body, encoding, limits),
        }
        .map_err(|error| Refused::Malformed(error.to_string()))
    }
}

/// Why a request was not stored.
#[derive(Debug)]
pub enum Refused {
    /// The budget is spent or the queue is full.
    Overloaded,
    /// The body is larger than allowed.
    TooLarge(String),
    /// The body does not decode; says what and where.
    Malformed(String),
    /// The body is in a format that is not understood; says which are.
    MediaType(String),
    /// Its signature does not count; says why.
    Unsigned(String),
    /// An event id came again with other content.
    Conflict(Arc<str>),
    /// The disk is full.
    Full,
    /// The store cannot write just now; its error went to the log. It recovers by itself when the disk does.
    Unwritable,
    /// Something is wrong that no repetition mends; the error went to the log.
    Failed,
    /// The server is stopping.
    Stopping,
}

impl Refused {
    /// Label of the counter.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::TooLarge(_) => "too_large",
            Self::Malformed(_) => "malformed",
            Self::MediaType(_) => "media_type",
            Self::Unsigned(_) => "bad_signature",
            Self::Conflict(_) => "conflict",
            Self::Full => "disk_full",
            Self::Unwritable => "store_failed",
            Self::Failed => "failed",
            Self::Stopping => "stopping",
        }
    }
}

impl Refused {
    /// What the sender is told besides; empty where the reason says all.
    fn why(&self) -> &str {
        match self {
            Self::TooLarge(why) | Self::Malformed(why) | Self::MediaType(why) | Self::Unsigned(why) => why,
            Self::Conflict(id) => id,
            Self::Overloaded | Self::Full | Self::Unwritable | Self::Failed | Self::Stopping => "",
        }
    }
}

/// Spans that were stored, or data points that were taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSpans {
    /// Those that were refused one by one.
    pub rejected: u64,
    /// Why the first of them was.
    pub message: String,
    /// The sender's service: its environment, namespace and name, of the first resource.
    pub service: Option<spillway_model::identity::ServiceKey>,
}

/// Memory that is set aside for one request until it is committed.
pub struct Reservation {
    permit: OwnedSemaphorePermit,
}

impl Reservation {
    /// How much it is.
    fn bytes(&self) -> usize {
        self.permit.num_permits() * UNIT
    }

    /// Gives back what is more than these bytes need.
    fn shrink(&mut self, bytes: usize) {
        drop(self.permit.split(self.permit.num_permits().saturating_sub(units(bytes))));
    }
}

fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT).max(1)
}

/// A request on its way to the writer.
pub struct Job {
    /// What to commit.
    pub write: Write,
    /// Where the outcome goes.
    pub reply: oneshot::Sender<Result<WriteOutcome, StoreError>>,
    /// Freed when the job is done.
    pub reservation: Reservation,
}

/// Handle of the ingest path.
#[derive(Clone)]
pub struct Ingest {
    queue: mpsc::Sender<Job>,
    budget: Arc<Semaphore>,
    /// One less than the cores would do; decoding is the only heavy work outside the writer.
    decoders: Arc<Semaphore>,
    redactor: Arc<Redactor>,
    limits: Arc<Limits>,
    metrics: Arc<Metrics>,
    reported: Arc<Reported>,
    max_body_bytes: usize,
    max_decompressed_bytes: usize,
}

/// Sizes of the ingest path.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Largest body as sent.
    pub max_body_bytes: usize,
    /// Largest body once decompressed.
    pub max_decompressed_bytes: usize,
    /// Memory for everything between arrival and commit.
    pub queue_bytes: usize,
}

impl Ingest {
    /// The handle, and the inbox of the writer task.
    pub fn new(sizes: Sizes, redactor: Redactor, metrics: Arc<Metrics>) -> (Self, mpsc::Receiver<Job>) {
        let (queue, inbox) = mpsc::channel(QUEUE_REQUESTS);
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let ingest = Self {
            queue,
            budget: Arc::new(Semaphore::new(sizes.queue_bytes.div_ceil(UNIT))),
            decoders: Arc::new(Semaphore::new(cores)),
            redactor: Arc::new(redactor),
            limits: Arc::new(Limits::default()),
            metrics,
            reported: Arc::default(),
            max_body_bytes: sizes.max_body_bytes,
            max_decompressed_bytes: sizes.max_decompressed_bytes,
        };
        (ingest, inbox)
    }

    /// Sets memory aside for a body that is about to be read.
    ///
    /// # Errors
    /// [`Refused::Overloaded`] when the budget is spent.
    pub fn reserve(&self, bytes: usize) -> Result<Reservation, Refused> {
        let units = u32::try_from(units(bytes)).map_err(|_| Refused::Overloaded)?;
        let permit = self.budget.clone().try_acquire_many_owned(units).map_err(|_| Refused::Overloaded)?;
        Ok(Reservation { permit })
    }

    /// Takes more, or gives back what is not needed, once the real size is known.
    fn resize(&self, reservation: &mut Reservation, bytes: usize) -> Result<(), Refused> {
        let (have, want) = (reservation.permit.num_permits(), units(bytes));
        if want > have {
            let more = self.reserve((want - have) * UNIT)?;
            reservation.permit.merge(more.permit);
        }
        reservation.shrink(bytes);
        Ok(())
    }

    /// Stores the spans of one request; returns after the commit.
    ///
    /// # Errors
    /// [`Refused`]; nothing of the request is stored then.
    pub async fn spans(
        &self,
        source: Source,
        form: Form,
        body: Received,
        reservation: Reservation,
    ) -> Result<StoredSpans, Refused> {
        let received_at_ns = clock::unix_ns();
        let (redactor, limits) = (self.redactor.clone(), self.limits.clone());
        let decoded = self.decode(Some(source), body, reservation, move |body| {
            let digest = digest(form.endpoint(), body);
            let mut decoded = form.decode(body, &limits)?;
            let mut counts = RedactionCounts::default();
            redactor.redact_batch(&mut decoded.batch, &mut counts);
            Ok((decoded, counts, digest))
        });
        let ((decoded, counts, digest), mut reservation) = decoded.await?;
        self.count_redactions(&counts);
        let message = decoded.message();
        let batch = Arc::new(decoded.batch);
        let stored = StoredSpans {
            rejected: decoded.rejected.spans,
            message,
            service: batch.resources.first().map(|resource| batch.service(resource)),
        };
        for (reason, times) in &decoded.rejected.reasons {
            self.metrics.rejected(source, reason.as_str(), *times);
        }
        if batch.is_empty() {
            return Ok(stored);
        }
        self.resize(&mut reservation, batch.size_bytes())?;
        let spans = batch.len() as u64;
        let write = Write::Spans { digest, batch: batch.clone(), received_at_ns };
        let outcome = self.commit(write, reservation).await?;
        self.metrics.senders.spans(source, &batch, outcome == WriteOutcome::Repeated, received_at_ns);
        match outcome {
            WriteOutcome::Repeated => self.metrics.repeated(source, received_at_ns),
            _ => self.metrics.stored(source, spans, received_at_ns),
        }
        Ok(stored)
    }

    /// Runs CPU work on the content of a body, off the reactor when it is large.
    ///
    /// Of a `source` that sends text the start of a body that cannot be read is kept for whoever looks for the mistake.
    async fn decode<T: Send + 'static>(
        &self,
        source: Option<Source>,
        body: Received,
        mut reservation: Reservation,
        work: impl FnOnce(&[u8]) -> Result<T, Refused> + Send + 'static,
    ) -> Result<(T, Reservation), Refused> {
        // Waiting here is bounded by the byte budget: each waiting request holds its reservation.
        let permit = self.decoders.clone().acquire_owned().await.map_err(|_| Refused::Stopping)?;
        let limit = self.max_decompressed_bytes;
        let small = body.is_small();
        let (redactor, metrics) = (self.redactor.clone(), self.metrics.clone());
        // Inflating and decoding are one piece of work: each hop to another thread costs as much as some spans.
        let work = move || {
            let content = body.content(limit)?;
            reservation.shrink(content.len());
            let result = work(&content).inspect_err(|refused| {
                if let (Some(source), Refused::Malformed(why)) = (source.filter(|source| source.sends_text()), refused)
                {
                    let body = redactor.shown(&content, BODY_BYTES);
                    metrics.senders.unread(source, why, body, clock::unix_ns());
                }
            })?;
            drop(permit);
            Ok((result, reservation))
        };
        if small {
            return work();
        }
        let task = tokio::task::spawn_blocking(work);
        task.await.unwrap_or_else(|error| {
            tracing::error!(%error, "decoding ended abnormally");
            Err(Refused::Failed)
        })
    }

    async fn commit(&self, write: Write, reservation: Reservation) -> Result<WriteOutcome, Refused> {
        let (reply, outcome) = oneshot::channel();
        let early = fault::ack_early().then(|| match &write {
            Write::Spans { .. } => WriteOutcome::Repeated,
            Write::Events { .. } => WriteOutcome::Events { stored: vec![0], repeated: 0 },
        });
        self.queue.try_send(Job { write, reply, reservation }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refused::Overloaded,
            mpsc::error::TrySendError::Closed(_) => Refused::Stopping,
        })?;
        if let Some(early) = early {
            return Ok(early);
        }
        match outcome.await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(StoreError::Full { .. })) => Err(Refused::Full),
            Ok(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "commit failed");
                Err(Refused::Unwritable)
            }
            Err(_) => Err(Refused::Stopping),
        }
    }

    fn count_redactions(&self, counts: &RedactionCounts) {
        for (rule, count) in counts.iter() {
            self.metrics.redacted(rule, count);
        }
    }

    /// True once the writer takes no more.
    pub fn is_stopping(&self) -> bool {
        self.queue.is_closed()
    }

    /// Memory that is left of the budget.
    pub fn budget_left_bytes(&self) -> usize {
        self.budget.available_permits() * UNIT
    }

    /// Counts a refusal.
    pub fn refused(&self, source: Source, refused: &Refused) {
        self.metrics.rejected(source, refused.reason(), 1);
        self.metrics.senders.refused(source, refused.reason(), refused.why(), clock::unix_ns());
    }
}

/// Names a request: the same bytes at the same endpoint are the same request. Every byte that arrives goes through this, which is why it is
/// not SHA-256: that took 6 % of the server's time.
pub(crate) fn digest(endpoint: &str, body: &[u8]) -> RequestDigest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(endpoint.as_bytes());
    hasher.update(&[0]);
    hasher.update(body);
    RequestDigest(hasher.finalize().into())
}

/// The redactor that the configuration asks for.
///
/// # Errors
/// What is wrong with its rules.
pub fn redactor(config: &crate::config::Config) -> Result<Redactor, String> {
    let rules = spillway_decode::redact::RedactionRules {
        extra_keys: config.redact_keys.clone(),
        allow_keys: config.redact_allow.clone(),
    };
    Redactor::new(&rules).map_err(|error| error.to_string())
}
