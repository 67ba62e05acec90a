//! Blocks: their checksum, all of their columns, and what was written beside them when they were.

use spillway_model::batch::{SpanBatch, StrId};
use spillway_store::StoreError;
use sqlx::{FromRow, Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{Report, filters::Filters, rows, traces::TraceIndex};
use crate::{
    block::{BlockReader, Operations, summarise},
    segment::operations::{OperationNumbers, Table},
};

/// Blocks in memory at a time.
const BLOCKS_AT_A_TIME: i64 = 32;

struct Row {
    id: i64,
    start_min_ns: i64,
    start_max_ns: i64,
    span_count: i64,
    summary: Vec<u8>,
    data: Option<Vec<u8>>,
}

impl<'r> FromRow<'r, SqliteRow> for Row {
    fn from_row(row: &'r SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get(0)?,
            start_min_ns: row.try_get(1)?,
            start_max_ns: row.try_get(2)?,
            span_count: row.try_get(3)?,
            summary: row.try_get(4)?,
            data: row.try_get(5)?,
        })
    }
}

/// Numbers of names, as the writer of the file gave them.
struct Names {
    operations: OperationNumbers,
    /// Of a compacted file: its summaries are by service.
    services: Option<OperationNumbers>,
}

impl Operations for Names {
    fn number(&mut self, batch: &SpanBatch, resource: u32, name: StrId) -> u32 {
        let operation = self.operations.number(batch, resource, name);
        self.services.as_mut().map_or(operation, |services| services.number(batch, resource, name))
    }
}

impl Names {
    async fn load(connection: &mut SqliteConnection, report: &Report<'_>) -> Result<Self, StoreError> {
        let operations = OperationNumbers::load(connection, Table::Operation, &report.file).await?;
        let services = match report.is_compacted() {
            true => Some(OperationNumbers::load(connection, Table::Service, &report.file).await?),
            false => None,
        };
        Ok(Self { operations, services })
    }

    /// How many names of the last block no row has.
    fn forget_unknown(&mut self) -> usize {
        let mut unknown = 0;
        for numbers in std::iter::once(&mut self.operations).chain(&mut self.services) {
            unknown += numbers.added_count();
            numbers.rolled_back();
        }
        unknown
    }
}

/// Checks all blocks of a file.
pub(super) async fn check(connection: &mut SqliteConnection, report: &mut Report<'_>) -> Result<(), StoreError> {
    let mut names = Names::load(connection, report).await?;
    let mut traces = TraceIndex::load(connection, report).await?;
    let mut filters = Filters::default();
    let (mut blocks, mut spans, mut last) = (0_i64, 0_i64, 0_i64);
    loop {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT block.id, start_min_ns, start_max_ns, span_count, summary, data
             FROM block
             LEFT JOIN block_data ON block_data.block = block.id
             WHERE block.id > ?
             ORDER BY block.id
             LIMIT ?",
        )
        .bind(last)
        .bind(BLOCKS_AT_A_TIME)
        .fetch_all(&mut *connection)
        .await
        .map_err(report.failed("read the blocks"))?;
        let Some(end) = rows.last() else { break };
        last = end.id;
        for row in rows {
            blocks += 1;
            spans += row.span_count;
            report.checked.blocks += 1;
            let id = row.id as u64;
            let Some(batch) = decode(&row, report) else { continue };
            report.checked.spans += batch.len() as u64;
            compare(&row, &batch, &mut names, report);
            traces.check(connection, id, &batch, report).await?;
            if report.is_compacted() {
                filters.check(connection, id, &batch, report).await?;
            }
        }
    }
    totals(connection, report, (blocks, last, spans)).await?;
    set_aside(connection, report).await
}

fn decode(row: &Row, report: &mut Report<'_>) -> Option<SpanBatch> {
    let id = row.id as u64;
    let Some(data) = &row.data else {
        report.found(Some(id), "its spans are missing");
        return None;
    };
    match BlockReader::open(data).and_then(|reader| reader.batch()) {
        Ok(batch) => Some(batch),
        Err(error) => {
            report.found(Some(id), error.to_string());
            None
        }
    }
}

/// What stands beside a block must be what its spans give.
fn compare(row: &Row, batch: &SpanBatch, names: &mut Names, report: &mut Report<'_>) {
    let id = Some(row.id as u64);
    let summary = summarise(batch, names);
    let unknown = names.forget_unknown();
    if unknown > 0 {
        report.found(id, format!("{unknown} of its operations and services are not listed"));
    } else if summary.to_bytes() != row.summary {
        report.found(id, "its summary is not that of its spans: searches may miss them");
    }
    if batch.len() as i64 != row.span_count {
        report.found(id, format!("it has {} spans, its row says {}", batch.len(), row.span_count));
    }
    let capped = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
    if (capped(summary.start_min_ns), capped(summary.start_max_ns)) != (row.start_min_ns, row.start_max_ns) {
        report.found(id, "its times are not those of its spans: searches may miss them");
    }
}

/// Of a file: blocks, the last of them, spans.
async fn totals(
    connection: &mut SqliteConnection,
    report: &mut Report<'_>,
    (blocks, last, spans): (i64, i64, i64),
) -> Result<(), StoreError> {
    let all: Vec<(i64, i64, i64)> =
        rows(connection, report, "read the totals", "SELECT blocks, last_block, spans FROM total").await?;
    match all[..] {
        [(of_blocks, of_last, of_spans)] if of_blocks == blocks && of_last >= last && of_spans == spans => {}
        [(of_blocks, of_last, of_spans)] => report.found(
            None,
            format!("it has {blocks} blocks up to {last} with {spans} spans, its totals say {of_blocks} up to {of_last} with {of_spans}"),
        ),
        _ => report.found(None, "it has no totals"),
    }
    Ok(())
}

/// What compaction could not decode.
async fn set_aside(connection: &mut SqliteConnection, report: &mut Report<'_>) -> Result<(), StoreError> {
    let damaged: Vec<(i64, i64, String)> = rows(
        connection,
        report,
        "read the damaged blocks",
        "SELECT fresh_file, fresh_block, why FROM damaged ORDER BY fresh_file, fresh_block",
    )
    .await?;
    for (file, block, why) in damaged {
        report.found(None, format!("block {block} of fresh/{file:06}.db was damaged and is set aside here: {why}"));
    }
    Ok(())
}
