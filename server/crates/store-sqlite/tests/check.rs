//! Whatever is damaged is found and named with its file and block; what is sound is not complained about.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{path::Path, sync::Arc};

use spillway_store::{
    Compaction, Projector, RequestDigest, StoreError, Write, WriteOutcome, Writer,
    contract::{generate, rollups::Silent},
};
use spillway_store_sqlite::{
    OpenOptions, SqliteStore, SqliteWriter,
    backup::{self, Made},
    check::{Checked, Finding, Listener, check},
};
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};

const SECOND: i64 = 1_000_000_000;

#[derive(Default)]
struct Found(Vec<Finding>);

impl Listener for Found {
    fn found(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    fn file(&mut self, _: &str, _: usize, _: usize) {}
}

async fn checked(dir: &Path) -> (Checked, Vec<String>) {
    let mut found = Found::default();
    let checked = check(dir, &mut found).await.unwrap();
    assert_eq!(checked.findings, found.0.len() as u64);
    let line = |Finding { file, block, what }| match block {
        Some(block) => format!("{file} block {block}: {what}"),
        None => format!("{file}: {what}"),
    };
    (checked, found.0.into_iter().map(line).collect())
}

/// Compacted files, merged runs among them, and a log with runs and without.
async fn filled(dir: &Path) -> (SqliteStore, SqliteWriter) {
    let options = OpenOptions {
        compact_spans: 500,
        segment_bytes: 300_000,
        fresh_bytes: 100_000,
        blocks_a_run: 3,
        ..OpenOptions::default()
    };
    let (store, mut writer) = SqliteStore::open(dir, options).await.unwrap();
    for number in 1..=40 {
        let batch = Arc::new(generate::realistic_batch(u64::from(number), 400));
        let received_at_ns = SECOND * i64::from(number);
        let write = Write::Spans { digest: RequestDigest([number; 32]), batch, received_at_ns };
        assert!(matches!(writer.commit(&[write]).await.remove(0).unwrap(), WriteOutcome::Stored { .. }));
    }
    while !store.project(&mut Silent, usize::MAX).await.unwrap().caught_up {}
    store.flush().await.unwrap();
    while store.compact(120 * SECOND).await.unwrap().spans > 0 {}
    (store, writer)
}

async fn execute(path: &Path, statement: &'static str) {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn copied(from: &Path, to: &Path) {
    for folder in ["", "fresh", "segments"] {
        std::fs::create_dir_all(to.join(folder)).unwrap();
        for entry in std::fs::read_dir(from.join(folder)).unwrap().map(Result::unwrap) {
            // A log may go in this moment, with the last connection of a store that was closed.
            let copied = entry.file_type().is_ok_and(|kind| kind.is_file())
                && std::fs::copy(entry.path(), to.join(folder).join(entry.file_name())).is_ok();
            let name = entry.file_name().into_string().unwrap();
            assert!(copied || !name.ends_with(".db"), "{name} was not copied");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_directory_is_not_complained_about_open_closed_or_backed_up() {
    let (dir, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, writer) = filled(dir.path()).await;

    let (open, lines) = checked(dir.path()).await;
    assert!(lines.is_empty(), "{lines:#?}");
    assert!(open.files > 5 && open.blocks > 20 && open.spans > 10_000, "{open:?}");
    backup::backup(dir.path(), target.path(), Made { at_ns: 0, version: "0" }, &mut |_| {}).await.unwrap();
    writer.close().await.unwrap();
    store.close().await;
    for dir in [dir.path(), target.path()] {
        let (closed, lines) = checked(dir).await;
        assert!(lines.is_empty(), "{lines:#?}");
        assert_eq!((closed.files, closed.blocks, closed.spans), (open.files, open.blocks, open.spans));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_damage_is_named_with_its_file_and_block() {
    let sound = tempfile::tempdir().unwrap();
    let (store, writer) = filled(sound.path()).await;
    writer.close().await.unwrap();
    store.close().await;
    let log =
        std::fs::read_dir(sound.path().join("fresh")).unwrap().map(|entry| entry.unwrap().file_name()).min().unwrap();
    let log = format!("fresh/{}", log.into_string().unwrap());
    let compacted = "segments/000001.db".to_owned();
    let cases: &[(&str, &'static str, &str)] = &[
        (
            &compacted,
            "UPDATE block_data SET data = CAST(SUBSTR(data, 1, 99) || X'55' || SUBSTR(data, 101) AS BLOB) WHERE block = 2",
            " block 2: checksum ",
        ),
        (
            &log,
            "UPDATE block_data SET data = CAST(SUBSTR(data, 1, 99) || X'55' || SUBSTR(data, 101) AS BLOB)",
            ": checksum ",
        ),
        (&compacted, "DELETE FROM block_data WHERE block = 3", " block 3: its spans are missing"),
        (
            &compacted,
            "UPDATE block SET summary = (SELECT summary FROM block WHERE id = 1) WHERE id = 2",
            " block 2: its summary is not that",
        ),
        (&compacted, "UPDATE block SET span_count = span_count + 1 WHERE id = 2", " block 2: it has "),
        (&compacted, "UPDATE block SET start_max_ns = start_max_ns - 1 WHERE id = 2", " block 2: its times"),
        (&compacted, "DELETE FROM service WHERE id = 1", " of its operations and services are not listed"),
        (&compacted, "DELETE FROM operation WHERE id = 1", " of its operations and services are not listed"),
        (&compacted, "UPDATE total SET spans = spans - 1", ": it has "),
        (&compacted, "DELETE FROM trace_run WHERE first_block = 1", " block 1: "),
        (
            &compacted,
            "UPDATE trace_page SET entries = X'85' WHERE run = (SELECT MIN(run) FROM trace_page)",
            "of its trace index is damaged",
        ),
        (
            &compacted,
            "UPDATE trace_page SET first_hash = first_hash + 1 WHERE run = (SELECT MIN(run) FROM trace_page)",
            "of its trace index is damaged",
        ),
        (
            &log,
            "UPDATE block_traces SET hashes = SUBSTR(hashes, 5); DELETE FROM trace_page",
            "are not in the trace index",
        ),
        (
            &compacted,
            "UPDATE filter_slot SET bits = ZEROBLOB(LENGTH(bits)) WHERE slot = 0 AND first_block = 1",
            " block 1: its filter denies ",
        ),
        (&compacted, "DELETE FROM filter_group WHERE first_block = 1", " block 1: it has no filter"),
        (
            &compacted,
            "INSERT INTO damaged VALUES (7, 9, 'checksum', X'00')",
            ": block 9 of fresh/000007.db was damaged",
        ),
    ];
    for (file, damage, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        copied(sound.path(), dir.path());
        execute(&dir.path().join(file), damage).await;

        let (_, lines) = checked(dir.path()).await;

        assert!(lines.iter().all(|line| line.starts_with(file)), "{damage}: {lines:#?}");
        assert!(lines.iter().any(|line| line.contains(expected)), "{damage}: {lines:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_on_the_disk_is_found() {
    let sound = tempfile::tempdir().unwrap();
    let (store, writer) = filled(sound.path()).await;
    writer.close().await.unwrap();
    store.close().await;
    let bytes = std::fs::read(sound.path().join("segments/000001.db")).unwrap();
    // In the header of the file, and in blocks: not in what pages leave free, where it would mean nothing.
    let blocks: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(b"SPWB")).collect();
    for at in [20, blocks[blocks.len() / 2] + 9, blocks[blocks.len() - 1] + 50] {
        let dir = tempfile::tempdir().unwrap();
        copied(sound.path(), dir.path());
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        std::fs::write(dir.path().join("segments/000001.db"), &flipped).unwrap();

        let (_, lines) = checked(dir.path()).await;

        assert!(lines.len() == 1 && lines[0].starts_with("segments/000001.db"), "byte {at}: {lines:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_changed_and_what_is_no_data_are_told_apart() {
    let (dir, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_store, _writer) = filled(dir.path()).await;
    backup::backup(dir.path(), target.path(), Made { at_ns: 0, version: "0" }, &mut |_| {}).await.unwrap();
    execute(&target.path().join("history.db"), "DELETE FROM projection").await;

    let (_, lines) = checked(target.path()).await;
    assert!(lines.len() == 1 && lines[0].starts_with("history.db: its SHA-256 is "), "{lines:#?}");
    let empty = tempfile::tempdir().unwrap();
    let refused = check(empty.path(), &mut Found::default()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict(_)), "{refused}");
    execute(&dir.path().join("control.db"), "PRAGMA user_version = 99").await;
    let refused = check(dir.path(), &mut Found::default()).await.unwrap_err();
    assert!(matches!(refused, StoreError::TooNew { .. }), "{refused}");
}
