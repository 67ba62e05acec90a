#![expect(clippy::unwrap_used, reason = "a test may panic")]

use axum::{Router, routing};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::*;
use crate::live::tests::running;

fn request(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::empty()).unwrap()
}

async fn text(body: &mut Body) -> String {
    String::from_utf8(body.frame().await.unwrap().unwrap().into_data().unwrap().to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_stream_begins_with_a_snapshot_and_beats_in_every_pause() {
    let running = running();
    let router = Router::new().route("/live", routing::get(get)).with_state(running.live.clone());

    let response = router.oneshot(request("/live")).await.unwrap();

    let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        (header("content-type"), header("cache-control"), header("x-accel-buffering")),
        ("text/event-stream".into(), "no-cache".into(), "no".into())
    );
    let mut body = response.into_body();
    assert_eq!(text(&mut body).await, "retry: 1000\n\n");
    assert!(text(&mut body).await.starts_with("event: snapshot\nid: "));
    let began = tokio::time::Instant::now();
    assert_eq!(text(&mut body).await, ": still here\n\n");
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn one_stream_too_many_is_refused_with_a_time_to_come_back() {
    let running = running();
    let router = Router::new().route("/live", routing::get(get)).with_state(running.live.clone());
    let _streams: Vec<_> = (0..200).map(|_| running.live.subscribe(None).unwrap()).collect();

    let response = router.oneshot(request("/live")).await.unwrap();

    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "5");
}
