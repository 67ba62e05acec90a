//! The protobuf encoding: one borrowing walk. Where a field that says how to read others stands behind them, a message is walked twice;
//! passing over a field costs one length.

use std::borrow::Cow;

use spillway_model::batch::Resource;

use super::{Gather, Metrics, Read as Point, Temporality};
use crate::{
    Limits,
    otlp::{
        error::Read,
        protobuf::{Walk, reader::Reader},
        sink::Remembers,
    },
};

/// Field numbers of what a `Metric` may hold.
const GAUGE: u32 = 5;
const SUM: u32 = 7;
const HISTOGRAM: u32 = 9;
const EXPONENTIAL_HISTOGRAM: u32 = 10;
const SUMMARY: u32 = 11;

pub(super) fn decode(body: &[u8], limits: &Limits, now_ns: i64) -> Read<Metrics> {
    let mut walk = Walk::new(limits);
    let mut gather = Gather::new(now_ns);
    let mut request = Reader::new(body);
    let mut index = 0;
    while let Some(tag) = request.tag()? {
        if tag.field == 1 {
            gather.place.resource = index;
            let read = request.message(tag).and_then(|message| resource_metrics(&mut walk, &mut gather, message));
            read.map_err(|error| error.inside(format_args!("resourceMetrics[{index}]")))?;
            index += 1;
        } else {
            request.skip(tag)?;
        }
    }
    Ok(gather.finish(&walk.sink.finish().batch))
}

fn resource_metrics<'a>(walk: &mut Walk<'a>, gather: &mut Gather, message: Reader<'a>) -> Read<()> {
    let mark = walk.sink.builder.mark();
    let mut row = Resource::default();
    let mut owner = walk.sink.owner(Remembers::Nothing);
    let mut fields = message;
    while let Some(tag) = fields.tag()? {
        if tag.field == 1 {
            let read =
                fields.message(tag).and_then(|inner| walk.resource(inner, &mut row, &mut owner, &mut Vec::new()));
            read.map_err(|error| error.inside("resource"))?;
        } else {
            fields.skip(tag)?;
        }
    }
    (row.attributes, row.dropped_attributes) = walk.sink.attributes(&owner, row.dropped_attributes);
    let mut fields = message;
    let mut index = 0;
    while let Some(tag) = fields.tag()? {
        if tag.field == 2 {
            gather.place.scope = index;
            let read = fields.message(tag).and_then(|inner| scope_metrics(gather, inner));
            read.map_err(|error| error.inside(format_args!("scopeMetrics[{index}]")))?;
            index += 1;
        } else {
            fields.skip(tag)?;
        }
    }
    gather.end(&mut walk.sink.builder, row, mark);
    Ok(())
}

fn scope_metrics(gather: &mut Gather, mut message: Reader<'_>) -> Read<()> {
    let mut index = 0;
    while let Some(tag) = message.tag()? {
        if tag.field == 2 {
            gather.place.metric = index;
            let read = message.message(tag).and_then(|inner| metric(gather, inner));
            read.map_err(|error| error.inside(format_args!("metrics[{index}]")))?;
            index += 1;
        } else {
            message.skip(tag)?;
        }
    }
    Ok(())
}

fn metric(gather: &mut Gather, mut message: Reader<'_>) -> Read<()> {
    let mut name = "";
    let mut data = None;
    while let Some(tag) = message.tag()? {
        match tag.field {
            1 => name = message.text(tag).map_err(|error| error.inside("name"))?,
            GAUGE | SUM | HISTOGRAM | EXPONENTIAL_HISTOGRAM | SUMMARY => {
                // Of the members of a `oneof` the last one counts.
                data = Some((tag.field, message.message(tag)?));
            }
            _ => message.skip(tag)?,
        }
    }
    let Some((kind, data)) = data else { return Ok(()) };
    points(gather, name, kind, data).map_err(|error| {
        error.inside(match kind {
            GAUGE => "gauge",
            SUM => "sum",
            HISTOGRAM => "histogram",
            EXPONENTIAL_HISTOGRAM => "exponentialHistogram",
            _ => "summary",
        })
    })
}

fn points(gather: &mut Gather, name: &str, kind: u32, data: Reader<'_>) -> Read<()> {
    let temporality = if kind == SUM { temporality(data)? } else { Temporality::Gauge };
    let mut fields = data;
    let mut index = 0;
    while let Some(tag) = fields.tag()? {
        if tag.field == 1 {
            let read = fields.message(tag).and_then(|inner| point(inner, kind));
            let point = read.map_err(|error| error.inside(format_args!("dataPoints[{index}]")))?;
            gather.point(name, temporality, &point);
            index += 1;
        } else {
            fields.skip(tag)?;
        }
    }
    Ok(())
}

/// Of a sum. One that may fall is read like a gauge.
fn temporality(mut sum: Reader<'_>) -> Read<Temporality> {
    let (mut number, mut monotonic) = (0, false);
    while let Some(tag) = sum.tag()? {
        match tag.field {
            2 => number = sum.integer(tag).map_err(|error| error.inside("aggregationTemporality"))?,
            3 => monotonic = sum.integer(tag).map_err(|error| error.inside("isMonotonic"))? != 0,
            _ => sum.skip(tag)?,
        }
    }
    Ok(match number {
        1 => Temporality::Delta,
        _ if monotonic => Temporality::Cumulative,
        _ => Temporality::Gauge,
    })
}

fn point(mut message: Reader<'_>, kind: u32) -> Read<Point<'_>> {
    let mut point = Point::default();
    let number = matches!(kind, GAUGE | SUM);
    let (attributes, flags) = match kind {
        HISTOGRAM => (9, 10),
        EXPONENTIAL_HISTOGRAM => (1, 10),
        _ => (7, 8),
    };
    while let Some(tag) = message.tag()? {
        match tag.field {
            3 => point.time_ns = message.fixed64(tag).map_err(|error| error.inside("timeUnixNano"))?,
            4 if number => {
                let bits = message.fixed64(tag).map_err(|error| error.inside("asDouble"))?;
                point.value = Some(f64::from_bits(bits));
            }
            6 if number => {
                let int = message.fixed64(tag).map_err(|error| error.inside("asInt"))?;
                point.value = Some(int.cast_signed() as f64);
            }
            // What a histogram or a summary says first of all is how many there were.
            4 => point.value = Some(message.fixed64(tag).map_err(|error| error.inside("count"))? as f64),
            field if field == attributes => {
                let read = message.message(tag).and_then(|inner| label(inner, &mut point));
                read.map_err(|error| error.inside("attributes"))?;
            }
            field if field == flags => {
                point.flags = message.integer(tag).map_err(|error| error.inside("flags"))? as u32;
            }
            _ => message.skip(tag)?,
        }
    }
    // A count of zero is not written.
    if !number && point.value.is_none() {
        point.value = Some(0.0);
    }
    Ok(point)
}

fn label<'a>(mut message: Reader<'a>, point: &mut Point<'a>) -> Read<()> {
    let (mut key, mut value) = ("", None);
    while let Some(tag) = message.tag()? {
        match tag.field {
            1 => key = message.text(tag)?,
            2 => value = message.message(tag).and_then(plain)?,
            _ => message.skip(tag)?,
        }
    }
    if let Some(value) = value {
        point.label(Cow::Borrowed(key), value);
    }
    Ok(())
}

/// An `AnyValue` as text, if it is plain.
fn plain(mut message: Reader<'_>) -> Read<Option<Cow<'_, str>>> {
    let mut value = None;
    while let Some(tag) = message.tag()? {
        value = match tag.field {
            1 => Some(Cow::Borrowed(message.text(tag)?)),
            2 => Some(Cow::Borrowed(if message.integer(tag)? != 0 { "true" } else { "false" })),
            3 => Some(Cow::Owned(message.integer(tag)?.cast_signed().to_string())),
            4 => Some(Cow::Owned(f64::from_bits(message.fixed64(tag)?).to_string())),
            _ => message.skip(tag).map(|()| None)?,
        };
    }
    Ok(value)
}
