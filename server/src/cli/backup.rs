//! `spillway backup DIR`: copies the data, also while a server writes it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use spillway_store::{BackupNote, StoreError};
use spillway_store_sqlite::{
    backup::{self, MANIFEST, Made, Manifest},
    backups,
};

use super::{Data, EX_DATAERR, EX_UNAVAILABLE, EX_USAGE, block_on, refuse, refused, shown};
use crate::clock;

/// Arguments of `spillway backup`.
#[derive(Args, Debug)]
pub struct BackupArgs {
    /// Where to: a directory that does not exist yet, or is empty
    dir: PathBuf,
    #[command(flatten)]
    data: Data,
}

/// Copies, with progress on standard error.
pub fn run(args: BackupArgs) -> ExitCode {
    let BackupArgs { dir, data } = args;
    let source = match data.dir() {
        Ok(source) => source,
        Err(error) => return refused(&error, EX_USAGE),
    };
    let made = Made { at_ns: clock::unix_ns(), version: env!("CARGO_PKG_VERSION") };
    let copied = block_on(backup::backup(&source, &dir, made, &mut |progress| {
        let file = progress.file;
        let damaged = if file.damaged { "; damaged, copied as it is: `spillway check` says more" } else { "" };
        eprintln!("{}/{} {} {}{damaged}", progress.files, progress.of_files, file.path, shown(file.bytes));
    }));
    match copied {
        Ok(Ok(manifest)) => {
            remember(&source, &dir, made, &manifest);
            report(&dir, &manifest)
        }
        Ok(Err(error)) => {
            refuse(&error);
            if !matches!(error, StoreError::Conflict(_)) {
                eprintln!("{} has no {MANIFEST} and is no backup: delete it", dir.display());
            }
            ExitCode::from(EX_UNAVAILABLE)
        }
        Err(error) => refused(&error, EX_UNAVAILABLE),
    }
}

/// So that `spillway erase` can name it. Without the note the backup is as good as with it.
fn remember(source: &Path, dir: &Path, made: Made<'_>, manifest: &Manifest) {
    let path = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned()).display().to_string();
    let note = BackupNote { path, made_at_ns: made.at_ns, newest_ns: manifest.newest_arrival_unix_ns };
    let why = match block_on(backups::note(source, &note)) {
        Ok(Ok(true)) => return,
        Ok(Ok(false)) => "an older program wrote the data directory".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    eprintln!("the backup is good, but not noted in {}, so `spillway erase` will not name it: {why}", source.display());
}

fn report(dir: &Path, manifest: &Manifest) -> ExitCode {
    println!("{}: {} files, {}", dir.display(), manifest.files.len(), shown(manifest.bytes()));
    if manifest.files.iter().any(|file| file.damaged) { ExitCode::from(EX_DATAERR) } else { ExitCode::SUCCESS }
}
