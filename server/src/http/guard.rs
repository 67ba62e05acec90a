//! What holds for every request, whatever its route: a Host that is ours, changes from our own pages only, and headers that tell
//! browsers what they may do.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};

use super::error::ApiError;
use crate::app::App;

/// Host names that requests may be for. A page of another site can make a browser resolve its own name to 127.0.0.1 (DNS
/// rebinding); its requests then carry that name, and get 421.
#[derive(Clone, Debug)]
pub struct Hosts {
    allowed: Vec<String>,
}

impl Hosts {
    /// Loopback and these.
    pub fn new(allowed: &[String]) -> Self {
        Self { allowed: allowed.iter().map(|host| host.to_ascii_lowercase()).collect() }
    }

    /// Whether a `Host` (with or without a port) is ours.
    pub fn allows(&self, host: &str) -> bool {
        let name = strip_port(host).to_ascii_lowercase();
        let address = name.trim_start_matches('[').trim_end_matches(']');
        name == "localhost"
            || name.ends_with(".localhost")
            || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
            || self.allowed.iter().any(|allowed| *allowed == name || *allowed == host.to_ascii_lowercase())
    }
}

fn strip_port(host: &str) -> &str {
    match host.rfind(':') {
        // An IPv6 address has colons of its own; a port stands behind its bracket.
        Some(colon) if !host[colon..].contains(']') && (host.starts_with('[') || host.matches(':').count() == 1) => {
            &host[..colon]
        }
        _ => host,
    }
}

/// The host that a request is for: HTTP/2 has it in the URI.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    uri.authority().map(|authority| authority.as_str()).or_else(|| headers.get(header::HOST)?.to_str().ok())
}

/// True when a browser says that the request comes from a page of another origin. Programs send neither header.
fn is_cross_origin(host: &str, headers: &HeaderMap) -> bool {
    if let Some(origin) = headers.get(header::ORIGIN) {
        let same = origin
            .to_str()
            .ok()
            .and_then(|origin| origin.split_once("://"))
            .is_some_and(|(_, of)| of.eq_ignore_ascii_case(host));
        return !same;
    }
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    site.is_some_and(|site| site != "same-origin" && site != "none")
}

/// Middleware of all HTTP listeners.
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(host) = host(request.uri(), request.headers()) else {
        return ApiError::bad_request("the request names no Host").into_response();
    };
    if !app.hosts.allows(host) {
        let detail = format!(
            "`{}` is not a name of this server: add it to allowed_hosts",
            host.chars().take(100).collect::<String>()
        );
        return ApiError::new(StatusCode::MISDIRECTED_REQUEST, "Misdirected request", detail).into_response();
    }
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !safe && is_cross_origin(host, request.headers()) {
        let detail = "changes are taken from this server's own pages and from programs, not from other sites' pages";
        return ApiError::new(StatusCode::FORBIDDEN, "Cross-origin request", detail).into_response();
    }
    let secure = app.config.served_over_tls();
    let mut response = as_problem(next.run(request).await).await;
    harden(response.headers_mut(), secure);
    response
}

/// Longest text of a rejection that is passed on.
const REJECTION_BYTES: usize = 4 << 10;

/// The framework refuses what its extractors cannot read with plain text; clients of this API expect problem details.
async fn as_problem(response: Response) -> Response {
    let status = response.status();
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let framework = status.is_client_error()
        && status != StatusCode::UNSUPPORTED_MEDIA_TYPE
        && content_type.is_none_or(|content_type| content_type.starts_with("text/plain"));
    if !framework {
        return response;
    }
    let allow = response.headers().get(header::ALLOW).cloned();
    let text = axum::body::to_bytes(response.into_body(), REJECTION_BYTES).await.unwrap_or_default();
    let title = status.canonical_reason().unwrap_or("Request refused");
    let mut problem = ApiError::new(status, title, String::from_utf8_lossy(&text).trim()).into_response();
    if let Some(allow) = allow {
        problem.headers_mut().insert(header::ALLOW, allow);
    }
    problem
}

fn harden(headers: &mut HeaderMap, secure: bool) {
    let mut default = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    default(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    default(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(header::REFERRER_POLICY, "no-referrer");
    default(header::CACHE_CONTROL, "no-store");
    default(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    default(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    if secure {
        default(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_configured_names_are_ours() {
        let hosts = Hosts::new(&["Spillway.example.com".into()]);

        for ours in [
            "localhost",
            "localhost:7070",
            "127.0.0.1:7070",
            "127.8.8.8",
            "[::1]:7070",
            "[::1]",
            "spillway.example.com:443",
            "SPILLWAY.example.com",
        ] {
            assert!(hosts.allows(ours), "{ours}");
        }
        for foreign in [
            "evil.example",
            "evil.example:7070",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[::2]:80",
            "",
            "spillway.example.com.evil",
        ] {
            assert!(!hosts.allows(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_foreign_page_is_told_from_our_own_and_from_programs() {
        let with =
            |name: HeaderName, value: &'static str| HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
        let site = HeaderName::from_static("sec-fetch-site");

        assert!(!is_cross_origin("localhost:7070", &HeaderMap::new()));
        assert!(!is_cross_origin("localhost:7070", &with(header::ORIGIN, "http://localhost:7070")));
        assert!(!is_cross_origin("localhost:7070", &with(site.clone(), "same-origin")));
        for foreign in ["http://evil.example", "null", "http://localhost:7071", "http://localhost:7070.evil.example"] {
            assert!(is_cross_origin("localhost:7070", &with(header::ORIGIN, foreign)), "{foreign}");
        }
        assert!(is_cross_origin("localhost:7070", &with(site.clone(), "cross-site")));
        assert!(is_cross_origin("localhost:7070", &with(site, "same-site")));
    }
}
