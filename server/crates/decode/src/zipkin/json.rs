//! Zipkin's JSON of version 2.

use std::borrow::Cow;

use spillway_model::{
    batch::{SpanKind, StrId, Value},
    identity::{SpanId, TraceId},
};

use super::span::{Endpoint, Open, Writer, nanoseconds};
use crate::{
    Decoded, Limits,
    json::Reader,
    otlp::error::{Malformed, Read},
};

/// How much of a tag's key is shown in the path of an error.
const MAX_KEY_SHOWN: usize = 64;

const TIME: &str = "microseconds since 1970";

pub(super) fn decode(body: &[u8], limits: &Limits) -> Read<Decoded> {
    let mut writer = Writer::new(limits, body.len());
    let mut reader = Reader::new(body)?;
    if reader.next_byte().is_some() {
        let mut index = 0;
        let mut spans = reader.array()?;
        while reader.item(&mut spans)? {
            if let Some(reason) = writer.sink.full() {
                writer.sink.reject_at(reason, format_args!("[{index}]"));
                reader.skip().map_err(|error| error.inside(format_args!("[{index}]")))?;
            } else {
                span(&mut writer, &mut reader, index).map_err(|error| error.inside(format_args!("[{index}]")))?;
            }
            index += 1;
        }
        reader.end()?;
    }
    Ok(writer.finish())
}

fn span(writer: &mut Writer, reader: &mut Reader<'_>, index: usize) -> Read<()> {
    let begin = *reader;
    let mut open = writer.open();
    let mut duration_us = 0;
    let (mut trace, mut id) = (None, None);
    let mut members = reader.object()?;
    while let Some(key) = reader.key(&mut members)? {
        if reader.null() {
            continue;
        }
        let read = match &*key {
            "traceId" => hexadecimal(reader, "1 to 32 hexadecimal digits, not all zero").map(|id| trace = id),
            "id" => hexadecimal(reader, "1 to 16 hexadecimal digits, not all zero").map(|read| id = read),
            "parentId" => parent(reader).map(|parent| open.row.parent_id = parent),
            "kind" => kind(reader).map(|kind| open.row.kind = kind),
            "name" => reader.string().map(|name| open.row.name = writer.sink.text(&name)),
            "timestamp" => reader.integer(TIME).map(|at| open.row.start_ns = nanoseconds(at)),
            "duration" => reader.integer("microseconds").map(|duration| duration_us = duration),
            "localEndpoint" => endpoint(writer, reader).map(|endpoint| open.local = endpoint),
            "remoteEndpoint" => endpoint(writer, reader).map(|endpoint| open.remote = endpoint),
            "annotations" => annotations(writer, reader, &mut open),
            "tags" => tags(writer, reader, &mut open),
            "shared" => reader.bool().map(|shared| open.shared = shared),
            "binaryAnnotations" => Err(version_1(reader, "binaryAnnotations")),
            _ => reader.skip(),
        };
        read.map_err(|error| error.inside(&key[..key.floor_char_boundary(MAX_KEY_SHOWN)]))?;
    }
    let missing = |name: &'static str| {
        begin.fault(Malformed::Expected { expected: "a span with its ids", found: format!("one without `{name}`") })
    };
    open.row.trace_id = TraceId(trace.ok_or_else(|| missing("traceId"))?);
    open.row.span_id = SpanId(id.ok_or_else(|| missing("id"))?);
    writer.close(open, nanoseconds(duration_us), index);
    Ok(())
}

#[cold]
fn version_1(reader: &Reader<'_>, found: &str) -> Box<crate::otlp::DecodeError> {
    reader.fault(Malformed::Expected {
        expected: "Zipkin's JSON of version 2",
        found: format!("`{found}`, which is of version 1: let the reporter encode JSON_V2 or PROTO3"),
    })
}

/// An id, filled up with zeros in front: 64-bit trace ids are the lower half of 128 bits.
fn hexadecimal<const N: usize>(reader: &mut Reader<'_>, expected: &'static str) -> Read<Option<[u8; N]>> {
    let mut begin = *reader;
    match padded(&reader.string()?) {
        Some(id) if id != [0; N] => Ok(Some(id)),
        _ => Err(begin.expected(expected)),
    }
}

/// None is absent, empty or all zero.
fn parent(reader: &mut Reader<'_>) -> Read<SpanId> {
    let mut begin = *reader;
    let text = reader.string()?;
    if text.is_empty() {
        return Ok(SpanId::NONE);
    }
    padded(&text).map(SpanId).ok_or_else(|| begin.expected("up to 16 hexadecimal digits"))
}

fn padded<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.is_empty() || digits.len() > 2 * N {
        return None;
    }
    let mut id = [0; N];
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    if digits.len().is_multiple_of(2) {
        // What everybody sends: whole bytes.
        let start = N - digits.len() / 2;
        for (byte, pair) in id[start..].iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
    } else {
        for (place, &byte) in digits.iter().rev().enumerate() {
            id[N - 1 - place / 2] |= digit(byte)? << (4 * (place % 2));
        }
    }
    Some(id)
}

fn kind(reader: &mut Reader<'_>) -> Read<SpanKind> {
    let mut begin = *reader;
    match &*reader.string()? {
        "CLIENT" => Ok(SpanKind::Client),
        "SERVER" => Ok(SpanKind::Server),
        "PRODUCER" => Ok(SpanKind::Producer),
        "CONSUMER" => Ok(SpanKind::Consumer),
        _ => Err(begin.expected("CLIENT, SERVER, PRODUCER or CONSUMER")),
    }
}

fn endpoint(writer: &mut Writer, reader: &mut Reader<'_>) -> Read<Endpoint> {
    let mut endpoint = Endpoint::default();
    let mut ipv6 = StrId::EMPTY;
    let mut members = reader.object()?;
    while let Some(key) = reader.key(&mut members)? {
        if reader.null() {
            continue;
        }
        let mut text = |reader: &mut Reader<'_>| reader.string().map(|text| writer.sink.text(&text));
        let read = match &*key {
            "serviceName" => text(reader).map(|service| endpoint.service = service),
            "ipv4" => text(reader).map(|address| endpoint.address = address),
            "ipv6" => text(reader).map(|address| ipv6 = address),
            "port" => reader.integer("a port from 0 to 65535").map(|port| endpoint.port = port),
            _ => reader.skip(),
        };
        read.map_err(|error| error.inside(&key[..key.floor_char_boundary(MAX_KEY_SHOWN)]))?;
    }
    if endpoint.address == StrId::EMPTY {
        endpoint.address = ipv6;
    }
    Ok(endpoint)
}

fn annotations(writer: &mut Writer, reader: &mut Reader<'_>, open: &mut Open) -> Read<()> {
    let mut index = 0;
    let mut items = reader.array()?;
    while reader.item(&mut items)? {
        annotation(writer, reader, open).map_err(|error| error.inside(format_args!("[{index}]")))?;
        index += 1;
    }
    Ok(())
}

fn annotation(writer: &mut Writer, reader: &mut Reader<'_>, open: &mut Open) -> Read<()> {
    let mut at_us = 0;
    let mut value = Cow::Borrowed("");
    let mut members = reader.object()?;
    while let Some(key) = reader.key(&mut members)? {
        if reader.null() {
            continue;
        }
        let read = match &*key {
            "timestamp" => reader.integer(TIME).map(|at| at_us = at),
            "value" => reader.string().map(|text| value = text),
            "endpoint" => Err(version_1(reader, "endpoint")),
            _ => reader.skip(),
        };
        read.map_err(|error| error.inside(&key[..key.floor_char_boundary(MAX_KEY_SHOWN)]))?;
    }
    writer.annotation(open, nanoseconds(at_us), &value);
    Ok(())
}

fn tags(writer: &mut Writer, reader: &mut Reader<'_>, open: &mut Open) -> Read<()> {
    let mut members = reader.object()?;
    while let Some(key) = reader.key(&mut members)? {
        let read = match reader.next_byte() {
            Some(b'"') => reader.string().map(|text| writer.tag(open, &key, &text)),
            Some(b't' | b'f') => reader.bool().map(|bool| writer.other_tag(open, &key, Value::Bool(bool))),
            Some(b'-' | b'0'..=b'9') => number(reader).map(|number| writer.other_tag(open, &key, number)),
            _ if reader.null() => Ok(()),
            _ => Err(reader.expected("a text")),
        };
        read.map_err(|error| error.inside(&key[..key.floor_char_boundary(MAX_KEY_SHOWN)]))?;
    }
    Ok(())
}

fn number(reader: &mut Reader<'_>) -> Read<Value> {
    let begin = *reader;
    reader.integer("a number").map(Value::Int).or_else(|_| {
        *reader = begin;
        reader.double().map(Value::Double)
    })
}
