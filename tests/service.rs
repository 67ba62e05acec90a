//! What a service that sends telemetry sees.

use std::{io::Write as _, time::Duration};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{Method, Request, StatusCode, header};
use prost::Message as _;
use serde_json::json;

use crate::harness::{
    Client, Server, eventually,
    telemetry::{attribute, breaker, call, hex, otlp, trace_id},
};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_span_is_readable_as_soon_as_it_is_acknowledged() {
    let (server, client) = (Server::start().await, Client::new());

    let answer = client.send(otlp(&server.otlp_http, &call(1))).await;

    assert_eq!(
        (answer.status, answer.header("content-type"), answer.body.len()),
        (StatusCode::OK, "application/x-protobuf", 0)
    );
    let trace = client.get(&server.url(&format!("/api/v1/traces/{}", hex(&trace_id(1))))).await.value();
    let spans = trace["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 2, "{trace}");
    assert_eq!(spans[0]["service"], "checkout");
    assert_eq!(spans[1]["parent_span_id"], spans[0]["span_id"]);
    assert_eq!(spans[1]["kind"], "server");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_and_gzip_are_taken_on_both_ports() {
    let (server, client) = (Server::start().await, Client::new());
    let id = hex(&trace_id(7)).to_uppercase();
    let document = json!({ "resourceSpans": [{ "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "cart" } }] },
        "scopeSpans": [{ "spans": [{ "traceId": id, "spanId": "00000000000000AA", "name": "GET /cart", "kind": 2,
            "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": 1_700_000_000_050_000_000u64, "unknownField": [1] }] }] }] });
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(document.to_string().as_bytes()).unwrap();
    let request = Request::post(server.url("/v1/traces"))
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header(header::CONTENT_ENCODING, "gzip")
        .body(Bytes::from(gzip.finish().unwrap()))
        .unwrap();

    let answer = client.send(request).await;

    assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, "{}"));
    let trace = client.get(&server.url(&format!("/api/v1/traces/{}", id.to_lowercase()))).await.value();
    assert_eq!(trace["spans"][0]["duration_ns"], 50_000_000);
}

/// In the form of a query string.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_are_found_by_any_attribute_and_a_slip_is_explained() {
    let (server, client) = (Server::start().await, Client::new());
    let span = |number: u64, name: &str, attributes: serde_json::Value| {
        json!({ "traceId": hex(&trace_id(number)), "spanId": "00000000000000AA", "name": name, "kind": 2,
            "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000050000000", "attributes": attributes })
    };
    let spans = json!([
        span(
            1,
            "GET /cart",
            json!([{ "key": "http.route", "value": { "stringValue": "/cart/{id}" } },
            { "key": "retry.count", "value": { "intValue": "3" } }])
        ),
        span(
            2,
            "POST /pay",
            json!([{ "key": "http.route", "value": { "stringValue": "/Pay/{id}" } },
            { "key": "retry.count", "value": { "stringValue": "3" } },
            { "key": "tags", "value": { "arrayValue": { "values": [{ "stringValue": "blue" }, { "boolValue": true }] } } }])
        ),
        span(3, "POST /pay", json!([{ "key": "db.system", "value": { "stringValue": "sqlite" } }])),
    ]);
    let document = json!({ "resourceSpans": [{ "resource": { "attributes": [
        { "key": "service.name", "value": { "stringValue": "shop" } }, { "key": "region", "value": { "stringValue": "eu" } }] },
        "scopeSpans": [{ "spans": spans }] }] });
    assert_eq!(client.json(Method::POST, &server.url("/v1/traces"), &document).await.status, StatusCode::OK);
    let found = async |filter: &str| {
        let answer = client.get(&server.url(&format!("/api/v1/traces?q={}", encoded(filter)))).await;
        assert_eq!(answer.status, StatusCode::OK, "{filter}: {}", answer.text());
        let page = answer.value();
        assert_eq!((&page["complete"], &page["reached"]), (&json!(true), &json!(null)), "{page}");
        let id = |trace: &serde_json::Value| trace["trace_id"].as_str().unwrap().to_owned();
        let ids: Vec<String> = page["traces"].as_array().unwrap().iter().map(id).collect();
        (1..4).filter(|number| ids.contains(&hex(&trace_id(*number)))).collect::<Vec<u64>>()
    };

    for (filter, expected) in [
        ("http.route=\"/cart/{id}\"", vec![1]),
        ("http.route~pay", vec![2]),
        ("retry.count=3", vec![1, 2]),
        ("retry.count=\"3\"", vec![2]),
        ("retry.count>=2 retry.count<4", vec![1, 2]),
        ("db.system exists", vec![3]),
        ("-http.route exists", vec![3]),
        ("tags=blue or db.system=sql*", vec![2, 3]),
        ("region=eu service=shop duration=50ms", vec![1, 2, 3]),
        ("span.region=eu", vec![]),
        ("", vec![1, 2, 3]),
    ] {
        assert_eq!(found(filter).await, expected, "{filter}");
    }

    let refused = client.get(&server.url(&format!("/api/v1/traces?q={}", encoded("é=1 status=eror")))).await;
    assert_eq!((refused.status, refused.header("content-type")), (StatusCode::BAD_REQUEST, "application/problem+json"));
    let problem = refused.value();
    assert_eq!(problem["errors"][0]["pointer"], "q#char=11,15", "{problem}");
    assert_eq!(problem["errors"][0]["detail"], "expected a status; did you mean error?");

    let complete = async |filter: &str| {
        client.get(&server.url(&format!("/api/v1/traces/complete?q={}", encoded(filter)))).await.value()
    };
    let keys = complete("status=error http.").await;
    assert_eq!(keys, json!({ "expected": "key", "replace_from": 13, "replace_to": 18, "choices": ["http.route"] }));
    assert_eq!(complete("http.route=/p").await["choices"], json!(["/Pay/{id}"]));
    assert_eq!(complete("operation=").await["choices"], json!(["\"GET /cart\"", "\"POST /pay\""]));
    assert_eq!(complete("duration ").await["expected"], "operator");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_told_what_and_where_in_the_protocols_own_form() {
    let (server, client) = (Server::start().await, Client::new());
    let post = |content_type: &str, body: &[u8]| {
        Request::post(server.url("/v1/traces"))
            .header(header::CONTENT_TYPE, content_type)
            .body(Bytes::copy_from_slice(body))
            .unwrap()
    };

    let truncated = call(1).encode_to_vec();
    let answer = client.send(post("application/x-protobuf", &truncated[..truncated.len() - 5])).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::BAD_REQUEST, "application/x-protobuf"));
    assert!(answer.text().contains("resourceSpans[1]"), "{}", answer.text());

    let answer = client
        .send(post("application/json", br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":7}]}]}]}"#))
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let message = answer.value()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("traceId") && answer.value()["code"] == 3, "{message}");

    assert_eq!(client.send(post("text/plain", b"hello")).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);

    let mut partial = call(2);
    partial.resource_spans[0].scope_spans[0].spans[0].trace_id = vec![0; 16];
    let answer = client.send(post("application/x-protobuf", &partial.encode_to_vec())).await;
    assert_eq!(answer.status, StatusCode::OK);
    let response =
        opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse::decode(answer.body).unwrap();
    assert_eq!(response.partial_success.unwrap().rejected_spans, 1);

    let status = client.get(&server.url("/api/v1/status")).await.value();
    assert_eq!(status["spans_stored"], 1, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_beyond_the_limits_is_refused_before_it_is_held() {
    let (server, client) = (Server::start().await, Client::new());
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![0; 100 << 20];
    gzip.write_all(&zeros).unwrap();
    let bombs = [("gzip", gzip.finish().unwrap()), ("zstd", zstd::encode_all(&*zeros, 1).unwrap())];
    for (encoding, bomb) in bombs {
        for path in ["/v1/traces", "/api/v2/spans", "/webhooks/spillway"] {
            let bomb = Request::post(server.url(path))
                .header(header::CONTENT_TYPE, "application/json")
                .header(header::CONTENT_ENCODING, encoding)
                .body(Bytes::from(bomb.clone()))
                .unwrap();
            assert_eq!(client.send(bomb).await.status, StatusCode::PAYLOAD_TOO_LARGE, "{encoding} to {path}");
        }
        let called = crate::harness::Grpc::new(&server.otlp_grpc).export_as(&bomb, Some(encoding)).await;
        assert_eq!(called.code, 8, "{encoding}: {called:?}");
    }

    let large = Request::post(server.url("/v1/traces"))
        .header(header::CONTENT_TYPE, "application/x-protobuf")
        .body(Bytes::from(vec![0; 17 << 20]))
        .unwrap();
    assert_eq!(client.send(large).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_requests_again_also_after_a_restart_change_no_count() {
    let (server, client) = (Server::start().await, Client::new());
    let requests: Vec<_> = (0..1_000).map(call).collect();
    let events: Vec<_> =
        (0..20).map(|n| breaker(&format!("event-{n}"), if n % 2 == 0 { "open" } else { "closed" })).collect();
    let send_all = async |server: &Server| {
        for batch in requests.chunks(50) {
            let sends = batch.iter().map(|request| client.send(otlp(&server.otlp_http, request)));
            for answer in futures_util::future::join_all(sends).await {
                assert_eq!(answer.status, StatusCode::OK);
            }
        }
        for event in &events {
            assert_eq!(
                client.json(Method::POST, &server.url("/webhooks/spillway"), event).await.status,
                StatusCode::OK
            );
        }
    };
    let counts = async |server: &Server| {
        let status = client.get(&server.url("/api/v1/status")).await.value();
        let events = client.get(&server.url("/api/v1/events?limit=1000")).await.value();
        (status["spans_stored"].clone(), events["events"].as_array().unwrap().len())
    };

    send_all(&server).await;
    let first = counts(&server).await;
    assert_eq!(first, (json!(2_000), 20));
    send_all(&server).await;
    assert_eq!(counts(&server).await, first);

    let (_, data) = server.stop().await;
    let server = Server::start_in(data, &[]).await;
    assert_eq!(counts(&server).await, first);
    send_all(&server).await;
    assert_eq!(counts(&server).await, first);
    // The rollups follow the log: every call is in them once.
    let node = "service%3Atest%2Fshop%2Fpayments";
    let calls = async || {
        let series = client.get(&server.url(&format!("/api/v1/services/series?node={node}&step_s=10"))).await.value();
        let counted: f64 =
            series["points"].as_array().unwrap().iter().filter_map(|point| point["rate"].as_f64()).sum::<f64>() * 10.0;
        (counted.round() == 1_000.0).then_some(())
    };
    eventually("1,000 calls in the rollups", SOON, calls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_id_with_other_content_is_a_conflict_and_an_array_is_all_or_nothing() {
    let (server, client) = (Server::start().await, Client::new());
    let url = server.url("/webhooks/spillway");
    let event = breaker("a", "open");
    assert_eq!(client.json(Method::POST, &url, &event).await.value()["stored"], 1);
    assert_eq!(client.json(Method::POST, &url, &event).await.value()["repeated"], 1);

    let mut other = event.clone();
    other["state"] = json!("closed");
    let answer = client.json(Method::POST, &url, &json!([breaker("b", "open"), other])).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text());
    let answer = client.json(Method::POST, &url, &json!([breaker("c", "open"), { "kind": "breaker" }])).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text().contains("/1"), "{}", answer.text());

    let events = client.get(&server.url("/api/v1/events")).await.value();
    assert_eq!(events["events"].as_array().unwrap().len(), 1, "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_and_its_breaker_show_up_on_the_map() {
    let (server, client) = (Server::start().await, Client::new());
    for number in 0..20 {
        client.send(otlp(&server.otlp_http, &call(number))).await;
    }
    client.json(Method::POST, &server.url("/webhooks/spillway"), &breaker("open", "open")).await;

    let edge = async || {
        let map = client.get(&server.url("/api/v1/topology")).await.value();
        let edge = map["edges"].as_array()?.iter().find(|edge| {
            edge["source"] == "service:test/shop/checkout" && edge["target"] == "service:test/shop/payments"
        })?;
        (edge["breaker"]["state"] == "open" && edge["rate"].as_f64()? > 0.0).then(|| edge.clone())
    };
    let edge = eventually("an edge with its breaker open", SOON, edge).await;

    assert_eq!(
        (&edge["protocol"], &edge["error_ratio"], &edge["provisional"]),
        (&json!("http"), &json!(0.0), &json!(false)),
        "{edge}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_reach_neither_the_disk_nor_the_log_nor_the_stream() {
    let canary = "hunter2canary7";
    let (server, client) = (Server::start().await, Client::new());
    let mut request = call(1);
    let span = &mut request.resource_spans[0].scope_spans[0].spans[0];
    span.attributes.push(attribute("http.request.header.authorization", &format!("Bearer {canary}")));
    span.attributes
        .push(attribute("url.full", &format!("https://user:{canary}@pay.example/charge?card_token={canary}")));
    span.attributes.push(attribute("db.password", canary));
    assert_eq!(client.send(otlp(&server.otlp_http, &request)).await.status, StatusCode::OK);
    let health = json!({ "id": "h", "kind": "health", "environment": "test", "namespace": "shop", "service": "checkout", "instance": "checkout-1",
        "status": "down", "at": crate::harness::clock::now_rfc3339(), "detail": format!("GET https://x.example/?key={canary} failed: Bearer {canary}") });
    assert_eq!(client.json(Method::POST, &server.url("/webhooks/spillway"), &health).await.status, StatusCode::OK);

    let trace = client.get(&server.url(&format!("/api/v1/traces/{}", hex(&trace_id(1))))).await.text();
    assert!(trace.contains("[redacted]") && !trace.contains(canary), "{trace}");
    let stream = client.first_bytes(&server.url("/api/v1/live"), Duration::from_secs(3)).await;
    assert!(stream.contains("event: snapshot") && !stream.contains(canary), "{stream}");
    let events = client.get(&server.url("/api/v1/events")).await.text();
    assert!(!events.contains(canary), "{events}");
    assert!(!server.last_words().contains(canary));
    let (_, data) = server.stop().await;
    let files = files(data.path());
    assert!(files.iter().any(|file| file.ends_with("fresh/000001.db")), "nothing was searched: {files:?}");
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
        assert!(!found, "{} holds the secret", file.display());
    }
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_takes_spans_with_and_without_compression_and_says_what_is_wrong() {
    let server = Server::start().await;
    let client = crate::harness::Grpc::new(&server.otlp_grpc);

    let plain = client.export(&call(1).encode_to_vec(), false).await;
    let gzipped = client.export(&call(2).encode_to_vec(), true).await;
    let zstd = client.export_as(&zstd::encode_all(&*call(3).encode_to_vec(), 3).unwrap(), Some("zstd")).await;
    let malformed = client.export(b"\x0a\xff", false).await;

    assert_eq!((plain.code, plain.message.len()), (0, 0), "{plain:?}");
    assert_eq!(gzipped.code, 0, "{gzipped:?}");
    assert_eq!(zstd.code, 0, "{zstd:?}");
    assert_eq!(malformed.code, 3, "{malformed:?}");
    assert!(malformed.text.contains("resourceSpans"), "{malformed:?}");
    let http = Client::new();
    for number in [1, 2, 3] {
        let trace = http.get(&server.url(&format!("/api/v1/traces/{}", hex(&trace_id(number))))).await.value();
        assert_eq!(trace["spans"].as_array().unwrap().len(), 2, "{trace}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_map_of_an_instant_in_the_past_is_read_from_rollups() {
    let (server, client) = (Server::start().await, Client::new());
    for number in 0..20 {
        client.send(otlp(&server.otlp_http, &call(number))).await;
    }
    let at =
        spillway_api::Timestamp::from_unix_ns(i64::try_from(crate::harness::clock::now_ns()).unwrap() + 1_000_000_000);

    let edge = async || {
        let map = client.get(&server.url(&format!("/api/v1/topology?at={at}"))).await.value();
        let edge = map["edges"].as_array()?.iter().find(|edge| {
            edge["source"] == "service:test/shop/checkout" && edge["target"] == "service:test/shop/payments"
        })?;
        (edge["rate"].as_f64()? > 0.0).then(|| (map["window_s"].clone(), edge.clone()))
    };
    let (window_s, edge) = eventually("the edge in the map of the past", SOON, edge).await;

    let calls = edge["rate"].as_f64().unwrap() * window_s.as_f64().unwrap();
    assert!((calls - 20.0).abs() < 1.0, "{calls} calls over {window_s} s in {edge}");
}
