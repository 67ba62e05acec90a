//! Erasing spans for good: blocks that hold them are written anew without them, in place, and what stood there is overwritten.
//!
//! Fresh files first, under the lock of compaction: so nothing that is to go can be carried from there into a file that was looked
//! at before. The file of the log that takes commits is closed, and the next commit begins another: all files that are rewritten have no
//! other writer. A step rewrites a few blocks in one transaction, with all that is said of them elsewhere: their summaries, filters, and
//! the names of operations and services that nothing has any more. Blocks keep their numbers, also empty ones. Hashes of traces that went stay
//! in the trace index: 32 bits that lead to a block without them.
//!
//! SQLite's `secure_delete` is not enough: when a tree grows or is balanced, copies of rows are left in the gaps of pages. So a file of
//! which something was erased is marked in the same transaction, and written anew as a whole (`VACUUM`) before the mark goes.
//!
//! A crash leaves steps done or not done; the job (`erase/job.rs`) is then done from the begin, and finds less.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use spillway_model::{batch::SpanBatch, identity::TraceId};
use spillway_query::Filter;
use spillway_store::{AuditEntry, EraseExtent, EraseReport, Eraser, Erasure, ErasureState, StoreError};

use crate::{
    SqliteStore,
    block::{BlockReader, trace_hash},
    catalogue::Part,
    search,
    segment::{Kind, Segment},
    store::Inner,
};

mod file;
mod job;
mod names;
mod rewrite;

use file::OpenFile;

/// Ids of whole traces that one erasure takes: 16 MB. Who wants more wants a shorter retention, or several filters.
const MOST_TRACES: usize = 1 << 20;
/// With more traces than this, every block is looked at: asking the index for each of them would take longer.
const MOST_LOOKED_UP: usize = 4_096;

/// Whichever is known and earlier.
fn earlier(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.into_iter().chain(b).min()
}

/// Which spans go.
enum Wanted {
    Matching(Filter),
    Traces(FxHashSet<TraceId>),
}

impl Wanted {
    fn takes(&self, batch: &SpanBatch, span: usize) -> bool {
        match self {
            Self::Matching(filter) => filter.matches(batch, span),
            Self::Traces(traces) => traces.contains(&batch.spans.trace_id[span]),
        }
    }

    /// Blocks that may hold such spans.
    async fn blocks(&self, part: &Part) -> Result<Vec<u64>, StoreError> {
        match self {
            Self::Matching(filter) => search::blocks_that_may_match(part, filter).await,
            Self::Traces(traces) if traces.len() > MOST_LOOKED_UP => {
                search::blocks_that_may_match(part, &Filter::default()).await
            }
            Self::Traces(traces) => {
                let mut blocks = Vec::new();
                for &trace in traces {
                    blocks.extend(part.segment.blocks_with(trace_hash(trace)).await?);
                }
                blocks.retain(|&block| part.contains(block));
                blocks.sort_unstable();
                blocks.dedup();
                Ok(blocks)
            }
        }
    }
}

impl Eraser for SqliteStore {
    #[tracing::instrument(name = "db.erase.begin", skip_all, err)]
    async fn begin_erasure(&self, erasure: &Erasure, audit: &AuditEntry) -> Result<u64, StoreError> {
        job::begin(&self.inner, erasure, audit).await
    }

    #[tracing::instrument(name = "db.erase", skip_all, fields(erasure.id = id), err)]
    async fn run_erasure(&self, id: u64, now_ns: i64) -> Result<ErasureState, StoreError> {
        let _turn = self.inner.eraser.lock().await;
        let inner = &self.inner;
        let left = job::load(inner, id).await?;
        let done = match &left {
            job::Left::All(job) => run(inner, job).await,
            job::Left::Forget | job::Left::Nothing => Ok(()),
        };
        let done = match (done, left) {
            (Ok(()), job::Left::Nothing) => Ok(()),
            (Ok(()), _) => job::finish(inner, id, now_ns).await,
            (failed, _) => failed,
        };
        if let Err(error) = done {
            job::note_failure(inner, id, &error).await?;
            return Err(error);
        }
        job::state(inner, id).await?.ok_or_else(|| StoreError::Conflict(format!("there is no erasure {id}")))
    }

    async fn unfinished_erasure(&self) -> Result<Option<u64>, StoreError> {
        job::unfinished(&self.inner).await
    }

    async fn erasure(&self, id: u64) -> Result<Option<ErasureState>, StoreError> {
        job::state(&self.inner, id).await
    }

    #[tracing::instrument(name = "db.erase.count", skip_all, err)]
    async fn count_erasable(&self, erasure: &Erasure) -> Result<EraseReport, StoreError> {
        let wanted = wanted(&self.inner, erasure).await?;
        let mut traces = FxHashSet::default();
        let mut report = EraseReport::default();
        each_block(&self.inner, &wanted, |batch| match batch {
            None => report.unreadable_blocks += 1,
            Some(batch) => {
                let before = report.spans;
                for span in (0..batch.len()).filter(|&span| wanted.takes(batch, span)) {
                    report.spans += 1;
                    report.first_start_ns = earlier(report.first_start_ns, Some(batch.spans.start_ns[span]));
                    traces.insert(batch.spans.trace_id[span]);
                }
                report.blocks += u64::from(report.spans > before);
            }
        })
        .await?;
        report.traces = traces.len() as u64;
        Ok(report)
    }
}

async fn wanted(inner: &Inner, erasure: &Erasure) -> Result<Wanted, StoreError> {
    let matching = Wanted::Matching(erasure.filter.clone());
    if erasure.extent == EraseExtent::Spans {
        return Ok(matching);
    }
    let mut traces = FxHashSet::default();
    each_block(inner, &matching, |batch| {
        let Some(batch) = batch else { return };
        for span in (0..batch.len()).filter(|&span| matching.takes(batch, span)) {
            if traces.len() <= MOST_TRACES {
                traces.insert(batch.spans.trace_id[span]);
            }
        }
    })
    .await?;
    if traces.len() > MOST_TRACES {
        return Err(StoreError::Conflict(format!(
            "more than {MOST_TRACES} traces would go: narrow the filter, with start>… for example"
        )));
    }
    Ok(Wanted::Traces(traces))
}

/// Shows every block that is read and may hold what is wanted; `None` stands for one that does not decode.
async fn each_block(
    inner: &Inner,
    wanted: &Wanted,
    mut each: impl FnMut(Option<&SpanBatch>),
) -> Result<(), StoreError> {
    for part in inner.catalogue.view(None) {
        for block in wanted.blocks(&part).await? {
            let Some(mut connection) = part.segment.reader().await? else { break };
            let data: Option<Vec<u8>> = sqlx::query_scalar("SELECT data FROM block_data WHERE block = ?")
                .bind(block as i64)
                .fetch_optional(&mut *connection)
                .await
                .map_err(part.segment.failed("read a block"))?;
            drop(connection);
            let Some(data) = data else { continue };
            let batch = inner.decode(move || Ok(BlockReader::open(&data).and_then(|reader| reader.batch()))).await?;
            each(batch.as_ref().ok());
        }
    }
    Ok(())
}

/// All files, from whatever the last attempt left.
async fn run(inner: &Inner, job: &job::Job) -> Result<(), StoreError> {
    let mut traces = FxHashSet::default();
    let closed = {
        let mut target = inner.compactor.lock().await;
        let wanted = job::wanted(inner, job).await?;
        close_log(inner).await?;
        for segment in inner.catalogue.fresh() {
            erase_from(inner, job.id, &segment, &wanted, &mut traces).await?;
        }
        let mut compacted = inner.catalogue.compacted();
        if let Some(last) = compacted.pop() {
            // Its other writer; the next compaction opens it anew.
            if let Some(target) = target.take() {
                target.close().await?;
            }
            erase_from(inner, job.id, &last, &wanted, &mut traces).await?;
        }
        drop(target);
        (wanted, compacted)
    };
    let (wanted, compacted) = closed;
    // Newest first: that is where people look for what they want gone.
    for segment in compacted.into_iter().rev() {
        erase_from(inner, job.id, &segment, &wanted, &mut traces).await?;
    }
    inner.unpacked.clear();
    sweep(inner).await
}

/// The file that takes commits is left to nobody; the next commit begins another.
async fn close_log(inner: &Inner) -> Result<(), StoreError> {
    let mut active = inner.active.lock().await;
    match active.take() {
        Some(written) => written.close().await,
        None => Ok(()),
    }
}

async fn erase_from(
    inner: &Inner,
    id: u64,
    segment: &Arc<Segment>,
    wanted: &Arc<Wanted>,
    traces: &mut FxHashSet<TraceId>,
) -> Result<(), StoreError> {
    if segment.is_deleted() {
        return Ok(());
    }
    let through = inner.catalogue.through();
    let hidden = match segment.name.kind {
        Kind::Fresh if segment.number() < through.segment => u64::MAX,
        Kind::Fresh if segment.number() == through.segment => through.block,
        _ => 0,
    };
    // Also what compaction hides: it is on the disk until the file is deleted.
    let part = Part { segment: Arc::clone(segment), after: 0, last: segment.totals().last_block };
    let blocks = wanted.blocks(&part).await?;
    let mut file = OpenFile::open(Arc::clone(segment), inner.options.synchronous).await?;
    for blocks in blocks.chunks(file::BLOCKS_A_STEP) {
        let step = file.step(inner, blocks, wanted, hidden).await?;
        let before = traces.len();
        if traces.len() < MOST_TRACES {
            traces.extend(&step.traces);
        }
        let report = EraseReport { traces: (traces.len() - before) as u64, ..step.report };
        job::add(inner, id, &report).await?;
    }
    let unreadable = file.finish().await?;
    job::add(inner, id, &EraseReport { unreadable_blocks: unreadable, ..EraseReport::default() }).await
}

/// Files that were taken over or expired, and that somebody still reads, hold the text as well.
async fn sweep(inner: &Inner) -> Result<(), StoreError> {
    /// A read takes seconds at most; none is told when it ends, so it is asked.
    const TRIES: usize = 100;
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);
    for _ in 0..TRIES {
        // Closed while a backup copies these files.
        if let (Some(_compaction), Some(_retention)) = (inner.compaction.pass()?, inner.retention.pass()?) {
            inner.catalogue.sweep().await?;
        }
        if inner.catalogue.leaving() == 0 {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(StoreError::Conflict("a file that is to be deleted is still being read".into()))
}
