//! OTLP metrics: what of them means something here, and the names of the rest.
//!
//! This is no store for metrics. A request is walked once; data points whose series says how a breaker, a bulkhead or a limiter is
//! ([`series`](crate::series) knows which) are kept with their labels, all others are only counted, by name and reason. Both encodings
//! are read without structs in between, as traces are: JSON by this crate's own reader, since reading it with `serde` into the generated
//! types loses numbers in silence (opentelemetry-rust #3527).
//!
//! Source: `opentelemetry/proto/metrics/v1/metrics.proto` and the OTLP specification.

mod json;
mod protobuf;

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc, time::Duration};

use spillway_model::{
    batch::{Mark, Resource, SpanBatch, SpanBatchBuilder},
    identity::ServiceKey,
};

use super::{
    error::{DecodeError, Malformed},
    response::Encoding,
};
use crate::{
    Limits,
    series::{Meaning, Sample, meaning},
};

/// Data points of one request that are looked at: ten times what a large process reports.
const MAX_POINTS: usize = 100_000;
/// Data points of one request that are kept: a collector that gathers a fleet's breakers.
const MAX_KEPT: usize = 10_000;
/// Resources of one request: a collector of a fleet.
const MAX_SOURCES: usize = 10_000;
/// Names of series that are told apart in one request.
const MAX_NAMES: usize = 1_000;
/// Bytes of such a name.
const MAX_NAME_BYTES: usize = 256;
/// Labels of a point that is kept; those of breakers have five.
const MAX_LABELS: usize = 64;
/// How far ahead of ours a sender's clock may be: a state of tomorrow would hide all of today's.
const MAX_FUTURE: Duration = Duration::from_secs(24 * 60 * 60);

/// A data point says that there is none.
const NO_RECORDED_VALUE: u32 = 1;

/// How the numbers of one series follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Temporality {
    /// Each stands for itself.
    #[default]
    Gauge,
    /// Each holds all before it.
    Cumulative,
    /// Each is what came since the last.
    Delta,
}

/// One number of a series that means something.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Name of the series.
    pub name: Arc<str>,
    /// Its labels; values that are no plain text, number or truth are left out.
    pub labels: Vec<(Box<str>, Box<str>)>,
    /// The number.
    pub value: f64,
    /// When it was so, in ns since 1970, where said.
    pub at_ns: Option<i64>,
    /// How it counts.
    pub temporality: Temporality,
}

/// What one resource reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Whose it is.
    pub service: ServiceKey,
    /// `service.instance.id`; empty when not said.
    pub instance: Arc<str>,
    /// What is kept, in the order of the request.
    pub points: Vec<Point>,
}

/// How often a series came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Its name.
    pub name: Box<str>,
    /// Why it is not used; `None` when it is.
    pub why: Option<&'static str>,
    /// Data points.
    pub points: u64,
}

/// A decoded request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Resources that report anything, also those of which nothing is kept: that a series was not there tells when its first event was.
    pub sources: Vec<Source>,
    /// Every series of the request.
    pub series: Vec<Counted>,
    /// Data points that were looked at.
    pub points: u64,
    /// Data points that were not.
    pub rejected: u64,
    /// Why they were not; empty without any.
    pub message: String,
}

/// Decodes an `ExportMetricsServiceRequest`. `now_ns` is the receiver's clock.
///
/// # Errors
/// [`DecodeError`] with its place when the body is not such a request; then nothing of it is kept. A data point that is broken in itself is
/// rejected alone.
pub fn decode_metrics(body: &[u8], encoding: Encoding, limits: &Limits, now_ns: i64) -> Result<Metrics, DecodeError> {
    if body.len() > limits.body_bytes {
        return Err(*DecodeError::new(
            limits.body_bytes,
            Malformed::TooLong { bytes: body.len(), limit: limits.body_bytes },
        ));
    }
    match encoding {
        Encoding::Protobuf => protobuf::decode(body, limits, now_ns),
        Encoding::Json => json::decode(body, limits, now_ns),
    }
    .map_err(|error| *error)
}

/// Which metric of the request is being read.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    resource: usize,
    scope: usize,
    metric: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "resourceMetrics[{}].scopeMetrics[{}].metrics[{}]", self.resource, self.scope, self.metric)
    }
}

/// The fields of a data point that are read.
#[derive(Default)]
struct Read<'a> {
    value: Option<f64>,
    time_ns: u64,
    flags: u32,
    labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Read<'a> {
    fn label(&mut self, key: Cow<'a, str>, value: Cow<'a, str>) {
        if self.labels.len() < MAX_LABELS {
            self.labels.push((key, value));
        }
    }
}

/// Collects what a walk finds.
struct Gather {
    place: Place,
    now_ns: i64,
    /// Points of the resource that is being read, and how many had been looked at before it.
    current: Vec<Point>,
    points_before: u64,
    /// Points of each resource that reports something, by the place of its row in the batch that read its attributes.
    kept: Vec<(usize, Vec<Point>)>,
    kept_points: usize,
    names: BTreeMap<(Box<str>, Option<&'static str>), u64>,
    points: u64,
    rejected: Vec<(&'static str, u64)>,
    first_rejected: Option<String>,
}

impl Gather {
    fn new(now_ns: i64) -> Self {
        Self {
            place: Place::default(),
            now_ns,
            current: Vec::new(),
            points_before: 0,
            kept: Vec::new(),
            kept_points: 0,
            names: BTreeMap::new(),
            points: 0,
            rejected: Vec::new(),
            first_rejected: None,
        }
    }

    /// The end of a resource. One that reports nothing is forgotten: it takes two bytes of a body, its row a hundred of memory.
    fn end(&mut self, builder: &mut SpanBatchBuilder, resource: Resource, mark: Mark) {
        let points = std::mem::take(&mut self.current);
        if self.points == std::mem::replace(&mut self.points_before, self.points) || self.kept.len() == MAX_SOURCES {
            builder.rollback(mark);
        } else {
            self.kept.push((builder.resource_row(resource) as usize, points));
        }
    }

    /// False when not one more point may be read.
    fn has_room(&self) -> bool {
        (self.points as usize) < MAX_POINTS
    }

    fn reject(&mut self, why: &'static str) {
        match self.rejected.iter_mut().find(|(known, _)| *known == why) {
            Some((_, times)) => *times += 1,
            None => self.rejected.push((why, 1)),
        }
        let place = self.place;
        self.first_rejected.get_or_insert_with(|| format!("{place}: {why}"));
    }

    fn count(&mut self, name: &str, why: Option<&'static str>) {
        let key = (Box::from(&name[..name.floor_char_boundary(MAX_NAME_BYTES)]), why);
        let known = self.names.contains_key(&key);
        let key = if known || self.names.len() < MAX_NAMES {
            key
        } else {
            ("(others)".into(), Some("more than 1,000 series in one request"))
        };
        *self.names.entry(key).or_default() += 1;
    }

    fn point(&mut self, name: &str, temporality: Temporality, read: &Read<'_>) {
        if !self.has_room() {
            return self.reject("more than 100,000 data points in one request");
        }
        self.points += 1;
        if name.is_empty() {
            return self.reject("the metric has no name");
        }
        if read.flags & NO_RECORDED_VALUE != 0 {
            return self.count(name, Some("its data points say that nothing was recorded"));
        }
        let Some(value) = read.value else { return self.reject("the data point has no value") };
        let Ok(at_ns) = i64::try_from(read.time_ns) else { return self.reject("its time is after the year 2262") };
        if at_ns > self.now_ns.saturating_add(MAX_FUTURE.as_nanos() as i64) {
            return self.reject("its time is more than a day ahead");
        }
        let at_ns = (at_ns > 0).then_some(at_ns);
        let labels: Vec<(&str, &str)> = read.labels.iter().map(|(key, value)| (&**key, &**value)).collect();
        let why = match meaning(&Sample { name, labels: &labels, value, at_ns }) {
            Meaning::Breaker { .. } | Meaning::Turned { .. } | Meaning::Limit { .. } => {
                if self.kept_points == MAX_KEPT || self.kept.len() == MAX_SOURCES {
                    return self.reject("more than 10,000 resources, or data points of breakers, in one request");
                }
                self.keep(name, temporality, value, at_ns, &labels);
                None
            }
            Meaning::Nothing => None,
            Meaning::Ignored { why } => Some(why),
            Meaning::Retry { .. } | Meaning::Timeout { .. } | Meaning::Saturation { .. } | Meaning::Request { .. } => {
                Some("understood, but not used yet")
            }
        };
        self.count(name, why);
    }

    fn keep(&mut self, name: &str, temporality: Temporality, value: f64, at_ns: Option<i64>, labels: &[(&str, &str)]) {
        let name = match self.current.last() {
            Some(last) if *last.name == *name => last.name.clone(),
            _ => name.into(),
        };
        let labels = labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        self.current.push(Point { name, labels, value, at_ns, temporality });
        self.kept_points += 1;
    }

    /// The result; `resources` holds the resources that were read.
    fn finish(self, resources: &SpanBatch) -> Metrics {
        let source = |(row, points): (usize, Vec<Point>)| {
            let resource = &resources.resources[row];
            Source { service: resources.service(resource), instance: resources.str(resource.instance).into(), points }
        };
        let rejected = self.rejected.iter().map(|(_, times)| times).sum();
        let message = self.first_rejected.map_or_else(String::new, |first| {
            let reasons: Vec<String> =
                self.rejected.iter().map(|(why, times)| format!("{times} because {why}")).collect();
            format!("{rejected} data points rejected: {}; the first is in {first}", reasons.join(", "))
        });
        let counted = |((name, why), points)| Counted { name, why, points };
        Metrics {
            sources: self.kept.into_iter().map(source).collect(),
            series: self.names.into_iter().map(counted).collect(),
            points: self.points,
            rejected,
            message,
        }
    }
}

#[cfg(test)]
mod tests;
