//! The trace index: every trace of a block must be found through it.

use rustc_hash::FxHashMap;
use spillway_model::batch::SpanBatch;
use spillway_store::StoreError;
use sqlx::SqliteConnection;

use super::{Report, rows};
use crate::{
    block::{HashSet32, trace_hash},
    segment::runs,
};

/// What is indexed of a file.
pub(super) struct TraceIndex {
    /// Number, first and last block, by the first; they do not overlap.
    runs: Vec<(i64, u64, u64)>,
    /// Of blocks that no run has taken over.
    recent: FxHashMap<u64, HashSet32>,
    /// The run of the last block, in memory: its last block, and its pairs in order.
    open: Option<(u64, Vec<(u32, u64)>)>,
}

impl TraceIndex {
    pub(super) async fn load(connection: &mut SqliteConnection, report: &mut Report<'_>) -> Result<Self, StoreError> {
        const RUNS: &str = "SELECT id, first_block, last_block FROM trace_run ORDER BY first_block";
        const RECENT: &str = "SELECT block, hashes FROM block_traces ORDER BY block";
        let what = "read the trace index";
        let runs: Vec<(i64, i64, i64)> = rows(connection, report, what, RUNS).await?;
        let rows: Vec<(i64, Vec<u8>)> = rows(connection, report, what, RECENT).await?;
        let mut recent = FxHashMap::default();
        for (block, hashes) in rows {
            match HashSet32::from_bytes(&hashes) {
                Some(hashes) => drop(recent.insert(block as u64, hashes)),
                None => report.found(Some(block as u64), "its trace hashes are not sorted"),
            }
        }
        let runs = runs.into_iter().map(|(run, first, last)| (run, first as u64, last as u64)).collect();
        Ok(Self { runs, recent, open: None })
    }

    /// Looks all traces of a block up. Blocks come in their order.
    pub(super) async fn check(
        &mut self,
        connection: &mut SqliteConnection,
        block: u64,
        batch: &SpanBatch,
        report: &mut Report<'_>,
    ) -> Result<(), StoreError> {
        self.open_run(connection, block, report).await?;
        let mut traces = batch.spans.trace_id.clone();
        traces.sort_unstable();
        traces.dedup();
        let missing: Vec<_> = traces
            .iter()
            .filter(|trace| {
                let hash = trace_hash(**trace);
                let in_memory = self.recent.get(&block).is_some_and(|hashes| hashes.contains(hash));
                let in_run =
                    || self.open.as_ref().is_some_and(|(_, pairs)| pairs.binary_search(&(hash, block)).is_ok());
                !in_memory && !in_run()
            })
            .collect();
        if let Some(first) = missing.first() {
            let (some, all) = (missing.len(), traces.len());
            report
                .found(Some(block), format!("{some} of its {all} traces are not in the trace index, such as {first}"));
        }
        Ok(())
    }

    /// Reads the run that has the block, when it is another than that of the block before.
    async fn open_run(
        &mut self,
        connection: &mut SqliteConnection,
        block: u64,
        report: &mut Report<'_>,
    ) -> Result<(), StoreError> {
        if self.open.as_ref().is_some_and(|(last, _)| block <= *last) {
            return Ok(());
        }
        self.open = None;
        let Some(&(run, first, last)) = self.runs.iter().find(|(_, first, last)| (*first..=*last).contains(&block))
        else {
            return Ok(());
        };
        let pages: Vec<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT first_hash, entries FROM trace_page WHERE run = ? ORDER BY first_hash")
                .bind(run)
                .fetch_all(connection)
                .await
                .map_err(report.failed("read the trace index"))?;
        let mut pairs = Vec::new();
        for (first_hash, page) in pages {
            let before = pairs.len();
            let read = runs::each(&page, |hash, offset| {
                pairs.push((hash, first + offset));
                true
            });
            // A look-up reads the last page that begins at the hash or before it: there all of the hash must be.
            let begins = pairs.get(before).is_none_or(|(hash, _)| i64::from(*hash) == first_hash);
            let follows = before == 0 || pairs.get(before).is_none_or(|(hash, _)| pairs[before - 1].0 < *hash);
            if read.is_none() || !begins || !follows {
                report.found(None, format!("page {first_hash} of run {run} of its trace index is damaged"));
                pairs.truncate(before);
            }
        }
        pairs.sort_unstable();
        self.open = Some((last, pairs));
        Ok(())
    }
}
