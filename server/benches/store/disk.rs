//! The disk below the server: space, the price of a sync, and forgetting what is cached.

use std::{
    fs::File,
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Instant,
};

/// Space that files take, as `du` counts it.
#[derive(Clone, Copy, Default)]
pub struct Space {
    pub all: u64,
    /// Of it: databases of spans, as they came and compacted.
    pub segments: u64,
    /// Of it: write-ahead logs, whose space is used again.
    pub logs: u64,
}

/// Every file below a folder; one that vanishes meanwhile is left out.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}

/// What a folder takes on the disk.
pub fn space(folder: &Path) -> Space {
    let mut space = Space::default();
    for path in files(folder) {
        let Ok(metadata) = path.metadata() else { continue };
        let bytes = metadata.blocks() * 512;
        space.all += bytes;
        let name = path.to_string_lossy();
        if name.ends_with("-wal") {
            space.logs += bytes;
        } else if name.contains("/segments/") || name.contains("/fresh/") {
            space.segments += bytes;
        }
    }
    space
}

/// Milliseconds that a 4 KiB write and its `fdatasync` take, sorted: what no durable acknowledgement can be faster than.
pub fn sync_ms(folder: &Path, times: usize) -> Vec<f64> {
    let path = folder.join("sync-probe");
    let mut file = File::create(&path).unwrap();
    let mut took: Vec<f64> = (0..times)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&[7; 4_096]).unwrap();
            file.sync_data().unwrap();
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    std::fs::remove_file(path).unwrap();
    took.sort_by(f64::total_cmp);
    took
}

/// Asks the kernel to drop what it caches of the folder's files. Needs no special rights, but pages that a process has mapped
/// stay, and what the server itself caches as well.
pub fn forget(folder: &Path) {
    for path in files(folder) {
        if let Ok(file) = File::open(&path) {
            // Dirty pages cannot be dropped. After settling there are few.
            let _ = rustix::fs::fdatasync(&file);
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        }
    }
}
