//! OTLP/JSON. Keys come in any order: what must be known first (a resource, a metric's name, a sum's temporality) is looked for, and
//! what waits for it is gone back to.

use std::borrow::Cow;

use super::{Gather, Metrics, Read as Point, Temporality};
use crate::{
    Limits,
    json::Reader,
    otlp::{
        error::Read,
        json::{
            Walk,
            field::{count, each, enumerated, nanoseconds, optional_text, wait},
        },
        sink::Sink,
    },
};

/// The members of a `Metric` that hold data points.
const DATA: [&str; 5] = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"];

pub(super) fn decode(body: &[u8], limits: &Limits, now_ns: i64) -> Read<Metrics> {
    let mut walk = Walk { sink: Sink::new(limits) };
    let mut gather = Gather::new(now_ns);
    let mut reader = Reader::new(body)?;
    let mut index = 0;
    let mut members = reader.object()?;
    while let Some(key) = reader.key(&mut members)? {
        match &*key {
            "resourceMetrics" => each(&mut reader, "resourceMetrics", &mut index, |reader, index| {
                gather.place.resource = index;
                resource_metrics(&mut walk, &mut gather, reader)
            })?,
            _ => reader.skip()?,
        }
    }
    reader.end()?;
    Ok(gather.finish(&walk.sink.finish().batch))
}

fn resource_metrics(walk: &mut Walk, gather: &mut Gather, reader: &mut Reader<'_>) -> Read<()> {
    let mark = walk.sink.builder.mark();
    let mut resource = None;
    let mut waiting = Vec::new();
    let mut members = reader.object()?;
    while let Some(key) = reader.key(&mut members)? {
        match &*key {
            "resource" => resource = Some(walk.resource(reader).map_err(|error| error.inside("resource"))?),
            "scopeMetrics" => wait(reader, "scopeMetrics", &mut waiting)?,
            _ => reader.skip()?,
        }
    }
    let mut index = 0;
    for mut reader in waiting {
        each(&mut reader, "scopeMetrics", &mut index, |reader, index| {
            gather.place.scope = index;
            scope_metrics(gather, reader)
        })?;
    }
    gather.end(&mut walk.sink.builder, resource.unwrap_or_default().row, mark);
    Ok(())
}

fn scope_metrics(gather: &mut Gather, reader: &mut Reader<'_>) -> Read<()> {
    let mut index = 0;
    let mut members = reader.object()?;
    while let Some(key) = reader.key(&mut members)? {
        match &*key {
            "metrics" => each(reader, "metrics", &mut index, |reader, index| {
                gather.place.metric = index;
                metric(gather, reader)
            })?,
            _ => reader.skip()?,
        }
    }
    Ok(())
}

fn metric(gather: &mut Gather, reader: &mut Reader<'_>) -> Read<()> {
    let mut name = Cow::Borrowed("");
    let mut data = None;
    let mut members = reader.object()?;
    while let Some(key) = reader.key(&mut members)? {
        if &*key == "name" {
            name = optional_text(reader).map_err(|error| error.inside("name"))?.unwrap_or_default();
        } else if let Some(kind) = DATA.into_iter().find(|kind| *kind == key) {
            let begin = *reader;
            reader.skip().map_err(|error| error.inside(kind))?;
            let mut value = begin;
            // Null is absent, and of the members of a `oneof` the last one counts.
            if !value.null() {
                data = Some((kind, begin));
            }
        } else {
            reader.skip()?;
        }
    }
    let Some((kind, mut reader)) = data else { return Ok(()) };
    points(gather, &name, kind, &mut reader).map_err(|error| error.inside(kind))
}

fn points(gather: &mut Gather, name: &str, kind: &str, reader: &mut Reader<'_>) -> Read<()> {
    let mut temporality = Temporality::Gauge;
    let mut monotonic = false;
    let mut waiting = Vec::new();
    let mut members = reader.object()?;
    while let Some(key) = reader.key(&mut members)? {
        if reader.null() {
            continue;
        }
        match &*key {
            "dataPoints" => wait(reader, "dataPoints", &mut waiting)?,
            "aggregationTemporality" if kind == "sum" => {
                temporality = enumerated(reader, "aggregationTemporality", temporality_of)?;
            }
            "isMonotonic" if kind == "sum" => {
                monotonic = reader.bool().map_err(|error| error.inside("isMonotonic"))?;
            }
            _ => reader.skip()?,
        }
    }
    // One that may fall is read like a gauge.
    if temporality == Temporality::Cumulative && !monotonic {
        temporality = Temporality::Gauge;
    }
    let mut index = 0;
    for mut reader in waiting {
        each(&mut reader, "dataPoints", &mut index, |reader, _| {
            let point = point(reader, kind)?;
            gather.point(name, temporality, &point);
            Ok(())
        })?;
    }
    Ok(())
}

fn temporality_of(text: &str) -> Temporality {
    match text.strip_prefix("AGGREGATION_TEMPORALITY_").unwrap_or(text) {
        "DELTA" | "1" => Temporality::Delta,
        _ => Temporality::Cumulative,
    }
}

fn point<'a>(reader: &mut Reader<'a>, kind: &str) -> Read<Point<'a>> {
    let mut point = Point::default();
    let number = matches!(kind, "gauge" | "sum");
    let mut members = reader.object()?;
    while let Some(key) = reader.key(&mut members)? {
        if reader.null() {
            continue;
        }
        match &*key {
            "timeUnixNano" => nanoseconds(reader, "timeUnixNano", &mut point.time_ns)?,
            "flags" => count(reader, "flags", &mut point.flags)?,
            "attributes" => each(reader, "attributes", &mut 0, |reader, _| label(reader, &mut point))?,
            "asDouble" if number => {
                point.value = Some(reader.double().map_err(|error| error.inside("asDouble"))?);
            }
            "asInt" if number => {
                let int: i64 = reader.integer("a 64-bit integer").map_err(|error| error.inside("asInt"))?;
                point.value = Some(int as f64);
            }
            // What a histogram or a summary says first of all is how many there were.
            "count" if !number => {
                let count: u64 = reader.integer("a count").map_err(|error| error.inside("count"))?;
                point.value = Some(count as f64);
            }
            _ => reader.skip()?,
        }
    }
    if !number && point.value.is_none() {
        point.value = Some(0.0);
    }
    Ok(point)
}

fn label<'a>(reader: &mut Reader<'a>, point: &mut Point<'a>) -> Read<()> {
    let (mut key, mut value) = (Cow::Borrowed(""), None);
    let mut members = reader.object()?;
    while let Some(member) = reader.key(&mut members)? {
        match &*member {
            "key" => key = optional_text(reader).map_err(|error| error.inside("key"))?.unwrap_or_default(),
            "value" => value = plain(reader).map_err(|error| error.inside("value"))?,
            _ => reader.skip()?,
        }
    }
    if let Some(value) = value {
        point.label(key, value);
    }
    Ok(())
}

/// An `AnyValue` as text, if it is plain.
fn plain<'a>(reader: &mut Reader<'a>) -> Read<Option<Cow<'a, str>>> {
    let mut value = None;
    if reader.null() {
        return Ok(value);
    }
    let mut members = reader.object()?;
    while let Some(member) = reader.key(&mut members)? {
        if reader.null() {
            continue;
        }
        let read = match &*member {
            "stringValue" => reader.string().map(Some),
            "boolValue" => reader.bool().map(|bool| Some(Cow::Borrowed(if bool { "true" } else { "false" }))),
            "intValue" => reader.integer("a 64-bit integer").map(|int: i64| Some(Cow::Owned(int.to_string()))),
            "doubleValue" => reader.double().map(|double| Some(Cow::Owned(double.to_string()))),
            _ => reader.skip().map(|()| None),
        };
        value = read.map_err(|error| error.inside(&*member))?;
    }
    Ok(value)
}
