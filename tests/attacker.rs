//! What somebody who should not gets to see.

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::harness::{
    Client, Server,
    telemetry::{call, otlp},
};

const TOKEN: &str = "admin-token-0123456789";
const KEY: &str = "ingest-key-0123456789";

async fn locked_server() -> Server {
    Server::start_with_variables(&[("SPILLWAY_ADMIN_TOKEN", TOKEN), ("SPILLWAY_INGEST_KEY", KEY)]).await
}

/// Every operation of the published document, with something harmless for each path parameter.
fn operations(document: &Value) -> Vec<(Method, String, String)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let security = operation["security"].as_array().unwrap();
            let demands = security
                .first()
                .map_or("public".to_owned(), |scheme| scheme.as_object().unwrap().keys().next().unwrap().clone());
            let filled = path.replace("{trace_id}", "0123456789abcdef0123456789abcdef").replace("{id}", "none");
            all.push((method.to_uppercase().parse().unwrap(), filled, demands));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_demands_exactly_what_it_declares() {
    let (server, client) = (locked_server().await, Client::new());
    let document = client.get(&server.url("/api/v1/openapi.json")).await.value();
    let operations = operations(&document);
    assert!(operations.len() > 25, "{}", operations.len());
    let identities =
        [("nobody", None), ("admin", Some(TOKEN)), ("ingest", Some(KEY)), ("wrong", Some("wrong-token-0123456789"))];

    for (method, path, demands) in &operations {
        for (identity, secret) in identities {
            let mut request = Request::builder()
                .method(method)
                .uri(server.url(path))
                .header(header::CONTENT_TYPE, "application/json");
            if let Some(secret) = secret {
                request = request.header(header::AUTHORIZATION, format!("Bearer {secret}"));
            }
            // A stream never ends: its headers are the answer.
            let status = client.status(request.body(Bytes::new()).unwrap()).await;
            let let_in = status != StatusCode::UNAUTHORIZED;
            // Signing in is public, and says 401 to an empty or wrong token itself only when the body could be read.
            let expected = demands == "public" || demands == identity;
            assert_eq!(let_in, expected, "{method} {path} demands {demands}, {identity} got {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_names_every_route_and_nothing_else() {
    let (server, client) = (Server::start().await, Client::new());
    let document = client.get(&server.url("/api/v1/openapi.json")).await.value();

    assert_eq!(document["openapi"], "3.1.0");
    for (method, path, _) in operations(&document) {
        let request = Request::builder().method(&method).uri(server.url(&path)).body(Bytes::new()).unwrap();
        let answer = client.status(request).await;
        assert_ne!(answer, StatusCode::METHOD_NOT_ALLOWED, "{method} {path} is documented and not mounted");
    }
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    for reference in references {
        assert!(
            !document.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null).is_null(),
            "{reference} leads nowhere"
        );
    }
    assert_eq!(client.get(&server.url("/api/v1/nonsense")).await.status, StatusCode::NOT_FOUND);
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| match value {
            Value::String(text) if key == "$ref" => found.push(text.clone()),
            other => collect_references(other, found),
        }),
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_host_or_origin_is_turned_away_on_every_listener() {
    let (server, client) = (Server::start().await, Client::new());
    for url in [&server.http, &server.otlp_http] {
        let mut request = otlp(url, &call(1));
        request.headers_mut().insert(header::HOST, "rebound.example".parse().unwrap());
        assert_eq!(client.send(request).await.status, StatusCode::MISDIRECTED_REQUEST);

        let mut request = otlp(url, &call(1));
        request.headers_mut().insert(header::ORIGIN, "https://evil.example".parse().unwrap());
        assert_eq!(client.send(request).await.status, StatusCode::FORBIDDEN);
        assert_eq!(client.send(otlp(url, &call(1))).await.status, StatusCode::OK);
    }
    let upload = Request::post(server.url("/api/v1/plugins"))
        .header("sec-fetch-site", "cross-site")
        .body(Bytes::from_static(b"\0asm"))
        .unwrap();
    assert_eq!(client.send(upload).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_exchanges_the_token_for_a_cookie_that_scripts_cannot_read() {
    let (server, client) = (locked_server().await, Client::new());
    let session = server.url("/api/v1/session");
    assert_eq!(client.get(&session).await.value(), json!({ "required": true, "signed_in": false }));
    assert_eq!(
        client.json(Method::POST, &session, &json!({ "token": "nope-nope-nope-nope" })).await.status,
        StatusCode::UNAUTHORIZED
    );

    let answer = client.json(Method::POST, &session, &json!({ "token": TOKEN })).await;
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains(TOKEN), "{cookie}");

    let with_cookie = |method: Method, path: &str| {
        Request::builder()
            .method(method)
            .uri(server.url(path))
            .header(header::COOKIE, cookie.split(';').next().unwrap())
            .body(Bytes::new())
            .unwrap()
    };
    assert_eq!(client.send(with_cookie(Method::GET, "/api/v1/status")).await.status, StatusCode::OK);
    assert_eq!(client.send(with_cookie(Method::DELETE, "/api/v1/session")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(client.send(with_cookie(Method::GET, "/api/v1/status")).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_tells_browsers_what_they_may_do() {
    let (server, client) = (Server::start().await, Client::new());
    for path in ["/", "/api/v1/status", "/api/v1/nonsense", "/healthz"] {
        let answer = client.get(&server.url(path)).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_never_finishes_its_headers_is_cut_off() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = Server::start().await;
    let mut socket = tokio::net::TcpStream::connect(server.http.trim_start_matches("http://")).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow:").await.unwrap();

    let mut rest = Vec::new();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), socket.read_to_end(&mut rest)).await;

    assert!(ended.is_ok(), "the connection is still open");
}
