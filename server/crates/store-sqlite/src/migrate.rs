//! Forward-only migrations, embedded from `/migrations`. `PRAGMA user_version` counts those that a file has.

use spillway_store::StoreError;
use sqlx::{Connection, SqliteConnection};

use crate::error;

/// Which of the three schemas a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    Control,
    History,
    Segment,
}

impl Schema {
    /// In order; a shipped file is never edited.
    fn migrations(self) -> &'static [&'static str] {
        match self {
            Self::Control => &[
                include_str!("../../../../migrations/control/0001_plugins.sql"),
                include_str!("../../../../migrations/control/0002_erasures.sql"),
                include_str!("../../../../migrations/control/0003_pins.sql"),
                include_str!("../../../../migrations/control/0004_backups.sql"),
                include_str!("../../../../migrations/control/0005_targets.sql"),
            ],
            Self::History => &[
                include_str!("../../../../migrations/history/0001_events.sql"),
                include_str!("../../../../migrations/history/0002_decisions.sql"),
                include_str!("../../../../migrations/history/0003_rollups.sql"),
                include_str!("../../../../migrations/history/0004_limits_and_changes.sql"),
            ],
            Self::Segment => &[include_str!("../../../../migrations/segment/0001_blocks.sql")],
        }
    }

    /// What this writes into a file's `user_version` after migration `n`. A table, because the pragma takes no parameter.
    fn set_version(version: usize) -> Option<&'static str> {
        const SET: [&str; 8] = [
            "PRAGMA user_version = 1",
            "PRAGMA user_version = 2",
            "PRAGMA user_version = 3",
            "PRAGMA user_version = 4",
            "PRAGMA user_version = 5",
            "PRAGMA user_version = 6",
            "PRAGMA user_version = 7",
            "PRAGMA user_version = 8",
        ];
        SET.get(version.checked_sub(1)?).copied()
    }
}

/// Brings a file to the newest schema, each step in a transaction of its own with the version that it reaches.
///
/// # Errors
/// [`StoreError::TooNew`] when a newer program wrote the file; it is left as it is.
pub(crate) async fn migrate(connection: &mut SqliteConnection, schema: Schema, file: &str) -> Result<(), StoreError> {
    let migrations = schema.migrations();
    let version = refuse_newer(connection, schema, file).await?;
    let done = usize::try_from(version).map_err(|_| StoreError::Corrupt {
        what: format!("the schema version of {file}"),
        why: format!("it is {version}"),
    })?;
    for (index, migration) in migrations.iter().enumerate().skip(done) {
        let failed = || format!("migrate {file} to version {}", index + 1);
        let set = Schema::set_version(index + 1)
            .expect("the table of versions is as long as the longest list: a test counts them");
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(error::sql(failed()))?;
        sqlx::raw_sql(*migration).execute(&mut *transaction).await.map_err(error::sql(failed()))?;
        sqlx::raw_sql(set).execute(&mut *transaction).await.map_err(error::sql(failed()))?;
        transaction.commit().await.map_err(error::sql(failed()))?;
    }
    Ok(())
}

/// The version of a file that has all migrations.
pub(crate) fn newest(schema: Schema) -> i64 {
    i64::try_from(schema.migrations().len()).expect("a handful of migrations")
}

/// Which version a file has.
///
/// # Errors
/// [`StoreError::TooNew`] when this program does not know it.
pub(crate) async fn refuse_newer(
    connection: &mut SqliteConnection,
    schema: Schema,
    file: &str,
) -> Result<i64, StoreError> {
    let found = user_version(connection, file).await?;
    let known = newest(schema);
    match found > known {
        true => Err(StoreError::TooNew { file: file.to_owned(), found, known }),
        false => Ok(found),
    }
}

async fn user_version(connection: &mut SqliteConnection, file: &str) -> Result<i64, StoreError> {
    sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(connection)
        .await
        .map_err(error::sql(format!("read the schema version of {file}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_has_a_version_to_write() {
        for schema in [Schema::Control, Schema::History, Schema::Segment] {
            assert!(Schema::set_version(schema.migrations().len()).is_some(), "{schema:?}");
        }
    }
}
