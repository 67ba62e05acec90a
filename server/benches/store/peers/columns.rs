//! Spans as columns, for peers that take columns: read from the very requests that the server gets, by the reference decoder.
//!
//! A frame is the number of rows (u64, little-endian), then each buffer as its length (u64) and its bytes, in the order of
//! `tests/peers/frames.py`: values one behind the other, and for texts, maps and lists the offsets (i32) that Arrow wants.

use std::io::{self, Write};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message as _;

use super::super::stream::Stream;

/// Rows of a frame, at least: what the documentation of the engines advises for an insert.
const ROWS: usize = 32_768;

#[derive(Default)]
struct Texts {
    ends: Vec<i32>,
    bytes: Vec<u8>,
}

impl Texts {
    fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(self.bytes.len() as i32);
    }

    fn write(&mut self, out: &mut impl Write) -> io::Result<()> {
        offsets(out, &self.ends)?;
        buffer(out, &self.bytes)?;
        self.ends.clear();
        self.bytes.clear();
        Ok(())
    }
}

#[derive(Default)]
struct Maps {
    ends: Vec<i32>,
    keys: Texts,
    values: Texts,
}

impl Maps {
    fn push(&mut self, attributes: &[KeyValue]) {
        for attribute in attributes {
            self.keys.push(&attribute.key);
            self.values.push(&shown(attribute.value.as_ref()));
        }
        self.ends.push(self.keys.ends.len() as i32);
    }

    fn write(&mut self, out: &mut impl Write) -> io::Result<()> {
        offsets(out, &self.ends)?;
        self.ends.clear();
        self.keys.write(out)?;
        self.values.write(out)
    }
}

/// A frame that is being filled.
#[derive(Default)]
struct Frame {
    starts: Vec<u8>,
    lengths: Vec<u8>,
    trace_ids: Vec<u8>,
    span_ids: Vec<u8>,
    parents: Vec<u8>,
    kinds: Vec<u8>,
    statuses: Vec<u8>,
    names: Texts,
    services: Texts,
    scopes: Texts,
    resources: Maps,
    attributes: Maps,
    event_ends: Vec<i32>,
    event_times: Vec<u8>,
    event_names: Texts,
    event_attributes: Maps,
}

impl Frame {
    fn rows(&self) -> usize {
        self.kinds.len()
    }

    fn add(&mut self, request: &ExportTraceServiceRequest) {
        for resource_spans in &request.resource_spans {
            let resource = resource_spans.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
            let service = resource.iter().find(|attribute| attribute.key == "service.name");
            let service = shown(service.and_then(|attribute| attribute.value.as_ref()));
            for scope_spans in &resource_spans.scope_spans {
                let scope = scope_spans.scope.as_ref().map_or("", |scope| &scope.name);
                for span in &scope_spans.spans {
                    self.services.push(&service);
                    self.scopes.push(scope);
                    self.resources.push(resource);
                    self.span(span);
                }
            }
        }
    }

    fn span(&mut self, span: &Span) {
        self.starts.extend_from_slice(&span.start_time_unix_nano.to_le_bytes());
        self.lengths.extend_from_slice(&(span.end_time_unix_nano - span.start_time_unix_nano).to_le_bytes());
        self.trace_ids.extend_from_slice(&span.trace_id);
        self.span_ids.extend_from_slice(&span.span_id);
        // All zeros is no span: a root.
        self.parents.extend_from_slice(if span.parent_span_id.is_empty() { &[0; 8] } else { &span.parent_span_id });
        self.kinds.push(span.kind as u8);
        self.statuses.push(span.status.as_ref().map_or(0, |status| status.code as u8));
        self.names.push(&span.name);
        self.attributes.push(&span.attributes);
        for event in &span.events {
            self.event_times.extend_from_slice(&event.time_unix_nano.to_le_bytes());
            self.event_names.push(&event.name);
            self.event_attributes.push(&event.attributes);
        }
        self.event_ends.push(self.event_names.ends.len() as i32);
    }

    fn write(&mut self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&(self.rows() as u64).to_le_bytes())?;
        for column in [
            &mut self.starts,
            &mut self.lengths,
            &mut self.trace_ids,
            &mut self.span_ids,
            &mut self.parents,
            &mut self.kinds,
            &mut self.statuses,
        ] {
            buffer(out, column)?;
            column.clear();
        }
        for texts in [&mut self.names, &mut self.services, &mut self.scopes] {
            texts.write(out)?;
        }
        self.resources.write(out)?;
        self.attributes.write(out)?;
        offsets(out, &self.event_ends)?;
        self.event_ends.clear();
        buffer(out, &self.event_times)?;
        self.event_times.clear();
        self.event_names.write(out)?;
        self.event_attributes.write(out)
    }
}

/// Writes the whole stream.
///
/// # Errors
/// When the reader went away.
pub fn feed(stream: Stream, mut out: impl Write, mut progress: impl FnMut(u64)) -> io::Result<()> {
    let (mut frame, mut spans) = (Frame::default(), 0);
    for request in stream {
        let request = ExportTraceServiceRequest::decode(request.body).map_err(io::Error::other)?;
        frame.add(&request);
        if frame.rows() >= ROWS {
            spans += frame.rows() as u64;
            frame.write(&mut out)?;
            progress(spans);
        }
    }
    if frame.rows() > 0 {
        frame.write(&mut out)?;
    }
    out.flush()
}

fn buffer(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(&(bytes.len() as u64).to_le_bytes())?;
    out.write_all(bytes)
}

fn offsets(out: &mut impl Write, ends: &[i32]) -> io::Result<()> {
    out.write_all(&(4 * (ends.len() as u64 + 1)).to_le_bytes())?;
    out.write_all(&[0; 4])?;
    for end in ends {
        out.write_all(&end.to_le_bytes())?;
    }
    Ok(())
}

/// A value as the collector's exporter writes it into a map of strings.
fn shown(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        _ => String::new(),
    }
}
