//! The projector: committed blocks in order, their facts summed by bucket, rows and watermark in one transaction.

use std::time::Duration;

use rustc_hash::FxHashMap;
use spillway_model::observation::{Aggregate, Observation, Side, Subject};
use spillway_store::{ProjectProgress, Projection, Projector, ReplayedBatch, StoreError, Watermark};
use sqlx::SqliteConnection;

use super::{
    encoding::{Accumulator, encode},
    resolution::RESOLUTIONS,
    subjects::{SubjectKey, Subjects},
};
use crate::{SqliteStore, replay, store::Database};

/// A span's clock may run ahead by this much; a fact further in the future is not summed up, or one wrong clock would age all rollups.
const FUTURE_NS: i64 = 3_600 * 1_000_000_000;
/// Sums that are kept to be added to; each is some 200 bytes.
const MOST_SUMS: usize = 50_000;
/// Spans that warming reads at a time.
const WARM_SPANS: usize = 20_000;

/// The caller's and the callee's sum of an edge; a node has the first only.
type Sums = [Aggregate; 2];

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    resolution_s: u32,
    bucket_s: i64,
    subject: i64,
    edge: bool,
}

/// What the projector keeps between steps; all of it can be read again from the file.
#[derive(Default)]
pub(crate) struct ProjectorState {
    numbers: FxHashMap<SubjectKey, i64>,
    /// Rows as they stand in the file.
    sums: FxHashMap<Place, Sums>,
}

/// Facts of one step, by subject and ten-second bucket.
#[derive(Default)]
struct Facts {
    by_subject: FxHashMap<SubjectKey, FxHashMap<i64, Sums>>,
}

impl Facts {
    fn add(&mut self, observation: &Observation, received_at_ns: i64) {
        let at_ns = i64::try_from(observation.at_ns).unwrap_or(i64::MAX);
        if at_ns > received_at_ns.saturating_add(FUTURE_NS) {
            return;
        }
        let (key, side) = match &observation.subject {
            Subject::Node(node) => (SubjectKey::Node(node.clone()), 0),
            Subject::Edge(edge, Side::Caller) => (SubjectKey::Edge(edge.clone()), 0),
            Subject::Edge(edge, Side::Callee) => (SubjectKey::Edge(edge.clone()), 1),
        };
        let length = i64::from(RESOLUTIONS[0].length_s);
        let bucket = at_ns.div_euclid(length * 1_000_000_000) * length;
        self.by_subject.entry(key).or_default().entry(bucket).or_default()[side].add(observation);
    }
}

impl Projector for SqliteStore {
    #[tracing::instrument(name = "db.project", skip_all, err)]
    async fn project(&self, projection: &mut dyn Projection, span_limit: usize) -> Result<ProjectProgress, StoreError> {
        let mut state = self.inner.projector.lock().await;
        let before = projected(&self.inner.history).await?;
        let batches = replay::read(&self.inner, before, span_limit).await?;
        let Some(last) = batches.last() else {
            return Ok(ProjectProgress { watermark: before, batches: 0, caught_up: true });
        };
        let watermark = last.at;
        let facts = observe(projection, &batches).await;
        if let Err(error) = self.add(&mut state, facts, watermark).await {
            // Some of what is kept may be of the transaction that failed.
            *state = ProjectorState::default();
            return Err(error);
        }
        let newest = self.inner.catalogue.end();
        Ok(ProjectProgress { watermark: Some(watermark), batches: batches.len(), caught_up: newest <= watermark })
    }

    async fn warm(&self, projection: &mut dyn Projection, window: Duration) -> Result<(), StoreError> {
        let _state = self.inner.projector.lock().await;
        let Some(until) = projected(&self.inner.history).await? else { return Ok(()) };
        let Some(arrival) = replay::arrival(&self.inner, until).await? else { return Ok(()) };
        let from = arrival.saturating_sub(i64::try_from(window.as_nanos()).unwrap_or(i64::MAX));
        let mut after = replay::watermark_before(&self.inner, from).await?;
        loop {
            let batches = replay::read(&self.inner, after, WARM_SPANS).await?;
            for batch in batches.iter().filter(|batch| batch.at <= until) {
                projection.observe(&batch.batch, batch.received_at_ns, &mut |_| {});
                tokio::task::yield_now().await;
            }
            after = batches.last().map(|batch| batch.at);
            if after.is_none_or(|after| after >= until) {
                return Ok(());
            }
        }
    }
}

/// Where the projector has come to.
pub(crate) async fn projected(history: &Database) -> Result<Option<Watermark>, StoreError> {
    let row: Option<(i64, i64)> = sqlx::query_as("SELECT segment, block FROM projection WHERE one = 1")
        .fetch_optional(&mut *history.reader().await?)
        .await
        .map_err(history.failed("read how far rollups are"))?;
    Ok(row.map(|(segment, block)| Watermark { segment: segment as u32, block: block as u64 }))
}

/// A batch at a time: 512 spans take about as long as a task may keep its thread.
async fn observe(projection: &mut dyn Projection, batches: &[ReplayedBatch]) -> Facts {
    let mut facts = Facts::default();
    for batch in batches {
        projection.observe(&batch.batch, batch.received_at_ns, &mut |observation| {
            facts.add(&observation, batch.received_at_ns)
        });
        tokio::task::yield_now().await;
    }
    facts
}

impl SqliteStore {
    async fn add(&self, state: &mut ProjectorState, facts: Facts, watermark: Watermark) -> Result<(), StoreError> {
        let history = &self.inner.history;
        let failed = || history.failed("write rollups");
        let mut connection = history.writer.lock().await;
        let mut tx = connection.begin().await.map_err(failed())?;
        if state.sums.len() > MOST_SUMS {
            state.sums.clear();
        }
        let mut touched: FxHashMap<Place, Sums> = FxHashMap::default();
        for (key, buckets) in facts.by_subject {
            let edge = matches!(key, SubjectKey::Edge(_));
            let subject = match state.numbers.get(&key) {
                Some(&number) => number,
                None => {
                    let number = Subjects::insert(&mut tx, &key).await.map_err(failed())?;
                    state.numbers.insert(key, number);
                    number
                }
            };
            for (bucket_s, sums) in buckets {
                for resolution in RESOLUTIONS {
                    let length = i64::from(resolution.length_s);
                    let place = Place {
                        resolution_s: resolution.length_s,
                        bucket_s: bucket_s.div_euclid(length) * length,
                        subject,
                        edge,
                    };
                    let [caller, callee] = touched.entry(place).or_default();
                    caller.merge(&sums[0]);
                    callee.merge(&sums[1]);
                }
            }
        }
        for (place, delta) in touched {
            let mut sums = match state.sums.remove(&place) {
                Some(sums) => sums,
                None => read_sums(&mut tx, place)
                    .await
                    .map_err(failed())?
                    .map_err(|why| self.corrupt_rollup(place.subject, &why))?,
            };
            for (sum, delta) in sums.iter_mut().zip(&delta) {
                sum.merge(delta);
            }
            write_sums(&mut tx, place, &sums).await.map_err(failed())?;
            state.sums.insert(place, sums);
        }
        sqlx::query(
            "INSERT INTO projection (one, segment, block)
             VALUES (1, ?, ?)
             ON CONFLICT (one) DO UPDATE SET segment = excluded.segment, block = excluded.block",
        )
        .bind(watermark.segment)
        .bind(watermark.block as i64)
        .execute(&mut *tx)
        .await
        .map_err(failed())?;
        tx.commit().await.map_err(failed())?;
        connection.committed();
        Ok(())
    }
}

async fn read_sums(tx: &mut SqliteConnection, place: Place) -> Result<Result<Sums, String>, sqlx::Error> {
    let row: Option<(Vec<u8>, Vec<u8>)> = if place.edge {
        sqlx::query_as("SELECT caller, callee FROM edge_rollup WHERE resolution_s = ? AND bucket_s = ? AND subject = ?")
    } else {
        sqlx::query_as("SELECT served, X'' FROM node_rollup WHERE resolution_s = ? AND bucket_s = ? AND subject = ?")
    }
    .bind(place.resolution_s)
    .bind(place.bucket_s)
    .bind(place.subject)
    .fetch_optional(tx)
    .await?;
    let Some((first, second)) = row else { return Ok(Ok(Sums::default())) };
    let decode = |bytes: &[u8]| {
        let mut sum = Accumulator::default();
        sum.add(bytes).map(|()| sum.finish())
    };
    Ok(decode(&first).and_then(|first| Ok([first, if place.edge { decode(&second)? } else { Aggregate::default() }])))
}

async fn write_sums(tx: &mut SqliteConnection, place: Place, [first, second]: &Sums) -> Result<(), sqlx::Error> {
    let query = if place.edge {
        sqlx::query(
            "INSERT INTO edge_rollup (resolution_s, bucket_s, subject, caller, callee)
             VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (resolution_s, bucket_s, subject) DO UPDATE SET caller = excluded.caller, callee = excluded.callee",
        )
    } else {
        sqlx::query(
            "INSERT INTO node_rollup (resolution_s, bucket_s, subject, served)
             VALUES (?, ?, ?, ?)
             ON CONFLICT (resolution_s, bucket_s, subject) DO UPDATE SET served = excluded.served",
        )
    };
    let query = query.bind(place.resolution_s).bind(place.bucket_s).bind(place.subject).bind(encode(first));
    let query = if place.edge { query.bind(encode(second)) } else { query };
    query.execute(tx).await?;
    Ok(())
}
