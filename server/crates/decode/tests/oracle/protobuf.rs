//! OTLP/protobuf against `prost`.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, ArrayValue, KeyValue, any_value::Value},
    trace::v1::{ResourceSpans, ScopeSpans, Span, span},
};
use proptest::prelude::*;
use prost::Message as _;
use spillway_decode::{
    Limits, Reason, Trimmed,
    otlp::{Malformed, protobuf::decode_traces},
};
use spillway_model::batch::ValueRef;

use crate::{back, request};

proptest! {
    #[test]
    fn every_field_and_type_survives(sent in request::arbitrary()) {
        let decoded = decode_traces(&sent.encode_to_vec(), &Limits::default()).unwrap();

        prop_assert_eq!(decoded.message(), "");
        prop_assert_eq!(back::request(&decoded.batch), request::normalised(sent));
    }

    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_traces(&body, &Limits::default());
    }

    /// Whatever a flipped byte makes of a request: if the reference takes it and every id is whole, we read the same.
    #[test]
    fn a_damaged_request_is_read_as_the_reference_reads_it(sent in request::arbitrary(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut body = sent.encode_to_vec();
        if body.is_empty() {
            return Ok(());
        }
        let at = at.index(body.len());
        body[at] = byte;

        let ours = decode_traces(&body, &Limits::default());

        if let Ok(theirs) = ExportTraceServiceRequest::decode(&*body)
            && let Ok(ours) = ours
            && ours.message().is_empty()
            && !format!("{theirs:?}").contains("NaN")
        {
            prop_assert_eq!(back::request(&ours.batch), request::normalised(theirs));
        }
    }
}

proptest! {
    // Each case is thousands of requests.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_truncation_is_an_error_or_a_shorter_request(sent in request::arbitrary()) {
        let body = sent.encode_to_vec();
        for end in 0..body.len() {
            // Cut between two fields of the request it is a valid shorter one; `prost` must agree.
            let ours = decode_traces(&body[..end], &Limits::default());
            let theirs = ExportTraceServiceRequest::decode(&body[..end]);
            prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "cut at {}: {:?} {:?}", end, ours.err(), theirs.err());
        }
    }
}

fn span(id: u8) -> Span {
    Span { trace_id: vec![id; 16], span_id: vec![id; 8], name: format!("span {id}"), ..Span::default() }
}

fn with_spans(spans: Vec<Span>) -> Vec<u8> {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] }
        .encode_to_vec()
}

fn text(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) }),
        key_strindex: 0,
    }
}

#[test]
fn spans_with_broken_ids_are_rejected_and_the_rest_is_kept() {
    let short = Span { trace_id: vec![1; 8], attributes: vec![text("secret of a rejected span", "x")], ..span(2) };
    let zero = Span { trace_id: vec![0; 16], ..span(3) };
    let no_span_id = Span { span_id: Vec::new(), ..span(4) };
    let long_parent = Span { parent_span_id: vec![1; 9], ..span(5) };

    let decoded =
        decode_traces(&with_spans(vec![span(1), short, zero, no_span_id, long_parent, span(6)]), &Limits::default())
            .unwrap();

    assert_eq!(decoded.batch.iter().map(|span| span.name()).collect::<Vec<_>>(), ["span 1", "span 6"]);
    assert_eq!(decoded.rejected.spans, 4);
    assert_eq!(decoded.rejected.reasons, [(Reason::TraceId, 2), (Reason::SpanId, 1), (Reason::ParentId, 1)]);
    assert_eq!(
        decoded.rejected.first_message.as_deref(),
        Some("resourceSpans[0].scopeSpans[0].spans[1]: the trace id must be 16 bytes, not all zero")
    );
    assert!(decoded.batch.attribute_keys.is_empty(), "nothing of a rejected span stays");
}

#[test]
fn an_error_names_the_span_and_the_field() {
    let mut broken =
        with_spans(vec![span(1), Span { attributes: vec![text("fine", "value"), text("key", "XYZ")], ..span(2) }]);
    let at = broken.windows(3).position(|window| window == b"XYZ").unwrap();
    broken[at + 1] = 0xff;

    let error = decode_traces(&broken, &Limits::default()).unwrap_err();

    assert_eq!(error.what, Malformed::NotUtf8);
    assert_eq!(
        error.to_string(),
        format!(
            "resourceSpans[0].scopeSpans[0].spans[1].attributes[1].value: the text is not valid UTF-8 (byte {})",
            at + 1
        )
    );
}

#[test]
fn fields_in_any_order_and_repeated_are_merged_as_protobuf_says() {
    // A request that a strange but correct writer makes: spans before scope and resource, each of these in two parts, a name twice.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        prost::encoding::encode_varint(content.len() as u64, &mut out);
        [&out, content].concat()
    }
    let attribute =
        |key: &str, value: &str| field(1, &[field(1, key.as_bytes()), field(2, &field(1, value.as_bytes()))].concat());
    let event = field(11, &field(2, b"event"));
    let own = field(9, &[field(2, &field(1, b"GET")), field(1, b"method")].concat());
    let span = [field(5, b"first"), own.clone(), event, own, field(2, &[2; 8]), field(5, b"last"), field(1, &[1; 16])]
        .concat();
    let scope_spans = [field(2, &span), field(1, &field(1, b"scope")), field(1, &field(2, b"1.0"))].concat();
    let resource = [
        field(2, &scope_spans),
        field(1, &attribute("service.name", "checkout")),
        field(1, &attribute("service.version", "7")),
    ];
    let body = field(1, &resource.concat());

    let decoded = decode_traces(&body, &Limits::default()).unwrap();

    let span = decoded.batch.span(0);
    assert_eq!((span.name(), span.scope().name(), span.scope().version()), ("last", "scope", "1.0"));
    assert_eq!(decoded.batch.str(span.resource().service), "checkout");
    assert_eq!(span.resource_attributes().text("service.version"), Some("7"));
    let method = ("method", ValueRef::Str("GET"));
    assert_eq!(span.attributes().iter().collect::<Vec<_>>(), [method, method]);
    assert_eq!(back::request(&decoded.batch), request::normalised(ExportTraceServiceRequest::decode(&*body).unwrap()));
}

#[test]
fn nesting_deeper_than_sixteen_levels_is_refused() {
    let nested = |levels: usize| {
        let mut value = AnyValue { value: Some(Value::IntValue(1)) };
        for _ in 0..levels {
            value = AnyValue { value: Some(Value::ArrayValue(ArrayValue { values: vec![value] })) };
        }
        with_spans(vec![Span {
            attributes: vec![KeyValue { key: "deep".to_owned(), value: Some(value), key_strindex: 0 }],
            ..span(1)
        }])
    };

    assert!(decode_traces(&nested(16), &Limits::default()).is_ok());
    assert_eq!(decode_traces(&nested(17), &Limits::default()).unwrap_err().what, Malformed::TooDeep(16));
    assert_eq!(decode_traces(&nested(2_000), &Limits::default()).unwrap_err().what, Malformed::TooDeep(16));
}

#[test]
fn not_a_number_and_the_infinities_keep_their_bits() {
    for bits in [
        f64::NAN.to_bits(),
        0x7ff8_0000_0000_0001,
        f64::INFINITY.to_bits(),
        f64::NEG_INFINITY.to_bits(),
        (-0.0f64).to_bits(),
    ] {
        let value = Some(AnyValue { value: Some(Value::DoubleValue(f64::from_bits(bits))) });
        let pair = KeyValue { key: "x".to_owned(), value, key_strindex: 0 };

        let decoded =
            decode_traces(&with_spans(vec![Span { attributes: vec![pair], ..span(1) }]), &Limits::default()).unwrap();

        let Some(ValueRef::Double(read)) = decoded.batch.span(0).attributes().get("x") else { panic!("not a double") };
        assert_eq!(read.to_bits(), bits);
    }
}

#[test]
fn what_exceeds_a_limit_is_cut_and_counted() {
    let limits = Limits { spans: 2, attributes: 3, events: 1, links: 1, value_bytes: 5, ..Limits::default() };
    let event = span::Event { name: "event".to_owned(), ..span::Event::default() };
    let link = span::Link { trace_id: vec![1; 16], span_id: vec![1; 8], ..span::Link::default() };
    let big = Span {
        name: "ok".to_owned(),
        attributes: vec![text("a", "12345"), text("b", "1234é"), text("c", "123456"), text("d", "4"), text("e", "5")],
        dropped_attributes_count: 10,
        events: vec![event.clone(), event],
        links: vec![link.clone(), link],
        ..span(1)
    };

    let decoded = decode_traces(&with_spans(vec![big.clone(), big, span(3), span(4)]), &limits).unwrap();

    let span = decoded.batch.span(1);
    let values: Vec<_> = span.attributes().iter().map(|(_, value)| value).collect();
    assert_eq!(values, [ValueRef::Str("12345"), ValueRef::Str("1234"), ValueRef::Str("12345")]);
    assert_eq!(decoded.batch.spans.dropped_attributes[1], 12);
    assert_eq!((span.events().count(), span.links().count(), span.dropped()), (1, 1, 14));
    assert_eq!(decoded.trimmed, Trimmed { values: 4, attributes: 4, events: 2, links: 2 });
    assert_eq!(decoded.rejected.reasons, [(Reason::SpanLimit, 2)]);
    assert!(decoded.message().contains("2 because too many spans in one request"), "{}", decoded.message());
}

#[test]
fn a_nested_value_is_cut_as_a_whole() {
    let limits = Limits { value_bytes: 100, ..Limits::default() };
    let values = vec![AnyValue { value: Some(Value::StringValue("x".repeat(60))) }; 1_000];
    let pair = KeyValue {
        key: "x".to_owned(),
        value: Some(AnyValue { value: Some(Value::ArrayValue(ArrayValue { values })) }),
        key_strindex: 0,
    };

    let decoded = decode_traces(&with_spans(vec![Span { attributes: vec![pair], ..span(1) }]), &limits).unwrap();

    assert_eq!(decoded.trimmed.values, 1);
    assert!(decoded.batch.bytes.len() < 200, "{}", decoded.batch.bytes.len());
}

#[test]
fn a_body_over_the_limit_is_refused_unread() {
    let error = decode_traces(&[0; 11], &Limits { body_bytes: 10, ..Limits::default() }).unwrap_err();

    assert_eq!(error.what, Malformed::TooLong { bytes: 11, limit: 10 });
}

#[test]
fn scopes_and_resources_are_bounded() {
    let scope_spans = vec![ScopeSpans { spans: vec![span(1), span(2)], ..ScopeSpans::default() }; 3];
    let body = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }; 2],
    }
    .encode_to_vec();

    let decoded = decode_traces(&body, &Limits { scopes: 4, ..Limits::default() }).unwrap();

    assert_eq!((decoded.batch.len(), decoded.batch.scopes.len(), decoded.batch.resources.len()), (8, 4, 2));
    assert_eq!(decoded.rejected.reasons, [(Reason::ScopeLimit, 4)]);
}
