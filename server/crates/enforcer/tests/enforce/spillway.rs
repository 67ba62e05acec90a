//! A stand-in for Spillway: hands out what the test puts there and keeps what enforcers report.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use spillway_api::{UsageAnswer, UsageReport};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};

/// Nothing in these tests takes this long unless it is broken.
pub const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub struct Spillway {
    pub url: String,
    state: Arc<Fake>,
    server: Arc<Abort>,
}

struct Abort(JoinHandle<()>);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Fake {
    set: watch::Sender<(u64, Value)>,
    reports: watch::Sender<Vec<UsageReport>>,
    key: Option<&'static str>,
    queries: watch::Sender<Vec<Vec<(String, String)>>>,
}

impl Spillway {
    pub async fn start(key: Option<&'static str>) -> Self {
        let state = Arc::new(Fake {
            set: watch::Sender::new((1, json!([]))),
            reports: watch::Sender::default(),
            key,
            queries: watch::Sender::default(),
        });
        let app = Router::new()
            .route("/api/v1/directives", get(directives))
            .route("/api/v1/usage", post(usage))
            .with_state(Arc::clone(&state));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has ports");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        Self { url, state, server: Arc::new(Abort(server)) }
    }

    /// Puts directives in force (JSON, so that a test can send what this version does not know).
    pub fn direct(&self, directives: Value) {
        self.state.set.send_modify(|(revision, set)| {
            *revision += 1;
            *set = directives;
        });
    }

    /// Waits for a report that the test is content with.
    pub async fn report(&self, what: &str, content: impl Fn(&UsageReport) -> bool + Copy) -> UsageReport {
        let mut reports = self.state.reports.subscribe();
        let found = timeout(DEADLINE, reports.wait_for(|all| all.iter().any(content))).await;
        let all = found.unwrap_or_else(|_| panic!("no report with {what}: {:?}", self.state.reports.borrow().last()));
        all.expect("the sender lives").iter().find(|report| content(report)).expect("just found").clone()
    }

    /// All reports so far.
    pub fn reports(&self) -> Vec<UsageReport> {
        self.state.reports.borrow().clone()
    }

    /// The query of the first poll.
    pub async fn query(&self) -> Vec<(String, String)> {
        let mut queries = self.state.queries.subscribe();
        let first = timeout(DEADLINE, queries.wait_for(|all| !all.is_empty())).await;
        first.expect("a poll came").expect("the sender lives")[0].clone()
    }

    /// Dies, with all its connections.
    pub fn die(&self) {
        self.server.0.abort();
    }
}

impl Fake {
    fn refused(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        self.key.is_some_and(|key| given != Some(&format!("Bearer {key}")))
    }
}

async fn directives(
    State(fake): State<Arc<Fake>>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    if fake.refused(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    fake.queries.send_modify(|all| all.push(query));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
    let mut set = fake.set.subscribe();
    let news = set.wait_for(|(revision, _)| known.as_deref() != Some(&format!("\"fake-{revision}\"")));
    let Ok(found) = timeout(Duration::from_secs(25), news).await else {
        return StatusCode::NOT_MODIFIED.into_response();
    };
    let (revision, directives) = found.expect("the sender lives").clone();
    Json(json!({"revision": format!("fake-{revision}"), "directives": directives})).into_response()
}

async fn usage(State(fake): State<Arc<Fake>>, headers: HeaderMap, body: Bytes) -> Response {
    if fake.refused(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let report: UsageReport = serde_json::from_slice(&body).expect("a report is as the protocol says");
    fake.reports.send_modify(|all| all.push(report));
    let revision = format!("fake-{}", fake.set.borrow().0);
    Json(UsageAnswer { revision }).into_response()
}
