//! What Jaeger's interface saves (`{"data": [{"traceID", "spans", "processes"}]}`), into batches: one a trace.
//!
//! The fields and what becomes of them stand in `docs/INGEST.md`. The format is that of Jaeger's query service (`/api/traces`), which has no
//! specification; names and types follow `model/json/model.go` of the project. What is absent is taken as empty, what is of another type is an error
//! with its place: such a file is none of Jaeger's.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value as Json};
use spillway_model::{
    batch::{EventRow, LinkRow, Run, Scope, SpanBatch, SpanBatchBuilder, SpanKind, SpanRow, SpanStatus, StrId, Value},
    identity::{SpanId, TraceId},
};

/// Where a document is not what Jaeger saves.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: expected {expected}")]
pub struct JaegerError {
    path: String,
    expected: &'static str,
}

type Read<T> = Result<T, JaegerError>;

/// True when a file that begins like this is one of Jaeger's, and no line of OTLP/JSON.
pub fn is_jaeger(begin: &[u8]) -> bool {
    let begin: Vec<u8> = begin.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).take(8).collect();
    begin.starts_with(b"{\"data\":")
}

/// Decodes a document, a batch a trace.
///
/// # Errors
/// [`JaegerError`] with the place of what is not as Jaeger writes it; then nothing of the document is to be used.
pub fn decode_traces(document: &[u8]) -> Read<Vec<SpanBatch>> {
    let root: Json = serde_json::from_slice(document)
        .map_err(|error| JaegerError { path: format!("line {}", error.line()), expected: "JSON" })?;
    let root = Place { json: &root, path: String::new() };
    root.items("data")?.iter().map(trace).collect()
}

/// A value and where it stands.
struct Place<'a> {
    json: &'a Json,
    path: String,
}

impl<'a> Place<'a> {
    fn expected<T>(&self, expected: &'static str) -> Read<T> {
        Err(JaegerError { path: self.path.clone(), expected })
    }

    fn at(&self, key: impl fmt::Display, json: &'a Json) -> Self {
        Self { json, path: format!("{}/{key}", self.path) }
    }

    /// A member; null when it is absent.
    fn member(&self, key: &str) -> Self {
        self.at(key, self.json.get(key).unwrap_or(&Json::Null))
    }

    fn items(&self, key: &str) -> Read<Vec<Self>> {
        let list = self.member(key);
        match list.json {
            Json::Null => Ok(Vec::new()),
            Json::Array(items) => Ok(items.iter().enumerate().map(|(index, item)| list.at(index, item)).collect()),
            _ => list.expected("a list"),
        }
    }

    fn text(&self, key: &str) -> Read<&'a str> {
        let member = self.member(key);
        match member.json {
            Json::Null => Ok(""),
            Json::String(text) => Ok(text),
            _ => member.expected("text"),
        }
    }

    fn number(&self, key: &str) -> Read<u64> {
        let member = self.member(key);
        match member.json {
            Json::Null => Ok(0),
            json => json.as_u64().map_or_else(|| member.expected("a whole number"), Ok),
        }
    }

    /// Hexadecimal, without zeros in front as older versions wrote it.
    fn id<const N: usize>(&self, key: &str) -> Read<[u8; N]> {
        let text = self.text(key)?;
        let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
        match digits {
            Some(digits) if !digits.is_empty() && digits.len() <= 2 * N && digits.iter().any(|digit| *digit != 0) => {
                let mut id = [0; N];
                for (place, digit) in digits.iter().rev().enumerate() {
                    id[N - 1 - place / 2] |= digit << (4 * (place % 2));
                }
                Ok(id)
            }
            _ => self.member(key).expected("an id in hexadecimal digits"),
        }
    }
}

/// A tag of a span, of a process, or a field of a log.
struct Tag {
    key: String,
    value: Owned,
}

enum Owned {
    Text(String),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(Vec<u8>),
}

impl Owned {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

fn tags(owner: &Place<'_>, key: &str) -> Read<Vec<Tag>> {
    owner.items(key)?.iter().map(tag).collect()
}

fn tag(place: &Place<'_>) -> Read<Tag> {
    let value = place.member("value");
    let json = value.json;
    let owned = match place.text("type")? {
        "bool" => json.as_bool().or_else(|| json.as_str()?.parse().ok()).map(Owned::Bool),
        "int64" => json.as_i64().or_else(|| json.as_str()?.parse().ok()).map(Owned::Int),
        "float64" => json.as_f64().or_else(|| json.as_str()?.parse().ok()).map(Owned::Double),
        "binary" => json.as_str().and_then(|text| STANDARD.decode(text).ok()).map(Owned::Bytes),
        _ => Some(Owned::Text(json.as_str().map_or_else(|| json.to_string(), str::to_owned))),
    };
    match owned {
        Some(value) => Ok(Tag { key: place.text("key")?.to_owned(), value }),
        None => value.expected("a value of the type beside it"),
    }
}

/// Takes a tag with that key out.
fn take(tags: &mut Vec<Tag>, key: &str) -> Option<Owned> {
    let at = tags.iter().position(|tag| tag.key == key)?;
    Some(tags.remove(at).value)
}

fn take_text(tags: &mut Vec<Tag>, key: &str) -> Option<String> {
    let at = tags.iter().position(|tag| tag.key == key && tag.value.text().is_some())?;
    tags.remove(at).value.text().map(str::to_owned)
}

fn trace(trace: &Place<'_>) -> Read<SpanBatch> {
    let mut batch = SpanBatchBuilder::new();
    let mut resources: Vec<(String, u32)> = Vec::new();
    let processes = trace.member("processes");
    let empty = Map::new();
    let Some(by_id) = (if processes.json.is_null() { Some(&empty) } else { processes.json.as_object() }) else {
        return processes.expected("processes by their ids");
    };
    for (id, process) in by_id {
        let process = processes.at(id, process);
        let mut all = tags(&process, "tags")?;
        let mut resource =
            vec![Tag { key: "service.name".into(), value: Owned::Text(process.text("serviceName")?.into()) }];
        all.retain(|tag| tag.key != "service.name");
        for tag in &mut all {
            if tag.key == "hostname" {
                tag.key = "host.name".into();
            }
        }
        resource.append(&mut all);
        let attributes = add(&mut batch, resource);
        resources.push((id.clone(), batch.resource(attributes, 0, StrId::EMPTY)));
    }
    let mut scopes: Vec<((u32, String, String), u32)> = Vec::new();
    for place in trace.items("spans")? {
        let id = place.text("processID")?;
        let Some((_, resource)) = resources.iter().find(|(known, _)| known == id) else {
            return place.member("processID").expected("the id of a process of this trace");
        };
        span(&mut batch, &place, *resource, &mut scopes)?;
    }
    Ok(batch.finish())
}

fn span(
    batch: &mut SpanBatchBuilder,
    place: &Place<'_>,
    resource: u32,
    scopes: &mut Vec<((u32, String, String), u32)>,
) -> Read<()> {
    let trace_id = TraceId(place.id("traceID")?);
    let mut all = tags(place, "tags")?;
    let mut scoped = |keys: [&str; 2]| keys.iter().find_map(|key| take_text(&mut all, key)).unwrap_or_default();
    let name = scoped(["otel.scope.name", "otel.library.name"]);
    let version = scoped(["otel.scope.version", "otel.library.version"]);
    let key = (resource, name, version);
    let scope = match scopes.iter().find(|(known, _)| *known == key) {
        Some((_, scope)) => *scope,
        None => {
            let (name, version) = (batch.intern(&key.1), batch.intern(&key.2));
            let scope = batch.scope(Scope { resource, name, version, ..Scope::default() });
            scopes.push((key, scope));
            scope
        }
    };
    let start_ns = place.number("startTime")?.saturating_mul(1_000);
    let (status, message) = status(&mut all);
    let (parent_id, links) = references(batch, place, trace_id)?;
    let row = SpanRow {
        scope,
        trace_id,
        span_id: SpanId(place.id("spanID")?),
        parent_id,
        trace_state: {
            let state = take_text(&mut all, "w3c.tracestate").unwrap_or_default();
            batch.intern(&state)
        },
        flags: (place.number("flags")? & 0xff) as u32,
        name: batch.intern(place.text("operationName")?),
        kind: kind(&mut all),
        start_ns,
        end_ns: start_ns.saturating_add(place.number("duration")?.saturating_mul(1_000)),
        status,
        status_message: batch.intern(&message),
        events: events(batch, place)?,
        links,
        attributes: add(batch, all),
        ..SpanRow::default()
    };
    batch.span(&row);
    Ok(())
}

fn kind(tags: &mut Vec<Tag>) -> SpanKind {
    match take_text(tags, "span.kind").as_deref() {
        Some("server") => SpanKind::Server,
        Some("client") => SpanKind::Client,
        Some("producer") => SpanKind::Producer,
        Some("consumer") => SpanKind::Consumer,
        Some("internal") => SpanKind::Internal,
        _ => SpanKind::Unspecified,
    }
}

fn status(tags: &mut Vec<Tag>) -> (SpanStatus, String) {
    let code = take_text(tags, "otel.status_code");
    let message = take_text(tags, "otel.status_description").unwrap_or_default();
    let failed = match tags.iter().find(|tag| tag.key == "error").map(|tag| &tag.value) {
        Some(Owned::Bool(failed)) => Some(*failed),
        Some(Owned::Text(text)) => text.parse().ok(),
        _ => None,
    };
    if failed.is_some() {
        take(tags, "error");
    }
    match code.as_deref() {
        Some("ERROR") => (SpanStatus::Error, message),
        _ if failed == Some(true) => (SpanStatus::Error, message),
        Some("OK") => (SpanStatus::Ok, message),
        _ => (SpanStatus::Unset, message),
    }
}

/// The parent, and the links: every reference but the one that the parent stands for.
fn references(batch: &mut SpanBatchBuilder, place: &Place<'_>, trace_id: TraceId) -> Read<(SpanId, Run)> {
    let mut all = Vec::new();
    for reference in place.items("references")? {
        let child = reference.text("refType")? == "CHILD_OF";
        all.push((child, TraceId(reference.id("traceID")?), SpanId(reference.id("spanID")?)));
    }
    let parent = all.iter().position(|(child, trace, _)| *child && *trace == trace_id);
    let mut parent_id = parent.map_or(SpanId::NONE, |parent| all.remove(parent).2);
    // Files of older versions name the parent beside the references.
    if parent_id.is_none() && !place.text("parentSpanID")?.is_empty() {
        parent_id = SpanId(place.id("parentSpanID")?);
    }
    // What only follows from a span hangs below it in Jaeger's pictures; here too, and the link says how it is meant.
    if parent_id.is_none() {
        parent_id = all.iter().find(|(_, trace, _)| *trace == trace_id).map_or(SpanId::NONE, |(_, _, span)| *span);
    }
    let start = batch.link_count();
    for (child, trace_id, span_id) in all {
        let kind = if child { "child_of" } else { "follows_from" };
        let attributes = add(batch, vec![Tag { key: "opentracing.ref_type".into(), value: Owned::Text(kind.into()) }]);
        batch.link(LinkRow { trace_id, span_id, attributes, ..LinkRow::default() });
    }
    Ok((parent_id, Run { start, len: batch.link_count() - start }))
}

fn events(batch: &mut SpanBatchBuilder, place: &Place<'_>) -> Read<Run> {
    let start = batch.event_count();
    for log in place.items("logs")? {
        let mut fields = tags(&log, "fields")?;
        let name = take_text(&mut fields, "event").unwrap_or_else(|| "log".to_owned());
        let event = EventRow {
            at_ns: log.number("timestamp")?.saturating_mul(1_000),
            name: batch.intern(&name),
            attributes: add(batch, fields),
            dropped_attributes: 0,
        };
        batch.event(event);
    }
    Ok(Run { start, len: batch.event_count() - start })
}

fn add(batch: &mut SpanBatchBuilder, tags: Vec<Tag>) -> Run {
    let start = batch.attribute_count();
    for Tag { key, value } in tags {
        let key = batch.intern(&key);
        let value = match value {
            Owned::Text(text) => Value::Str(batch.intern(&text)),
            Owned::Bool(bool) => Value::Bool(bool),
            Owned::Int(int) => Value::Int(int),
            Owned::Double(double) => Value::Double(double),
            Owned::Bytes(bytes) => Value::Bytes(batch.bytes(&bytes)),
        };
        batch.attribute(key, value);
    }
    batch.attributes_since(start)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    const SAVED: &str = include_str!("../../../../tests/payloads/jaeger.json");

    #[test]
    fn every_field_finds_its_place() {
        let batches = decode_traces(SAVED.as_bytes()).unwrap();

        insta::assert_snapshot!(batches.iter().map(crate::otlp::write::write_traces).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn its_files_are_told_from_lines_of_otlp() {
        assert!(
            is_jaeger(SAVED.as_bytes()) && is_jaeger(b"{\n\t\"data\" : [") && !is_jaeger(b"{\"resourceSpans\":[]}")
        );
        assert!(!is_jaeger(b""));
    }

    #[test]
    fn what_is_not_as_jaeger_writes_it_is_named_with_its_place() {
        let cases = [
            ("[", "line 1: expected JSON"),
            (r#"{"data": 7}"#, "/data: expected a list"),
            (
                r#"{"data": [{"spans": [{"processID": "p1"}]}]}"#,
                "/data/0/spans/0/processID: expected the id of a process of this trace",
            ),
            (
                r#"{"data": [{"processes": {"p1": {}}, "spans": [{"processID": "p1", "traceID": "0"}]}]}"#,
                "/data/0/spans/0/traceID: expected an id in hexadecimal digits",
            ),
            (
                r#"{"data": [{"processes": {"p1": {"tags": [{"key": "a", "type": "int64", "value": "x"}]}}}]}"#,
                "/data/0/processes/p1/tags/0/value: expected a value of the type beside it",
            ),
        ];
        for (document, expected) in cases {
            assert_eq!(decode_traces(document.as_bytes()).unwrap_err().to_string(), expected);
        }
    }
}
