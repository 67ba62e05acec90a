//! Which filesystems may hold the data.
//!
//! SQLite's write-ahead log shares memory between connections and trusts locks and syncs. Network filesystems, and what is mounted from user space or from a
//! virtual machine's host, often have none of the three, and lose or mix up data without an error (<https://sqlite.org/wal.html>, "All processes
//! using a database must be on the same host computer"; <https://sqlite.org/howtocorrupt.html>, 2.1).

use std::path::Path;

use spillway_store::StoreError;

use crate::error;

/// What to do with a data directory on such a filesystem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkFilesystem {
    /// It is not opened.
    #[default]
    Refuse,
    /// Whoever runs it knows that locks, shared memory and syncs work there.
    Allow,
}

/// The name of a filesystem that cannot be trusted, by its magic number (`statfs(2)`, `linux/magic.h`).
fn unsafe_name(magic: u32) -> Option<&'static str> {
    match magic {
        0x6969 => Some("NFS"),
        0x517B | 0xFF53_4D42 | 0xFE53_4D42 => Some("SMB"),
        0x6573_5546 => Some("FUSE"),
        0x0102_1997 => Some("9P"),
        _ => None,
    }
}

fn decide(dir: &Path, magic: u32, network: NetworkFilesystem) -> Result<(), StoreError> {
    match (unsafe_name(magic), network) {
        (None, _) => Ok(()),
        (Some(name), NetworkFilesystem::Refuse) => Err(StoreError::Conflict(format!(
            "the data directory {} is on {name}, where locks and syncs cannot be relied on: use a local disk, or set \
             `allow_network_filesystem` and risk lost or damaged data",
            dir.display()
        ))),
        (Some(name), NetworkFilesystem::Allow) => {
            tracing::warn!(
                data.dir = %dir.display(),
                "the data is on {name}, as `allow_network_filesystem` allows: it can be lost or damaged"
            );
            Ok(())
        }
    }
}

/// Looks at where the directory is.
///
/// # Errors
/// [`StoreError::Conflict`] that names the filesystem and the setting.
#[cfg(target_os = "linux")]
pub(crate) fn assert_local(dir: &Path, network: NetworkFilesystem) -> Result<(), StoreError> {
    let stat = rustix::fs::statfs(dir)
        .map_err(|errno| error::io(format!("ask for the filesystem of {}", dir.display()))(errno.into()))?;
    // The numbers have 32 bits; the field is signed, and its width depends on the processor.
    decide(dir, stat.f_type as u32, network)
}

/// Other systems have other numbers: nothing is known of them.
#[cfg(not(target_os = "linux"))]
pub(crate) fn assert_local(dir: &Path, network: NetworkFilesystem) -> Result<(), StoreError> {
    decide(dir, 0, network)
}

/// What it would still take from somebody without privileges; `None` when it does not say.
#[cfg(unix)]
pub(crate) fn free_bytes(dir: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(dir).ok()?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

/// Other systems have other calls.
#[cfg(not(unix))]
pub(crate) fn free_bytes(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn data_on_a_network_is_refused_by_name_unless_that_is_allowed() {
        let dir = Path::new("/data");
        let cases = [
            (0x6969, "NFS"),
            (0x517B, "SMB"),
            (0xFF53_4D42, "SMB"),
            (0xFE53_4D42, "SMB"),
            (0x6573_5546, "FUSE"),
            (0x0102_1997, "9P"),
        ];
        for (magic, name) in cases {
            let refused = decide(dir, magic, NetworkFilesystem::Refuse).unwrap_err().to_string();
            assert!(refused.contains(&format!("/data is on {name},")), "{refused}");
            assert!(refused.contains("allow_network_filesystem"), "{refused}");
            assert!(decide(dir, magic, NetworkFilesystem::Allow).is_ok());
        }
    }

    /// ext4, XFS, Btrfs, tmpfs, overlayfs (a container without a volume) and ZFS.
    #[test]
    fn local_disks_are_accepted() {
        for magic in [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0x2FC1_2FC1] {
            assert!(decide(Path::new("/data"), magic, NetworkFilesystem::Refuse).is_ok(), "{magic:x}");
        }
        assert!(assert_local(&std::env::temp_dir(), NetworkFilesystem::Refuse).is_ok());
    }
}
