//! A backup of a store that is being written holds everything that was acknowledged before it began, once.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{collections::BTreeSet, path::Path, sync::Arc};

use spillway_model::identity::TraceId;
use spillway_store::{
    BackupLog, BackupNote, Compaction, MOST_BACKUPS, Projector, RequestDigest, Retention, SpanReader, StoreError,
    Write, WriteOutcome, Writer,
    contract::{generate, rollups::Silent},
};
use spillway_store_sqlite::{
    OpenOptions, SqliteStore, SqliteWriter,
    backup::{self, MANIFEST, Made, Manifest},
    backups,
};

const SECOND: i64 = 1_000_000_000;
const MADE: Made<'static> = Made { at_ns: 1_790_000_000 * SECOND, version: "0.1.0" };

/// Several files of each kind.
fn options() -> OpenOptions {
    OpenOptions { compact_spans: 1_000, segment_bytes: 100_000, fresh_bytes: 100_000, ..OpenOptions::default() }
}

/// A request a second; its traces.
async fn commit(writer: &mut SqliteWriter, number: u8) -> BTreeSet<TraceId> {
    let batch = generate::realistic_batch(u64::from(number), 400);
    let traces = batch.spans.trace_id.iter().copied().collect();
    let received_at_ns = SECOND * i64::from(number);
    let write = Write::Spans { digest: RequestDigest([number; 32]), batch: Arc::new(batch), received_at_ns };
    assert!(matches!(writer.commit(&[write]).await.remove(0).unwrap(), WriteOutcome::Stored { .. }));
    traces
}

async fn project(store: &SqliteStore) {
    while !store.project(&mut Silent, usize::MAX).await.unwrap().caught_up {}
    store.flush().await.unwrap();
}

async fn spans(store: &SqliteStore, traces: &BTreeSet<TraceId>) -> usize {
    let mut all = 0;
    for &trace in traces {
        all += store.trace(trace).await.unwrap().unwrap_or_else(|| panic!("{trace} is gone")).len();
    }
    all
}

async fn made(source: &Path, target: &Path) -> Result<Manifest, StoreError> {
    backup::backup(source, target, MADE, &mut |_| {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_during_ingest_and_compaction_holds_what_was_acknowledged_before() {
    let (dir, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, mut writer) = SqliteStore::open(dir.path(), options()).await.unwrap();
    let mut before = BTreeSet::new();
    for number in 1..=20 {
        before.extend(commit(&mut writer, number).await);
    }
    project(&store).await;
    assert!(store.compact(110 * SECOND).await.unwrap().spans > 0);
    let expected = spans(&store, &before).await;

    let compacting = tokio::spawn({
        let store = store.clone();
        async move {
            for number in 21..=60 {
                commit(&mut writer, number).await;
                project(&store).await;
                store.compact(150 * SECOND).await.unwrap();
            }
            writer
        }
    });
    let manifest = made(dir.path(), target.path()).await.unwrap();
    drop(compacting.await.unwrap());

    assert_eq!(Manifest::read(target.path()).unwrap(), manifest);
    assert!(manifest.files.len() > 4 && manifest.files.iter().all(|file| !file.damaged), "{manifest:?}");
    let (copy, _writer) = SqliteStore::open(target.path(), options()).await.unwrap();
    assert_eq!(spans(&copy, &before).await, expected);
    project(&copy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_compacted_or_deleted_while_files_are_copied() {
    let (dir, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, mut writer) = SqliteStore::open(dir.path(), options()).await.unwrap();
    for number in 1..=20 {
        commit(&mut writer, number).await;
    }
    project(&store).await;
    while store.compact(108 * SECOND).await.unwrap().spans > 0 {}
    let (mut compacted, mut deleted) = (Vec::new(), Vec::new());

    let manifest = backup::backup(dir.path(), target.path(), MADE, &mut |progress| {
        let (spans, report) = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let step = store.compact(2_000 * SECOND).await.unwrap();
                (step.spans, store.expire(15 * SECOND, 0).await.unwrap())
            })
        });
        compacted.push((progress.file.path.clone(), spans));
        deleted.push(report.segments);
    })
    .await
    .unwrap();

    // Compaction goes on once the log is copied, retention not before the end.
    let going_on = compacted.iter().position(|(_, spans)| *spans > 0).unwrap();
    assert!(compacted[going_on - 1].0 == "control.db" && manifest.files.len() > 4, "{compacted:?}");
    assert!(deleted.iter().all(|segments| *segments == 0), "{deleted:?}");
    assert!(store.expire(15 * SECOND, 0).await.unwrap().segments > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_does_not_go_where_something_is_nor_come_from_where_nothing_is() {
    let (dir, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let _open = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();
    std::fs::write(target.path().join("a"), "b").unwrap();

    let refused = made(dir.path(), target.path()).await.unwrap_err().to_string();
    assert!(refused.contains("is not empty"), "{refused}");
    let refused = made(target.path(), &dir.path().join("new")).await.unwrap_err().to_string();
    assert!(refused.contains("is no data directory"), "{refused}");
    let refused = Manifest::read(target.path()).unwrap_err().to_string();
    assert!(refused.contains(MANIFEST), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_is_copied_as_it_is_and_named() {
    let (dir, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, mut writer) = SqliteStore::open(dir.path(), options()).await.unwrap();
    let traces = commit(&mut writer, 1).await;
    writer.close().await.unwrap();
    store.close().await;
    std::fs::write(dir.path().join("segments/000001.db"), vec![7; 8_192]).unwrap();

    let manifest = made(dir.path(), target.path()).await.unwrap();

    let damaged: Vec<&str> = manifest.files.iter().filter(|file| file.damaged).map(|file| file.path.as_str()).collect();
    assert_eq!(damaged, ["segments/000001.db"]);
    let (copy, _writer) = SqliteStore::open(target.path(), options()).await.unwrap();
    assert!(spans(&copy, &traces).await > 0);
}

#[test]
fn a_manifest_that_names_a_file_elsewhere_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for path in ["../a.db", "/etc/passwd", "fresh/../../a", "fresh//a", "", ".", "segments/.."] {
        let file = format!(r#"{{ "path": "{path}", "bytes": 1, "sha256": "" }}"#);
        let json = format!(
            r#"{{ "format": 1, "version": "0", "created_unix_ms": 0, "log": {{ "file": 0, "block": 0 }}, "files": [{file}] }}"#
        );
        std::fs::write(dir.path().join(MANIFEST), json).unwrap();
        assert!(matches!(Manifest::read(dir.path()), Err(StoreError::Corrupt { .. })), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_noted_with_its_newest_arrival_and_the_notes_are_bounded() {
    let [source, target] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let (store, mut writer) = SqliteStore::open(source.path(), options()).await.unwrap();
    for number in 1..=3 {
        commit(&mut writer, number).await;
    }
    let manifest = made(source.path(), &target.path().join("backup")).await.unwrap();
    assert_eq!(manifest.newest_arrival_unix_ns, Some(3 * SECOND));

    let note = |number: usize| BackupNote {
        path: format!("/backups/{number}"),
        made_at_ns: number as i64,
        newest_ns: manifest.newest_arrival_unix_ns,
    };
    for number in 0..=MOST_BACKUPS {
        assert!(backups::note(source.path(), &note(number)).await.unwrap());
    }
    let again = BackupNote { made_at_ns: 5_000, newest_ns: None, ..note(7) };
    assert!(backups::note(source.path(), &again).await.unwrap());

    let notes = store.backups().await.unwrap();
    assert_eq!((notes.len(), &notes[0]), (MOST_BACKUPS, &again));
    assert!(!notes.contains(&note(0)), "the oldest went");
    assert_eq!(notes[1], note(MOST_BACKUPS));
}
