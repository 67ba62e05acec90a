//! `spillway erase --where FILTER`: erases spans for good, through the server that has the data open, or directly.

use std::{path::Path, process::ExitCode, time::Duration};

use clap::Args;
use spillway_api as api;
use spillway_query::Filter;
use spillway_store::{
    AuditEntry, BackupLog as _, BackupNote, EraseExtent, EraseReport, Eraser as _, Erasure, StoreError,
};
use spillway_store_sqlite::{OpenOptions, SqliteStore, backup::MANIFEST};

use super::{Data, EX_UNAVAILABLE, EX_USAGE, Remote, RemoteArgs, RemoteError, block_on, refused, shown};
use crate::clock;

/// How often a server is asked how far it is.
const EVERY: Duration = Duration::from_millis(200);

/// Arguments of `spillway erase`.
#[derive(Args, Debug)]
pub struct EraseArgs {
    /// Which spans, in the filter language
    #[arg(long = "where", value_name = "FILTER")]
    filter: String,
    /// Erase all of each trace that has such a span
    #[arg(long)]
    traces: bool,
    /// Only say how much would go
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Why it did not work.
#[derive(Debug, thiserror::Error)]
enum EraseError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

/// Erases, and says what went.
pub fn run(args: EraseArgs) -> ExitCode {
    let dir = match args.data.clone().dir() {
        Ok(dir) => dir,
        Err(error) => return refused(&error, EX_USAGE),
    };
    let filter = match spillway_query::parse(&args.filter) {
        Ok(filter) => filter,
        Err(error) => return refused(&error, EX_USAGE),
    };
    if filter == Filter::default() {
        eprintln!("spillway: an empty filter would erase everything: delete the data directory instead");
        return ExitCode::from(EX_USAGE);
    }
    if !dir.join("control.db").exists() {
        eprintln!("spillway: there is no data in {}", dir.display());
        return ExitCode::from(EX_UNAVAILABLE);
    }
    match block_on(erase(&args, &dir, filter)) {
        Ok(Ok((report, backups))) => {
            say(&args, &report);
            name_backups(&backups);
            ExitCode::SUCCESS
        }
        Ok(Err(error)) => refused(&error, EX_UNAVAILABLE),
        Err(error) => refused(&error, EX_UNAVAILABLE),
    }
}

/// What went, and which backups may still hold it.
type Erased = (EraseReport, Vec<BackupNote>);

async fn erase(args: &EraseArgs, dir: &Path, filter: Filter) -> Result<Erased, EraseError> {
    let (store, writer) = match SqliteStore::open(dir, OpenOptions::default()).await {
        Ok(opened) => opened,
        Err(StoreError::Conflict(_)) => return Ok(ask(args).await?),
        Err(error) => return Err(error.into()),
    };
    let extent = if args.traces { EraseExtent::Traces } else { EraseExtent::Spans };
    let report = directly(&store, &Erasure { filter, extent }, args).await;
    let erased = match report {
        Ok(report) => store.backups_with(&report).await.map(|backups| (report, backups)),
        Err(error) => Err(error),
    };
    // Whatever came of it, the files are closed in order; the report is what counts.
    let _ = writer.close().await;
    store.close().await;
    Ok(erased?)
}

async fn directly(store: &SqliteStore, erasure: &Erasure, args: &EraseArgs) -> Result<EraseReport, StoreError> {
    if args.dry_run {
        return store.count_erasable(erasure).await;
    }
    let audit = AuditEntry {
        at_ns: clock::unix_ns(),
        actor: "command line".into(),
        action: "erase".into(),
        object: if args.traces { "traces".into() } else { "spans".into() },
        detail: String::new(),
    };
    let id = store.begin_erasure(erasure, &audit).await?;
    Ok(store.run_erasure(id, clock::unix_ns()).await?.report)
}

/// Asks the server that has the data directory.
async fn ask(args: &EraseArgs) -> Result<Erased, RemoteError> {
    let remote = Remote::new(&args.remote);
    let request = api::EraseRequest { r#where: args.filter.clone(), traces: args.traces, dry_run: args.dry_run };
    let mut erasure: api::Erasure = remote.post("/api/v1/erase", &request).await?;
    let mut said = (0, String::new());
    while let (None, Some(id)) = (erasure.done_at, erasure.id) {
        tokio::time::sleep(EVERY).await;
        erasure = remote.get(&format!("/api/v1/erase/{id}")).await?;
        let now = (erasure.spans, erasure.failure.clone());
        if now != said {
            eprintln!("{} spans erased so far{}{}", now.0, if now.1.is_empty() { "" } else { "; " }, now.1);
            said = now;
        }
    }
    let backups = erasure.backups.into_iter().map(|made| BackupNote {
        path: made.path,
        made_at_ns: made.made_at.unix_ns(),
        newest_ns: made.newest_at.map(api::Timestamp::unix_ns),
    });
    let report = EraseReport {
        spans: erasure.spans,
        traces: erasure.traces,
        blocks: erasure.blocks,
        bytes_before: erasure.bytes_before,
        bytes_after: erasure.bytes_after,
        unreadable_blocks: erasure.unreadable_blocks,
        first_start_ns: None,
    };
    Ok((report, backups.collect()))
}

fn say(args: &EraseArgs, report: &EraseReport) {
    let EraseReport { spans, traces, blocks, bytes_before, bytes_after, unreadable_blocks, first_start_ns: _ } = report;
    if args.dry_run {
        println!("would erase {spans} spans of {traces} traces, in {blocks} blocks");
    } else {
        println!(
            "erased {spans} spans of {traces} traces; {blocks} blocks rewritten, {} before, {} after",
            shown(*bytes_before),
            shown(*bytes_after)
        );
    }
    if *unreadable_blocks > 0 {
        println!(
            "{unreadable_blocks} damaged blocks cannot be searched, and may still hold such spans: `spillway check` names them"
        );
    }
    println!(
        "not searched: backups and exports; events, decisions and sums of services, which go with their retention"
    );
}

/// Nothing is erased from them: that is for whoever keeps them.
fn name_backups(backups: &[BackupNote]) {
    if backups.is_empty() {
        return;
    }
    println!("these backups may still hold such spans; delete them, or erase from what is restored of them:");
    for BackupNote { path, made_at_ns, newest_ns } in backups {
        let at = |ns: i64| api::Timestamp::from_unix_ms(ns.div_euclid(1_000_000)).to_string();
        let newest = newest_ns.map(|newest| format!(", spans up to {}", at(newest))).unwrap_or_default();
        // Moved, deleted, or on a disk that is not mounted here.
        let missing = if Path::new(path).join(MANIFEST).exists() { "" } else { "; not there now" };
        println!("  {path}, made {}{newest}{missing}", at(*made_at_ns));
    }
}
