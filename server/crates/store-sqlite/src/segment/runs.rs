//! The trace index of older blocks: sorted runs of (hash, block) pairs in pages.
//!
//! Hashes of the newest blocks of the log are in memory. When there are enough of them they are sorted into a run and written, so that
//! memory and the time to open a file stay small however large it grows, and a lookup reads one page a run. A compaction writes a run
//! with its blocks. When [`RUNS_A_LEVEL`] runs of a level have come together they are merged into one of the next: a file of 20 million
//! spans has some twenty. A row of an index a trace would cost more than the spans do: its key is random.

use rustc_hash::FxHashSet;
use spillway_store::StoreError;
use sqlx::SqliteConnection;

use super::{Segment, bulk};
use crate::{block::HashSet32, connect::WriterConnection, error};

/// Pairs a page, some 900 bytes: a row of a table without rowids that is longer than a quarter of a page of the file takes another page besides.
const PAIRS_A_PAGE: usize = 192;

/// Runs of one level that are merged into one: a lookup reads a page of each, and a pair is rewritten once a level.
const RUNS_A_LEVEL: i64 = 16;

/// A page: the hash that sorts it, and its bytes.
pub(crate) type Page = (u32, Vec<u8>);

/// One page a run may hold the hash. Primary key of trace_page, one seek a run.
pub(crate) const LOOK_UP: &str = "SELECT first_block, (
         SELECT entries FROM trace_page
         WHERE run = trace_run.id AND first_hash <= ?
         ORDER BY first_hash DESC
         LIMIT 1)
     FROM trace_run
     ORDER BY id";

/// Writes a run of all blocks whose hashes are in memory, and lets go of them.
pub(crate) async fn fold(segment: &Segment, connection: &mut WriterConnection) -> Result<(), StoreError> {
    let recent: Vec<(u64, HashSet32)> = segment.state.read().expect("no panic while it was held").recent.clone();
    let (Some((first, _)), Some((last, _))) = (recent.first(), recent.last()) else { return Ok(()) };
    let (first, last) = (*first, *last);
    // Half a million pairs take some 30 ms to sort.
    let pages = tokio::task::spawn_blocking(move || {
        pages(
            recent.iter().flat_map(|(block, hashes)| hashes.as_slice().iter().map(move |&hash| (hash, *block))),
            first,
        )
    });
    let pages =
        pages.await.map_err(|panic| StoreError::Io { action: "sort a trace index".into(), source: Box::new(panic) })?;
    take_over(connection, &pages, first, last)
        .await
        .map_err(error::sql(format!("write a trace index to {}", segment.file())))?;
    let mut state = segment.state.write().expect("no panic while it was held");
    state.recent.retain(|(block, _)| *block > last);
    state.runs += 1;
    Ok(())
}

async fn take_over(
    connection: &mut WriterConnection,
    pages: &[Page],
    first: u64,
    last: u64,
) -> Result<(), sqlx::Error> {
    let mut tx = connection.begin().await?;
    write(&mut tx, 0, pages, first, last).await?;
    sqlx::query("DELETE FROM block_traces WHERE block <= ?").bind(last as i64).execute(&mut *tx).await?;
    tx.commit().await?;
    connection.committed();
    Ok(())
}

/// Pairs of a hash and a block from `first` on, sorted into pages.
pub(crate) fn pages(pairs: impl Iterator<Item = (u32, u64)>, first: u64) -> Vec<Page> {
    let mut pairs: Vec<(u32, u64)> = pairs.map(|(hash, block)| (hash, block - first)).collect();
    pairs.sort_unstable();
    let mut pages: Vec<Page> = Vec::new();
    let (mut on_page, mut before) = (0, None);
    for (hash, block) in pairs {
        // Blocks of one hash stand on one page, so that one page answers.
        if pages.is_empty() || (on_page >= PAIRS_A_PAGE && before != Some(hash)) {
            pages.push((hash, Vec::new()));
            (on_page, before) = (0, None);
        }
        let (_, page) = pages.last_mut().expect("there is one by now");
        put(page, u64::from(hash - before.unwrap_or(0)));
        put(page, block);
        on_page += 1;
        before = Some(hash);
    }
    pages
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes a run of all traces of the blocks `first` to `last`, in the caller's transaction.
pub(crate) async fn write(
    tx: &mut SqliteConnection,
    level: i64,
    pages: &[Page],
    first: u64,
    last: u64,
) -> Result<(), sqlx::Error> {
    let run: i64 =
        sqlx::query_scalar("INSERT INTO trace_run (level, first_block, last_block) VALUES (?, ?, ?) RETURNING id")
            .bind(level)
            .bind(first as i64)
            .bind(last as i64)
            .fetch_one(&mut *tx)
            .await?;
    let pages = pages.iter().map(|(first_hash, entries)| (i64::from(*first_hash), entries.as_slice()));
    bulk::insert(tx, bulk::TRACE_PAGES, run, pages).await
}

/// Merges the runs of a level that has enough of them; true when it did, since the next level may have enough now.
pub(crate) async fn merge(segment: &Segment, connection: &mut WriterConnection) -> Result<bool, StoreError> {
    let failed = || error::sql(format!("merge the trace index of {}", segment.file()));
    let full: Option<i64> =
        sqlx::query_scalar("SELECT level FROM trace_run GROUP BY level HAVING COUNT(*) >= ? ORDER BY level LIMIT 1")
            .bind(RUNS_A_LEVEL)
            .fetch_optional(connection.statement())
            .await
            .map_err(failed())?;
    let Some(level) = full else { return Ok(false) };
    let runs: Vec<(i64, i64, i64)> =
        sqlx::query_as("SELECT id, first_block, last_block FROM trace_run WHERE level = ? ORDER BY id")
            .bind(level)
            .fetch_all(connection.statement())
            .await
            .map_err(failed())?;
    let first = runs.iter().map(|(_, first, _)| *first as u64).min().unwrap_or_default();
    let last = runs.iter().map(|(_, _, last)| *last as u64).max().unwrap_or_default();
    let mut pairs: Vec<(u32, u64)> = Vec::new();
    for (run, first_block, _) in &runs {
        let entries: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT entries FROM trace_page WHERE run = ? ORDER BY first_hash")
                .bind(run)
                .fetch_all(connection.statement())
                .await
                .map_err(failed())?;
        for page in entries {
            let read = each(&page, |hash, block| {
                pairs.push((hash, *first_block as u64 + block));
                true
            });
            read.ok_or_else(|| StoreError::Corrupt {
                what: format!("the trace index of {}", segment.file()),
                why: "a page does not decode".into(),
            })?;
        }
    }
    let pages = tokio::task::spawn_blocking(move || pages(pairs.into_iter(), first));
    let pages = pages
        .await
        .map_err(|panic| StoreError::Io { action: "merge a trace index".into(), source: Box::new(panic) })?;
    replace(connection, level, &pages, (first, last)).await.map_err(failed())?;
    let mut state = segment.state.write().expect("no panic while it was held");
    state.runs = state.runs + 1 - runs.len() as u64;
    Ok(true)
}

/// The runs of a level by one of the next.
async fn replace(
    connection: &mut WriterConnection,
    level: i64,
    pages: &[Page],
    (first, last): (u64, u64),
) -> Result<(), sqlx::Error> {
    let mut tx = connection.begin().await?;
    sqlx::query("DELETE FROM trace_page WHERE run IN (SELECT id FROM trace_run WHERE level = ?)")
        .bind(level)
        .execute(&mut *tx)
        .await?;
    sqlx::query("DELETE FROM trace_run WHERE level = ?").bind(level).execute(&mut *tx).await?;
    write(&mut tx, level + 1, pages, first, last).await?;
    tx.commit().await?;
    connection.committed();
    Ok(())
}

/// Adds the blocks of all runs that may hold the hash. A page that does not decode is named in the log, and the others are used.
pub(crate) async fn look_up(
    segment: &Segment,
    connection: &mut SqliteConnection,
    hash: u32,
    blocks: &mut FxHashSet<u64>,
) -> Result<(), StoreError> {
    let rows: Vec<(i64, Option<Vec<u8>>)> =
        sqlx::query_as(LOOK_UP).bind(hash).fetch_all(connection).await.map_err(segment.failed("look a trace up"))?;
    for (first_block, page) in rows {
        let Some(page) = page else { continue };
        let found = find(&page, hash, |block| {
            blocks.insert(first_block as u64 + block);
        });
        if found.is_none() {
            tracing::error!(segment.file = segment.file(), "a page of the trace index does not decode");
        }
    }
    Ok(())
}

/// `None` when the page does not decode.
fn find(page: &[u8], wanted: u32, mut each_block: impl FnMut(u64)) -> Option<()> {
    each(page, |hash, block| {
        if hash == wanted {
            each_block(block);
        }
        hash <= wanted
    })
}

/// All pairs of a page, until `pair` says that it has enough; `None` when the page does not decode.
pub(crate) fn each(page: &[u8], mut pair: impl FnMut(u32, u64) -> bool) -> Option<()> {
    let (mut rest, mut hash) = (page, 0_u64);
    while !rest.is_empty() {
        hash = hash.checked_add(take(&mut rest)?)?;
        let block = take(&mut rest)?;
        if !pair(u32::try_from(hash).ok()?, block) {
            break;
        }
    }
    Some(())
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use spillway_model::identity::TraceId;

    use super::*;
    use crate::block::trace_hash;

    proptest! {
        /// Some traces are in every block, so that a page must grow to hold them.
        #[test]
        fn every_pair_is_found_on_the_page_that_its_hash_leads_to(
            blocks in proptest::collection::vec(proptest::collection::vec(0u16..2_000, 0..60), 1..40),
        ) {
            let id = |number: u16| TraceId([number as u8, (number >> 8) as u8, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]);
            let mut expected: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
            let mut recent = Vec::new();
            for (block, numbers) in (11_u64..).zip(&blocks) {
                let ids: Vec<TraceId> = numbers.iter().chain(&[9_999]).map(|&number| id(number)).collect();
                for hash in HashSet32::of(&ids).as_slice() {
                    expected.entry(*hash).or_default().push(block);
                }
                recent.push((block, HashSet32::of(&ids)));
            }

            let pairs = recent.iter().flat_map(|(block, hashes)| hashes.as_slice().iter().map(move |&hash| (hash, *block)));
            let pages = pages(pairs, 11);

            prop_assert!(pages.is_sorted_by(|a, b| a.0 < b.0));
            for (hash, blocks) in expected {
                let page = pages.iter().rfind(|(first, _)| *first <= hash).map(|(_, page)| page.as_slice());
                let mut found = Vec::new();
                prop_assert!(find(page.unwrap_or_default(), hash, |block| found.push(block + 11)).is_some());
                prop_assert_eq!(found, blocks);
            }
            prop_assert!(expected_missing(&pages, trace_hash(id(5_000))));
        }
    }

    fn expected_missing(pages: &[Page], hash: u32) -> bool {
        let page = pages.iter().rfind(|(first, _)| *first <= hash).map(|(_, page)| page.as_slice());
        let mut found = false;
        find(page.unwrap_or_default(), hash, |_| found = true).is_some() && !found
    }

    #[test]
    fn a_page_that_is_cut_off_is_not_read_as_an_empty_one() {
        assert_eq!(find(&[0x85], 5, |_| {}), None);
        assert_eq!(find(&[5], 5, |_| {}), None);
    }
}
