//! A small HTTP client in which every call has a deadline.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Far above any answer of a healthy server, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// No answer in a test is larger; screenshots are the largest.
const LARGEST: usize = 64 * 1024 * 1024;

#[derive(Clone)]
pub struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Client {
    pub fn new() -> Self {
        Self { pool: Pool::builder(TokioExecutor::new()).build_http() }
    }

    pub async fn get(&self, url: &str) -> Answer {
        self.send(Request::get(url).body(Bytes::new()).unwrap()).await
    }

    /// Sends a JSON document, or none for `Value::Null`.
    pub async fn json(&self, method: Method, url: &str, document: &Value) -> Answer {
        let body = if document.is_null() { Bytes::new() } else { document.to_string().into() };
        self.send(
            Request::builder()
                .method(method)
                .uri(url)
                .header(header::CONTENT_TYPE, "application/json")
                .body(body)
                .unwrap(),
        )
        .await
    }

    /// As [`Self::send`], but `None` when the connection breaks before the whole answer is there.
    pub async fn try_send(&self, request: Request<Bytes>) -> Option<Answer> {
        let exchange = async {
            let (head, body) = self.pool.request(request.map(Full::new)).await.ok()?.into_parts();
            let body = Limited::new(body, LARGEST).collect().await.ok()?;
            Some(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(|_| panic!("no answer within {PATIENCE:?}"))
    }

    /// As [`Self::json`], but `None` when the connection breaks before the whole answer is there.
    pub async fn try_json(&self, method: Method, url: &str, document: &Value) -> Option<Answer> {
        let request = Request::builder().method(method).uri(url).header(header::CONTENT_TYPE, "application/json");
        self.try_send(request.body(document.to_string().into()).unwrap()).await
    }

    /// The status alone, for answers whose body never ends.
    pub async fn status(&self, request: Request<Bytes>) -> StatusCode {
        let name = format!("{} {}", request.method(), request.uri());
        let answer = tokio::time::timeout(PATIENCE, self.pool.request(request.map(Full::new))).await;
        answer.unwrap_or_else(|_| panic!("{name}: no answer within {PATIENCE:?}")).unwrap().status()
    }

    /// What a stream says within a time.
    pub async fn first_bytes(&self, url: &str, within: Duration) -> String {
        let mut body = self.pool.request(Request::get(url).body(Full::default()).unwrap()).await.unwrap().into_body();
        let mut text = Vec::new();
        let read = async {
            while let Some(Ok(frame)) = body.frame().await {
                text.extend_from_slice(&frame.into_data().unwrap_or_default());
            }
        };
        // A stream never ends by itself: the time is its end.
        let _ = tokio::time::timeout(within, read).await;
        String::from_utf8_lossy(&text).into_owned()
    }

    pub async fn send(&self, request: Request<Bytes>) -> Answer {
        let name = format!("{} {}", request.method(), request.uri());
        let exchange = async {
            let answer =
                self.pool.request(request.map(Full::new)).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, LARGEST).collect().await.unwrap_or_else(|error| panic!("{name}: {error}"));
            Answer { status: head.status, headers: head.headers, body: body.to_bytes() }
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .unwrap_or_else(|_| panic!("{name}: no answer within {PATIENCE:?}"))
    }
}

impl Answer {
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}
