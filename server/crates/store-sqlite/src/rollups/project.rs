//! The projector: committed blocks in order, their facts gathered for some seconds, then rows and watermark in one transaction.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use spillway_store::{ProjectProgress, Projection, Projector, StoreError, Watermark};
use sqlx::SqliteConnection;
use tokio::sync::{Mutex, RwLock};

use super::{
    encoding::{Codec, Row, Sums, place},
    pending::{Pending, Place},
    repeats,
    resolution::{Floors, RESOLUTIONS, bucket},
    subjects::{SubjectCache, Subjects},
};
use crate::{SqliteStore, error, replay, store::Database, tail::TailBlock};

/// Spans that warming reads at a time.
const WARM_SPANS: usize = 20_000;

/// Primary key, one bucket.
pub(crate) const BUCKET: &str = "SELECT shard, sums
     FROM rollup
     WHERE resolution_s = ? AND bucket_s = ?
     ORDER BY shard";

/// What the projector and the readers of rollups share.
#[derive(Default)]
pub(crate) struct Rollups {
    /// Held for a step of the projector: there is one at a time. `None` until the first row is written.
    codec: Mutex<Option<Codec>>,
    /// What is not written yet. Only the projector changes it. While a reader begins its transaction it holds this, and so does the projector
    /// while its transaction ends: what a reader adds to what it finds stored is what is not stored.
    pub(super) pending: RwLock<Pending>,
    /// What looking for repeats may cost.
    lookups: repeats::Budget,
    /// No await happens while it is held.
    pub(super) subjects: SubjectCache,
}

/// What is to be written of one resolution, by bucket and by the row in it.
type Buckets<'a> = BTreeMap<i64, BTreeMap<i64, Vec<(u8, &'a Sums)>>>;

impl Projector for SqliteStore {
    #[tracing::instrument(name = "db.project", skip_all, err)]
    async fn project(&self, projection: &mut dyn Projection, span_limit: usize) -> Result<ProjectProgress, StoreError> {
        let rollups = &self.inner.rollups;
        let mut codec = rollups.codec.lock().await;
        let before = self.place().await?.watermark;
        let blocks = match self.inner.tail.after(before.unwrap_or_default(), span_limit) {
            Some(blocks) => blocks,
            None => self.stored(before, span_limit).await?,
        };
        // A batch at a time: 512 spans take about as long as a task may keep its thread.
        for block in &blocks {
            for (index, batch) in block.batches.iter().enumerate() {
                let received_at_ns = block.received_at_ns;
                let fewer = repeats::without(&self.inner, &rollups.lookups, block.at, batch, received_at_ns).await?;
                let batch = fewer.as_ref().unwrap_or(batch);
                let mut pending = rollups.pending.write().await;
                projection.observe(block.at, batch, received_at_ns, &mut |subject, facts| {
                    pending.add(subject, facts, received_at_ns);
                });
                if index + 1 == block.batches.len() {
                    pending.advance(block.at);
                }
                drop(pending);
                tokio::task::yield_now().await;
            }
        }
        let watermark = blocks.last().map(|block| block.at).or(before);
        if let Some(watermark) = watermark {
            self.inner.tail.release(watermark);
        }
        if rollups.pending.read().await.is_due(self.inner.options.rollups_held) {
            self.write(&mut codec).await?;
        }
        let caught_up = blocks.is_empty() || watermark >= Some(self.inner.catalogue.end());
        Ok(ProjectProgress { watermark, batches: blocks.len(), caught_up })
    }

    #[tracing::instrument(name = "db.project.settle", skip_all, err)]
    async fn settle(&self, projection: &mut dyn Projection, now_ns: i64) -> Result<(), StoreError> {
        let rollups = &self.inner.rollups;
        let mut codec = rollups.codec.lock().await;
        self.place().await?;
        let mut pending = rollups.pending.write().await;
        projection.settle(now_ns, &mut |subject, facts| pending.add(subject, facts, now_ns));
        pending.settle(now_ns);
        let due = pending.is_due(self.inner.options.rollups_held);
        drop(pending);
        if due { self.write(&mut codec).await } else { Ok(()) }
    }

    #[tracing::instrument(name = "db.project.flush", skip_all, err)]
    async fn flush(&self) -> Result<(), StoreError> {
        let mut codec = self.inner.rollups.codec.lock().await;
        self.write(&mut codec).await
    }

    async fn unprojected(&self) -> Result<u64, StoreError> {
        let place = self.place().await?.watermark.unwrap_or_default();
        let mut spans = 0;
        for segment in self.inner.catalogue.fresh() {
            if segment.number() >= place.segment {
                spans += segment.totals().spans;
            }
            if segment.number() == place.segment {
                spans = spans.saturating_sub(crate::compact::spans_through(&segment, place.block).await?);
            }
        }
        Ok(spans)
    }

    async fn warm(&self, projection: &mut dyn Projection, window: Duration) -> Result<(), StoreError> {
        let rollups = &self.inner.rollups;
        let _turn = rollups.codec.lock().await;
        *rollups.pending.write().await = Pending::default();
        let place = self.place().await?;
        let Some(until) = place.watermark else { return Ok(()) };
        let Some(arrival) = replay::arrival(&self.inner, until).await? else { return Ok(()) };
        let from = arrival.saturating_sub(i64::try_from(window.as_nanos()).unwrap_or(i64::MAX));
        let mut after = replay::watermark_before(&self.inner, from).await?;
        loop {
            let batches = replay::read(&self.inner, after, WARM_SPANS).await?;
            for batch in batches.iter().filter(|batch| batch.at <= until) {
                projection.observe(batch.at, &batch.batch, batch.received_at_ns, &mut |_, _| {});
                tokio::task::yield_now().await;
            }
            after = batches.last().map(|batch| batch.at);
            if after.is_none_or(|after| after >= until) {
                break;
            }
        }
        // What was said then was stored: it must not be said again.
        if place.settled_ns > 0 {
            projection.settle(place.settled_ns, &mut |_, _| {});
        }
        Ok(())
    }
}

impl SqliteStore {
    /// How far the projection came; read from the file the first time.
    async fn place(&self) -> Result<Place, StoreError> {
        if let Some(place) = self.inner.rollups.pending.read().await.place() {
            return Ok(place);
        }
        let place = written(&self.inner.history).await?;
        *self.inner.rollups.pending.write().await = Pending::begin(place);
        Ok(place)
    }

    /// Blocks that are not in memory any more.
    async fn stored(&self, after: Option<Watermark>, span_limit: usize) -> Result<Vec<TailBlock>, StoreError> {
        let batches = replay::read(&self.inner, after, span_limit).await?;
        let block = |batch: spillway_store::ReplayedBatch| TailBlock {
            at: batch.at,
            received_at_ns: batch.received_at_ns,
            batches: vec![Arc::new(batch.batch)],
        };
        Ok(batches.into_iter().map(block).collect())
    }

    /// Writes what is held. After a failure nothing is held: it is projected again from what is written.
    async fn write(&self, codec: &mut Option<Codec>) -> Result<(), StoreError> {
        let written = self.try_write(codec).await;
        if written.is_err() {
            *self.inner.rollups.pending.write().await = Pending::default();
        }
        written
    }

    async fn try_write(&self, codec: &mut Option<Codec>) -> Result<(), StoreError> {
        let rollups = &self.inner.rollups;
        let pending = rollups.pending.read().await;
        let Some(to) = pending.place().filter(|_| pending.is_dirty()) else { return Ok(()) };
        let codec = match codec {
            Some(codec) => codec,
            None => codec.insert(Codec::new().map_err(error::io("prepare compression"))?),
        };
        let history = &self.inner.history;
        let failed = || history.failed("write rollups");
        let mut connection = history.writer.lock().await;
        let mut tx = connection.begin().await.map_err(failed())?;
        let floors = Floors::read(&mut tx).await.map_err(failed())?;
        let mut numbers = Vec::new();
        let mut rows: [Buckets<'_>; RESOLUTIONS.len()] = Default::default();
        for (index, held) in pending.held() {
            let number = match held.number {
                Some(number) => number,
                None => {
                    let number = Subjects::insert(&mut tx, &held.key).await.map_err(failed())?;
                    numbers.push((index, number));
                    number
                }
            };
            let (shard, at) = place(number);
            for (second, sums) in &held.seconds {
                for (buckets, (length_s, floor)) in rows.iter_mut().zip(floors.iter()) {
                    let bucket = bucket(*second, length_s);
                    if bucket >= floor {
                        buckets.entry(bucket).or_default().entry(shard).or_default().push((at, sums));
                    }
                }
            }
        }
        for (buckets, length_s) in rows.into_iter().zip(RESOLUTIONS) {
            for (bucket, shards) in buckets {
                self.add(&mut tx, codec, (length_s, bucket), shards).await?;
            }
        }
        save(&mut tx, to).await.map_err(failed())?;
        drop(pending);
        let mut pending = rollups.pending.write().await;
        tx.commit().await.map_err(failed())?;
        connection.committed();
        pending.written(&numbers);
        Ok(())
    }

    /// Adds to the rows of one bucket.
    async fn add(
        &self,
        tx: &mut SqliteConnection,
        codec: &mut Codec,
        (length_s, bucket_s): (u32, i64),
        shards: BTreeMap<i64, Vec<(u8, &Sums)>>,
    ) -> Result<(), StoreError> {
        let failed = || self.inner.history.failed("write rollups");
        let stored: Vec<(i64, Vec<u8>)> =
            sqlx::query_as(BUCKET).bind(length_s).bind(bucket_s).fetch_all(&mut *tx).await.map_err(failed())?;
        for (shard, sums) in shards {
            let mut row = match stored.binary_search_by_key(&shard, |(shard, _)| *shard) {
                // What cannot be read is lost; standing still for it would lose what comes as well.
                Ok(index) => codec.decode(&stored[index].1).unwrap_or_else(|why| {
                    let what = super::name(length_s, bucket_s, shard);
                    tracing::error!("{what} is corrupt and begun anew: {why}");
                    Row::default()
                }),
                Err(_) => Row::default(),
            };
            for (at, sums) in sums {
                row.merge(at, sums);
            }
            let query = match codec.encode(&row) {
                Some(bytes) => sqlx::query(
                    "INSERT INTO rollup (resolution_s, bucket_s, shard, sums)
                     VALUES (?, ?, ?, ?)
                     ON CONFLICT (resolution_s, bucket_s, shard) DO UPDATE SET sums = excluded.sums",
                )
                .bind(length_s)
                .bind(bucket_s)
                .bind(shard)
                .bind(bytes),
                None => sqlx::query("DELETE FROM rollup WHERE resolution_s = ? AND bucket_s = ? AND shard = ?")
                    .bind(length_s)
                    .bind(bucket_s)
                    .bind(shard),
            };
            query.execute(&mut *tx).await.map_err(failed())?;
        }
        Ok(())
    }
}

async fn save(tx: &mut SqliteConnection, place: Place) -> Result<(), sqlx::Error> {
    let watermark = place.watermark.unwrap_or_default();
    sqlx::query(
        "INSERT INTO projection (one, segment, block, settled_ns)
         VALUES (1, ?, ?, ?)
         ON CONFLICT (one) DO UPDATE SET
             segment = excluded.segment, block = excluded.block, settled_ns = excluded.settled_ns",
    )
    .bind(watermark.segment)
    .bind(watermark.block as i64)
    .bind(place.settled_ns)
    .execute(tx)
    .await?;
    Ok(())
}

async fn written(history: &Database) -> Result<Place, StoreError> {
    let row: Option<(u32, i64, i64)> =
        sqlx::query_as("SELECT segment, block, settled_ns FROM projection WHERE one = 1")
            .fetch_optional(&mut *history.reader().await?)
            .await
            .map_err(history.failed("read how far rollups are"))?;
    Ok(row.map_or_else(Place::default, |(segment, block, settled_ns)| Place {
        watermark: Some(Watermark { segment, block: block as u64 }),
        settled_ns,
    }))
}

/// Where the projector has come to, as it is written: what it holds in memory lies behind.
pub(crate) async fn projected(history: &Database) -> Result<Option<Watermark>, StoreError> {
    Ok(written(history).await?.watermark)
}
