//! `spillway restore DIR`: puts a backup in the place of the data.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use spillway_api::Timestamp;
use spillway_store::StoreError;
use spillway_store_sqlite::backup::{self, Existing};

use super::{Data, EX_DATAERR, EX_UNAVAILABLE, EX_USAGE, refused, shown};
use crate::clock;

/// Arguments of `spillway restore`.
#[derive(Args, Debug)]
pub struct RestoreArgs {
    /// The backup
    dir: PathBuf,
    #[command(flatten)]
    data: Data,
    /// Move data that is there aside, into a folder of the data directory
    #[arg(long)]
    force: bool,
}

/// Checks and copies, with progress on standard error.
pub fn run(args: RestoreArgs) -> ExitCode {
    let RestoreArgs { dir, data, force } = args;
    let target = match data.dir() {
        Ok(target) => target,
        Err(error) => return refused(&error, EX_USAGE),
    };
    // Colons are no part of a name on every file system.
    let aside = format!("before-restore-{}", Timestamp::from_unix_ms(clock::unix_ns() / 1_000_000)).replace(':', "");
    let existing = if force { Existing::MoveTo(&aside) } else { Existing::Keep };
    let restored = backup::restore(&dir, &target, existing, &mut |progress| {
        eprintln!("{}/{} {} {}", progress.files, progress.of_files, progress.file.path, shown(progress.file.bytes));
    });
    match restored {
        Ok(restored) => {
            if let Some(aside) = restored.moved_to {
                println!("what was there is in {}: delete it when you do not need it", aside.display());
            }
            let manifest = restored.manifest;
            let made = Timestamp::from_unix_ms(manifest.created_unix_ms);
            println!("{}: {} files, {}, as of {made}", target.display(), manifest.files.len(), shown(manifest.bytes()));
            ExitCode::SUCCESS
        }
        Err(error @ StoreError::Corrupt { .. }) => refused(&error, EX_DATAERR),
        Err(error) => refused(&error, EX_UNAVAILABLE),
    }
}
