//! Sums out of the store and into another one, one subject of one bucket at a time.

use spillway_model::{
    histogram::Histogram,
    identity::NodeKey,
    observation::{Aggregate, EdgeKey, Protocol},
};
use spillway_store::StoreError;
use sqlx::SqliteConnection;

use super::{
    encoding::{Codec, Row, Sums, place},
    resolution::{Floors, RESOLUTIONS},
    subjects::{SubjectCache, SubjectKey, Subjects},
};
use crate::{
    error,
    history::{HistoryLine, SumLine},
};

/// Rows in memory at a time.
const ROWS: i64 = 256;

/// Primary key, from where the last page ended.
const PAGE: &str = "SELECT resolution_s, bucket_s, shard, sums
     FROM rollup
     WHERE (resolution_s, bucket_s, shard) > (?, ?, ?)
     ORDER BY resolution_s, bucket_s, shard
     LIMIT ?";

/// Shows every sum; what does not decode is left out, and named in the log.
pub(crate) async fn export(
    connection: &mut SqliteConnection,
    file: &str,
    mut show: impl FnMut(HistoryLine) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let failed = || error::sql(format!("read rollups of {file}"));
    let (mut codec, subjects) = (super::codec()?, SubjectCache::default());
    subjects.fill(connection, i64::MAX).await.map_err(failed())?;
    let mut after = (-1_i64, 0_i64, 0_i64);
    loop {
        let rows: Vec<(i64, i64, i64, Vec<u8>)> = sqlx::query_as(PAGE)
            .bind(after.0)
            .bind(after.1)
            .bind(after.2)
            .bind(ROWS)
            .fetch_all(&mut *connection)
            .await
            .map_err(failed())?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = (last.0, last.1, last.2);
        for (resolution_s, bucket_s, shard, bytes) in rows {
            let mut sums: Vec<(i64, [Option<SumLine>; 2])> = Vec::new();
            let read = codec.read(&bytes, |place, side, stored| {
                let number = shard * super::SUBJECTS_A_ROW + i64::from(place);
                if sums.last().is_none_or(|(last, _)| *last != number) {
                    sums.push((number, [None, None]));
                }
                let mut sum = super::Accumulator::default();
                sum.add(stored)?;
                if let Some((_, sides)) = sums.last_mut() {
                    sides[side] = Some(SumLine::of(&sum.finish()));
                }
                Ok(())
            });
            if let Err(why) = read {
                tracing::error!(
                    "{} of {file} is corrupt and left out: {why}",
                    super::name(resolution_s as u32, bucket_s, shard)
                );
                continue;
            }
            for (key, [caller, callee]) in subjects.names(sums.into_iter()) {
                show(line(resolution_s as u32, bucket_s, &key, caller, callee))?;
            }
        }
    }
}

fn line(
    resolution_s: u32,
    bucket_s: i64,
    key: &SubjectKey,
    caller: Option<SumLine>,
    callee: Option<SumLine>,
) -> HistoryLine {
    let (node, target, protocol) = match key {
        SubjectKey::Node(node) => (node.id(), None, None),
        SubjectKey::Edge(edge) => (edge.source.id(), Some(edge.target.id()), Some(protocol_name(edge.protocol))),
    };
    HistoryLine::Rollup { resolution_s, bucket_s, node, target, protocol, caller, callee }
}

fn protocol_name(protocol: Protocol) -> String {
    format!("{protocol:?}").to_ascii_lowercase()
}

fn subject(node: &str, target: Option<&str>, protocol: Option<&str>) -> Option<SubjectKey> {
    let source = NodeKey::parse(node).ok()?;
    match (target, protocol) {
        (None, None) => Some(SubjectKey::Node(source)),
        (Some(target), Some(name)) => {
            let protocol = Protocol::ALL.into_iter().find(|protocol| protocol_name(*protocol) == name)?;
            Some(SubjectKey::Edge(EdgeKey { source, target: NodeKey::parse(target).ok()?, protocol }))
        }
        _ => None,
    }
}

/// What is to be written of one subject in one bucket.
pub(crate) struct NewSum {
    resolution_s: u32,
    bucket_s: i64,
    key: SubjectKey,
    sums: Sums,
}

impl NewSum {
    /// `None` when it cannot be one of ours.
    pub(crate) fn read(
        (resolution_s, bucket_s): (u32, i64),
        (node, target, protocol): (&str, Option<&str>, Option<&str>),
        sides: [Option<&SumLine>; 2],
    ) -> Option<Self> {
        let known = RESOLUTIONS.contains(&resolution_s) && bucket_s.rem_euclid(i64::from(resolution_s)) == 0;
        let [caller, callee] = sides.map(|side| side.map_or_else(|| Some(Aggregate::default()), SumLine::aggregate));
        let key = subject(node, target, protocol)?;
        known.then_some(Self { resolution_s, bucket_s, key, sums: [caller?, callee?] })
    }
}

/// Writes a sum where there is none; false when there is one, or it was forgotten here.
pub(crate) async fn import(
    tx: &mut SqliteConnection,
    codec: &mut Codec,
    floors: &Floors,
    new: &NewSum,
) -> Result<bool, sqlx::Error> {
    if new.bucket_s < floors.of(new.resolution_s) {
        return Ok(false);
    }
    let (shard, at) = place(Subjects::insert(&mut *tx, &new.key).await?);
    let stored: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT sums FROM rollup WHERE resolution_s = ? AND bucket_s = ? AND shard = ?")
            .bind(new.resolution_s)
            .bind(new.bucket_s)
            .bind(shard)
            .fetch_optional(&mut *tx)
            .await?;
    let mut row = Row::default();
    if let Some(bytes) = stored {
        let mut taken = false;
        let looked = codec.read(&bytes, |place, _, _| {
            taken |= place == at;
            Ok(())
        });
        match codec.decode(&bytes) {
            Ok(stored) if looked.is_ok() && !taken => row = stored,
            // What cannot be read is not written over.
            _ => return Ok(false),
        }
    }
    row.merge(at, &new.sums);
    let Some(bytes) = codec.encode(&row) else { return Ok(false) };
    sqlx::query(
        "INSERT INTO rollup (resolution_s, bucket_s, shard, sums)
         VALUES (?, ?, ?, ?)
         ON CONFLICT (resolution_s, bucket_s, shard) DO UPDATE SET sums = excluded.sums",
    )
    .bind(new.resolution_s)
    .bind(new.bucket_s)
    .bind(shard)
    .bind(bytes)
    .execute(tx)
    .await?;
    Ok(true)
}

impl SumLine {
    fn of(sum: &Aggregate) -> Self {
        Self {
            count: sum.count,
            failed: sum.failed,
            provisional: sum.provisional,
            zero: sum.histogram.zero(),
            sum_ns: sum.histogram.sum_ns().to_string(),
            buckets: sum.histogram.buckets().collect(),
        }
    }

    fn aggregate(&self) -> Option<Aggregate> {
        Some(Aggregate {
            count: self.count,
            failed: self.failed,
            provisional: self.provisional,
            histogram: Histogram::from_parts(self.buckets.iter().copied(), self.zero, self.sum_ns.parse().ok()?),
        })
    }
}
