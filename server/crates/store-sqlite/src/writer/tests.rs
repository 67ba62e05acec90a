#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use spillway_model::{
    event::{Event, EventBody, HealthStatus},
    identity::ServiceKey,
};
use spillway_store::{RequestDigest, SpanReader, StoreError, Write, WriteOutcome, Writer, contract::generate};

use crate::{OpenOptions, SqliteStore, connect::WriterConnection};

/// As if the disk had no more room than the file has now, or all room again.
async fn limit(connection: &mut WriterConnection, pages: i64) {
    let statement = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
    sqlx::query(statement).execute(connection.statement()).await.unwrap();
}

fn spans(number: u8) -> Write {
    let batch = Arc::new(generate::realistic_batch(u64::from(number), 5_000));
    Write::Spans { digest: RequestDigest([number; 32]), batch, received_at_ns: 1 }
}

fn events() -> Write {
    let body = EventBody::Health { status: HealthStatus::Down, detail: "x".repeat(1 << 20).into() };
    let service = ServiceKey::new("", "", "a");
    let event = Event { id: "e".into(), service, instance: "".into(), at_ns: 1, body };
    Write::Events { source: "s".into(), events: Arc::from([event]), received_at_ns: 1 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_what_does_not_fit_and_takes_it_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut writer) = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();
    assert!(writer.commit(&[spans(1)]).await.remove(0).is_ok());
    limit(&mut store.inner.active.lock().await.as_mut().unwrap().connection, 1).await;
    limit(&mut *store.inner.history.writer.lock().await, 1).await;

    for outcome in writer.commit(&[spans(2), events()]).await {
        assert!(matches!(outcome, Err(StoreError::Full { .. })), "{outcome:?}");
    }
    assert_eq!(store.usage().await.unwrap().spans, 5_000);

    limit(&mut store.inner.active.lock().await.as_mut().unwrap().connection, 1 << 30).await;
    limit(&mut *store.inner.history.writer.lock().await, 1 << 30).await;
    let outcomes = writer.commit(&[spans(2), events(), spans(1)]).await;
    assert!(matches!(outcomes[0], Ok(WriteOutcome::Stored { .. })), "{outcomes:?}");
    assert!(matches!(&outcomes[1], Ok(WriteOutcome::Events { stored, repeated: 0 }) if *stored == [0]), "{outcomes:?}");
    assert!(matches!(outcomes[2], Ok(WriteOutcome::Repeated)), "{outcomes:?}");
    assert_eq!(store.usage().await.unwrap().spans, 10_000);
}
