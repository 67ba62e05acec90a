//! A consistent copy of a data directory, also of one that a server is writing.
//!
//! A process of its own copies each file by `VACUUM INTO`, which sees one moment of it whatever is committed meanwhile. What makes the
//! copies of different files fit:
//!
//! 1. `history.db` first, for it says how far the log is projected: what comes to the log later is projected again from the copy.
//! 2. Nothing is compacted until the log and the newest compacted file are copied, so that no span leaves a file that is still to be copied for
//!    one that is not copied any more, and nothing counts as compacted that the copied history does not know as projected.
//! 3. No compacted file is deleted until all are copied.
//!
//! Both are file locks (`gate.rs`), gone with the process that holds them; commits never wait. Complete files are copied, not linked: erasing
//! and migrations change them in place, and a copy of the disk's only copy is none.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use spillway_store::{StoreError, Watermark};
use sqlx::Connection as _;

use crate::{
    catalogue, connect, error,
    gate::Gate,
    open,
    segment::{FileName, Kind},
};

mod restore;

pub(crate) use restore::UNFINISHED;
pub use restore::{Existing, Restored, restore};

/// Its presence makes a directory a backup.
pub const MANIFEST: &str = "manifest.json";
/// Of the manifest; a reader refuses others.
const FORMAT: u32 = 1;
/// Read and hashed at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// What is in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of this file: 1.
    pub format: u32,
    /// Of the program that wrote it.
    pub version: String,
    /// When it began, in milliseconds since the Unix epoch. What was acknowledged before is in it.
    pub created_unix_ms: i64,
    /// The last place of the log that is in it.
    pub log: Place,
    /// Arrival of the newest span in it, in nanoseconds since the Unix epoch; not there without spans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_arrival_unix_ns: Option<i64>,
    /// All files, in the order in which they were copied.
    pub files: Vec<Copied>,
}

/// A place in the log of commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Number of the file.
    pub file: u32,
    /// Number of the block in it.
    pub block: u64,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// Below the directory, with `/`.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// In lower-case hexadecimal.
    pub sha256: String,
    /// The source is damaged, and was copied as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub damaged: bool,
}

/// How far it came.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Copied last.
    pub file: &'a Copied,
    /// Files copied.
    pub files: usize,
    /// Files to copy, those included.
    pub of_files: usize,
}

/// When it begins, and who makes it.
#[derive(Clone, Copy, Debug)]
pub struct Made<'a> {
    /// Nanoseconds since the Unix epoch.
    pub at_ns: i64,
    /// Version of the program.
    pub version: &'a str,
}

impl Manifest {
    /// Reads that of a backup.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the directory is no backup, or one that this program does not know.
    pub fn read(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(MANIFEST);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Conflict(format!(
                    "{} is no complete backup: it has no {MANIFEST}",
                    dir.display()
                )));
            }
            Err(error) => return Err(error::io(format!("read {}", path.display()))(error)),
        };
        let corrupt = |why: String| StoreError::Corrupt { what: path.display().to_string(), why };
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?;
        if manifest.format != FORMAT {
            let found = manifest.format;
            return Err(StoreError::Conflict(format!(
                "{} has format {found}, this program knows {FORMAT}",
                path.display()
            )));
        }
        // The names come from a file that anybody may have written: none may lead out of the directory.
        match manifest.files.iter().find(|file| !is_inside(&file.path)) {
            Some(file) => Err(corrupt(format!("it names `{}`", file.path))),
            None => Ok(manifest),
        }
    }

    /// Names files that are not as they were when the backup was made.
    pub(crate) async fn compare(&self, dir: &Path, differs: &mut dyn FnMut(&str, String)) -> Result<(), StoreError> {
        for file in &self.files {
            let path = dir.join(&file.path);
            if !path.exists() {
                differs(&file.path, "it is missing".into());
                continue;
            }
            let (_, sha256) = settle(path).await?;
            if sha256 != file.sha256 {
                differs(&file.path, format!("its SHA-256 is {sha256}, the manifest says {}", file.sha256));
            }
        }
        Ok(())
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// One name, or one below one of the folders.
fn is_inside(path: &str) -> bool {
    let name = path.strip_prefix("fresh/").or_else(|| path.strip_prefix("segments/")).unwrap_or(path);
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
}

/// Copies the data directory `source`, whether a server has it open or not, to `target`, which must not exist or be empty.
///
/// # Errors
/// [`StoreError`]; what was copied stays, but is no backup without its manifest.
pub async fn backup(
    source: &Path,
    target: &Path,
    made: Made<'_>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Manifest, StoreError> {
    for name in ["control.db", "history.db"] {
        if !source.join(name).exists() {
            return Err(StoreError::Conflict(format!("{} is no data directory: it has no {name}", source.display())));
        }
    }
    create_empty(target)?;
    for kind in [Kind::Fresh, Kind::Compacted] {
        open::create_private(&kind.folder(target))?;
    }
    let retention = Gate::of_retention(source).close().await?;
    let compaction = Gate::of_compaction(source).close().await?;
    let mut copy = Copy { source, target, files: Vec::new() };
    copy.file("history.db").await?;
    let fresh = catalogue::list(&Kind::Fresh.folder(source))?.numbers;
    let mut compacted = catalogue::list(&Kind::Compacted.folder(source))?.numbers;
    let of_files = 2 + fresh.len() + compacted.len();
    let name = |kind: Kind, number: u32| FileName { kind, number }.below();
    let newest = compacted.pop().map(|number| name(Kind::Compacted, number));
    let first = fresh.into_iter().map(|number| name(Kind::Fresh, number)).chain(newest);
    for path in first.chain(["control.db".into()]) {
        copy.file(&path).await?;
        progress(Progress { file: copy.last(), files: copy.files.len(), of_files });
    }
    drop(compaction);
    for number in compacted {
        copy.file(&name(Kind::Compacted, number)).await?;
        progress(Progress { file: copy.last(), files: copy.files.len(), of_files });
    }
    drop(retention);
    let (end, newest_ns) = copy.end().await?;
    let manifest = Manifest {
        format: FORMAT,
        version: made.version.to_owned(),
        created_unix_ms: made.at_ns.div_euclid(1_000_000),
        log: Place { file: end.segment, block: end.block },
        newest_arrival_unix_ns: newest_ns,
        files: copy.files,
    };
    seal(target, &manifest)?;
    Ok(manifest)
}

struct Copy<'a> {
    source: &'a Path,
    target: &'a Path,
    files: Vec<Copied>,
}

impl Copy<'_> {
    fn last(&self) -> &Copied {
        self.files.last().expect("one was copied")
    }

    async fn file(&mut self, path: &str) -> Result<(), StoreError> {
        let (from, to) = (self.source.join(path), self.target.join(path));
        let damaged = match vacuum(&from, &to).await {
            Ok(()) => false,
            Err(StoreError::Corrupt { .. }) => {
                // It stays readable as far as it is: SQLite would refuse all of it.
                copy_as_it_is(&from, &to)?;
                true
            }
            Err(error) => return Err(error),
        };
        let (bytes, sha256) = settle(to).await?;
        self.files.push(Copied { path: path.to_owned(), bytes, sha256, damaged });
        Ok(())
    }

    /// The end of the log that was copied, and the arrival of the newest span.
    async fn end(&self) -> Result<(Watermark, Option<i64>), StoreError> {
        let (mut end, mut newest_ns) = (Watermark::default(), None);
        for file in self.files.iter().filter(|file| !file.damaged) {
            let Some((folder, name)) = file.path.split_once('/') else { continue };
            let mut connection = connect::read_alone(&self.target.join(&file.path)).await?;
            let (blocks, arrival_ns, last, through_file, through): (i64, i64, i64, i64, i64) = sqlx::query_as(
                "SELECT blocks, last_received_at_ns, last_block, through_file, through_block FROM total WHERE one = 1",
            )
            .fetch_one(&mut connection)
            .await
            .map_err(error::sql(format!("read the totals of {}", file.path)))?;
            newest_ns = newest_ns.max((blocks > 0).then_some(arrival_ns));
            let number = name.split('.').next().and_then(|stem| stem.parse().ok()).unwrap_or_default();
            end = end.max(match folder {
                "fresh" => Watermark { segment: number, block: last as u64 },
                _ => Watermark { segment: through_file as u32, block: through as u64 },
            });
        }
        Ok((end, newest_ns))
    }
}

/// A copy of one moment, without the file's log and free pages.
async fn vacuum(from: &Path, to: &Path) -> Result<(), StoreError> {
    let failed = || error::sql(format!("copy {}", from.display()));
    let mut connection = connect::read_alone(from).await?;
    sqlx::query("VACUUM INTO ?").bind(to.display().to_string()).execute(&mut connection).await.map_err(failed())?;
    connection.close().await.map_err(failed())
}

/// With its log, in which newer pages may be.
fn copy_as_it_is(from: &Path, to: &Path) -> Result<(), StoreError> {
    let failed = || error::io(format!("copy {}", from.display()));
    if to.exists() {
        std::fs::remove_file(to).map_err(failed())?;
    }
    std::fs::copy(from, to).map_err(failed()).map(drop)
}

/// Makes a file durable; returns its length and SHA-256.
async fn settle(path: PathBuf) -> Result<(u64, String), StoreError> {
    let failed = error::io(format!("read {}", path.display()));
    let hashing = tokio::task::spawn_blocking(move || {
        let mut file = File::open(&path)?;
        file.sync_all()?;
        hash(&mut file, &mut io::sink())
    });
    hashing
        .await
        .map_err(|panic| StoreError::Io { action: "hash a file".into(), source: Box::new(panic) })?
        .map_err(failed)
}

/// Copies what is left to read; returns how much it was, and its SHA-256.
fn hash(from: &mut File, to: &mut dyn io::Write) -> io::Result<(u64, String)> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let (mut bytes, mut hasher) = (0, Sha256::new());
    loop {
        let read = from.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        hasher.update(&chunk[..read]);
        to.write_all(&chunk[..read])?;
        bytes += read as u64;
    }
    Ok((bytes, hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// The manifest last: the directory is no backup before all of it is durable.
fn seal(dir: &Path, manifest: &Manifest) -> Result<(), StoreError> {
    for kind in [Kind::Fresh, Kind::Compacted] {
        open::sync_dir(&kind.folder(dir))?;
    }
    open::sync_dir(dir)?;
    let path = dir.join(MANIFEST);
    let written = path.with_extension("json.new");
    let failed = || error::io(format!("write {}", path.display()));
    let json = serde_json::to_vec_pretty(manifest).expect("text and numbers are JSON");
    let mut file = File::create(&written).map_err(failed())?;
    file.write_all(&json).and_then(|()| file.sync_all()).map_err(failed())?;
    std::fs::rename(&written, &path).map_err(failed())?;
    open::sync_dir(dir)?;
    dir.canonicalize().map_err(failed())?.parent().map_or(Ok(()), open::sync_dir)
}

/// A directory that nobody but the owner may look into.
fn create_empty(dir: &Path) -> Result<(), StoreError> {
    open::create_private(dir)?;
    let mut entries = std::fs::read_dir(dir).map_err(error::io(format!("list {}", dir.display())))?;
    match entries.next() {
        Some(_) => Err(StoreError::Conflict(format!(
            "{} is not empty: a backup goes to a directory of its own",
            dir.display()
        ))),
        None => Ok(()),
    }
}
