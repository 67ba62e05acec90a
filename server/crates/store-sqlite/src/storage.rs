//! Where the space goes: sizes of files, and spans by service from the summaries of blocks, never from spans.
//!
//! Compaction gives all blocks of a group the arrival of its last span. So a time that is measured begins where a group ends: what is counted
//! then came in exactly that time, however large the groups are.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use rustc_hash::FxHashMap;
use spillway_model::identity::ServiceKey;
use spillway_store::{
    Arrivals, ServiceArrivals, SpanReader as _, StorageParts, StorageReader, StorageState, StoreError,
};

use crate::{
    SqliteStore,
    block::BlockSummary,
    catalogue::{Part, size_bytes},
    error, filesystem,
    segment::{Kind, Segment},
    store::Inner,
};

/// Blocks whose summaries are read for one answer: an hour at the top rate is less than half of it, and reading them takes some 100 ms.
const MOST_BLOCKS: i64 = 100_000;
/// Files in which the oldest span of a service is looked for, oldest first. Most services are in the first.
const MOST_FILES: usize = 32;

/// Index: block_by_arrival, backwards; without the `+` SQLite would take the primary key, and read all of the file.
pub(crate) const BEFORE: &str = "SELECT received_at_ns
     FROM block
     WHERE received_at_ns <= ?1 AND +id > ?2 AND +id <= ?3
     ORDER BY received_at_ns DESC
     LIMIT 1";

/// Index: block_by_arrival, backwards; without the `+` SQLite would take the primary key, and read all of the file.
pub(crate) const LATELY: &str = "SELECT received_at_ns, span_count, summary
     FROM block
     WHERE received_at_ns > ?1 AND +id > ?2 AND +id <= ?3
     ORDER BY received_at_ns DESC
     LIMIT ?4";

impl StorageReader for SqliteStore {
    #[tracing::instrument(name = "db.storage", skip_all, err)]
    async fn storage(&self, since_ns: i64) -> Result<StorageState, StoreError> {
        let inner = &self.inner;
        let usage = self.usage().await?;
        let parts = inner.catalogue.view(None);
        let compacted: Vec<&Part> =
            parts.iter().filter(|part| part.segment.name.kind == Kind::Compacted && part.last > 0).collect();
        let mut compacted_net_bytes = 0;
        for part in &compacted {
            compacted_net_bytes += net_bytes(&part.segment).await?;
        }
        let dir = inner.dir.clone();
        let (bytes, disk_free_bytes) = inner.decode(move || Ok((sizes(&dir)?, filesystem::free_bytes(&dir)))).await?;
        let filled = || parts.iter().map(|part| part.segment.totals()).filter(|totals| totals.blocks > 0);
        Ok(StorageState {
            parts: bytes,
            disk_free_bytes,
            spans: usage.spans,
            compacted_spans: compacted.iter().map(|part| part.segment.spans()).sum(),
            compacted_net_bytes,
            oldest_ns: filled().map(|totals| totals.first_received_at_ns).min(),
            newest_ns: filled().map(|totals| totals.last_received_at_ns).max(),
            lately: lately(inner, &parts, since_ns).await?,
        })
    }
}

/// As `du` counts, files that cannot be opened included.
fn sizes(dir: &Path) -> Result<StorageParts, StoreError> {
    Ok(StorageParts {
        log_bytes: folder_bytes(&Kind::Fresh.folder(dir))?,
        compacted_bytes: folder_bytes(&Kind::Compacted.folder(dir))?,
        history_bytes: size_bytes(&dir.join("history.db")),
        control_bytes: size_bytes(&dir.join("control.db")) + folder_bytes(&dir.join("backups"))?,
    })
}

/// How long the file is once its log is written back into it: only the last one has a log to speak of.
async fn net_bytes(segment: &Segment) -> Result<u64, StoreError> {
    let mut log = segment.path.as_os_str().to_owned();
    log.push("-wal");
    let has_log = std::fs::metadata(&log).is_ok_and(|log| log.len() > 0);
    if !has_log {
        return Ok(std::fs::metadata(&segment.path).map_or(0, |file| file.len()));
    }
    let Some(mut connection) = segment.reader().await? else { return Ok(0) };
    let bytes: Result<i64, _> =
        sqlx::query_scalar("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
            .fetch_one(&mut *connection)
            .await
            .map_err(segment.failed("count the pages"));
    Ok(error::left_out(bytes)?.unwrap_or_default() as u64)
}

fn folder_bytes(dir: &Path) -> Result<u64, StoreError> {
    let failed = || error::io(format!("list {}", dir.display()));
    let entries = match std::fs::read_dir(dir) {
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        entries => entries.map_err(failed())?,
    };
    let mut bytes = 0;
    for entry in entries {
        // A file that was just deleted takes nothing.
        bytes += entry.map_err(failed())?.metadata().map_or(0, |metadata| metadata.len());
    }
    Ok(bytes)
}

/// A block that came lately.
struct Counted {
    /// Index of its part.
    part: usize,
    received_at_ns: i64,
    spans: u64,
    summary: Vec<u8>,
}

async fn lately(inner: &Inner, parts: &[Part], since_ns: i64) -> Result<Arrivals, StoreError> {
    let mut from_ns = begin(inner, parts, since_ns).await?;
    let mut counted: Vec<Counted> = Vec::new();
    for (index, part) in parts.iter().enumerate().rev() {
        let left = MOST_BLOCKS - counted.len() as i64;
        if left == 0 {
            break;
        }
        if part.segment.totals().last_received_at_ns <= from_ns {
            continue;
        }
        let Some(mut connection) = part.segment.reader().await? else { continue };
        let rows: Result<Vec<(i64, i64, Vec<u8>)>, _> = sqlx::query_as(LATELY)
            .bind(from_ns)
            .bind(part.after as i64)
            .bind(i64::try_from(part.last).unwrap_or(i64::MAX))
            .bind(left)
            .fetch_all(&mut *connection)
            .await
            .map_err(part.segment.failed("read the summaries of blocks"));
        let rows = error::left_out(rows)?.unwrap_or_default();
        counted.extend(rows.into_iter().map(|(received_at_ns, spans, summary)| Counted {
            part: index,
            received_at_ns,
            spans: spans as u64,
            summary,
        }));
    }
    if counted.len() as i64 == MOST_BLOCKS {
        // Others may have come at the time of the last one that was read.
        from_ns = counted.last().map_or(from_ns, |last| last.received_at_ns);
        counted.retain(|block| block.received_at_ns > from_ns);
    }
    let spans = counted.iter().map(|block| block.spans).sum();
    let by_number = sum_up(inner, counted).await?;
    let mut services: FxHashMap<ServiceKey, u64> = FxHashMap::default();
    for (index, numbers) in by_number {
        let names = services_of(&parts[index].segment).await?;
        for (number, service) in names {
            if let Some(&spans) = numbers.get(&number) {
                *services.entry(service).or_default() += spans;
            }
        }
    }
    let oldest = oldest(parts, services.keys()).await?;
    let mut services: Vec<ServiceArrivals> = services
        .into_iter()
        .map(|(service, spans)| ServiceArrivals { oldest_ns: oldest.get(&service).copied(), service, spans })
        .collect();
    services.sort_unstable_by(|a, b| b.spans.cmp(&a.spans).then_with(|| a.service.cmp(&b.service)));
    Ok(Arrivals { from_ns, spans, services })
}

/// Where to count from: the end of the last group that came before, or that of the first one of all.
async fn begin(inner: &Inner, parts: &[Part], since_ns: i64) -> Result<i64, StoreError> {
    let mut before = None;
    let mut first = None;
    for part in parts {
        let totals = part.segment.totals();
        if totals.blocks == 0 {
            continue;
        }
        first = Some(first.map_or(totals.first_received_at_ns, |first: i64| first.min(totals.first_received_at_ns)));
        if totals.last_received_at_ns <= since_ns {
            before = before.max(Some(totals.last_received_at_ns));
        } else if totals.first_received_at_ns <= since_ns
            && let Some(mut connection) = part.segment.reader().await?
        {
            let found: Result<Option<i64>, _> = sqlx::query_scalar(BEFORE)
                .bind(since_ns)
                .bind(part.after as i64)
                .bind(i64::try_from(part.last).unwrap_or(i64::MAX))
                .fetch_optional(&mut *connection)
                .await
                .map_err(part.segment.failed("look for an arrival"));
            before = before.max(error::left_out(found)?.flatten());
        }
    }
    // Where nothing came for long, no group reaches back further than this.
    let longest = i64::try_from(inner.options.compact_within.as_nanos()).unwrap_or(i64::MAX);
    let earliest = since_ns.saturating_sub(longest);
    Ok(before.map(|before| before.max(earliest)).or(first).unwrap_or(since_ns))
}

/// Spans by the number that they have in their part.
type ByNumber = BTreeMap<usize, FxHashMap<u32, u64>>;

async fn sum_up(inner: &Inner, counted: Vec<Counted>) -> Result<ByNumber, StoreError> {
    inner
        .decode(move || {
            let mut sums = ByNumber::new();
            for block in counted {
                // One that does not decode counts in the total only; `spillway check` names it.
                let Ok(summary) = BlockSummary::from_bytes(&block.summary) else { continue };
                let of_part = sums.entry(block.part).or_default();
                for row in &summary.operations {
                    *of_part.entry(row.operation).or_default() += u64::from(row.count);
                }
            }
            Ok(sums)
        })
        .await
}

/// What the numbers in a file's summaries stand for; several may stand for one service.
pub(crate) async fn services_of(segment: &Arc<Segment>) -> Result<Vec<(u32, ServiceKey)>, StoreError> {
    let statement = match segment.name.kind {
        Kind::Fresh => "SELECT id, environment, namespace, service FROM operation ORDER BY id",
        Kind::Compacted => "SELECT id, environment, namespace, name FROM service ORDER BY id",
    };
    let Some(mut connection) = segment.reader().await? else { return Ok(Vec::new()) };
    let rows: Result<Vec<(u32, String, String, String)>, _> =
        sqlx::query_as(statement).fetch_all(&mut *connection).await.map_err(segment.failed("list the services"));
    Ok(error::left_out(rows)?
        .unwrap_or_default()
        .into_iter()
        .map(|(number, environment, namespace, name)| (number, ServiceKey::new(&environment, &namespace, &name)))
        .collect())
}

/// The arrival of the first spans of the oldest file that each of them is in.
async fn oldest(
    parts: &[Part],
    wanted: impl Iterator<Item = &ServiceKey>,
) -> Result<FxHashMap<ServiceKey, i64>, StoreError> {
    let mut left: std::collections::BTreeSet<&ServiceKey> = wanted.collect();
    let mut found = FxHashMap::default();
    for part in parts.iter().take(MOST_FILES) {
        if left.is_empty() {
            break;
        }
        for (_, service) in services_of(&part.segment).await? {
            if left.remove(&service) {
                found.insert(service, part.segment.totals().first_received_at_ns);
            }
        }
    }
    Ok(found)
}
