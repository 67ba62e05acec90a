//! `zipkin.proto3.ListOfSpans`.

use std::net::{Ipv4Addr, Ipv6Addr};

use spillway_model::{
    batch::{SpanKind, StrId},
    identity::{SpanId, TraceId},
};

use super::span::{Endpoint, Open, Writer, nanoseconds};
use crate::{
    Decoded, Limits,
    otlp::{
        error::{Malformed, Read},
        protobuf::reader::{Reader, Tag},
    },
};

pub(super) fn decode(body: &[u8], limits: &Limits) -> Read<Decoded> {
    let mut writer = Writer::new(limits, body.len());
    let mut list = Reader::new(body);
    let mut index = 0;
    while let Some(tag) = list.tag()? {
        if tag.field != 1 {
            list.skip(tag)?;
            continue;
        }
        let message = list.message(tag).map_err(|error| error.inside(format_args!("[{index}]")))?;
        if let Some(reason) = writer.sink.full() {
            writer.sink.reject_at(reason, format_args!("[{index}]"));
        } else {
            span(&mut writer, message, index).map_err(|error| error.inside(format_args!("[{index}]")))?;
        }
        index += 1;
    }
    Ok(writer.finish())
}

fn span(writer: &mut Writer, mut message: Reader<'_>, index: usize) -> Read<()> {
    let begin = message;
    let mut open = writer.open();
    let mut duration_us = 0;
    let (mut trace, mut id) = (&[][..], &[][..]);
    while let Some(tag) = message.tag()? {
        let read = match tag.field {
            1 => message.bytes(tag).map(|bytes| trace = bytes),
            2 => parent(&mut message, tag).map(|parent| open.row.parent_id = parent),
            3 => message.bytes(tag).map(|bytes| id = bytes),
            4 => message.integer(tag).map(|number| open.row.kind = kind(number)),
            5 => message.text(tag).map(|name| open.row.name = writer.sink.text(name)),
            6 => message.fixed64(tag).map(|at| open.row.start_ns = nanoseconds(at)),
            7 => message.integer(tag).map(|duration| duration_us = duration),
            8 => message.message(tag).and_then(|inner| endpoint(writer, inner)).map(|end| open.local = end),
            9 => message.message(tag).and_then(|inner| endpoint(writer, inner)).map(|end| open.remote = end),
            10 => message.message(tag).and_then(|inner| annotation(writer, inner, &mut open)),
            11 => message.message(tag).and_then(|inner| self::tag(writer, inner, &mut open)),
            13 => message.integer(tag).map(|shared| open.shared = shared != 0),
            _ => message.skip(tag),
        };
        read.map_err(|error| match name(tag.field) {
            Some(name) => error.inside(name),
            None => error,
        })?;
    }
    let expected = |name, expected| {
        let found = "something else".to_owned();
        move || begin.fault(Malformed::Expected { expected, found }).inside(name)
    };
    let trace_id = padded(trace).ok_or_else(expected("traceId", "8 or 16 bytes, not all zero"))?;
    let span_id = (id.len() == 8).then(|| padded(id)).flatten();
    open.row.trace_id = TraceId(trace_id);
    open.row.span_id = SpanId(span_id.ok_or_else(expected("id", "8 bytes, not all zero"))?);
    writer.close(open, nanoseconds(duration_us), index);
    Ok(())
}

/// An id of 8 bytes or of all `N`, which is none when it is zero.
fn padded<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let mut id = [0; N];
    if bytes.len() != 8 && bytes.len() != N {
        return None;
    }
    id[N - bytes.len()..].copy_from_slice(bytes);
    (id != [0; N]).then_some(id)
}

fn parent(message: &mut Reader<'_>, tag: Tag) -> Read<SpanId> {
    let begin = *message;
    match message.bytes(tag)? {
        [] => Ok(SpanId::NONE),
        bytes => bytes.try_into().map(SpanId).map_err(|_| {
            let found = format!("{}", bytes.len());
            begin.fault(Malformed::Expected { expected: "8 bytes", found })
        }),
    }
}

/// Unknown numbers are absent, as in protobuf. The order is not OTLP's.
fn kind(number: u64) -> SpanKind {
    match number {
        1 => SpanKind::Client,
        2 => SpanKind::Server,
        3 => SpanKind::Producer,
        4 => SpanKind::Consumer,
        _ => SpanKind::Unspecified,
    }
}

fn endpoint(writer: &mut Writer, mut message: Reader<'_>) -> Read<Endpoint> {
    let mut endpoint = Endpoint::default();
    let mut ipv6 = StrId::EMPTY;
    while let Some(tag) = message.tag()? {
        match tag.field {
            1 => endpoint.service = message.text(tag).map(|name| writer.sink.text(name))?,
            2 => {
                let address = message.bytes(tag)?.try_into().map(|octets: [u8; 4]| Ipv4Addr::from(octets).to_string());
                endpoint.address = address.map_or(StrId::EMPTY, |address| writer.sink.text(&address));
            }
            3 => {
                let address = message.bytes(tag)?.try_into().map(|octets: [u8; 16]| Ipv6Addr::from(octets).to_string());
                ipv6 = address.map_or(StrId::EMPTY, |address| writer.sink.text(&address));
            }
            // A number that is no port says nothing.
            4 => endpoint.port = message.integer(tag).map(|port| u16::try_from(port).unwrap_or(0))?,
            _ => message.skip(tag)?,
        }
    }
    if endpoint.address == StrId::EMPTY {
        endpoint.address = ipv6;
    }
    Ok(endpoint)
}

fn annotation(writer: &mut Writer, mut message: Reader<'_>, open: &mut Open) -> Read<()> {
    let (mut at_us, mut value) = (0, "");
    while let Some(tag) = message.tag()? {
        match tag.field {
            1 => at_us = message.fixed64(tag)?,
            2 => value = message.text(tag)?,
            _ => message.skip(tag)?,
        }
    }
    writer.annotation(open, nanoseconds(at_us), value);
    Ok(())
}

fn tag(writer: &mut Writer, mut message: Reader<'_>, open: &mut Open) -> Read<()> {
    let (mut key, mut value) = ("", "");
    while let Some(tag) = message.tag()? {
        match tag.field {
            1 => key = message.text(tag)?,
            2 => value = message.text(tag)?,
            _ => message.skip(tag)?,
        }
    }
    writer.tag(open, key, value);
    Ok(())
}

/// The name of a span's field in the JSON form.
fn name(field: u32) -> Option<&'static str> {
    Some(match field {
        1 => "traceId",
        2 => "parentId",
        3 => "id",
        4 => "kind",
        5 => "name",
        6 => "timestamp",
        7 => "duration",
        8 => "localEndpoint",
        9 => "remoteEndpoint",
        10 => "annotations",
        11 => "tags",
        13 => "shared",
        _ => return None,
    })
}
