//! Targets that were added are kept, once each, with their entry in the audit log.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use spillway_store::{AuditEntry, MOST_TARGETS, StoreError, TargetRow, TargetStore as _};
use spillway_store_sqlite::{OpenOptions, SqliteStore};

fn target(number: usize) -> TargetRow {
    TargetRow {
        id: format!("id{number}"),
        spec: format!("{{\"service\":\"s{number}\"}}"),
        added_at_ns: number as i64,
        actor: "admin".into(),
    }
}

fn audit() -> AuditEntry {
    AuditEntry {
        at_ns: 1,
        actor: "admin".into(),
        action: "target.add".into(),
        object: "id".into(),
        detail: String::new(),
    }
}

#[tokio::test]
async fn targets_are_kept_across_a_restart_and_the_same_one_is_there_once() {
    let dir = tempfile::tempdir().unwrap();
    let (store, writer) = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();

    assert!(store.add_target(&target(2), &audit()).await.unwrap());
    assert!(store.add_target(&target(1), &audit()).await.unwrap());
    assert!(!store.add_target(&TargetRow { spec: "{}".into(), ..target(1) }, &audit()).await.unwrap());
    drop(writer);
    store.close().await;
    let (store, _writer) = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();

    assert_eq!(store.targets().await.unwrap(), [target(1), target(2)]);
    assert!(store.remove_target("id1", &audit()).await.unwrap());
    assert!(!store.remove_target("id1", &audit()).await.unwrap());
    assert_eq!(store.targets().await.unwrap(), [target(2)]);
}

#[tokio::test]
async fn there_are_a_thousand_targets_at_most() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _writer) = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();
    for number in 0..MOST_TARGETS {
        store.add_target(&target(number), &audit()).await.unwrap();
    }

    let error = store.add_target(&target(MOST_TARGETS), &audit()).await.unwrap_err();

    assert!(matches!(error, StoreError::Conflict(_)), "{error}");
    assert_eq!(store.targets().await.unwrap().len(), MOST_TARGETS);
}
