//! The layer around a real `axum` service, with a stand-in for Spillway on a real socket.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{convert::Infallible, pin::pin, task::Poll, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::MatchedPath,
    http::{HeaderMap, Request, Response, StatusCode},
    routing::get,
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use spillway_api::Criticality;
use spillway_enforcer::{DECISION_HEADER, Enforcer, Identity, Shed};
use tokio::time::timeout;
use tower::ServiceExt;

mod spillway;

use spillway::{DEADLINE, Spillway};

fn enforcer(spillway: &Spillway) -> Enforcer {
    Enforcer::builder(Identity::new("prod", "shop & co", "checkout", "checkout-1"))
        .spillway_url(&spillway.url)
        .route_fn(|head| head.extensions.get::<MatchedPath>().map(MatchedPath::as_str))
        .in_flight_limit(Some(64))
        .build()
        .unwrap()
}

/// A service with one route for each ending.
fn service(enforcer: &Enforcer) -> Router {
    Router::new()
        .route("/orders/{id}", get(|| async { "ok" }))
        .route("/healthz", get(|| async { "fine" }))
        .route("/broken", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/late", get(|| async { StatusCode::GATEWAY_TIMEOUT }))
        .route("/relays", get(|| async { (StatusCode::SERVICE_UNAVAILABLE, [(DECISION_HEADER, "d-1.x")]) }))
        .route("/hangs", get(std::future::pending::<&'static str>))
        .route("/variant", get(|headers: HeaderMap| async move { format!("{:?}", headers.get("x-spillway-degrade")) }))
        .layer(enforcer.layer())
}

async fn ask(service: &Router, path: &str) -> Response<Body> {
    service.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap()
}

/// Asks until the answer has the status.
async fn until(service: &Router, path: &str, status: StatusCode) -> Response<Body> {
    timeout(DEADLINE, async {
        let mut every = tokio::time::interval(Duration::from_millis(10));
        loop {
            every.tick().await;
            let answer = ask(service, path).await;
            if answer.status() == status {
                return answer;
            }
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{path} never answered {status}"))
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn directive(id: &str, action: Value, ttl_ms: u32) -> Value {
    json!({
        "id": id,
        "match": {"environment": "prod", "namespace": "shop & co", "service": "checkout"},
        "action": action, "ttl_ms": ttl_ms, "retry_after_ms": 2_000, "reason": "payments is slow",
        "by": {"person": "test"},
    })
}

fn shed_all() -> Value {
    json!([directive("d-1", json!({"kind": "admit_ratio", "ratio": 0.0}), 60_000)])
}

#[tokio::test]
async fn a_directive_reaches_the_service_and_the_rejection_explains_itself() {
    let spillway = Spillway::start(None).await;
    let enforcer = enforcer(&spillway);
    let service = service(&enforcer);
    assert_eq!(ask(&service, "/orders/1").await.status(), StatusCode::OK);

    spillway.direct(shed_all());
    let rejection = until(&service, "/orders/1", StatusCode::SERVICE_UNAVAILABLE).await;

    let decision = rejection.headers()[DECISION_HEADER].to_str().unwrap().to_owned();
    let retry_after: u64 = rejection.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(decision.starts_with("d-1."), "{decision}");
    assert!((2..=4).contains(&retry_after), "{retry_after}");
    assert_eq!(rejection.extensions().get::<Shed>().unwrap().decision, decision);
    let problem: Value = serde_json::from_str(&text(rejection).await).unwrap();
    assert_eq!((&problem["status"], &problem["detail"]), (&json!(503), &json!("payments is slow")));

    let report = spillway.report("the sample", |report| !report.shed_samples.is_empty()).await;
    assert_eq!(report.shed_samples[0].route, "/orders/{id}");
    assert_eq!(report.shed_samples[0].decision, decision);
    assert_eq!(report.revision, "fake-2");

    spillway.direct(json!([]));
    until(&service, "/orders/1", StatusCode::OK).await;
    enforcer.shutdown().await;
}

#[tokio::test]
async fn health_probes_are_never_turned_away() {
    let spillway = Spillway::start(None).await;
    let enforcer = enforcer(&spillway);
    let service = service(&enforcer);
    spillway.direct(shed_all());
    until(&service, "/orders/1", StatusCode::SERVICE_UNAVAILABLE).await;

    assert_eq!(ask(&service, "/healthz").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn every_ending_is_counted_and_shed_requests_are_no_failures() {
    let spillway = Spillway::start(None).await;
    let enforcer = enforcer(&spillway);
    let service = service(&enforcer);

    for path in ["/orders/1", "/orders/2", "/broken", "/late", "/relays"] {
        ask(&service, path).await;
    }
    enforcer.queue_meter().waited(Duration::from_millis(30));
    let mut given_up = Box::pin(ask(&service, "/hangs"));
    assert!(futures_poll(&mut given_up).await.is_pending());
    let report = spillway.report("one in flight", |report| report.in_flight == 1).await;
    assert_eq!(report.in_flight_limit, Some(64));
    drop(given_up);

    let all_ended = spillway.report("none in flight", |report| report.in_flight == 0 && report.usage.len() == 5).await;
    let counts = all_ended.usage.iter().map(|row| {
        assert_eq!(row.class, Criticality::Critical);
        assert_eq!(row.latency.count, row.ok + row.failed + row.timed_out);
        (row.route.as_str(), row.offered, row.admitted, row.shed, row.ok, row.failed, row.timed_out, row.relayed)
    });
    assert_eq!(
        counts.collect::<Vec<_>>(),
        [
            ("/broken", 1, 1, 0, 0, 1, 0, 0),
            ("/hangs", 1, 1, 0, 0, 0, 1, 0),
            ("/late", 1, 1, 0, 0, 0, 1, 0),
            ("/orders/{id}", 2, 2, 0, 2, 0, 0, 0),
            // A callee shed it: neither done nor failed, and no latency of ours.
            ("/relays", 1, 1, 0, 0, 0, 0, 1),
        ]
    );
    let queued = spillway.reports().into_iter().filter_map(|report| report.queue_wait_ms).collect::<Vec<_>>();
    assert_eq!(queued, [30.0]);

    spillway.direct(shed_all());
    until(&service, "/broken", StatusCode::SERVICE_UNAVAILABLE).await;
    let shed = spillway.report("a shed request", |report| report.usage.iter().any(|row| row.shed > 0)).await;
    let row = shed.usage.iter().find(|row| row.route == "/broken").unwrap();
    assert_eq!(row.offered, row.admitted + row.shed);
    assert_eq!(row.admitted, row.failed, "what ran failed, what was turned away did not");
}

/// Polls once.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(pin!(&mut *future).poll(cx))).await
}

#[tokio::test]
async fn reports_count_up_and_name_their_boot() {
    let spillway = Spillway::start(None).await;
    let first = enforcer(&spillway);
    let third = spillway.report("a third one", |report| report.seq == 3).await;
    first.shutdown().await;

    let sequence: Vec<u64> = spillway.reports().iter().map(|report| report.seq).collect();
    assert!(sequence.windows(2).all(|pair| pair[0] < pair[1]), "{sequence:?}");
    let second = enforcer(&spillway);
    spillway.report("another boot", |report| report.seq == 1).await;
    let last = timeout(DEADLINE, async {
        loop {
            if let Some(report) = spillway.reports().into_iter().find(|report| report.boot != third.boot) {
                return report;
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(last.await.unwrap().seq, 1);
    drop(second);
}

#[tokio::test]
async fn a_directive_from_the_future_is_set_aside_and_reported() {
    let spillway = Spillway::start(None).await;
    let enforcer = enforcer(&spillway);
    let service = service(&enforcer);

    spillway.direct(json!([
        directive("new", json!({"kind": "teleport"}), 60_000),
        directive("bad", json!({"kind": "admit_ratio", "ratio": 7.0}), 60_000),
        directive("old", json!({"kind": "concurrency_limit", "limit": 0}), 60_000),
    ]));

    until(&service, "/orders/1", StatusCode::SERVICE_UNAVAILABLE).await;
    let report = spillway.report("ignored ones", |report| report.ignored.len() == 2).await;
    assert_eq!(report.ignored.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["new", "bad"]);
}

#[tokio::test]
async fn when_spillway_dies_the_leases_end_and_everything_is_admitted() {
    let spillway = Spillway::start(None).await;
    let enforcer = enforcer(&spillway);
    let service = service(&enforcer);
    spillway.direct(json!([directive("d", json!({"kind": "level_threshold", "level": 0}), 500)]));
    until(&service, "/orders/1", StatusCode::SERVICE_UNAVAILABLE).await;

    spillway.die();

    until(&service, "/orders/1", StatusCode::OK).await;
    // Past the ramp not one in a hundred is turned away any more.
    timeout(DEADLINE, async {
        let mut passed = 0;
        while passed < 100 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            passed = if ask(&service, "/orders/1").await.status() == StatusCode::OK { passed + 1 } else { 0 };
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn without_spillway_a_service_runs_as_ever() {
    let enforcer =
        Enforcer::builder(Identity::new("", "", "s", "i")).spillway_url("http://127.0.0.1:9").build().unwrap();
    let service = service(&enforcer);

    for _ in 0..100 {
        assert_eq!(ask(&service, "/orders/1").await.status(), StatusCode::OK);
    }
    timeout(DEADLINE, enforcer.shutdown()).await.unwrap();
}

#[tokio::test]
async fn the_key_is_sent_and_the_query_names_the_instance() {
    let spillway = Spillway::start(Some("s3cret")).await;
    let _with_key = Enforcer::builder(Identity::new("prod", "shop & co", "checkout", "1"))
        .spillway_url(format!("{}/", spillway.url))
        .key(Some("s3cret".into()))
        .build()
        .unwrap();

    let query = spillway.query().await;

    let pairs = [
        ("environment", "prod"),
        ("namespace", "shop & co"),
        ("service", "checkout"),
        ("instance", "1"),
        ("wait_ms", "25000"),
    ];
    assert_eq!(query, pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
    spillway.report("one", |_| true).await;
}

#[tokio::test]
async fn degrade_tells_the_service_which_variant_to_serve() {
    let spillway = Spillway::start(None).await;
    let enforcer = enforcer(&spillway);
    let service = service(&enforcer);
    spillway.direct(json!([directive("d", json!({"kind": "degrade", "variant": "plain"}), 60_000)]));
    spillway.report("the revision", |report| report.revision == "fake-2").await;

    assert_eq!(text(ask(&service, "/variant").await).await, "Some(\"plain\")");
}

#[tokio::test]
async fn a_grpc_call_is_turned_away_in_its_own_way() {
    let spillway = Spillway::start(None).await;
    let enforcer = enforcer(&spillway);
    let service = service(&enforcer);
    spillway.direct(shed_all());
    until(&service, "/orders/1", StatusCode::SERVICE_UNAVAILABLE).await;
    let call = Request::get("/orders/1").header("content-type", "application/grpc+proto").body(Body::empty()).unwrap();

    let answer = service.oneshot(call).await.unwrap();

    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["grpc-status"], "14");
    assert_eq!(answer.headers()["grpc-message"], "payments is slow");
    assert!(answer.headers().contains_key(DECISION_HEADER));
    assert_eq!(text(answer).await, "");
}

#[tokio::test]
async fn a_grpc_call_ends_with_its_trailers() {
    let spillway = Spillway::start(None).await;
    let enforcer = enforcer(&spillway);
    let trailers = |status: &'static str| {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", status.parse().unwrap());
        trailers
    };
    let inner = tower::service_fn(move |request: Request<Body>| {
        let status = if request.uri().path() == "/good" { "0" } else { "13" };
        let body = http_body_util::Full::<axum::body::Bytes>::from("x")
            .with_trailers(async move { Some(Ok::<_, Infallible>(trailers(status))) });
        async move {
            Ok::<_, Infallible>(Response::builder().header("content-type", "application/grpc").body(body).unwrap())
        }
    });
    let service = tower_layer::Layer::layer(&enforcer.layer(), inner);

    for path in ["/good", "/bad"] {
        let answer = service.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        answer.into_body().collect().await.unwrap();
    }

    let report =
        spillway.report("both", |report| report.usage.first().is_some_and(|row| row.ok + row.failed == 2)).await;
    assert_eq!((report.usage[0].ok, report.usage[0].failed, report.in_flight), (1, 1, 0));
}
