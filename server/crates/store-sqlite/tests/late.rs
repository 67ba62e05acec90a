//! Spans that come again minutes after they were committed, in other requests than before, are projected once.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{sync::Arc, time::Duration};

use spillway_model::{
    batch::SpanBatch,
    observation::{Measurement, Subject},
};
use spillway_store::{
    Compaction, Projection, Projector, RequestDigest, Watermark, Write, Writer,
    contract::generate::{EPOCH_NS, Origin, batch_of},
};
use spillway_store_sqlite::{OpenOptions, SqliteStore, SqliteWriter};

const SECOND: i64 = 1_000_000_000;

fn options() -> OpenOptions {
    OpenOptions { compact_after: Duration::from_secs(90), ..OpenOptions::default() }
}

/// How many spans it was given.
#[derive(Default)]
struct Counts(usize);

impl Projection for Counts {
    fn observe(&mut self, _: Watermark, batch: &SpanBatch, _: i64, _: &mut dyn FnMut(&Subject, &[Measurement])) {
        self.0 += batch.len();
    }

    fn settle(&mut self, _: i64, _: &mut dyn FnMut(&Subject, &[Measurement])) {}
}

fn origins(traces: u8) -> Vec<Origin> {
    (0..traces).flat_map(|trace| (0..3).map(move |span| Origin { seed: 7, trace, span })).collect()
}

async fn send(writer: &mut SqliteWriter, request: u8, origins: &[Origin], at_s: i64) {
    let received_at_ns = EPOCH_NS as i64 + at_s * SECOND;
    let batch = Arc::new(batch_of(origins));
    let write = Write::Spans { digest: RequestDigest([request; 32]), batch, received_at_ns };
    writer.commit(&[write]).await.remove(0).unwrap();
}

async fn projected(store: &SqliteStore) -> usize {
    let mut counts = Counts::default();
    while !store.project(&mut counts, usize::MAX).await.unwrap().caught_up {}
    store.flush().await.unwrap();
    counts.0
}

#[tokio::test]
async fn a_span_that_comes_again_minutes_later_is_projected_once() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut writer) = SqliteStore::open(dir.path(), options()).await.unwrap();
    let known = origins(20);
    send(&mut writer, 1, &known, 10).await;
    assert_eq!(projected(&store).await, 60);

    // From the log: with spans of a trace that nobody saw before.
    send(&mut writer, 2, &origins(21), 60).await;
    assert_eq!(projected(&store).await, 3);

    // From a compacted file, of a restarted server.
    while store.compact(EPOCH_NS as i64 + 400 * SECOND).await.unwrap().spans > 0 {}
    drop((store, writer));
    let (store, mut writer) = SqliteStore::open(dir.path(), options()).await.unwrap();
    send(&mut writer, 3, &known[..30], 500).await;
    assert_eq!(projected(&store).await, 0);
    send(&mut writer, 4, &origins(22), 600).await;
    assert_eq!(projected(&store).await, 3);
}
