//! What a service sees that reports to Zipkin.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::harness::{Client, Server, clock::now_ns, eventually, outcome};

const SOON: Duration = Duration::from_secs(10);
const TRACE: &str = "7f3e5d1c2b4a6980";

/// `web` serves a request and calls `stock`, whose server span shares the client's id.
fn shared() -> Value {
    let start = now_ns() / 1_000 - 100_000;
    let span = |id: &str, parent: Option<&str>, kind: &str, service: &str, after: u64, duration: u64| {
        json!({ "traceId": TRACE, "id": id, "parentId": parent, "kind": kind, "name": "get", "timestamp": start + after,
            "duration": duration, "localEndpoint": { "serviceName": service, "ipv4": "10.1.0.4" }, "tags": { "http.method": "GET" } })
    };
    let mut server = span("00000000000000b2", Some("00000000000000a1"), "SERVER", "stock", 20_000, 40_000);
    server["shared"] = json!(true);
    server["tags"] = json!({ "http.method": "GET", "error": "no such item" });
    json!([
        server,
        span("00000000000000b2", Some("00000000000000a1"), "CLIENT", "web", 10_000, 60_000),
        span("00000000000000a1", None, "SERVER", "web", 0, 90_000),
    ])
}

fn post(url: &str, content_type: Option<&str>, body: impl Into<Bytes>) -> Request<Bytes> {
    let mut request = Request::post(format!("{url}/api/v2/spans"));
    if let Some(content_type) = content_type {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    request.body(body.into()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_halves_of_a_shared_span_are_stored_paired_and_counted_once() {
    let (server, client) = (Server::start().await, Client::new());
    let spans = shared();

    // In two requests, the server's half first, and everything twice.
    for part in [json!([spans[0]]), json!([spans[1], spans[2]]), json!([spans[0]]), spans.clone()] {
        let answer = client.send(post(&server.zipkin, Some("application/json"), part.to_string())).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::ACCEPTED, 0), "{}", answer.text());
    }

    let trace = client.get(&server.url(&format!("/api/v1/traces/{TRACE:0>32}"))).await.value();
    let mut halves: Vec<_> = trace["spans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|span| {
            [&span["span_id"], &span["parent_span_id"], &span["kind"], &span["service"], &span["status"]]
                .map(Value::clone)
        })
        .collect();
    halves.sort_by_key(|half| half[2].to_string());
    let a = json!("00000000000000a1");
    let b = json!("00000000000000b2");
    assert_eq!(
        halves,
        [
            [b.clone(), a.clone(), json!("client"), json!("web"), json!("unset")],
            [a.clone(), Value::Null, json!("server"), json!("web"), json!("unset")],
            [b, a, json!("server"), json!("stock"), json!("error")],
        ],
        "{trace}"
    );
    let counted = async || {
        let map = client.get(&server.url("/api/v1/topology")).await.value();
        let edges: Vec<_> = map["edges"]
            .as_array()?
            .iter()
            .map(|edge| (edge["source"].as_str().unwrap().to_owned(), edge["target"].as_str().unwrap().to_owned()))
            .collect();
        let calls = async |node: &str| {
            let series =
                client.get(&server.url(&format!("/api/v1/services/series?node={node}&step_s=10"))).await.value();
            let points = series["points"].as_array().unwrap().clone();
            points.iter().filter_map(|point| point["rate"].as_f64()).sum::<f64>() * 10.0
        };
        let (web, stock) = (calls("service%3A%2F%2Fweb").await, calls("service%3A%2F%2Fstock").await);
        let paired = edges.contains(&("service://web".into(), "service://stock".into()));
        (paired && web.round() == 1.0 && stock.round() == 1.0).then_some(edges)
    };
    let edges = eventually("one call of web to stock", SOON, counted).await;
    assert_eq!(edges.len(), 2, "web calls stock and a user calls web: {edges:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_sending_that_zipkins_own_server_takes_is_taken_on_both_ports() {
    let (server, client) = (Server::start().await, Client::new());
    let span = |number: u8| {
        json!([{ "traceId": format!("{number:x}"), "id": "1", "timestamp": now_ns() / 1_000, "localEndpoint": { "serviceName": "a" } }])
            .to_string()
    };
    let protobuf = {
        let mut span = vec![0x0a, 8, 0, 0, 0, 0, 0, 0, 0, 5, 0x1a, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0x31];
        span.extend_from_slice(&(now_ns() / 1_000).to_le_bytes());
        [vec![0x0a, u8::try_from(span.len()).unwrap()], span].concat()
    };
    let packed = |encoding: &'static str, body: Vec<u8>| {
        let mut request = post(&server.http, Some("application/json; charset=utf-8"), body);
        request.headers_mut().insert(header::CONTENT_ENCODING, encoding.parse().unwrap());
        request
    };
    let gzip = {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(span(3).as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let requests = [
        post(&server.zipkin, Some("application/json"), span(1)),
        post(&server.http, None, span(2)),
        packed("gzip", gzip),
        packed("zstd", zstd::encode_all(span(4).as_bytes(), 3).unwrap()),
        post(&server.zipkin, Some("application/x-protobuf"), protobuf),
    ];
    for request in requests {
        let answer = client.send(request).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::ACCEPTED, 0), "{}", answer.text());
    }
    for empty in ["", "[]"] {
        let answer = client.send(post(&server.zipkin, Some("application/json"), empty)).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::ACCEPTED, 0));
    }

    for number in 1..6 {
        let trace = client.get(&server.url(&format!("/api/v1/traces/{number:0>32x}"))).await;
        assert_eq!(trace.status, StatusCode::OK, "{number}");
    }
    let status = client.get(&server.url("/api/v1/status")).await.value();
    let source = status["ingest"].as_array().unwrap().iter().find(|source| source["source"] == "zipkin").unwrap();
    assert_eq!((&source["items"], &source["requests"]), (&json!(5), &json!(5)), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_list_of_spans_is_refused_with_what_and_where() {
    let (server, client) = (Server::start().await, Client::new());
    let refused = async |content_type: &str, body: &str| {
        let answer = client.send(post(&server.zipkin, Some(content_type), body.to_owned())).await;
        (answer.status, answer.value()["detail"].as_str().unwrap_or_default().to_owned())
    };

    let (status, detail) = refused("application/json", r#"[{"traceId":"1","id":"2"},{"traceId":"x"}]"#).await;
    assert!(status == StatusCode::BAD_REQUEST && detail.starts_with("[1].traceId: expected"), "{detail}");
    let (status, detail) = refused("application/json", r#"[{"traceId":"1","binaryAnnotations":[]}]"#).await;
    assert!(status == StatusCode::BAD_REQUEST && detail.contains("version 1"), "{detail}");
    let (status, detail) = refused("application/x-thrift", "\x0c\0\0").await;
    assert!(status == StatusCode::UNSUPPORTED_MEDIA_TYPE && detail.contains("Thrift"), "{detail}");
    let late = client.send(post(&server.zipkin, None, r#"[{"traceId":"1","id":"2","tags":{"a":"b"}}]"#)).await;
    assert_eq!(late.status, StatusCode::ACCEPTED);
    assert!(late.text().contains("neither a timestamp nor an annotation"), "{}", late.text());

    let status = client.get(&server.url("/api/v1/status")).await.value();
    assert_eq!(status["spans_stored"], 0, "{status}");
    let other = client.json(Method::POST, &format!("{}/v1/traces", server.zipkin), &json!({})).await;
    assert_eq!(other.status, StatusCode::NOT_FOUND, "the port is Zipkin's alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_somebody_asked_for_must_be_free() {
    let server = Server::start().await;
    let taken = server.zipkin.trim_start_matches("http://");

    let args = ["serve", "--listen", "127.0.0.1:0", "--otlp-http", "off", "--otlp-grpc", "off", "--zipkin", taken];
    let (code, _, stderr) = outcome(&args, &[]).await;

    assert_eq!(code, Some(69), "{stderr}");
    assert!(stderr.contains(taken) && stderr.contains("--zipkin off"), "{stderr}");
}

/// A Zipkin that runs already must not keep anybody from trying this program.
#[tokio::test(flavor = "multi_thread")]
async fn the_usual_port_of_zipkin_may_be_taken_by_somebody_else() {
    // Whoever has it: this test, or another program on this machine.
    let _held = tokio::net::TcpListener::bind("127.0.0.1:9411").await;
    let (server, client) = (Server::start_without_zipkin().await, Client::new());

    let answer = client.send(post(&server.http, None, shared().to_string())).await;

    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert!(server.last_words().contains("no listener for zipkin on 127.0.0.1:9411"), "{}", server.last_words());
}
