//! Looks at everything that is stored, byte by byte, and names what is wrong: files, blocks, and what finds them. Changes nothing, and works
//! beside a server that writes: each file is read at one moment, and one that the server deletes meanwhile is left out.

use std::path::Path;

use spillway_store::StoreError;
use sqlx::{Connection as _, SqliteConnection};

use crate::{
    backup::{MANIFEST, Manifest},
    catalogue, connect, error,
    migrate::{self, Schema},
    segment::{FileName, Kind},
};

mod blocks;
mod filters;
mod traces;

/// What SQLite says of a broken file is cut off after so many lines: the first ones tell.
const MOST_LINES: usize = 20;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Below the data directory.
    pub file: String,
    /// Of the file; `None` when it is about the file itself.
    pub block: Option<u64>,
    /// What is wrong.
    pub what: String,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Files.
    pub files: u64,
    /// Blocks in them.
    pub blocks: u64,
    /// Spans in those that decode.
    pub spans: u64,
    /// Bytes of the files with their logs.
    pub bytes: u64,
    /// How much was found to be wrong.
    pub findings: u64,
}

/// Where what is found goes.
pub trait Listener {
    /// Something is wrong.
    fn found(&mut self, finding: Finding);

    /// A file comes next, so many of so many.
    fn file(&mut self, file: &str, number: usize, of: usize);
}

/// Checks a data directory, or a backup.
///
/// # Errors
/// [`StoreError::Conflict`] when it is neither, [`StoreError::TooNew`] when a newer program wrote it, [`StoreError::Io`] when it cannot be read.
/// What is damaged is no error.
pub async fn check(dir: &Path, listener: &mut dyn Listener) -> Result<Checked, StoreError> {
    if !dir.join("control.db").exists() && !dir.join(MANIFEST).exists() {
        return Err(StoreError::Conflict(format!("{} is no data directory: it has no control.db", dir.display())));
    }
    let mut files = vec![("control.db".to_owned(), Schema::Control), ("history.db".to_owned(), Schema::History)];
    for kind in [Kind::Fresh, Kind::Compacted] {
        let listed = catalogue::list(&kind.folder(dir))?;
        files.extend(listed.numbers.into_iter().map(|number| (FileName { kind, number }.below(), Schema::Segment)));
    }
    let mut report = Report { file: String::new(), checked: Checked::default(), listener };
    if dir.join(MANIFEST).exists() {
        let manifest = Manifest::read(dir)?;
        manifest.compare(dir, &mut |file, what| report.of_file(file, what)).await?;
    }
    let of = files.len();
    for ((file, schema), number) in files.into_iter().zip(1..) {
        report.listener.file(&file, number, of);
        let path = dir.join(&file);
        report.file = file;
        report.checked.files += 1;
        report.checked.bytes += catalogue::size_bytes(&path);
        match one(&path, schema, &mut report).await {
            Ok(()) => {}
            Err(StoreError::Corrupt { what, why }) => report.found(None, format!("cannot {what}: {why}")),
            // Of a running server: compaction took all of it over, or it became too old.
            Err(_) if schema == Schema::Segment && !path.exists() => report.checked.files -= 1,
            Err(error) => return Err(error),
        }
    }
    Ok(report.checked)
}

async fn one(path: &Path, schema: Schema, report: &mut Report<'_>) -> Result<(), StoreError> {
    let mut connection = connect::read_alone(path).await?;
    migrate::refuse_newer(&mut connection, schema, &path.display().to_string()).await?;
    let failed = || error::sql(format!("read {}", path.display()));
    // All statements see one moment of the file.
    let mut moment = connection.begin().await.map_err(failed())?;
    let lines: Vec<String> = sqlx::query_scalar("PRAGMA quick_check").fetch_all(&mut *moment).await.map_err(failed())?;
    for line in lines.into_iter().filter(|line| line != "ok").take(MOST_LINES) {
        report.found(None, line);
    }
    if schema == Schema::Segment {
        blocks::check(&mut moment, report).await?;
    }
    moment.rollback().await.map_err(failed())?;
    connection.close().await.map_err(failed())
}

/// What is found in one file after the other.
struct Report<'a> {
    file: String,
    checked: Checked,
    listener: &'a mut dyn Listener,
}

impl Report<'_> {
    fn found(&mut self, block: Option<u64>, what: impl Into<String>) {
        self.checked.findings += 1;
        self.listener.found(Finding { file: self.file.clone(), block, what: what.into() });
    }

    fn of_file(&mut self, file: &str, what: String) {
        self.checked.findings += 1;
        self.listener.found(Finding { file: file.to_owned(), block: None, what });
    }

    /// `what` completes "cannot … 000001.db".
    fn failed(&self, what: &str) -> impl FnOnce(sqlx::Error) -> StoreError + use<> {
        error::sql(format!("{what} of {}", self.file))
    }

    fn is_compacted(&self) -> bool {
        self.file.starts_with("segments/")
    }
}

/// All rows of a statement without parameters.
async fn rows<R>(
    connection: &mut SqliteConnection,
    report: &Report<'_>,
    what: &str,
    statement: &'static str,
) -> Result<Vec<R>, StoreError>
where
    R: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> + Send + Unpin,
{
    sqlx::query_as(statement).fetch_all(connection).await.map_err(report.failed(what))
}
