//! A restore changes nothing unless the backup is whole, and deletes nothing at all.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{collections::BTreeMap, path::Path, sync::Arc};

use spillway_model::identity::TraceId;
use spillway_store::{RequestDigest, SpanReader, StoreError, Write, WriteOutcome, Writer, contract::generate};
use spillway_store_sqlite::{
    OpenOptions, SqliteStore,
    backup::{self, Existing, MANIFEST, Made, Restored},
};

/// A closed directory with one request; a trace of it.
async fn filled(dir: &Path, number: u8) -> TraceId {
    let (store, mut writer) = SqliteStore::open(dir, OpenOptions::default()).await.unwrap();
    let batch = generate::realistic_batch(u64::from(number), 100);
    let trace = batch.spans.trace_id[50];
    let write = Write::Spans { digest: RequestDigest([number; 32]), batch: Arc::new(batch), received_at_ns: 1 };
    assert!(matches!(writer.commit(&[write]).await.remove(0).unwrap(), WriteOutcome::Stored { .. }));
    writer.close().await.unwrap();
    store.close().await;
    trace
}

async fn has(dir: &Path, trace: TraceId) -> bool {
    let (store, _writer) = SqliteStore::open(dir, OpenOptions::default()).await.unwrap();
    store.trace(trace).await.unwrap().is_some()
}

async fn backed_up(dir: &Path, target: &Path) {
    backup::backup(dir, target, Made { at_ns: 5_000_000, version: "0" }, &mut |_| {}).await.unwrap();
}

fn restore(source: &Path, target: &Path, existing: Existing<'_>) -> Result<Restored, StoreError> {
    backup::restore(source, target, existing, &mut |_| {})
}

/// All files with their bytes, but locks, and the logs that go when the last thread of a closed store ends.
fn content(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            all.extend(content(&entry.path()).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else if !name.starts_with("lock") && !name.ends_with("-wal") && !name.ends_with("-shm") {
            all.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_restored_where_nothing_is_and_beside_what_was_there_when_asked_to() {
    let [first, second, target] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let old = filled(first.path(), 1).await;
    backed_up(first.path(), target.path()).await;
    let new = filled(second.path(), 2).await;
    let empty = second.path().join("empty");

    let restored = restore(target.path(), &empty, Existing::Keep).unwrap();
    assert!(restored.moved_to.is_none() && restored.manifest.created_unix_ms == 5);
    assert!(has(&empty, old).await);
    std::fs::remove_dir_all(&empty).unwrap();

    let before = content(second.path());
    let refused = restore(target.path(), second.path(), Existing::Keep).unwrap_err().to_string();
    assert!(refused.contains("is not empty") && content(second.path()) == before, "{refused}");

    let restored = restore(target.path(), second.path(), Existing::MoveTo("before")).unwrap();
    assert_eq!(restored.moved_to, Some(second.path().join("before")));
    assert!(content(&second.path().join("before")) == before);
    assert!(has(second.path(), old).await && !has(second.path(), new).await);
    assert!(has(&second.path().join("before"), new).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_is_refused_and_nothing_is_changed() {
    let [first, second] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    filled(first.path(), 1).await;
    filled(second.path(), 2).await;
    let before = content(second.path());
    /// What happens to the backup, and what is said of it.
    type Case = (&'static str, fn(&Path), &'static str);
    let cases: [Case; 4] = [
        (
            "fresh/000001.db",
            |file| {
                let mut bytes = std::fs::read(file).unwrap();
                bytes[5_000] ^= 1;
                std::fs::write(file, bytes).unwrap();
            },
            "its SHA-256 is",
        ),
        ("history.db", |file| std::fs::write(file, "short").unwrap(), "it has 5 bytes"),
        ("control.db", |file| std::fs::remove_file(file).unwrap(), "it is missing"),
        (MANIFEST, |file| std::fs::remove_file(file).unwrap(), "is no complete backup"),
    ];
    for (file, damage, expected) in cases {
        let target = tempfile::tempdir().unwrap();
        backed_up(first.path(), target.path()).await;
        damage(&target.path().join(file));

        let refused = restore(target.path(), second.path(), Existing::MoveTo("before")).unwrap_err().to_string();

        assert!(refused.contains(expected), "{refused}");
        assert!(content(second.path()) == before, "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_in_use_and_one_half_restored_are_refused() {
    let [first, second, target] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let trace = filled(first.path(), 1).await;
    backed_up(first.path(), target.path()).await;

    let (store, writer) = SqliteStore::open(second.path(), OpenOptions::default()).await.unwrap();
    let refused = restore(target.path(), second.path(), Existing::MoveTo("before")).unwrap_err().to_string();
    assert!(refused.contains("in use by another process"), "{refused}");
    writer.close().await.unwrap();
    store.close().await;

    let half = tempfile::tempdir().unwrap();
    std::fs::create_dir(half.path().join("restoring")).unwrap();
    let refused = SqliteStore::open(half.path(), OpenOptions::default()).await.err().unwrap().to_string();
    assert!(refused.contains("was stopped before its end"), "{refused}");
    restore(target.path(), half.path(), Existing::MoveTo("before")).unwrap();
    assert!(has(half.path(), trace).await);
}
