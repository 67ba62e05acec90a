//! What a service that sends OTLP metrics sees: its breakers become events, the rest is counted by name.

use http::{Method, Request, StatusCode, header};
use opentelemetry_proto::tonic::{
    collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse},
    metrics::v1::{
        Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point::Value as Number,
    },
    resource::v1::Resource,
};
use prost::Message as _;
use serde_json::{Value, json};

use crate::harness::{Client, Grpc, Server, clock::now_ns, telemetry::attribute};

/// A gauge of resilience4j that says in which state the breaker towards `payments` is.
fn breaker(state: &str, at_ns: u64) -> Value {
    json!({ "resourceMetrics": [{
        "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "cart" } },
            { "key": "service.instance.id", "value": { "stringValue": "cart-1" } }] },
        "scopeMetrics": [{ "metrics": [
            { "name": "resilience4j.circuitbreaker.state", "gauge": { "dataPoints": [{ "asDouble": 1, "timeUnixNano": at_ns.to_string(),
                "attributes": [{ "key": "name", "value": { "stringValue": "payments" } }, { "key": "state", "value": { "stringValue": state } }] }] } },
            { "name": "jvm.memory.used", "unit": "By", "gauge": { "dataPoints": [{ "asInt": "4096", "timeUnixNano": at_ns }, { "asDouble": 1.5 }] } },
            { "name": "http.server.request.duration", "histogram": { "aggregationTemporality": 2, "dataPoints": [{ "count": "3", "sum": 0.5 }] } }] }] }] })
}

async fn events(client: &Client, server: &Server) -> Vec<Value> {
    let list = client.get(&server.url("/api/v1/events?kind=breaker")).await.value();
    list["events"].as_array().unwrap().iter().map(|event| event["event"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breakers_metric_is_an_event_once_and_other_series_are_named_with_the_reason() {
    let (server, client) = (Server::start().await, Client::new());
    let now = now_ns();
    let send = async |url: &str, body: &Value| {
        let answer = client.json(Method::POST, &format!("{url}/v1/metrics"), body).await;
        assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, "{}"));
    };

    // As SDKs send it: again after an answer that was lost, then the next numbers.
    send(&server.otlp_http, &breaker("closed", now - 20_000_000_000)).await;
    send(&server.http, &breaker("closed", now - 20_000_000_000)).await;
    send(&server.otlp_http, &breaker("closed", now - 10_000_000_000)).await;
    send(&server.otlp_http, &breaker("open", now)).await;

    let events = events(&client, &server).await;
    let said: Vec<_> =
        events.iter().map(|event| [&event["service"], &event["instance"], &event["target"], &event["state"]]).collect();
    let of = |state: &'static str| ["cart", "cart-1", "payments", state].map(|text| json!(text));
    assert_eq!(said, [of("open").each_ref(), of("closed").each_ref()], "{events:?}");
    let series = client.get(&server.url("/api/v1/metric-series")).await.value();
    let series: Vec<_> = series["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["name"].as_str().unwrap(),
                row["used"].as_bool().unwrap(),
                row["points"].as_u64().unwrap(),
                row["why"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        series,
        [
            ("resilience4j.circuitbreaker.state", true, 4, None),
            ("jvm.memory.used", false, 8, Some("no series of a breaker, limiter, retry, timeout or request")),
            ("http.server.request.duration", false, 4, Some("understood, but not used yet")),
        ]
    );
    let status = client.get(&server.url("/api/v1/status")).await.value();
    let source = status["ingest"].as_array().unwrap().iter().find(|source| source["source"] == "otlp_metrics").unwrap();
    assert_eq!((&source["requests"], &source["items"]), (&json!(4), &json!(16)), "{status}");
}

/// In protobuf: one good data point, one that says nothing.
fn request() -> Vec<u8> {
    let point = |value| NumberDataPoint {
        attributes: vec![attribute("name", "payments")],
        time_unix_nano: now_ns(),
        value,
        ..NumberDataPoint::default()
    };
    let gauge = Gauge { data_points: vec![point(Some(Number::AsInt(2))), point(None)] };
    let metric = Metric { name: "gobreaker_state".into(), data: Some(Data::Gauge(gauge)), ..Metric::default() };
    let resource = Resource { attributes: vec![attribute("service.name", "cart")], ..Resource::default() };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource),
            scope_metrics: vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        }],
    }
    .encode_to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_rejected_is_told_in_the_protocols_own_form() {
    let (server, client) = (Server::start().await, Client::new());
    let post = |content_type: &str, body: Vec<u8>| {
        Request::post(format!("{}/v1/metrics", server.otlp_http))
            .header(header::CONTENT_TYPE, content_type)
            .body(body.into())
            .unwrap()
    };
    let rejected = |body: &[u8]| {
        let partial = ExportMetricsServiceResponse::decode(body).unwrap().partial_success.unwrap();
        (partial.rejected_data_points, partial.error_message)
    };
    let expected = (1, "1 data points rejected: 1 because the data point has no value; the first is in resourceMetrics[0].scopeMetrics[0].metrics[0]: the data point has no value".to_owned());

    let answer = client.send(post("application/x-protobuf", request())).await;
    assert_eq!((answer.status, rejected(&answer.body)), (StatusCode::OK, expected.clone()));
    let grpc = Grpc::metrics(&server.otlp_grpc);
    let called = grpc.export(&request(), true).await;
    assert_eq!((called.code, rejected(&called.message)), (0, expected));
    assert_eq!(events(&client, &server).await[0]["state"], "open");

    let answer = client.send(post("application/json", br#"{"resourceMetrics":[{"scopeMetrics":7}]}"#.to_vec())).await;
    let message = answer.value()["message"].as_str().unwrap().to_owned();
    assert!(
        answer.status == StatusCode::BAD_REQUEST
            && message.starts_with("resourceMetrics[0].scopeMetrics: expected an array"),
        "{message}"
    );
    let called = grpc.export(b"\x0a\xff", false).await;
    assert_eq!(called.code, 3, "{called:?}");
    assert_eq!(client.send(post("text/csv", vec![])).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
