//! What is on the disk after the program is gone and comes back.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use spillway_store::{
    RequestDigest, SpanReader, StoreError, Write, WriteOutcome, Writer,
    contract::{generate, plain},
};
use spillway_store_sqlite::{OpenOptions, SqliteStore};

fn spans(number: u8, count: usize) -> Write {
    Write::Spans {
        digest: RequestDigest([number; 32]),
        batch: Arc::new(generate::realistic_batch(u64::from(number), count)),
        received_at_ns: 1_000_000_000 * i64::from(number),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_is_there_after_a_restart_and_the_same_request_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut writer) = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();
    let batch = generate::realistic_batch(1, 512);
    let trace = batch.spans.trace_id[17];
    let expected = batch.spans.trace_id.iter().filter(|id| **id == trace).count();

    let outcomes = writer.commit(&[spans(1, 512), spans(2, 5), spans(3, 7), spans(1, 512)]).await;
    let outcomes: Vec<WriteOutcome> = outcomes.into_iter().map(Result::unwrap).collect();
    assert!(
        matches!(
            outcomes[..],
            [
                WriteOutcome::Stored { .. },
                WriteOutcome::Stored { .. },
                WriteOutcome::Stored { .. },
                WriteOutcome::Repeated
            ]
        ),
        "{outcomes:?}"
    );
    let found = store.trace(trace).await.unwrap().unwrap();
    assert_eq!(found.len(), expected);
    drop((store, writer));

    let (store, mut writer) = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();
    let again = store.trace(trace).await.unwrap().unwrap();
    assert_eq!(plain::spans(&again), plain::spans(&found));
    assert_eq!(store.usage().await.unwrap().spans, 524);
    for number in 1..=3 {
        let outcome = writer.commit(&[spans(number, 512)]).await.remove(0).unwrap();
        assert_eq!(outcome, WriteOutcome::Repeated);
    }
    assert_eq!(store.usage().await.unwrap().spans, 524);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_refused_with_the_name_of_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let _open = SqliteStore::open(dir.path(), OpenOptions::default()).await.unwrap();

    let refused = SqliteStore::open(dir.path(), OpenOptions::default()).await.err().unwrap();

    assert!(
        matches!(&refused, StoreError::Conflict(text) if text.contains(&dir.path().display().to_string())),
        "{refused}"
    );
}
