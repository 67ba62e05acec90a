//! Writing spans and events, and reading traces.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use spillway_model::{
    batch::SpanBatch,
    event::Event,
    identity::{ServiceKey, TraceId},
};
use spillway_query::{AttributeKey, Filter, Place};

use crate::StoreError;

/// A cryptographic digest (BLAKE3) of endpoint and decompressed body: the same request again has the same digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestDigest(pub [u8; 32]);

impl fmt::Debug for RequestDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestDigest({:02x}{:02x}{:02x}{:02x}…)", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}

/// One request's content, ready to be committed.
#[derive(Clone, Debug)]
pub enum Write {
    /// Spans of one request.
    Spans {
        /// Names the request, so that a repeat is known.
        digest: RequestDigest,
        /// The spans, redacted.
        batch: Arc<SpanBatch>,
        /// When it arrived.
        received_at_ns: i64,
    },
    /// Events of one request: all or none.
    Events {
        /// Whose ids they are: the key and the source. Ids of different sources do not meet.
        source: Arc<str>,
        /// The events, redacted.
        events: Arc<[Event]>,
        /// When it arrived.
        received_at_ns: i64,
    },
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// The spans are durable.
    Stored {
        /// Place in the log of commits.
        at: Watermark,
    },
    /// The same request was committed before; nothing changed.
    Repeated,
    /// The events are durable.
    Events {
        /// Those that were new, by their index in the request: only these change derived state.
        stored: Vec<u32>,
        /// How many were known.
        repeated: u32,
    },
    /// An id came again with other content; nothing of this write is stored.
    Conflict {
        /// That id.
        id: Arc<str>,
    },
}

/// A place in the log of span commits: grows with every commit, survives restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Watermark {
    /// Number of the segment.
    pub segment: u32,
    /// Number of the block in it.
    pub block: u64,
}

/// The one way to write telemetry. One task owns it.
pub trait Writer: Send {
    /// Commits everything in `writes`, in order, with as few syncs as it can; returns one result a write.
    ///
    /// A write that fails leaves no trace and is forgotten, so that it can be sent again.
    fn commit(&mut self, writes: &[Write]) -> impl Future<Output = Vec<Result<WriteOutcome, StoreError>>> + Send;

    /// After a failure: recovers what can be, and tries whether writes succeed again, without changing anything.
    ///
    /// # Errors
    /// [`StoreError`] when the next commit would fail as well.
    fn probe(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Which traces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TraceQuery {
    /// Traces that have a span fulfilling it.
    pub filter: Filter,
    /// Traces a page, 1 to 1,000.
    pub limit: u32,
    /// Where the last page ended.
    pub cursor: Option<Cursor>,
    /// How long it may take; then the page is short and says so.
    pub deadline: Option<Duration>,
}

/// Where a page ended: pages are ordered by (start of the trace's newest matching span, trace id), newest first, and see what was committed up to `bound`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Start of the last trace's newest matching span.
    pub start_ns: u64,
    /// The last trace.
    pub trace_id: TraceId,
    /// What was committed when the first page was read.
    pub bound: Watermark,
}

/// One trace that was found, summed up over all of its stored spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceFound {
    /// Its id.
    pub trace_id: TraceId,
    /// Service of the root, or of the earliest span when no root is stored.
    pub root_service: ServiceKey,
    /// Name of that span.
    pub root_name: String,
    /// Whether the root itself is stored.
    pub root_seen: bool,
    /// First start.
    pub start_ns: u64,
    /// Last end.
    pub end_ns: u64,
    /// Spans stored.
    pub spans: u32,
    /// Spans with status error.
    pub errors: u32,
    /// Services in the order of first appearance.
    pub services: Vec<String>,
}

/// A page of traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracePage {
    /// Newest first.
    pub traces: Vec<TraceFound>,
    /// Goes on behind the page; `None` at the end.
    pub next: Option<Cursor>,
    /// Blocks whose spans were looked at.
    pub blocks_read: u64,
    /// Blocks that their summary ruled out.
    pub blocks_skipped: u64,
    /// False when the deadline ended it early.
    pub complete: bool,
}

impl TracePage {
    /// How far back it came: spans that began later than this were all looked at. `None` when nothing is left to look at.
    pub fn reached_ns(&self) -> Option<u64> {
        self.next.map(|cursor| cursor.start_ns)
    }
}

/// An operation that is stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OperationRow {
    /// Of which service.
    pub service: ServiceKey,
    /// Span name.
    pub name: String,
}

/// A committed batch, read back in the order of commits.
#[derive(Clone, Debug)]
pub struct ReplayedBatch {
    /// Its place.
    pub at: Watermark,
    /// When it arrived.
    pub received_at_ns: i64,
    /// Its spans.
    pub batch: SpanBatch,
}

/// Space and amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Spans stored, repeats of a span included until they are merged.
    pub spans: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// Reading spans.
pub trait SpanReader: Send + Sync {
    /// All spans of a trace, each (span id, kind) once, sorted by start; `None` when nothing is stored.
    fn trace(&self, id: TraceId) -> impl Future<Output = Result<Option<SpanBatch>, StoreError>> + Send;

    /// Traces that have a span fulfilling the query, newest first.
    fn search(&self, query: &TraceQuery) -> impl Future<Output = Result<TracePage, StoreError>> + Send;

    /// Operations by service, sorted; at most `limit`.
    fn operations(&self, limit: usize) -> impl Future<Output = Result<Vec<OperationRow>, StoreError>> + Send;

    /// Keys of attributes in that place that begin with `prefix`, whatever the case of letters: sorted, at most `limit`. For completion:
    /// an engine may look at what was stored last only, and for a short time. In [`Place::Nearest`] are those of spans and resources.
    fn attribute_keys(
        &self,
        place: Place,
        prefix: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<String>, StoreError>> + Send;

    /// Values of an attribute as text, elements of arrays one by one, that begin with `prefix`, under the same terms.
    fn attribute_values(
        &self,
        key: &AttributeKey,
        prefix: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<String>, StoreError>> + Send;

    /// Batches committed behind `after` (from the begin when `None`), oldest first; at least one if there is one, then until `span_limit` is reached.
    fn replay(
        &self,
        after: Option<Watermark>,
        span_limit: usize,
    ) -> impl Future<Output = Result<Vec<ReplayedBatch>, StoreError>> + Send;

    /// The place just before the first batch that arrived at or after `received_at_ns`: where to replay from.
    fn watermark_before(
        &self,
        received_at_ns: i64,
    ) -> impl Future<Output = Result<Option<Watermark>, StoreError>> + Send;

    /// Amount and space.
    fn usage(&self) -> impl Future<Output = Result<Usage, StoreError>> + Send;
}

/// What retention removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionReport {
    /// Segments whose file was deleted.
    pub segments: u32,
    /// Bytes that returned to the disk.
    pub bytes: u64,
    /// Rows of rollups, events and decisions.
    pub rows: u64,
}

/// Forgetting by age and by size.
pub trait Retention: Send + Sync {
    /// Removes what arrived before `spans_before_ns` (whole segments only) and history before `history_before_ns`, in small steps.
    fn expire(
        &self,
        spans_before_ns: i64,
        history_before_ns: i64,
    ) -> impl Future<Output = Result<RetentionReport, StoreError>> + Send;

    /// Removes the oldest segments until the store takes no more than `most_bytes` on the disk; what is written to now stays, and so do pinned
    /// traces. An engine that has no files does nothing.
    fn shrink(&self, most_bytes: u64) -> impl Future<Output = Result<RetentionReport, StoreError>> + Send;
}
