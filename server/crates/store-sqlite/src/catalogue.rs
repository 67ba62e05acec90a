//! Which files of blocks there are. The directory is the catalogue: a file is a segment.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use spillway_store::{StoreError, Watermark};

use crate::{
    error, open,
    segment::{FileName, Kind, Segment, Totals},
};

/// All files that can be read.
pub(crate) struct Catalogue {
    dir: PathBuf,
    /// No await happens while it is held: it guards the maps only.
    files: RwLock<Files>,
    /// Files that nobody finds any more, until the last one who reads them is done. No await happens while it is held.
    leaving: Mutex<Vec<Arc<Segment>>>,
    /// The highest number that was ever given to a file of the log, as far as anything remembers: of damaged files too.
    newest_fresh: u32,
    newest_compacted: u32,
}

#[derive(Default)]
struct Files {
    fresh: BTreeMap<u32, Arc<Segment>>,
    compacted: BTreeMap<u32, Arc<Segment>>,
    /// How much of the log the compacted ones hold: fresh blocks up to there are not read.
    through: Watermark,
}

/// Blocks of one file, as they were at one moment: whatever compaction does meanwhile, each span is in exactly one part of a view.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) segment: Arc<Segment>,
    /// Blocks behind this one
    pub(crate) after: u64,
    /// up to and including this one.
    pub(crate) last: u64,
}

impl Part {
    pub(crate) fn contains(&self, block: u64) -> bool {
        self.after < block && block <= self.last
    }
}

impl Catalogue {
    /// `remembered` is where the projector has come to. A directory that lost its last files must not give their numbers again:
    /// their successors would count as projected. Files that a compaction took over are taken out, but not deleted: [`Self::sweep`].
    pub(crate) async fn load(dir: &Path, remembered: Watermark) -> Result<Self, StoreError> {
        let (compacted, newest_compacted) = load_kind(dir, Kind::Compacted).await?;
        let through = compacted.values().map(|segment| segment.totals().through).max().unwrap_or_default();
        let (mut fresh, newest_fresh) = load_kind(dir, Kind::Fresh).await?;
        // A crash after a compaction leaves these behind.
        let done: Vec<u32> = fresh.values().filter(|segment| segment.end() <= through).map(|s| s.number()).collect();
        let mut leaving = Vec::new();
        for number in done {
            leaving.extend(fresh.remove(&number));
        }
        if let Some(partly) = fresh.get(&through.segment) {
            let spans = crate::compact::spans_through(partly, through.block).await?;
            partly.state.write().expect("no panic while it was held").compacted_spans = spans;
        }
        let catalogue = Self {
            dir: dir.to_owned(),
            newest_fresh: newest_fresh.max(remembered.segment).max(through.segment),
            newest_compacted,
            files: RwLock::new(Files { fresh, compacted, through }),
            leaving: Mutex::default(),
        };
        leaving.into_iter().for_each(|segment| catalogue.leave(segment));
        Ok(catalogue)
    }

    /// What can be read now, oldest first; with a bound, what was committed up to it. Compaction does not remember which block of
    /// a group a span came from: a bound inside of what was compacted meanwhile shows that group whole.
    pub(crate) fn view(&self, bound: Option<Watermark>) -> Vec<Part> {
        let files = self.files.read().expect("no panic while it was held");
        let compacted = files.compacted.values().map(|segment| Part {
            after: 0,
            last: segment.totals().last_block,
            segment: Arc::clone(segment),
        });
        let fresh = files.fresh.values().filter_map(|segment| {
            let after = if segment.number() == files.through.segment { files.through.block } else { 0 };
            let last = match bound {
                Some(bound) if bound.segment < segment.number() => 0,
                Some(bound) if bound.segment == segment.number() => bound.block.min(segment.totals().last_block),
                _ => segment.totals().last_block,
            };
            let shown = segment.number() >= files.through.segment && after < last;
            shown.then(|| Part { segment: Arc::clone(segment), after, last })
        });
        compacted.chain(fresh).collect()
    }

    /// Files of the log, oldest first, whether they were compacted in part or not.
    pub(crate) fn fresh(&self) -> Vec<Arc<Segment>> {
        self.files.read().expect("no panic while it was held").fresh.values().cloned().collect()
    }

    /// Compacted files, oldest first.
    pub(crate) fn compacted(&self) -> Vec<Arc<Segment>> {
        self.files.read().expect("no panic while it was held").compacted.values().cloned().collect()
    }

    /// Compacted files, then those of the log, oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<Segment>> {
        let files = self.files.read().expect("no panic while it was held");
        files.compacted.values().chain(files.fresh.values()).cloned().collect()
    }

    /// The newest commit.
    pub(crate) fn end(&self) -> Watermark {
        let files = self.files.read().expect("no panic while it was held");
        files.fresh.last_key_value().map_or(Watermark::default(), |(_, segment)| segment.end()).max(files.through)
    }

    /// How much of the log is compacted.
    pub(crate) fn through(&self) -> Watermark {
        self.files.read().expect("no panic while it was held").through
    }

    pub(crate) fn insert(&self, segment: Arc<Segment>) {
        let mut files = self.files.write().expect("no panic while it was held");
        match segment.name.kind {
            Kind::Fresh => files.fresh.insert(segment.number(), segment),
            Kind::Compacted => files.compacted.insert(segment.number(), segment),
        };
    }

    /// Shows what a compaction committed, and hides what it took over, at one moment.
    pub(crate) fn compacted_to(&self, segment: &Segment, totals: Totals, taken: &[(Arc<Segment>, u64)]) {
        let mut files = self.files.write().expect("no panic while it was held");
        files.through = totals.through;
        let mut state = segment.state.write().expect("no panic while it was held");
        state.runs += u64::from(totals.blocks > state.totals.blocks);
        state.totals = totals;
        for (fresh, spans) in taken {
            fresh.state.write().expect("no panic while it was held").compacted_spans += spans;
        }
    }

    /// Takes a file out; it is deleted when the last one who reads it is done, see [`Self::sweep`].
    pub(crate) fn remove(&self, segment: &Arc<Segment>) {
        let mut files = self.files.write().expect("no panic while it was held");
        let removed = match segment.name.kind {
            Kind::Fresh => files.fresh.remove(&segment.number()),
            Kind::Compacted => files.compacted.remove(&segment.number()),
        };
        drop(files);
        removed.into_iter().for_each(|segment| self.leave(segment));
    }

    fn leave(&self, segment: Arc<Segment>) {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).push(segment);
    }

    /// How many files were taken out and are still read.
    pub(crate) fn leaving(&self) -> usize {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Deletes files that were taken out and that nobody reads any more; returns the bytes that returned to the disk.
    pub(crate) async fn sweep(&self) -> Result<u64, StoreError> {
        let gone: Vec<Arc<Segment>> = {
            let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
            let (gone, read) = std::mem::take(&mut *leaving).into_iter().partition(|s| Arc::strong_count(s) == 1);
            *leaving = read;
            gone
        };
        let mut bytes = 0;
        for segment in gone {
            bytes += size_bytes(&segment.path);
            segment.state.write().expect("no panic while it was held").deleted = true;
            segment.readers.close().await;
            // The database first: a log without one is swept at the next start, a database without its log would lose commits.
            for suffix in ["", "-wal", "-shm"] {
                let mut path = segment.path.as_os_str().to_owned();
                path.push(suffix);
                match std::fs::remove_file(&path) {
                    Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                        return Err(error::io(format!("delete {}", segment.path.display()))(source));
                    }
                    _ => {}
                }
            }
            open::sync_dir(&segment.name.kind.folder(&self.dir))?;
            tracing::debug!(segment.file = segment.file(), "file deleted");
        }
        Ok(bytes)
    }

    /// The file of the log that may take more blocks: the last one, unless a later one was lost.
    pub(crate) fn continued(&self, remembered: Watermark) -> Option<Arc<Segment>> {
        let files = self.files.read().expect("no panic while it was held");
        let (_, last) = files.fresh.last_key_value()?;
        (last.number() >= self.newest_fresh && last.end() >= remembered).then(|| Arc::clone(last))
    }

    /// The name after all of its kind that ever were in the directory.
    pub(crate) fn next(&self, kind: Kind) -> FileName {
        let files = self.files.read().expect("no panic while it was held");
        let (last, newest) = match kind {
            Kind::Fresh => (files.fresh.keys().last(), self.newest_fresh.max(files.through.segment)),
            Kind::Compacted => (files.compacted.keys().last(), self.newest_compacted),
        };
        FileName { kind, number: last.copied().unwrap_or(0).max(newest) + 1 }
    }
}

/// All files of a kind that can be opened, and the highest number of all of them.
async fn load_kind(dir: &Path, kind: Kind) -> Result<(BTreeMap<u32, Arc<Segment>>, u32), StoreError> {
    let mut segments = BTreeMap::new();
    let mut newest = 0;
    for number in numbers(&kind.folder(dir))? {
        newest = newest.max(number);
        let name = FileName { kind, number };
        match Segment::open(dir, name).await {
            Ok(segment) => {
                segments.insert(number, Arc::new(segment));
            }
            // One bad file must not take the others down with it; it stays where it is.
            Err(StoreError::Corrupt { what, why }) => {
                let file = name.path(dir);
                tracing::error!(segment.file = %file.display(), "a file of spans is left out: {what} is corrupt: {why}")
            }
            Err(error) => return Err(error),
        }
    }
    Ok((segments, newest))
}

/// Numbers of the files in the directory; logs whose segment was deleted go.
fn numbers(dir: &Path) -> Result<Vec<u32>, StoreError> {
    let Listed { numbers, logs } = list(dir)?;
    for (number, path) in logs {
        if !numbers.contains(&number) {
            std::fs::remove_file(&path).map_err(error::io(format!("delete {}", path.display())))?;
        }
    }
    Ok(numbers)
}

/// What is in a directory of files of blocks.
pub(crate) struct Listed {
    /// Of the files, ascending.
    pub(crate) numbers: Vec<u32>,
    /// Logs of SQLite, by the number of the file that they belong to.
    logs: Vec<(u32, PathBuf)>,
}

/// Changes nothing: another process may be about to create a file whose log is there already.
pub(crate) fn list(dir: &Path) -> Result<Listed, StoreError> {
    let failed = || error::io(format!("list {}", dir.display()));
    let mut numbers = Vec::new();
    let mut logs = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed())? {
        let path = entry.map_err(failed())?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Some((stem, rest)) = name.split_once('.') else { continue };
        let Ok(number) = stem.parse::<u32>() else { continue };
        match rest {
            "db" => numbers.push(number),
            // A crash between two deletions leaves these behind.
            "db-wal" | "db-shm" => logs.push((number, path)),
            _ => {}
        }
    }
    numbers.sort_unstable();
    Ok(Listed { numbers, logs })
}

/// A database file with its log. What cannot be read counts nothing: it may just have been deleted.
pub(crate) fn size_bytes(path: &Path) -> u64 {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    [path, Path::new(&log)]
        .into_iter()
        .filter_map(|path| std::fs::metadata(path).ok())
        .map(|metadata| metadata.len())
        .sum()
}
