#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use spillway_model::batch::{SpanBatch, SpanKind, SpanStatus, ValueRef};

use super::*;

const SENT: &str = include_str!("../../../../../tests/payloads/zipkin.json");

fn json(body: &str) -> Result<Decoded, DecodeError> {
    decode_spans(body.as_bytes(), Encoding::Json, &Limits::default())
}

/// A span with these members besides its ids and its time.
fn one(members: &str) -> SpanBatch {
    json(&format!(r#"[{{"traceId":"1","id":"2","timestamp":5,{members}}}]"#)).unwrap().batch
}

fn attribute(batch: &SpanBatch, key: &str) -> Option<String> {
    let span = batch.span(0);
    let found = span.attributes().iter().find(|(have, _)| *have == key);
    found.map(|(_, value)| format!("{value:?}"))
}

#[test]
fn every_field_finds_its_place() {
    let decoded = json(SENT).unwrap();

    assert_eq!((decoded.message(), decoded.batch.len()), (String::new(), 5));
    insta::assert_snapshot!(crate::otlp::write::write_traces(&decoded.batch));
}

#[test]
fn both_halves_of_a_shared_span_are_kept_and_differ_in_kind() {
    let batch = json(SENT).unwrap().batch;

    let halves: Vec<_> = batch.iter().filter(|span| span.span_id().0[7] == 0xb2).collect();
    assert_eq!(halves.iter().map(|span| span.kind()).collect::<Vec<_>>(), [SpanKind::Client, SpanKind::Server]);
    assert_eq!(halves[0].parent_id(), halves[1].parent_id());
    assert_eq!(one(r#""shared":true"#).span(0).kind(), SpanKind::Server);
}

#[test]
fn nothing_at_all_and_an_empty_list_are_fine() {
    for body in ["", " \n", "[]", "[ ]"] {
        assert!(json(body).unwrap().batch.is_empty(), "{body:?}");
    }
    assert!(decode_spans(b"", Encoding::Protobuf, &Limits::default()).unwrap().batch.is_empty());
}

#[test]
fn ids_are_filled_up_with_zeros_in_front() {
    let body = r#"[{"traceId":"ABC","id":"1f","parentId":"0000000000000000","timestamp":1}]"#;
    let batch = json(body).unwrap().batch;

    let span = batch.span(0);
    assert_eq!(span.trace_id().to_string(), format!("{:0>32}", "abc"));
    assert_eq!(span.span_id().to_string(), format!("{:0>16}", "1f"));
    assert!(span.parent_id().is_none());
}

#[test]
fn a_span_that_names_itself_as_parent_has_none() {
    assert!(one(r#""parentId":"2""#).span(0).parent_id().is_none());
}

#[test]
fn the_tag_error_is_a_failure_unless_it_says_false() {
    let status = |tags: &str| {
        let batch = one(&format!(r#""tags":{tags}"#));
        let span = batch.span(0);
        (span.status(), span.status_message().to_owned())
    };

    assert_eq!(status(r#"{"error":""}"#), (SpanStatus::Error, String::new()));
    assert_eq!(status(r#"{"error":"true"}"#), (SpanStatus::Error, String::new()));
    assert_eq!(status(r#"{"error":"no route"}"#), (SpanStatus::Error, "no route".into()));
    assert_eq!(status(r#"{"error":true}"#), (SpanStatus::Error, String::new()));
    assert_eq!(status(r#"{"error":"false"}"#).0, SpanStatus::Unset);
    assert_eq!(status(r#"{"error":false}"#).0, SpanStatus::Unset);
    assert_eq!(
        status(r#"{"otel.status_code":"ERROR","otel.status_description":"late","error":"true"}"#),
        (SpanStatus::Error, "late".into())
    );
    assert_eq!(status(r#"{"otel.status_code":"OK"}"#).0, SpanStatus::Ok);
}

#[test]
fn statuses_and_ports_become_numbers_and_other_tags_stay_as_they_are() {
    let tags = r#""tags":{"http.status_code":"503","http.response.status_code":"5xx","weight":"12","size":12,"share":0.5,"last":true,"none":null}"#;
    let batch = one(tags);

    assert_eq!(attribute(&batch, "http.status_code").unwrap(), format!("{:?}", ValueRef::Int(503)));
    assert_eq!(attribute(&batch, "http.response.status_code").unwrap(), format!("{:?}", ValueRef::Str("5xx")));
    assert_eq!(attribute(&batch, "weight").unwrap(), format!("{:?}", ValueRef::Str("12")));
    assert_eq!(attribute(&batch, "size").unwrap(), format!("{:?}", ValueRef::Int(12)));
    assert_eq!(attribute(&batch, "share").unwrap(), format!("{:?}", ValueRef::Double(0.5)));
    assert_eq!(attribute(&batch, "last").unwrap(), format!("{:?}", ValueRef::Bool(true)));
    assert_eq!(attribute(&batch, "none"), None);
}

#[test]
fn the_other_side_is_named_as_the_map_reads_it() {
    let remote = r#""remoteEndpoint":{"serviceName":"pay","ipv4":"10.0.0.7","ipv6":"::1","port":443}"#;
    let client = one(&format!(r#""kind":"CLIENT",{remote}"#));
    let server = one(&format!(r#""kind":"SERVER",{remote}"#));

    for batch in [&client, &server] {
        assert_eq!(attribute(batch, "service.peer.name").unwrap(), format!("{:?}", ValueRef::Str("pay")));
        assert_eq!(attribute(batch, "network.peer.address").unwrap(), format!("{:?}", ValueRef::Str("10.0.0.7")));
    }
    assert_eq!(attribute(&client, "server.port").unwrap(), format!("{:?}", ValueRef::Int(443)));
    assert_eq!(attribute(&server, "server.port"), None);
    assert_eq!(attribute(&server, "network.peer.port").unwrap(), format!("{:?}", ValueRef::Int(443)));
}

#[test]
fn a_span_without_a_timestamp_begins_with_its_first_annotation_or_is_rejected() {
    let body = r#"[
        {"traceId":"1","id":"2","annotations":[{"timestamp":9,"value":"b"},{"timestamp":7,"value":"a"}]},
        {"traceId":"1","id":"3","tags":{"late":"yes"}},
        {"traceId":"1","id":"4","timestamp":8}
    ]"#;
    let decoded = json(body).unwrap();

    assert_eq!(decoded.batch.iter().map(|span| span.start_ns()).collect::<Vec<_>>(), [7_000, 8_000]);
    assert_eq!(
        decoded.message(),
        "1 spans rejected: 1 because the span has neither a timestamp nor an annotation; the first is [1]: the span has neither a timestamp nor an annotation"
    );
    assert_eq!(decoded.batch.span(1).attributes().iter().count(), 0, "nothing of the rejected one is left");
}

#[test]
fn endpoints_without_a_name_are_told_apart_by_address() {
    let service = |members: &str| {
        let batch = one(members);
        batch.str(batch.resources[0].service).to_owned()
    };

    assert_eq!(service(r#""localEndpoint":{"ipv4":"169.254.8.1"}"#), "unknown_service:169.254.8.1");
    assert_eq!(service(r#""localEndpoint":{"serviceName":"","ipv6":"::1"}"#), "unknown_service:::1");
    assert_eq!(service(r#""localEndpoint":{}"#), "unknown_service");
    assert_eq!(service(r#""name":"x""#), "unknown_service");
}

#[test]
fn what_is_no_list_of_spans_is_refused_with_its_place() {
    let cases = [
        (r#"{"traceId":"1","id":"2"}"#, "expected an array, found an object (line 1, column 1)"),
        (r#"[{"id":"2"}]"#, "[0]: expected a span with its ids, found one without `traceId` (line 1, column 2)"),
        (
            r#"[{"traceId":"1","id":"2","timestamp":1},{"traceId":"xyz","id":"2"}]"#,
            "[1].traceId: expected 1 to 32 hexadecimal digits, not all zero, found `\"xyz\"` (line 1, column 52)",
        ),
        (
            r#"[{"traceId":"1","id":"0000000000000000"}]"#,
            "[0].id: expected 1 to 16 hexadecimal digits, not all zero, found `\"0000000000000000\"` (line 1, column 22)",
        ),
        (
            r#"[{"kind":"LOCAL"}]"#,
            "[0].kind: expected CLIENT, SERVER, PRODUCER or CONSUMER, found `\"LOCAL\"` (line 1, column 10)",
        ),
        (r#"[{"timestamp":-1}]"#, "[0].timestamp: expected microseconds since 1970, found `-1` (line 1, column 15)"),
        (
            r#"[{"localEndpoint":{"port":70000}}]"#,
            "[0].localEndpoint.port: expected a port from 0 to 65535, found `70000` (line 1, column 27)",
        ),
        (r#"[{"tags":{"a":{}}}]"#, "[0].tags.a: expected a text, found an object (line 1, column 15)"),
        (
            r#"[{"traceId":"1","binaryAnnotations":[]}]"#,
            "[0].binaryAnnotations: expected Zipkin's JSON of version 2, found `binaryAnnotations`, which is of version 1: let the reporter encode JSON_V2 or PROTO3 (line 1, column 37)",
        ),
        (
            r#"[{"annotations":[{"endpoint":{}}]}]"#,
            "[0].annotations[0].endpoint: expected Zipkin's JSON of version 2, found `endpoint`, which is of version 1: let the reporter encode JSON_V2 or PROTO3 (line 1, column 30)",
        ),
        (r#"[{"traceId":"1","id":"2","timestamp":1}"#, "expected `,` or `]`, found the end (line 1, column 40)"),
        ("[] x", "expected nothing more, found `x` (line 1, column 4)"),
    ];
    for (body, expected) in cases {
        assert_eq!(json(body).unwrap_err().to_string(), expected, "{body}");
    }
}

#[test]
fn limits_reject_or_cut_and_say_so() {
    let limits = Limits { spans: 1, attributes: 1, events: 1, ..Limits::default() };
    let body = r#"[
        {"traceId":"1","id":"2","timestamp":1,"tags":{"a":"1","b":"2"},"annotations":[{"value":"x"},{"value":"y"}]},
        {"traceId":"1","id":"3","timestamp":1}
    ]"#;
    let decoded = decode_spans(body.as_bytes(), Encoding::Json, &limits).unwrap();

    let span = decoded.batch.span(0);
    assert_eq!((decoded.batch.len(), span.attributes().iter().count(), span.events().count()), (1, 1, 1));
    assert_eq!(
        decoded.message(),
        "1 spans rejected: 1 because too many spans in one request; the first is [1]: too many spans in one request; 1 attributes dropped; 1 events dropped"
    );
    let error = decode_spans(&[b' '; 9], Encoding::Json, &Limits { body_bytes: 8, ..limits }).unwrap_err();
    assert_eq!(error.what, Malformed::TooLong { bytes: 9, limit: 8 });
}

/// `zipkin.proto`, written by the reference implementation of protobuf for Rust.
mod proto {
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct ListOfSpans {
        #[prost(message, repeated, tag = "1")]
        pub spans: Vec<Span>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Span {
        #[prost(bytes = "vec", tag = "1")]
        pub trace_id: Vec<u8>,
        #[prost(bytes = "vec", tag = "2")]
        pub parent_id: Vec<u8>,
        #[prost(bytes = "vec", tag = "3")]
        pub id: Vec<u8>,
        #[prost(int32, tag = "4")]
        pub kind: i32,
        #[prost(string, tag = "5")]
        pub name: String,
        #[prost(fixed64, tag = "6")]
        pub timestamp: u64,
        #[prost(uint64, tag = "7")]
        pub duration: u64,
        #[prost(message, optional, tag = "8")]
        pub local_endpoint: Option<Endpoint>,
        #[prost(message, optional, tag = "9")]
        pub remote_endpoint: Option<Endpoint>,
        #[prost(message, repeated, tag = "10")]
        pub annotations: Vec<Annotation>,
        #[prost(btree_map = "string, string", tag = "11")]
        pub tags: std::collections::BTreeMap<String, String>,
        #[prost(bool, tag = "12")]
        pub debug: bool,
        #[prost(bool, tag = "13")]
        pub shared: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Endpoint {
        #[prost(string, tag = "1")]
        pub service_name: String,
        #[prost(bytes = "vec", tag = "2")]
        pub ipv4: Vec<u8>,
        #[prost(bytes = "vec", tag = "3")]
        pub ipv6: Vec<u8>,
        #[prost(int32, tag = "4")]
        pub port: i32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Annotation {
        #[prost(fixed64, tag = "1")]
        pub timestamp: u64,
        #[prost(string, tag = "2")]
        pub value: String,
    }
}

fn id(bytes: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), bytes).prop_map(|mut id| {
        id[0] |= 1;
        id
    })
}

fn endpoint() -> impl Strategy<Value = proto::Endpoint> {
    let v4 = prop_oneof![Just(vec![]), prop::collection::vec(any::<u8>(), 4)];
    let v6 = prop_oneof![Just(vec![]), prop::collection::vec(any::<u8>(), 16)];
    ("[a-b]{0,1}", v4, v6, 0..65_536i32).prop_map(|(service_name, ipv4, ipv6, port)| proto::Endpoint {
        service_name,
        ipv4,
        ipv6,
        port,
    })
}

fn span() -> impl Strategy<Value = proto::Span> {
    let ids = (prop_oneof![id(8), id(16)], prop_oneof![Just(vec![]), id(8)], id(8));
    let facts = (0..5i32, "\\PC{0,6}", 1..u64::MAX / 2_000, 0..1_000_000u64, any::<[bool; 2]>());
    let annotation = (0..9u64, "[a-c\"\\\\é]{0,3}");
    let annotation = annotation.prop_map(|(timestamp, value)| proto::Annotation { timestamp, value });
    let key = prop_oneof![
        3 => "[a-c]{0,2}",
        1 => Just("error".to_owned()),
        1 => Just("http.status_code".to_owned()),
        1 => Just("kafka.topic".to_owned()),
        1 => Just("span.kind".to_owned()),
    ];
    let value = prop_oneof!["[a-c]{0,2}", Just("500".to_owned()), Just("false".to_owned()), Just("client".to_owned())];
    let rest = (
        proptest::option::of(endpoint()),
        proptest::option::of(endpoint()),
        prop::collection::vec(annotation, 0..3),
        prop::collection::btree_map(key, value, 0..5),
    );
    (ids, facts, rest).prop_map(|(ids, facts, rest)| proto::Span {
        trace_id: ids.0,
        parent_id: ids.1,
        id: ids.2,
        kind: facts.0,
        name: facts.1,
        timestamp: facts.2,
        duration: facts.3,
        debug: facts.4[0],
        shared: facts.4[1],
        local_endpoint: rest.0,
        remote_endpoint: rest.1,
        annotations: rest.2,
        tags: rest.3,
    })
}

/// As Zipkin's own libraries write it: what is absent is left out.
fn as_json(spans: &[proto::Span]) -> String {
    let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let endpoint = |endpoint: &proto::Endpoint| {
        let mut json = serde_json::json!({"serviceName": endpoint.service_name, "port": endpoint.port});
        if let Ok(octets) = <[u8; 4]>::try_from(&*endpoint.ipv4) {
            json["ipv4"] = std::net::Ipv4Addr::from(octets).to_string().into();
        }
        if let Ok(octets) = <[u8; 16]>::try_from(&*endpoint.ipv6) {
            json["ipv6"] = std::net::Ipv6Addr::from(octets).to_string().into();
        }
        json
    };
    let span = |span: &proto::Span| {
        let mut json = serde_json::json!({
            "traceId": hex(&span.trace_id), "id": hex(&span.id), "name": span.name, "timestamp": span.timestamp,
            "duration": span.duration, "debug": span.debug, "shared": span.shared, "tags": span.tags,
            "annotations": span.annotations.iter().map(|annotation| {
                serde_json::json!({"timestamp": annotation.timestamp, "value": annotation.value})
            }).collect::<Vec<_>>(),
            "localEndpoint": span.local_endpoint.as_ref().map(endpoint),
            "remoteEndpoint": span.remote_endpoint.as_ref().map(endpoint),
        });
        if !span.parent_id.is_empty() {
            json["parentId"] = hex(&span.parent_id).into();
        }
        if let Some(kind) =
            [None, Some("CLIENT"), Some("SERVER"), Some("PRODUCER"), Some("CONSUMER")][span.kind as usize]
        {
            json["kind"] = kind.into();
        }
        json
    };
    serde_json::Value::Array(spans.iter().map(span).collect()).to_string()
}

proptest! {
    #[test]
    fn both_encodings_say_the_same(spans in prop::collection::vec(span(), 0..4)) {
        use prost::Message as _;
        let protobuf = proto::ListOfSpans { spans: spans.clone() }.encode_to_vec();

        let from_protobuf = decode_spans(&protobuf, Encoding::Protobuf, &Limits::default()).unwrap();
        let from_json = json(&as_json(&spans)).unwrap();

        prop_assert_eq!(from_protobuf.message(), "");
        prop_assert_eq!(from_protobuf.batch.len(), spans.len());
        prop_assert_eq!(
            crate::otlp::write::write_traces(&from_protobuf.batch),
            crate::otlp::write::write_traces(&from_json.batch)
        );
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for encoding in [Encoding::Json, Encoding::Protobuf] {
            let _ = decode_spans(&bytes, encoding, &Limits::default());
        }
    }

    #[test]
    fn changed_documents_never_panic(
        spans in prop::collection::vec(span(), 1..3),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        use prost::Message as _;
        let protobuf = proto::ListOfSpans { spans: spans.clone() }.encode_to_vec();
        for (mut body, encoding) in
            [(protobuf, Encoding::Protobuf), (as_json(&spans).into_bytes(), Encoding::Json), (SENT.into(), Encoding::Json)]
        {
            for (place, byte) in &changes {
                let place = place.index(body.len());
                body[place] = *byte;
            }
            let _ = decode_spans(&body, encoding, &Limits::default());
            body.truncate(cut.index(body.len()));
            let _ = decode_spans(&body, encoding, &Limits::default());
        }
    }
}

/// Spans of real systems, where they lie beside the checkout: how many of each file, and what is refused.
#[test]
fn real_spans_decode() {
    let Some(folder) = std::env::var_os("SPILLWAY_PAYLOADS").map(std::path::PathBuf::from) else {
        println!("\n*** SKIPPED: SPILLWAY_PAYLOADS names no folder, real Zipkin spans were not read ***\n");
        return;
    };
    let expected = [
        ("ascend.json", Ok(8)),
        ("envoy.json", Ok(1)),
        ("messaging.json", Ok(4)),
        ("messaging2.json", Ok(11)),
        ("messaging-kafka.json", Ok(28)),
        ("yelp.json", Ok(16)),
        ("zipkin2-client.json", Err("expected an array, found an object")),
    ];
    for (file, expected) in expected {
        let body = std::fs::read(folder.join("zipkin").join(file)).unwrap();
        let decoded = decode_spans(&body, Encoding::Json, &Limits::default());
        match expected {
            Ok(spans) => {
                let decoded = decoded.unwrap();
                assert_eq!((decoded.batch.len(), decoded.message()), (spans, String::new()), "{file}");
            }
            Err(what) => assert!(decoded.unwrap_err().to_string().starts_with(what), "{file}"),
        }
    }
}
