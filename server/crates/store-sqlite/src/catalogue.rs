//! Which segments there are. The directory is the catalogue: a file is a segment.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
};

use spillway_store::{StoreError, Watermark};

use crate::{error, segment::Segment};

/// All segments that can be read, by number.
pub(crate) struct Catalogue {
    /// No await happens while it is held: it guards the map only.
    segments: RwLock<BTreeMap<u32, Arc<Segment>>>,
    /// The highest number that was ever given, as far as anything remembers: of damaged files too.
    newest: u32,
}

impl Catalogue {
    /// `remembered` is where the projector has come to. A directory that lost its last segments must not give their numbers again:
    /// their successors would count as projected.
    pub(crate) async fn load(dir: &Path, remembered: Watermark) -> Result<Self, StoreError> {
        let mut segments = BTreeMap::new();
        let mut newest = remembered.segment;
        for number in numbers(dir)? {
            newest = newest.max(number);
            match Segment::open(dir, number).await {
                Ok(segment) => {
                    segments.insert(number, Arc::new(segment));
                }
                // One bad file must not take the others down with it; it stays where it is.
                Err(StoreError::Corrupt { what, why }) => {
                    tracing::error!(segment = number, "a segment is left out: {what} is corrupt: {why}")
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Self { segments: RwLock::new(segments), newest })
    }

    /// Oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<Segment>> {
        self.segments.read().expect("no panic while it was held").values().cloned().collect()
    }

    pub(crate) fn last(&self) -> Option<Arc<Segment>> {
        self.segments
            .read()
            .expect("no panic while it was held")
            .last_key_value()
            .map(|(_, segment)| Arc::clone(segment))
    }

    pub(crate) fn insert(&self, segment: Arc<Segment>) {
        self.segments.write().expect("no panic while it was held").insert(segment.number, segment);
    }

    pub(crate) fn remove(&self, number: u32) {
        self.segments.write().expect("no panic while it was held").remove(&number);
    }

    /// The segment that may take more blocks: the last one, unless a later one was lost.
    pub(crate) fn continued(&self, remembered: Watermark) -> Option<Arc<Segment>> {
        let place = |segment: &Segment| Watermark { segment: segment.number, block: segment.totals().last_block };
        self.last().filter(|last| last.number >= self.newest && place(last) >= remembered)
    }

    /// The number after all that ever were in the directory.
    pub(crate) fn next_number(&self) -> u32 {
        self.last().map_or(0, |segment| segment.number).max(self.newest) + 1
    }
}

/// The file of a segment.
pub(crate) fn path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:06}.db"))
}

/// Numbers of the files in the directory; logs whose segment was deleted go.
fn numbers(dir: &Path) -> Result<Vec<u32>, StoreError> {
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
            // A crash between two deletions of retention leaves these behind.
            "db-wal" | "db-shm" => logs.push((number, path)),
            _ => {}
        }
    }
    for (number, path) in logs {
        if !numbers.contains(&number) {
            std::fs::remove_file(&path).map_err(error::io(format!("delete {}", path.display())))?;
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
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
