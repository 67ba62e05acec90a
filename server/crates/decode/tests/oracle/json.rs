//! OTLP/JSON: requests of the reference implementation, written as the specification says (not as its `serde` support does, which
//! loses data) and in every way that it allows.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::{Span, span},
};
use proptest::prelude::*;
use spillway_decode::{
    Limits, Reason,
    otlp::{
        Malformed,
        json::decode_traces,
        value::{Tree, tree},
    },
};
use spillway_model::batch::ValueRef;

use crate::{back, request};

/// The liberties that a writer has.
#[derive(Clone, Copy, Debug)]
struct Style {
    /// Keys from last to first: a resource behind its scopes, a key behind its value.
    reversed: bool,
    /// 64-bit integers in quotes.
    quoted: bool,
    upper_case_ids: bool,
    enum_names: bool,
    /// Absent fields as null, and keys that nobody knows.
    noise: bool,
}

fn style() -> impl Strategy<Value = Style> {
    any::<[bool; 5]>().prop_map(|[reversed, quoted, upper_case_ids, enum_names, noise]| Style {
        reversed,
        quoted,
        upper_case_ids,
        enum_names,
        noise,
    })
}

impl Style {
    fn object(self, mut members: Vec<(&str, String)>) -> String {
        if self.noise {
            members.insert(0, ("unknownKey", r#"{"deep":[1,{"traceId":"zz"}],"text":"]}"}"#.to_owned()));
            members.push(("alsoUnknown", "null".to_owned()));
        }
        if self.reversed {
            members.reverse();
        }
        let members: Vec<_> = members.into_iter().map(|(key, value)| format!("{}: {value}", self.text(key))).collect();
        format!("{{ {} }}", members.join(",\n"))
    }

    fn array<T>(self, items: &[T], item: impl Fn(&T) -> String) -> String {
        if items.is_empty() && self.noise {
            return "null".to_owned();
        }
        format!("[{}]", items.iter().map(item).collect::<Vec<_>>().join(", "))
    }

    fn text(self, text: &str) -> String {
        serde_json::to_string(text).unwrap()
    }

    fn integer(self, integer: impl ToString) -> String {
        if self.quoted { format!("\"{}\"", integer.to_string()) } else { integer.to_string() }
    }

    fn id(self, id: &[u8]) -> String {
        let hex: String = id
            .iter()
            .map(|byte| if self.upper_case_ids { format!("{byte:02X}") } else { format!("{byte:02x}") })
            .collect();
        self.text(&hex)
    }

    fn request(self, request: &ExportTraceServiceRequest) -> String {
        let resource_spans = self.array(&request.resource_spans, |resource_spans| {
            let resource = resource_spans.resource.as_ref().map_or("null".to_owned(), |resource| {
                let entity_refs = self.array(&resource.entity_refs, |entity| {
                    self.object(vec![
                        ("schemaUrl", self.text(&entity.schema_url)),
                        ("type", self.text(&entity.r#type)),
                        ("idKeys", self.array(&entity.id_keys, |key| self.text(key))),
                        ("descriptionKeys", self.array(&entity.description_keys, |key| self.text(key))),
                    ])
                });
                self.object(vec![
                    ("attributes", self.attributes(&resource.attributes)),
                    ("droppedAttributesCount", resource.dropped_attributes_count.to_string()),
                    ("entityRefs", entity_refs),
                ])
            });
            let scope_spans = self.array(&resource_spans.scope_spans, |scope_spans| {
                let scope = scope_spans.scope.as_ref().map_or("null".to_owned(), |scope| {
                    self.object(vec![
                        ("name", self.text(&scope.name)),
                        ("version", self.text(&scope.version)),
                        ("attributes", self.attributes(&scope.attributes)),
                        ("droppedAttributesCount", self.integer(scope.dropped_attributes_count)),
                    ])
                });
                let spans = self.array(&scope_spans.spans, |span| self.span(span));
                self.object(vec![("scope", scope), ("spans", spans), ("schemaUrl", self.text(&scope_spans.schema_url))])
            });
            self.object(vec![
                ("resource", resource),
                ("scopeSpans", scope_spans),
                ("schemaUrl", self.text(&resource_spans.schema_url)),
            ])
        });
        self.object(vec![("resourceSpans", resource_spans)])
    }

    fn span(self, span: &Span) -> String {
        let kinds = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
        let kind = match kinds.get(usize::try_from(span.kind).unwrap_or(usize::MAX)) {
            Some(name) if self.enum_names => format!("\"SPAN_KIND_{name}\""),
            _ => span.kind.to_string(),
        };
        let status = span.status.as_ref().map_or("null".to_owned(), |status| {
            let code = match ["UNSET", "OK", "ERROR"].get(usize::try_from(status.code).unwrap_or(usize::MAX)) {
                Some(name) if self.enum_names => format!("\"STATUS_CODE_{name}\""),
                _ => status.code.to_string(),
            };
            self.object(vec![("message", self.text(&status.message)), ("code", code)])
        });
        let events = self.array(&span.events, |event| {
            self.object(vec![
                ("timeUnixNano", self.integer(event.time_unix_nano)),
                ("name", self.text(&event.name)),
                ("attributes", self.attributes(&event.attributes)),
                ("droppedAttributesCount", event.dropped_attributes_count.to_string()),
            ])
        });
        let links = self.array(&span.links, |link: &span::Link| {
            self.object(vec![
                ("traceId", self.id(&link.trace_id)),
                ("spanId", self.id(&link.span_id)),
                ("traceState", self.text(&link.trace_state)),
                ("attributes", self.attributes(&link.attributes)),
                ("droppedAttributesCount", link.dropped_attributes_count.to_string()),
                ("flags", link.flags.to_string()),
            ])
        });
        self.object(vec![
            ("traceId", self.id(&span.trace_id)),
            ("events", events),
            ("links", links),
            ("spanId", self.id(&span.span_id)),
            ("traceState", self.text(&span.trace_state)),
            ("parentSpanId", self.id(&span.parent_span_id)),
            ("flags", span.flags.to_string()),
            ("name", self.text(&span.name)),
            ("kind", kind),
            ("startTimeUnixNano", self.integer(span.start_time_unix_nano)),
            ("endTimeUnixNano", self.integer(span.end_time_unix_nano)),
            ("attributes", self.attributes(&span.attributes)),
            ("droppedAttributesCount", span.dropped_attributes_count.to_string()),
            ("droppedEventsCount", self.integer(span.dropped_events_count)),
            ("droppedLinksCount", span.dropped_links_count.to_string()),
            ("status", status),
        ])
    }

    fn attributes(self, attributes: &[KeyValue]) -> String {
        self.array(attributes, |pair| self.key_value(pair))
    }

    fn key_value(self, pair: &KeyValue) -> String {
        let value = pair.value.as_ref().map_or("null".to_owned(), |value| self.any(value));
        self.object(vec![("key", self.text(&pair.key)), ("value", value)])
    }

    fn any(self, any: &AnyValue) -> String {
        use base64::Engine as _;
        let member = match &any.value {
            None | Some(Value::StringValueStrindex(_)) => return self.object(Vec::new()),
            Some(Value::StringValue(text)) => ("stringValue", self.text(text)),
            Some(Value::BoolValue(bool)) => ("boolValue", bool.to_string()),
            Some(Value::IntValue(int)) => ("intValue", self.integer(int)),
            Some(Value::DoubleValue(double)) if double.is_infinite() => {
                ("doubleValue", self.text(if *double > 0.0 { "Infinity" } else { "-Infinity" }))
            }
            Some(Value::DoubleValue(double)) => ("doubleValue", format!("{double:e}")),
            Some(Value::BytesValue(bytes)) if self.noise => {
                ("bytesValue", self.text(&base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes)))
            }
            Some(Value::BytesValue(bytes)) => {
                ("bytesValue", self.text(&base64::prelude::BASE64_STANDARD.encode(bytes)))
            }
            Some(Value::ArrayValue(array)) => {
                ("arrayValue", self.object(vec![("values", self.array(&array.values, |value| self.any(value)))]))
            }
            Some(Value::KvlistValue(list)) => {
                ("kvlistValue", self.object(vec![("values", self.attributes(&list.values))]))
            }
        };
        self.object(vec![member])
    }
}

proptest! {
    #[test]
    fn every_field_and_type_survives_in_every_style(sent in request::arbitrary(), style in style()) {
        let body = style.request(&sent);

        let decoded = decode_traces(body.as_bytes(), &Limits::default()).map_err(|error| TestCaseError::fail(format!("{error}\n{body}")))?;

        prop_assert_eq!(decoded.message(), "");
        prop_assert_eq!(back::request(&decoded.batch), request::normalised(sent));
    }

    #[test]
    fn arbitrary_damage_never_panics(sent in request::arbitrary(), style in style(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut body = style.request(&sent).into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        let _ = decode_traces(&body, &Limits::default());
    }
}

proptest! {
    // Each case is thousands of requests.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn every_truncation_is_an_error(sent in request::arbitrary(), style in style()) {
        let body = style.request(&sent);
        for end in 0..body.len() {
            prop_assert!(decode_traces(&body.as_bytes()[..end], &Limits::default()).is_err());
        }
    }
}

fn span_with(members: &str) -> String {
    format!(
        r#"{{"resourceSpans": [{{"scopeSpans": [{{"spans": [
  {{"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "eee19b7ec3c1b174"{members}}}
]}}]}}]}}"#
    )
}

/// `serde_json`'s feature `arbitrary_precision`, switched on by any dependency, breaks exactly these two in decoders that go through `serde`.
#[test]
fn a_fraction_and_an_integer_beyond_2_to_the_53_keep_their_value() {
    let body = span_with(
        r#", "attributes": [{"key": "d", "value": {"doubleValue": 1.5}}, {"key": "i", "value": {"intValue": "9007199254740993"}},
        {"key": "n", "value": {"intValue": 9007199254740993}}, {"key": "s", "value": {"doubleValue": "NaN"}}]"#,
    );

    let decoded = decode_traces(body.as_bytes(), &Limits::default()).unwrap();

    let attributes = decoded.batch.span(0).attributes();
    assert_eq!(attributes.get("d"), Some(ValueRef::Double(1.5)));
    assert_eq!(attributes.get("i"), Some(ValueRef::Int(9_007_199_254_740_993)));
    assert_eq!(attributes.get("n"), Some(ValueRef::Int(9_007_199_254_740_993)));
    assert!(matches!(attributes.get("s"), Some(ValueRef::Double(nan)) if nan.is_nan()));
    assert_eq!(decoded.batch.span(0).trace_id().to_string(), "5b8efff798038103d269b633813fc60c");
}

#[test]
fn ids_of_the_wrong_length_reject_their_span_and_base64_ids_the_request() {
    let other = |trace_id: &str| {
        span_with("").replace("\n]", &format!(",\n{{\"traceId\": \"{trace_id}\", \"spanId\": \"eee19b7ec3c1b175\"}}]"))
    };

    for id in ["", "5B8E", "5B8EFFF798038103D269B633813FC60", "00000000000000000000000000000000", &"ab".repeat(17)] {
        let decoded = decode_traces(other(id).as_bytes(), &Limits::default()).unwrap();
        assert_eq!((decoded.batch.len(), &*decoded.rejected.reasons), (1, &[(Reason::TraceId, 1)][..]), "{id}");
    }
    let error = decode_traces(other("W47/95gDgQPSabYzgT/GDA==").as_bytes(), &Limits::default()).unwrap_err();
    insta::assert_snapshot!(error, @"resourceSpans[0].scopeSpans[0].spans[1].traceId: expected hexadecimal digits (OTLP/JSON ids are not base64), found `\"W47/95gDgQPSabYzgT/GDA=` (line 3, column 13)");
}

#[test]
fn errors_name_path_line_and_column() {
    let error =
        |members: &str| decode_traces(span_with(members).as_bytes(), &Limits::default()).unwrap_err().to_string();

    insta::assert_snapshot!(error(r#", "name": 5"#), @"resourceSpans[0].scopeSpans[0].spans[0].name: expected a string, found `5` (line 2, column 89)");
    insta::assert_snapshot!(error(r#", "startTimeUnixNano": "-1""#), @"resourceSpans[0].scopeSpans[0].spans[0].startTimeUnixNano: expected nanoseconds since 1970, from 0 to 18446744073709551615, found `\"-1\"` (line 2, column 102)");
    insta::assert_snapshot!(error(r#", "attributes": [{"key": "a", "value": {"intValue": 1.5}}]"#), @"resourceSpans[0].scopeSpans[0].spans[0].attributes[0].value.intValue: expected a 64-bit integer, found `1.5` (line 2, column 131)");
    insta::assert_snapshot!(error(r#", "name": "x",}"#), @"resourceSpans[0].scopeSpans[0].spans[0]: expected a string, found `}` (line 2, column 93)");
    insta::assert_snapshot!(decode_traces(b"", &Limits::default()).unwrap_err(), @"expected an object, found the end (line 1, column 1)");
    insta::assert_snapshot!(decode_traces(b"{\"a\": \"\xff\"}", &Limits::default()).unwrap_err(), @"the text is not valid UTF-8 (line 1, column 8)");
}

#[test]
fn nesting_deeper_than_sixteen_levels_is_refused() {
    let nested = |levels: usize| {
        let value =
            format!("{}{{\"intValue\": 1}}{}", r#"{"arrayValue": {"values": ["#.repeat(levels), "]}}".repeat(levels));
        span_with(&format!(r#", "attributes": [{{"key": "deep", "value": {value}}}]"#))
    };

    let decoded = decode_traces(nested(16).as_bytes(), &Limits::default()).unwrap();
    let mut value = tree(decoded.batch.span(0).attributes().get("deep").unwrap());
    for _ in 0..16 {
        let Tree::Array(mut items) = value else { panic!("not an array: {value:?}") };
        value = items.pop().unwrap();
    }
    assert_eq!(value, Tree::Int(1));
    assert_eq!(decode_traces(nested(17).as_bytes(), &Limits::default()).unwrap_err().what, Malformed::TooDeep(16));
    assert!(decode_traces(nested(50_000).as_bytes(), &Limits::default()).is_err());
}

#[test]
fn limits_hold_in_json_too() {
    let limits = Limits { attributes: 1, events: 1, links: 0, value_bytes: 3, ..Limits::default() };
    let body = span_with(
        r#", "attributes": [{"key": "a", "value": {"stringValue": "12345"}}, {"key": "b"}], "events": [{}, {}],
           "links": [{"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "eee19b7ec3c1b174"}]"#,
    );

    let decoded = decode_traces(body.as_bytes(), &limits).unwrap();

    let span = decoded.batch.span(0);
    assert_eq!(span.attributes().iter().collect::<Vec<_>>(), [("a", ValueRef::Str("123"))]);
    assert_eq!((span.events().count(), span.links().count(), span.dropped()), (1, 0, 3));
    assert_eq!(decoded.message(), "1 values cut; 1 attributes dropped; 1 events dropped; 1 links dropped");
}

#[test]
fn spans_of_scopes_beyond_the_limit_are_rejected() {
    let span = r#"{"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "eee19b7ec3c1b174"}"#;
    let scope = format!(r#"{{"scope": {{"attributes": [{{"key": "a"}}]}}, "spans": [{span}, {span}]}}"#);
    let body = format!(
        r#"{{"resourceSpans": [{{"resource": {{}}, "scopeSpans": [{scope}, {{"scope": {{"name": "empty"}}}}, {scope}, {scope}]}}]}}"#
    );

    let decoded = decode_traces(body.as_bytes(), &Limits { scopes: 2, ..Limits::default() }).unwrap();

    assert_eq!((decoded.batch.len(), decoded.batch.scopes.len(), decoded.batch.attribute_keys.len()), (4, 2, 2));
    assert_eq!(decoded.rejected.reasons, [(Reason::ScopeLimit, 2)]);
    assert!(decoded.message().contains("resourceSpans[0].scopeSpans[3].spans[0]"), "{}", decoded.message());
}
