//! Puts a backup in the place of a data directory.
//!
//! All of it is copied and compared with the manifest's checksums before anything in the data directory is touched; what was there is moved
//! aside, never deleted. Everything happens inside of the directory, which may be a mount point. [`UNFINISHED`] is in it until all is in place, and
//! the store does not open a directory that has it.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
};

use spillway_store::StoreError;

use super::{Copied, Manifest, Progress, hash};
use crate::{error, open, segment::Kind};

/// The folder in which a backup is gathered and checked.
pub(crate) const UNFINISHED: &str = "restoring";
/// What may be in an empty data directory: locks, which are created by whoever looks.
const LOCKS: [&str; 3] = ["lock", "lock.compaction", "lock.retention"];

/// What to do with data that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing<'a> {
    /// Leave it, and refuse to restore.
    Keep,
    /// Move it into a folder of this name in the data directory.
    MoveTo(&'a str),
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Of the backup.
    pub manifest: Manifest,
    /// Where the data is that was there before.
    pub moved_to: Option<PathBuf>,
}

/// Restores the backup in `source` to the data directory `target`.
///
/// # Errors
/// [`StoreError::Conflict`] when there is data and it is to be kept, or a server has it open; [`StoreError::Corrupt`] that names the first file
/// that is not as it was backed up. Nothing was changed then.
pub fn restore(
    source: &Path,
    target: &Path,
    existing: Existing<'_>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Restored, StoreError> {
    let manifest = Manifest::read(source)?;
    open::create_private(target)?;
    let _lock = open::lock(target)?;
    let unfinished = target.join(UNFINISHED);
    let old: Vec<String> = names(target)?.into_iter().filter(|name| name != UNFINISHED).collect();
    let aside = match existing {
        Existing::Keep if !old.is_empty() => {
            return Err(StoreError::Conflict(format!(
                "{} is not empty: `--force` moves what is in it aside",
                target.display()
            )));
        }
        Existing::Keep => None,
        Existing::MoveTo(name) => (!old.is_empty()).then(|| target.join(name)),
    };
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished).map_err(error::io(format!("delete {}", unfinished.display())))?;
    }
    if let Err(error) = gather(source, &unfinished, &manifest, progress) {
        // Only copies are in it; what cannot be deleted now is at the next try.
        let _ = std::fs::remove_dir_all(&unfinished);
        return Err(error);
    }
    if let Some(aside) = &aside {
        open::create_private(aside)?;
        move_all(&old, target, aside)?;
        open::sync_dir(aside)?;
    }
    move_all(&names(&unfinished)?, &unfinished, target)?;
    open::sync_dir(target)?;
    std::fs::remove_dir(&unfinished).map_err(error::io(format!("delete {}", unfinished.display())))?;
    open::sync_dir(target)?;
    Ok(Restored { manifest, moved_to: aside })
}

/// Copies and compares all files.
fn gather(
    source: &Path,
    target: &Path,
    manifest: &Manifest,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), StoreError> {
    for kind in [Kind::Fresh, Kind::Compacted] {
        open::create_private(&kind.folder(target))?;
    }
    for (file, files) in manifest.files.iter().zip(1..) {
        copy(&source.join(&file.path), &target.join(&file.path), file)?;
        progress(Progress { file, files, of_files: manifest.files.len() });
    }
    for kind in [Kind::Fresh, Kind::Compacted] {
        open::sync_dir(&kind.folder(target))?;
    }
    open::sync_dir(target)
}

fn copy(from: &Path, to: &Path, file: &Copied) -> Result<(), StoreError> {
    let failed = || error::io(format!("copy {}", from.display()));
    let corrupt = |why: String| StoreError::Corrupt { what: from.display().to_string(), why };
    let mut source = match File::open(from) {
        Ok(source) => source,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(corrupt("it is missing".into())),
        Err(error) => return Err(failed()(error)),
    };
    let mut target = File::create_new(to).map_err(failed())?;
    let (bytes, sha256) = hash(&mut source, &mut target).map_err(failed())?;
    if bytes != file.bytes {
        return Err(corrupt(format!("it has {bytes} bytes, the manifest says {}", file.bytes)));
    }
    if sha256 != file.sha256 {
        return Err(corrupt(format!("its SHA-256 is {sha256}, the manifest says {}", file.sha256)));
    }
    target.flush().and_then(|()| target.sync_all()).map_err(failed())
}

fn names(dir: &Path) -> Result<Vec<String>, StoreError> {
    let failed = || error::io(format!("list {}", dir.display()));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed())? {
        let name = entry.map_err(failed())?.file_name();
        let name = name.into_string().map_err(|name| {
            StoreError::Conflict(format!("{} in {} is no name of ours", name.display(), dir.display()))
        })?;
        if !LOCKS.contains(&name.as_str()) {
            names.push(name);
        }
    }
    Ok(names)
}

fn move_all(names: &[String], from: &Path, to: &Path) -> Result<(), StoreError> {
    for name in names {
        let path = from.join(name);
        std::fs::rename(&path, to.join(name)).map_err(error::io(format!("move {}", path.display())))?;
    }
    Ok(())
}
