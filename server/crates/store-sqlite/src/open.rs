//! Opening a data directory: lock, version, migrations, segments.

use std::{
    fs::{File, TryLockError},
    path::Path,
    sync::Arc,
    time::Duration,
};

use spillway_store::StoreError;
use sqlx::SqliteConnection;
use tokio::sync::Mutex;

use crate::{
    SqliteStore, SqliteWriter, backup,
    catalogue::Catalogue,
    connect::{self, Purpose, WriterConnection},
    error,
    filesystem::{self, NetworkFilesystem},
    gate::Gate,
    migrate::{self, Schema},
    retention::KeepShare,
    rollups,
    segment::Kind,
    store::{Database, Inner},
};

/// 3.7.0 to 3.51.2 can corrupt a write-ahead log that several connections use.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// What a commit waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::manual_non_exhaustive, reason = "the hidden variant is a real one")]
pub enum Synchronous {
    /// Until the disk has it.
    #[default]
    Full,
    /// For nothing. Loses acknowledged writes when the machine stops: only there so that a test of durability can be seen to fail.
    #[doc(hidden)]
    Off,
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// What a commit waits for.
    pub synchronous: Synchronous,
    /// Whether the directory may be where locks and syncs cannot be relied on.
    pub network_filesystem: NetworkFilesystem,
    /// A compacted file that has grown to this is closed.
    pub segment_bytes: u64,
    /// A compacted file whose first spans arrived longer ago than this is closed.
    pub segment_age: Duration,
    /// A file of the log that has grown to this is closed; it is deleted when all of it is compacted.
    pub fresh_bytes: u64,
    /// A file of the log whose first spans arrived longer ago than this is closed.
    pub fresh_age: Duration,
    /// Rollups are held in memory this long before they are written; what is not written yet is not compacted.
    pub rollups_held: Duration,
    /// Spans are compacted when they arrived longer ago than this: traces are whole by then, and no replay wants them any more.
    pub compact_after: Duration,
    /// How many spans are compacted at a time, if as many wait: decoded they take some 400 bytes each.
    pub compact_spans: usize,
    /// Spans that wait longer than this are compacted however few there are.
    pub compact_within: Duration,
    /// What outlives the retention by age in traces that failed, were slow or were shed; `None`: nothing does.
    pub keep: Option<KeepShare>,
    /// Blocks whose trace index is kept in memory, 2 kB each, before it is written as a sorted run.
    pub blocks_a_run: usize,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            synchronous: Synchronous::Full,
            network_filesystem: NetworkFilesystem::Refuse,
            segment_bytes: 1 << 30,
            segment_age: Duration::from_secs(24 * 3600),
            fresh_bytes: 64 << 20,
            fresh_age: Duration::from_secs(3600),
            // Each bucket of the resolution of ten seconds is written about twice then.
            rollups_held: Duration::from_secs(10),
            // The live map is rebuilt from the last 60 s, and the pairing is warmed up with 60 s.
            compact_after: Duration::from_secs(90),
            compact_spans: 1 << 16,
            compact_within: Duration::from_secs(600),
            keep: None,
            blocks_a_run: 1_024,
        }
    }
}

impl SqliteStore {
    /// Opens the store in `dir`, and creates what is missing. There is one writer.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when another process has it open, or it is on a network filesystem; [`StoreError::TooNew`] when a newer program wrote it.
    pub async fn open(dir: impl AsRef<Path>, options: OpenOptions) -> Result<(Self, SqliteWriter), StoreError> {
        let dir = dir.as_ref();
        create_private(dir)?;
        filesystem::assert_local(dir, options.network_filesystem)?;
        for kind in [Kind::Fresh, Kind::Compacted] {
            create_private(&kind.folder(dir))?;
        }
        let lock = lock(dir)?;
        refuse_unfinished(dir)?;
        let control = open_rows(&dir.join("control.db"), Schema::Control, options.synchronous, 2).await?;
        let history = open_rows(&dir.join("history.db"), Schema::History, options.synchronous, 4).await?;
        let remembered = rollups::projected(&history).await?.unwrap_or_default();
        let catalogue = Catalogue::load(dir, remembered).await?;
        // A backup may be copying what a crash left behind: then the first compaction deletes it.
        if let Some(_pass) = Gate::of_compaction(dir).pass()? {
            catalogue.sweep().await?;
        }
        for kind in [Kind::Fresh, Kind::Compacted] {
            sync_dir(&kind.folder(dir))?;
        }
        sync_dir(dir)?;
        let inner = Arc::new(Inner::new(dir.to_owned(), options.clone(), lock, control, history, catalogue));
        let writer = SqliteWriter::open(Arc::clone(&inner), options, remembered).await?;
        Ok((Self::new(inner), writer))
    }
}

/// Only the owner may look into it: traces carry what users did.
pub(crate) fn create_private(dir: &Path) -> Result<(), StoreError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(error::io(format!("create the directory {}", dir.display())))
}

pub(crate) fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join("lock");
    let file = File::create(&path).map_err(error::io(format!("create {}", path.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(StoreError::Conflict(format!("the data directory {} is in use by another process", dir.display())))
        }
        Err(TryLockError::Error(source)) => Err(error::io(format!("lock {}", path.display()))(source)),
    }
}

/// A restore that was stopped leaves files of the backup and of before side by side.
fn refuse_unfinished(dir: &Path) -> Result<(), StoreError> {
    if dir.join(backup::UNFINISHED).exists() {
        return Err(StoreError::Conflict(format!(
            "a restore to {} was stopped before its end: run `spillway restore --force` again",
            dir.display()
        )));
    }
    Ok(())
}

/// Makes new and deleted names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(error::io(format!("sync the directory {}", dir.display())))
}

async fn open_rows(
    path: &Path,
    schema: Schema,
    synchronous: Synchronous,
    readers: u32,
) -> Result<Database, StoreError> {
    let file = path.display().to_string();
    let mut writer = WriterConnection::open(path, Purpose::Rows, synchronous).await?;
    assert_version(writer.statement()).await?;
    keep_old(writer.statement(), schema, path).await?;
    migrate::migrate(writer.statement(), schema, &file).await?;
    Ok(Database { path: path.to_owned(), writer: Mutex::new(writer), readers: connect::readers(path, readers) })
}

/// Copies a file before a migration changes it: the way back to the release before. Only the small ones: files of spans are never migrated
/// in place, a new layout comes with new files.
async fn keep_old(connection: &mut SqliteConnection, schema: Schema, path: &Path) -> Result<(), StoreError> {
    let version = migrate::refuse_newer(connection, schema, &path.display().to_string()).await?;
    let (Some(dir), Some(stem)) = (path.parent(), path.file_stem()) else { return Ok(()) };
    let backups = dir.join("backups");
    let copy = backups.join(format!("{}-schema-{version}.db", stem.display()));
    // A new file has nothing to keep. When a migration was stopped before its end, the first copy is the right one.
    if version == 0 || version == migrate::newest(schema) || copy.exists() {
        return Ok(());
    }
    create_private(&backups)?;
    let unfinished = copy.with_extension("new");
    let failed = || error::io(format!("write {}", copy.display()));
    if unfinished.exists() {
        std::fs::remove_file(&unfinished).map_err(failed())?;
    }
    sqlx::query("VACUUM INTO ?")
        .bind(unfinished.display().to_string())
        .execute(connection)
        .await
        .map_err(error::sql(format!("copy {} before its migration", path.display())))?;
    File::open(&unfinished).and_then(|file| file.sync_all()).map_err(failed())?;
    std::fs::rename(&unfinished, &copy).map_err(failed())?;
    sync_dir(&backups)?;
    sync_dir(dir)?;
    tracing::info!(copy = %copy.display(), "a file of an older release is migrated, and was copied before");
    Ok(())
}

async fn assert_version(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(connection)
        .await
        .map_err(error::sql("ask SQLite for its version"))?;
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    if (next(), next(), next()) < OLDEST_SQLITE {
        return Err(StoreError::Conflict(format!(
            "SQLite {version} can corrupt its log, 3.51.3 or newer is needed: build with the bundled one"
        )));
    }
    Ok(())
}
