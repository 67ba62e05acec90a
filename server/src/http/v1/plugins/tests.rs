#![expect(clippy::unwrap_used, reason = "a test may panic")]
//! The endpoints of the control plane, with the loop's doubles behind them.

use axum::{
    Router,
    body::Body,
    routing::{get, post, put},
};
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::{
    control::{
        Control,
        tests::{Harness, report},
    },
    http::v1::{decisions, directives, usage},
};

#[derive(Clone)]
struct Doubles(Control);

impl FromRef<Doubles> for Control {
    fn from_ref(doubles: &Doubles) -> Self {
        doubles.0.clone()
    }
}

impl FromRef<Doubles> for Actor {
    fn from_ref(_: &Doubles) -> Self {
        Self::ADMIN
    }
}

fn router(harness: &Harness) -> Router {
    Router::new()
        .route("/directives", get(directives::get))
        .route("/usage", post(usage::post))
        .route("/plugins", get(list).post(upload))
        .route("/plugins/{id}/mode", put(set_mode))
        .route("/plugins/{id}/config", put(set_config))
        .route("/plugins/{id}/logs", get(logs))
        .route("/plugins/{id}", axum::routing::delete(delete))
        .route("/decisions", get(decisions::list))
        .route("/decisions/{id}", get(decisions::get))
        .with_state(Doubles(harness.control.clone()))
}

async fn call(router: &Router, method: Method, path: &str, body: impl Into<Body>) -> Response<Body> {
    let request = Request::builder().method(method).uri(path).body(body.into()).unwrap();
    router.clone().oneshot(request).await.unwrap()
}

async fn answer(response: Response<Body>) -> (u16, Value) {
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

async fn ask(router: &Router, method: Method, path: &str, body: impl Into<Body>) -> (u16, Value) {
    answer(call(router, method, path, body).await).await
}

#[tokio::test(start_paused = true)]
async fn a_rule_lives_from_upload_to_deletion() {
    let harness = Harness::start().await;
    let router = router(&harness);

    let (status, plugin) = ask(&router, Method::POST, "/plugins", "rule:guard").await;
    assert_eq!((status, &plugin["mode"], &plugin["name"]), (201, &json!("off"), &json!("guard")));
    let id = plugin["id"].as_str().unwrap();
    assert_eq!(ask(&router, Method::POST, "/plugins", "rule:guard").await.0, 200);

    let mode = |mode: &str| json!({"mode": mode}).to_string();
    let (status, plugin) = ask(&router, Method::PUT, &format!("/plugins/{id}/mode"), mode("active")).await;
    assert_eq!((status, &plugin["mode"]), (200, &json!("active")));
    assert_eq!(ask(&router, Method::DELETE, &format!("/plugins/{id}"), "").await.0, 409);
    let config = json!({"config": "calm"}).to_string();
    let (status, plugin) = ask(&router, Method::PUT, &format!("/plugins/{id}/config"), config).await;
    assert_eq!((status, &plugin["config"]), (200, &json!("calm")));
    let (status, list) = ask(&router, Method::GET, "/plugins", "").await;
    assert_eq!((status, &list["plugins"][0]["id"], list["plugins"].as_array().unwrap().len()), (200, &json!(id), 3));
    assert_eq!(
        ask(&router, Method::GET, &format!("/plugins/{id}/logs"), "").await.1,
        json!({"lines": [], "dropped": 0})
    );

    ask(&router, Method::PUT, &format!("/plugins/{id}/mode"), mode("off")).await;
    assert_eq!(ask(&router, Method::DELETE, &format!("/plugins/{id}"), "").await.0, 204);
    assert_eq!(ask(&router, Method::GET, &format!("/plugins/{id}/logs"), "").await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn every_error_is_a_problem_that_says_what_and_where() {
    let harness = Harness::start().await;
    let router = router(&harness);
    let id = harness.upload("guard").await.id;
    let config = format!("/plugins/{id}/config");
    let mut odd = serde_json::to_value(report("a", 1, "")).unwrap();
    odd["usage"][0]["latency"]["scale"] = json!(99);
    let nonsense = odd.to_string();
    let cases: [(Method, &str, &str, u16, &str, &str); 9] = [
        (Method::POST, "/plugins", "hello", 422, "the upload was rejected: this is not WebAssembly", ""),
        (Method::PUT, "/plugins/nobody/mode", r#"{"mode":"off"}"#, 404, "no rule `nobody`", ""),
        (Method::PUT, &config, r#"{"config":"!"}"#, 422, "no exclamation marks", "/config"),
        (Method::PUT, &config, r#"{"colour":"red"}"#, 400, "unknown field `colour`", "body"),
        (Method::GET, "/directives", "", 400, "missing field `service`", ""),
        (Method::GET, "/directives?service=", "", 400, "which service", "service"),
        (Method::POST, "/usage", "{", 400, "EOF", "body"),
        (Method::POST, "/usage", &nonsense, 422, "scale 99", "/usage/0/latency"),
        (Method::GET, "/decisions?limit=0", "", 400, "limit", "limit"),
    ];
    for (method, path, body, status, words, pointer) in cases {
        let (got, problem) = ask(&router, method, path, body.to_owned()).await;
        assert_eq!(got, status, "{path}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{path}: {problem}");
        if !pointer.is_empty() {
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{path}: {problem}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn enforcers_report_and_are_told() {
    let harness = Harness::start().await;
    let router = router(&harness);
    ask(&router, Method::PUT, "/plugins/builtin:adaptive-throttle/mode", r#"{"mode":"active"}"#).await;
    let path = "/directives?environment=prod&namespace=shop&service=checkout&instance=a";
    let first = call(&router, Method::GET, path, "").await;
    let tag = first.headers()["etag"].clone();
    assert_eq!(answer(first).await.1["directives"], json!([]));
    let mut revision = Value::Null;

    for seq in 1..=6 {
        let body = serde_json::to_vec(&report("a", seq, "")).unwrap();
        let (status, told) = ask(&router, Method::POST, "/usage", body).await;
        assert_eq!(status, 200);
        revision = told["revision"].clone();
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    let request =
        Request::get(format!("{path}&wait_ms=25000")).header("if-none-match", tag).body(Body::empty()).unwrap();
    let (status, set) = answer(router.clone().oneshot(request).await.unwrap()).await;

    assert_eq!((status, set["directives"].as_array().unwrap().len()), (200, 1));
    assert_ne!(revision, Value::Null);
    let decision = set["directives"][0]["id"].as_str().unwrap();
    let (status, list) = ask(&router, Method::GET, "/decisions?service=checkout", "").await;
    assert_eq!((status, &list["decisions"][0]["id"], &list["next_cursor"]), (200, &json!(decision), &Value::Null));
    let (status, one) = ask(&router, Method::GET, &format!("/decisions/{decision}.abc"), "").await;
    assert_eq!((status, &one["state"], &one["match"]["service"]), (200, &json!("in_force"), &json!("checkout")));
    assert_eq!(ask(&router, Method::GET, "/decisions?cursor=x", "").await.0, 400);
}
