//! What SQLite makes of the statements on big tables: each one must use its index, on an empty file and without statistics as well.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use sqlx::SqliteConnection;

use crate::{
    OpenOptions, SqliteStore, compact, decisions, events, replay, retention, rollups, search, segment, storage,
};

/// The plan's lines; a parameter that a plan does not depend on stays unbound.
async fn plan(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
    let rows: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain).fetch_all(connection).await.unwrap();
    rows.into_iter().map(|(_, _, _, line)| line).collect()
}

/// Every access to a big table is a search by one of `indexes`; nothing is scanned, and only where it is said is anything sorted.
async fn assert_plan(connection: &mut SqliteConnection, statement: &str, indexes: &[&str], sorts: bool) {
    let plan = plan(connection, statement).await;
    let is_big = |line: &&String| {
        ["SCAN", "SEARCH"].iter().any(|verb| line.starts_with(verb))
            && ["block", "event", "decision", "tick", "rollup", "trace_page"].iter().any(|table| line.contains(table))
    };
    let accesses: Vec<&String> = plan.iter().filter(is_big).collect();
    assert!(!accesses.is_empty(), "{plan:#?}");
    for line in accesses {
        assert!(
            indexes.iter().any(|index| line.contains(index)),
            "{line}\nis not by {indexes:?} in\n{statement}\n{plan:#?}"
        );
    }
    let sorted = plan.iter().any(|line| line.contains("TEMP B-TREE"));
    assert!(sorts || !sorted, "{statement}\n{plan:#?}");
}

#[tokio::test]
async fn statements_on_history_use_their_indexes() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _writer) = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();
    let mut connection = store.inner.history.reader().await.unwrap();
    let key = "USING INDEX sqlite_autoindex_rollup_1 (resolution_s=?";
    let cases: [(&str, &[&str], bool); 14] = [
        (
            events::PAGE_OF_SERVICE,
            &["event_by_service (service=?", "event_by_target (target=?", "INTEGER PRIMARY KEY (rowid=?"],
            true,
        ),
        (events::PAGE_OF_TIME, &["event_by_time (at_ns>? AND at_ns<?"], true),
        (events::PAGE_OF_CHANGES, &["event_by_change (at_ns>? AND at_ns<?"], true),
        (events::PAGE_OF_ALL, &["INTEGER PRIMARY KEY (rowid<?)"], false),
        (
            events::STATES,
            &["event_by_time (at_ns>? AND at_ns<?", "event_by_time ((at_ns,seq)>(?,?) AND at_ns<?"],
            false,
        ),
        (decisions::PAGE_OF_ALL, &["decision_by_begin ((began_at_ns,id)<(?,?)"], false),
        (decisions::PAGE_OF_SERVICE, &["decision_by_service (service=? AND (began_at_ns,id)<(?,?)"], false),
        (decisions::TICKS, &["tick_by_plugin (plugin_id=? AND at_ns>? AND at_ns<?"], false),
        (rollups::SERIES, &[key], false),
        (rollups::MAP, &[key], false),
        (rollups::BUCKET, &[key], false),
        (
            rollups::STEP,
            &["USING COVERING INDEX sqlite_autoindex_rollup_1 (resolution_s=?", "INTEGER PRIMARY KEY (rowid=?"],
            false,
        ),
        (retention::STEPS[2], &["INTEGER PRIMARY KEY (rowid=?", "decision_by_renewal (renewed_at_ns<?"], false),
        (retention::STEPS[3], &["INTEGER PRIMARY KEY (rowid=?", "tick_by_time (at_ns<?"], false),
    ];
    for (statement, indexes, sorts) in cases {
        assert_plan(&mut connection, statement, indexes, sorts).await;
    }
}

#[tokio::test]
async fn statements_on_segments_use_their_indexes() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut writer) = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();
    let batch = std::sync::Arc::new(spillway_store::contract::generate::realistic_batch(1, 3));
    let digest = spillway_store::RequestDigest([1; 32]);
    let write = spillway_store::Write::Spans { digest, batch, received_at_ns: 1 };
    assert!(spillway_store::Writer::commit(&mut writer, &[write]).await.remove(0).is_ok());
    let segment = store.inner.catalogue.fresh().pop().unwrap();
    let mut connection = segment.reader().await.unwrap().unwrap();
    let cases: [(&str, &[&str]); 9] = [
        (search::walk::WALK, &["block_by_start"]),
        (replay::LOG, &["INTEGER PRIMARY KEY (rowid>?)"]),
        (replay::ARRIVED, &["block_by_arrival (received_at_ns>?)"]),
        (segment::runs::LOOK_UP, &["PRIMARY KEY (run=? AND first_hash<?)"]),
        (search::listing::NEWEST, &["INTEGER PRIMARY KEY (rowid>? AND rowid<?)"]),
        (search::candidates::ASK, &["sqlite_autoindex_filter_slot_1 (first_block=? AND slot=?)"]),
        (compact::HEADS, &["INTEGER PRIMARY KEY (rowid>? AND rowid<?)", "INTEGER PRIMARY KEY (rowid=?)"]),
        (storage::BEFORE, &["block_by_arrival (received_at_ns<?"]),
        (storage::LATELY, &["block_by_arrival (received_at_ns>?"]),
    ];
    for (statement, indexes) in cases {
        assert_plan(&mut connection, statement, indexes, false).await;
    }
    assert_plan(&mut connection, search::walk::BY_NUMBER, &["INTEGER PRIMARY KEY (rowid=?)"], true).await;
}
