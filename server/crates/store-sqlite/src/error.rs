//! What the driver says, in the terms of the storage traits.

use spillway_store::StoreError;

use crate::block::BlockError;

const SQLITE_CORRUPT: i32 = 11;
const SQLITE_FULL: i32 = 13;
const SQLITE_IOERR: i32 = 10;
const SQLITE_NOTADB: i32 = 26;

/// The primary result code of SQLite; `None` when the error did not come from it.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// True when it is unknown what reached the disk: after a failed fsync the page cache may say otherwise than the disk, so no later
/// success of the same file can be trusted.
pub(crate) fn in_doubt(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(SQLITE_IOERR | SQLITE_CORRUPT | SQLITE_NOTADB))
}

/// `action` completes "cannot …" and names the file.
pub(crate) fn sql(action: impl Into<String>) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| {
        let action = action.into();
        match primary_code(&error) {
            Some(SQLITE_FULL) => StoreError::Full { what: action },
            Some(SQLITE_CORRUPT | SQLITE_NOTADB) => StoreError::Corrupt { what: action, why: error.to_string() },
            _ => StoreError::Io { action, source: Box::new(error) },
        }
    }
}

/// `action` completes "cannot …" and names the file.
pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> StoreError {
    move |error| match error.kind() {
        std::io::ErrorKind::StorageFull => StoreError::Full { what: action.into() },
        _ => StoreError::Io { action: action.into(), source: Box::new(error) },
    }
}

/// `what` names file, table and row.
pub(crate) fn corrupt(what: impl Into<String>) -> impl FnOnce(BlockError) -> StoreError {
    move |error| StoreError::Corrupt { what: what.into(), why: error.to_string() }
}

/// What a file with a damaged page answers: `None`, so that the other files are served. The log names the file, and `spillway check` the page.
pub(crate) fn left_out<T>(answer: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(StoreError::Corrupt { what, why }) => {
            tracing::error!("a file of spans is damaged, the others are served: cannot {what}: {why}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The same failure for each write of a group.
pub(crate) fn copy(error: &StoreError) -> StoreError {
    match error {
        StoreError::Full { what } => StoreError::Full { what: what.clone() },
        StoreError::Io { action, source } => {
            StoreError::Io { action: action.clone(), source: source.to_string().into() }
        }
        StoreError::Corrupt { what, why } => StoreError::Corrupt { what: what.clone(), why: why.clone() },
        StoreError::TooNew { file, found, known } => {
            StoreError::TooNew { file: file.clone(), found: *found, known: *known }
        }
        StoreError::InvalidCursor => StoreError::InvalidCursor,
        StoreError::Conflict(text) => StoreError::Conflict(text.clone()),
    }
}
