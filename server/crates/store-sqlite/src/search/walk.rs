//! The blocks of one segment, by their last start, falling.

use std::collections::VecDeque;

use rustc_hash::FxHashSet;
use spillway_store::{StoreError, TracePage};
use sqlx::SqliteConnection;

use super::{
    candidates::candidates,
    filter::{Filter, Names},
};
use crate::{
    block::BlockSummary,
    catalogue::Part,
    error,
    segment::{Kind, Segment, operations},
};

const BLOCKS_AT_A_TIME: i64 = 64;
/// Candidates up to this many are looked up by their numbers, at once. Of 10,000 blocks a rare value has some, and walking past the others took
/// most of a search's time.
const MOST_BY_NUMBER: usize = 512;

/// Where the walk is, in the order of the index.
#[derive(Clone, Copy)]
struct Position {
    start_max_ns: i64,
    start_min_ns: i64,
    id: i64,
}

pub(super) struct Walk {
    pub(super) part: Part,
    from_ns: i64,
    last_ns: i64,
    position: Position,
    /// Blocks that may match, with their last start.
    buffer: VecDeque<(u64, u64)>,
    /// What summaries name and matches, operations in the log and services in compacted files; looked up with the first blocks. `None`
    /// means all.
    names: Option<FxHashSet<u32>>,
    /// Blocks that may match by their filter; `None` means all.
    candidates: Option<FxHashSet<u64>>,
    begun: bool,
    ended: bool,
}

impl Walk {
    pub(super) fn new(part: Part, filter: &Filter) -> Self {
        let range = filter.range();
        let (from, last) = range.unwrap_or_default();
        Self {
            from_ns: capped(from),
            last_ns: capped(last),
            position: Position { start_max_ns: i64::MAX, start_min_ns: i64::MAX, id: i64::MAX },
            buffer: VecDeque::new(),
            names: None,
            candidates: None,
            begun: false,
            ended: range.is_none() || part.after == part.last,
            part,
        }
    }

    /// No block that is left begins later than this; `None` when none is left. Asks no file.
    pub(super) fn ceiling(&self) -> Option<u64> {
        self.buffered_start().or_else(|| {
            (!self.ended).then(|| uncapped(self.part.segment.totals().start_max_ns.min(self.position.start_max_ns)))
        })
    }

    /// Last start of the next block, when it is known.
    pub(super) fn buffered_start(&self) -> Option<u64> {
        self.buffer.front().map(|(_, start)| *start)
    }

    pub(super) fn take(&mut self) -> Option<u64> {
        self.buffer.pop_front().map(|(block, _)| block)
    }

    /// Last start of the next block that may match.
    pub(super) async fn next_start(
        &mut self,
        filter: &Filter,
        page: &mut TracePage,
    ) -> Result<Option<u64>, StoreError> {
        while self.buffer.is_empty() && !self.ended {
            let filled = self.fill(filter, page).await;
            self.ended |= error::left_out(filled)?.is_none();
        }
        Ok(self.buffered_start())
    }

    async fn fill(&mut self, filter: &Filter, page: &mut TracePage) -> Result<(), StoreError> {
        let Some(mut connection) = self.part.segment.reader().await? else {
            self.ended = true;
            return Ok(());
        };
        if !self.begun && filter.names_anything() {
            let ids = matching(&self.part.segment, &mut connection, OPERATIONS, filter).await?;
            if ids.is_empty() && self.tells_all_apart(&mut connection).await? {
                page.blocks_skipped += self.part.segment.totals().blocks;
                self.ended = true;
                return Ok(());
            }
            self.names = Some(match self.part.segment.name.kind {
                Kind::Fresh => ids,
                Kind::Compacted => matching(&self.part.segment, &mut connection, SERVICES, filter).await?,
            });
        }
        if !self.begun && self.part.segment.name.kind == Kind::Compacted {
            self.candidates = candidates(&self.part.segment, &mut connection, &filter.clauses()).await?;
        }
        self.begun = true;
        let few = self.candidates.as_ref().filter(|candidates| candidates.len() <= MOST_BY_NUMBER);
        let rows = match few {
            Some(candidates) => self.by_number(candidates, &mut connection).await?,
            None => self.by_start(&mut connection).await?,
        };
        self.ended = few.is_some() || rows.len() < BLOCKS_AT_A_TIME as usize;
        if few.is_some() {
            page.blocks_skipped += self.part.segment.totals().blocks.saturating_sub(rows.len() as u64);
        }
        for (id, start_min_ns, start_max_ns, summary) in rows {
            self.position = Position { start_max_ns, start_min_ns, id };
            let summary = BlockSummary::from_bytes(&summary)
                .map_err(error::corrupt(format!("the summary of block {id} in {}", self.part.segment.file())));
            // A summary that does not decode rules nothing out: the block itself decides.
            let start_max_ns = summary.as_ref().map_or_else(|_| uncapped(start_max_ns), |summary| summary.start_max_ns);
            let filtered = self.candidates.as_ref().is_some_and(|candidates| !candidates.contains(&(id as u64)));
            if filtered || summary.is_ok_and(|summary| !filter.may_match(&summary, self.names.as_ref())) {
                page.blocks_skipped += 1;
            } else {
                self.buffer.push_back((id as u64, start_max_ns));
            }
        }
        Ok(())
    }
}

impl Walk {
    /// The next blocks in the order of their last start.
    async fn by_start(&self, connection: &mut SqliteConnection) -> Result<Vec<BlockRow>, StoreError> {
        sqlx::query_as(WALK)
            .bind(self.position.start_max_ns)
            .bind(self.position.start_min_ns)
            .bind(self.position.id)
            .bind(self.from_ns)
            .bind(self.last_ns)
            .bind(self.part.after as i64)
            .bind(self.part.last as i64)
            .bind(BLOCKS_AT_A_TIME)
            .fetch_all(connection)
            .await
            .map_err(self.part.segment.failed("walk the blocks"))
    }

    /// All candidates, in the same order.
    async fn by_number(
        &self,
        candidates: &FxHashSet<u64>,
        connection: &mut SqliteConnection,
    ) -> Result<Vec<BlockRow>, StoreError> {
        let numbers = serde_json::to_string(candidates).expect("numbers are JSON");
        sqlx::query_as(BY_NUMBER)
            .bind(numbers)
            .bind(self.from_ns)
            .bind(self.last_ns)
            .bind(self.part.after as i64)
            .bind(self.part.last as i64)
            .fetch_all(connection)
            .await
            .map_err(self.part.segment.failed("look blocks up"))
    }

    /// Whether every operation of the segment has a number of its own: then one without a number is in no block.
    async fn tells_all_apart(&self, connection: &mut SqliteConnection) -> Result<bool, StoreError> {
        let most: Option<i64> = sqlx::query_scalar("SELECT MAX(id) FROM operation")
            .fetch_one(connection)
            .await
            .map_err(self.part.segment.failed("count operations"))?;
        Ok(most.is_none_or(|most| (most as usize) < operations::MOST))
    }
}

/// Small tables: some hundred rows, at most 100,000.
const OPERATIONS: &str = "SELECT id, environment, namespace, service, name
     FROM operation
     WHERE (?1 IS NULL OR environment = ?1)
       AND (?2 IS NULL OR namespace = ?2)
       AND (?3 IS NULL OR service = ?3)
       AND (?4 IS NULL OR name = ?4)";

const SERVICES: &str = "SELECT id, environment, namespace, name, NULL
     FROM service
     WHERE (?1 IS NULL OR environment = ?1)
       AND (?2 IS NULL OR namespace = ?2)
       AND (?3 IS NULL OR name = ?3)
       AND (?4 IS NULL OR TRUE)";

/// A row of either table.
type NameRow = (i64, String, String, String, Option<String>);

/// Numbers of the names whose spans may match.
async fn matching(
    segment: &Segment,
    connection: &mut SqliteConnection,
    statement: &'static str,
    filter: &Filter,
) -> Result<FxHashSet<u32>, StoreError> {
    let [environment, namespace, service, operation] = filter.only_names();
    let rows: Vec<NameRow> = sqlx::query_as(statement)
        .bind(environment)
        .bind(namespace)
        .bind(service)
        .bind(operation)
        .fetch_all(connection)
        .await
        .map_err(segment.failed("look names up"))?;
    let names: Vec<Names> = rows
        .into_iter()
        .map(|(id, environment, namespace, service, operation)| Names {
            id: id as u32,
            environment,
            namespace,
            service,
            operation,
        })
        .collect();
    Ok(filter.may_match_names(&names))
}

/// A block's number, first and last start, and summary.
type BlockRow = (i64, i64, i64, Vec<u8>);

/// Primary key; some hundred rows are sorted.
pub(crate) const BY_NUMBER: &str = "SELECT block.id, start_min_ns, start_max_ns, summary
     FROM json_each(?)
     CROSS JOIN block ON block.id = json_each.value
     WHERE start_max_ns >= ?
       AND start_min_ns <= ?
       AND block.id > ?
       AND block.id <= ?
     ORDER BY start_max_ns DESC, start_min_ns DESC, block.id DESC";

/// Index: block_by_start, whose order this is.
pub(crate) const WALK: &str = "SELECT id, start_min_ns, start_max_ns, summary
     FROM block
     WHERE (start_max_ns, start_min_ns, id) < (?, ?, ?)
       AND start_max_ns >= ?
       AND start_min_ns <= ?
       AND id > ?
       AND id <= ?
     ORDER BY start_max_ns DESC, start_min_ns DESC, id DESC
     LIMIT ?";

/// Times past 2262 are stored as the last one that SQLite can hold.
fn capped(time_ns: u64) -> i64 {
    i64::try_from(time_ns).unwrap_or(i64::MAX)
}

fn uncapped(time_ns: i64) -> u64 {
    if time_ns == i64::MAX { u64::MAX } else { u64::try_from(time_ns).unwrap_or(0) }
}
