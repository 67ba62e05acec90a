//! OTLP metrics on their way in: what they say of breakers and limiters becomes events, of the rest the names are remembered.
//!
//! There is no store of metrics. A number says how something *is*, an event that it *became* so, hence the last numbers of each source are
//! remembered: counters that grew are transitions, gauges that changed are new states, and what goes on is told again now and then so that
//! the map does not forget it. Ids follow from what is said, so a request that comes again changes nothing. What is remembered changes
//! only after the commit: a sender that is told to come back finds everything as it was.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use spillway_api as api;
use spillway_decode::{
    otlp::metrics::{Counted, Metrics, Point, Temporality, decode_metrics},
    redact::RedactionCounts,
    series::{Fold, Meaning, Sample, Turns, meaning},
};
use spillway_model::{event::Event, identity::ServiceKey};
use spillway_store::{Write, WriteOutcome};

use super::{Encoding, Ingest, Refused, Reservation, StoredSpans, body::Received};
use crate::{
    clock,
    metrics::Source,
    senders::Outcome,
    steady::{Memory, Owner},
};

/// Instances of services, their breakers, limiters and sums that are remembered in all. Beyond it those that were silent longest are
/// forgotten: what they say next is told once more.
const MOST_REMEMBERED: usize = 100_000;
/// Series of differences that are summed up for one source.
const MOST_SUMS: usize = 3_000;
/// Names that the table tells apart; others are counted together.
const MOST_NAMES: usize = 2_000;
/// What an event takes until it is committed, as the writer counts it.
const EVENT_BYTES: usize = 512;

/// What was reported before.
#[derive(Default)]
pub(super) struct Reported {
    /// Held over a commit, so that two requests of one source are read one after the other. Only requests with news commit: a few a second.
    sources: tokio::sync::Mutex<Reporters>,
    /// Held for a few increments, never across an `.await`.
    names: Mutex<Names>,
}

/// One instance of a service.
#[derive(Clone, Default)]
struct Reporter {
    turns: Option<Turns>,
    memory: Memory,
    /// Sums of the series that report differences.
    sums: HashMap<Series, f64>,
    seen_ns: i64,
}

/// By service and instance.
type Reporters = HashMap<(ServiceKey, Arc<str>), Reporter>;

/// By name, and why it is not used.
type Names = BTreeMap<(Box<str>, Option<&'static str>), Seen>;

/// Name and labels.
type Series = (Arc<str>, Vec<(Box<str>, Box<str>)>);

#[derive(Clone, Copy, Default)]
struct Seen {
    points: u64,
    last_ns: i64,
}

impl Ingest {
    /// Takes the data points of one OTLP request; returns after the commit of what follows from them.
    ///
    /// # Errors
    /// [`Refused`]; then nothing of the request is stored or remembered.
    pub async fn metrics(
        &self,
        encoding: Encoding,
        body: Received,
        reservation: Reservation,
    ) -> Result<StoredSpans, Refused> {
        let now_ns = clock::unix_ns();
        let limits = self.limits.clone();
        let decoded = self.decode(None, body, reservation, move |body| {
            decode_metrics(body, encoding, &limits, now_ns).map_err(|error| Refused::Malformed(error.to_string()))
        });
        let (metrics, reservation): (Metrics, _) = decoded.await?;
        let mut sources = self.reported.sources.lock().await;
        let (changed, events) = read(&sources, &metrics, now_ns);
        if events.is_empty() {
            drop(reservation);
        } else {
            self.commit_reported(events, reservation, now_ns).await?;
        }
        remember(&mut sources, changed);
        drop(sources);
        self.reported.count(&metrics.series, now_ns);
        self.metrics.stored(Source::OtlpMetrics, metrics.points, now_ns);
        self.metrics.rejected(Source::OtlpMetrics, "data_point", metrics.rejected);
        let service = metrics.sources.into_iter().next().map(|source| source.service);
        if let Some(service) = &service {
            let outcome = Outcome::Stored(metrics.points);
            self.metrics.senders.arrived(Source::OtlpMetrics, &service.environment, &service.name, outcome, now_ns);
        }
        Ok(StoredSpans { rejected: metrics.rejected, message: metrics.message, service })
    }

    async fn commit_reported(
        &self,
        mut events: Vec<Event>,
        mut reservation: Reservation,
        received_at_ns: i64,
    ) -> Result<(), Refused> {
        self.resize(&mut reservation, events.len() * EVENT_BYTES)?;
        let mut counts = RedactionCounts::default();
        self.redactor.redact_events(&mut events, &mut counts);
        self.count_redactions(&counts);
        let write = Write::Events { source: "otlp_metrics".into(), events: events.into(), received_at_ns };
        match self.commit(write, reservation).await? {
            WriteOutcome::Conflict { id } => Err(Refused::Conflict(id)),
            _ => Ok(()),
        }
    }

    /// The series that came since the start: used ones first, then the most frequent.
    pub fn metric_series(&self, limit: usize) -> Vec<api::MetricSeries> {
        let names = self.reported.names.lock().unwrap_or_else(PoisonError::into_inner);
        let mut series: Vec<_> = names
            .iter()
            .map(|((name, why), seen)| api::MetricSeries {
                name: name.to_string(),
                used: why.is_none(),
                why: why.map(str::to_owned),
                points: seen.points,
                last_seen_at: api::Timestamp::from_unix_ns(seen.last_ns),
            })
            .collect();
        drop(names);
        series.sort_by(|a, b| (b.used, b.points, &a.name).cmp(&(a.used, a.points, &b.name)));
        series.truncate(limit);
        series
    }
}

impl Ingest {
    /// The most frequent series that are not used, with the reason, and how many data points they had.
    pub fn ignored_series(&self, limit: usize) -> BTreeMap<String, u64> {
        let ignored = self.metric_series(usize::MAX).into_iter().filter_map(|series| {
            let why = series.why?;
            Some((format!("{}: {why}", series.name), series.points))
        });
        ignored.take(limit).collect()
    }
}

impl Reported {
    fn count(&self, series: &[Counted], now_ns: i64) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        for Counted { name, why, points } in series {
            let key = (name.clone(), *why);
            let room = names.len() < MOST_NAMES || names.contains_key(&key);
            let key = if room { key } else { ("(others)".into(), Some("more than 2,000 names")) };
            let seen = names.entry(key).or_default();
            seen.points += points;
            seen.last_ns = now_ns;
        }
    }
}

/// What follows from a request, given what was reported before: what is to be remembered, and the events. Pure.
fn read(known: &Reporters, metrics: &Metrics, now_ns: i64) -> (Reporters, Vec<Event>) {
    let (mut changed, mut events) = (Reporters::new(), Vec::new());
    for source in &metrics.sources {
        let key = (source.service.clone(), source.instance.clone());
        let reporter = changed.entry(key.clone()).or_insert_with(|| known.get(&key).cloned().unwrap_or_default());
        reporter.seen_ns = now_ns;
        let owner = Owner { service: source.service.clone(), instance: source.instance.clone() };
        reporter.read(&source.points, &owner, now_ns, &mut events);
    }
    (changed, events)
}

fn remember(known: &mut Reporters, changed: Reporters) {
    known.extend(changed);
    let mut total: usize = known.values().map(Reporter::weight).sum();
    if total <= MOST_REMEMBERED {
        return;
    }
    let mut by_silence: Vec<_> = known.iter().map(|(key, reporter)| (reporter.seen_ns, key.clone())).collect();
    by_silence.sort_unstable_by_key(|(seen_ns, _)| *seen_ns);
    for (_, key) in by_silence {
        // A tenth at once, so that this is not done for each request.
        if total <= MOST_REMEMBERED - MOST_REMEMBERED / 10 {
            return;
        }
        total -= known.remove(&key).map_or(0, |reporter| reporter.weight());
    }
}

impl Reporter {
    fn weight(&self) -> usize {
        1 + self.memory.remembered() + self.sums.len() + self.turns.as_ref().map_or(0, Turns::breakers)
    }

    fn read(&mut self, points: &[Point], owner: &Owner, now_ns: i64, events: &mut Vec<Event>) {
        let differences = points.iter().any(|point| point.temporality == Temporality::Delta);
        // Differences begin at zero; counters of somebody who was never heard may hold what happened long ago.
        let turns = self.turns.take();
        let mut turns = turns.unwrap_or_else(|| if differences { Turns::from_zero() } else { Turns::default() });
        let mut fold = Fold::default();
        for point in points {
            let labels: Vec<(&str, &str)> = point.labels.iter().map(|(key, value)| (&**key, &**value)).collect();
            let sample = Sample { name: &point.name, labels: &labels, value: point.value, at_ns: point.at_ns };
            let value = self.total(point, &sample);
            fold.take(&Sample { value, ..sample });
        }
        let readings = fold.finish(&mut turns);
        self.turns = Some(turns);
        self.memory.reads(&readings.readings, owner, now_ns, events);
    }

    /// A counter's number as if it had never been reset.
    fn total(&mut self, point: &Point, sample: &Sample<'_>) -> f64 {
        if point.temporality != Temporality::Delta || !matches!(meaning(sample), Meaning::Turned { .. }) {
            return point.value;
        }
        let series = (point.name.clone(), point.labels.clone());
        if self.sums.len() >= MOST_SUMS && !self.sums.contains_key(&series) {
            return point.value;
        }
        let sum = self.sums.entry(series).or_default();
        *sum += point.value;
        *sum
    }
}

#[cfg(test)]
mod tests;
