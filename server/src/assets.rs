//! The browser interface, out of the binary itself.
//!
//! Files are embedded compressed only: nearly every browser takes brotli, and for the rest gzip is unpacked once.
//! Names below `/assets/` carry a hash of their content and never change, so they may be kept for ever; the page that
//! names them is asked for again each time.

use std::io::Read as _;
use std::sync::OnceLock;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};

/// What the page may load and do. Scripts come from here only and never inline; WebAssembly needs its own permission.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
     img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The hash in the name changes with the content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// May be kept, but the server is asked each time whether it is still the one.
const ASK_AGAIN: &str = "no-cache";

/// Paths that belong to programs. One that no route takes is an error there, not a page.
const NOT_PAGES: &[&str] = &["api", "v1", "webhooks", "assets"];

const NOT_BUILT: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\">\
     <title>Spillway</title>\n<h1>Spillway runs, without its browser interface</h1>\n\
     <p>This binary was compiled before the interface was. Build it with <code>cargo xtask ui</code> and compile the server again, \
     or let <code>cargo xtask run</code> do both. The API works: see <a href=\"/api/v1/openapi.json\">/api/v1/openapi.json</a>.</p></html>\n";

// `static EMBEDDED: [Embedded; N]`, written by build.rs.
include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// One file of the site.
struct Embedded {
    path: &'static str,
    digest: &'static str,
    br: &'static [u8],
    gz: &'static [u8],
    plain: OnceLock<Vec<u8>>,
}

/// A file in the encoding that its reader understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// The bytes to send.
    pub body: Bytes,
    /// How they are encoded; `None` is as they are.
    pub encoding: Option<&'static str>,
    /// Media type of the decoded content.
    pub content_type: &'static str,
    /// Strong validator; differs per encoding.
    pub etag: String,
    /// How long it may be kept.
    pub cache_control: &'static str,
}

/// The file for a request path: its own, or the page for every path that the interface itself understands.
///
/// `None` for paths of programs and for files that are not there.
pub fn find(path: &str, accept_encoding: &str) -> Option<Asset> {
    find_in(&EMBEDDED, path, accept_encoding)
}

/// Answers whatever no route took.
pub async fn serve(request: Request) -> Response {
    respond(&EMBEDDED, request.method(), request.uri().path(), request.headers())
}

fn find_in(site: &'static [Embedded], path: &str, accept_encoding: &str) -> Option<Asset> {
    let path = path.trim_start_matches('/');
    let file = site.iter().find(|file| file.path == path);
    let first = path.split('/').next().unwrap_or_default();
    if file.is_none() && NOT_PAGES.contains(&first) {
        return None;
    }
    match file.or_else(|| site.iter().find(|file| file.path == "index.html")) {
        Some(file) => Some(file.asset(accept_encoding)),
        None => Some(Asset {
            body: Bytes::from_static(NOT_BUILT.as_bytes()),
            encoding: None,
            content_type: content_type("html"),
            etag: "\"not-built\"".to_owned(),
            cache_control: ASK_AGAIN,
        }),
    }
}

fn respond(site: &'static [Embedded], method: &Method, path: &str, headers: &HeaderMap) -> Response {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(asset) = find_in(site, path, text(header::ACCEPT_ENCODING)) else {
        return problem(StatusCode::NOT_FOUND, "Not Found", &format!("nothing answers {method} {path}"));
    };
    if method != Method::GET && method != Method::HEAD {
        let mut refusal = problem(
            StatusCode::METHOD_NOT_ALLOWED,
            "Method Not Allowed",
            &format!("{path} is a page; it can only be read"),
        );
        refusal.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }

    let mut response = Response::builder()
        .header(header::ETAG, &asset.etag)
        .header(header::CACHE_CONTROL, asset.cache_control)
        .header(header::VARY, "accept-encoding")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if asset.content_type == content_type("html") {
        response = response
            .header(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY)
            .header(header::REFERRER_POLICY, "same-origin");
    }
    let response = if unchanged(text(header::IF_NONE_MATCH), &asset.etag) {
        response.status(StatusCode::NOT_MODIFIED).body(Body::empty())
    } else {
        if let Some(encoding) = asset.encoding {
            response = response.header(header::CONTENT_ENCODING, encoding);
        }
        let response =
            response.header(header::CONTENT_TYPE, asset.content_type).header(header::CONTENT_LENGTH, asset.body.len());
        response.body(if method == Method::HEAD { Body::empty() } else { Body::from(asset.body) })
    };
    response.expect("header values are constants, digits and numbers")
}

impl Embedded {
    fn asset(&'static self, accept_encoding: &str) -> Asset {
        let (encoding, body) = if accepts(accept_encoding, "br") {
            (Some("br"), self.br)
        } else if accepts(accept_encoding, "gzip") {
            (Some("gzip"), self.gz)
        } else {
            (None, self.plain())
        };
        Asset {
            body: Bytes::from_static(body),
            encoding,
            content_type: content_type(self.path.rsplit('.').next().unwrap_or_default()),
            etag: format!("\"{}-{}\"", self.digest, encoding.unwrap_or("plain")),
            cache_control: if self.path.starts_with("assets/") { FOR_EVER } else { ASK_AGAIN },
        }
    }

    /// Kept once made: a reader that refuses compression must not be able to make us unpack at every request.
    fn plain(&'static self) -> &'static [u8] {
        self.plain.get_or_init(|| {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(self.gz)
                .read_to_end(&mut plain)
                .expect("the build compressed it, and a test unpacks every file");
            plain
        })
    }
}

/// Whether an `Accept-Encoding` value allows a coding; a weight of 0 forbids it (RFC 9110, 12.5.3).
fn accepts(header: &str, coding: &str) -> bool {
    let allowed = |name: &str| {
        header.split(',').find_map(|item| {
            let mut parts = item.split(';').map(str::trim);
            parts.next().filter(|listed| listed.eq_ignore_ascii_case(name))?;
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            Some(weight.is_none_or(|weight| weight.trim().parse::<f32>().is_ok_and(|weight| weight > 0.0)))
        })
    };
    allowed(coding).or_else(|| allowed("*")).unwrap_or(false)
}

/// Whether an `If-None-Match` value names this version. Weak comparison: a proxy may have weakened the validator.
fn unchanged(header: &str, etag: &str) -> bool {
    header.split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == etag)
}

fn content_type(extension: &str) -> &'static str {
    match extension {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" | "webmanifest" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "txt" => "text/plain; charset=utf-8",
        // Browsers compile a module while it arrives only with exactly this type.
        "wasm" => "application/wasm",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

fn problem(status: StatusCode, title: &str, detail: &str) -> Response {
    let body =
        serde_json::json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/problem+json")
        .body(Body::from(body.to_string()))
        .expect("status and header are constants")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn gzip(text: &str) -> &'static [u8] {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, text.as_bytes()).unwrap();
        packed.finish().unwrap().leak()
    }

    fn site() -> &'static [Embedded] {
        let file = |path, text| Embedded { path, digest: "d1", br: b"brotli", gz: gzip(text), plain: OnceLock::new() };
        vec![file("index.html", "<p>page"), file("assets/app-1.wasm", "module"), file("robots.txt", "robots")].leak()
    }

    #[test]
    fn the_reader_gets_the_best_encoding_that_it_takes() {
        for (header, expected) in [
            ("gzip, deflate, br", Some("br")),
            ("gzip;q=1.0, br;q=0", Some("gzip")),
            ("*", Some("br")),
            ("br;q=0, *", Some("gzip")),
            ("GZIP ; q=0.5", Some("gzip")),
            ("deflate", None),
            ("", None),
            ("br;q=nonsense", None),
        ] {
            let asset = find_in(site(), "/assets/app-1.wasm", header).unwrap();
            assert_eq!(asset.encoding, expected, "{header}");
        }
    }

    #[test]
    fn a_reader_without_compression_gets_the_original() {
        let asset = find_in(site(), "/assets/app-1.wasm", "").unwrap();

        assert_eq!(asset.body, "module");
        assert_eq!(asset.content_type, "application/wasm");
        assert_eq!(asset.cache_control, FOR_EVER);
    }

    #[test]
    fn every_path_of_the_interface_is_the_page() {
        for path in ["/", "/topology", "/services/shop/checkout.v2", "/index.html", "/apis"] {
            let asset = find_in(site(), path, "").unwrap();
            assert_eq!((&*asset.body, asset.cache_control), (&b"<p>page"[..], ASK_AGAIN), "{path}");
        }
        assert_eq!(find_in(site(), "/robots.txt", "").unwrap().body, "robots");
    }

    #[test]
    fn a_path_of_programs_is_never_a_page() {
        for path in
            ["/api/v1/nothing", "/api", "/v1/logs", "/webhooks/x", "/assets/app-0.wasm", "/assets/../index.html"]
        {
            assert_eq!(find_in(site(), path, ""), None, "{path}");
            assert_eq!(respond(site(), &Method::POST, path, &HeaderMap::new()).status(), StatusCode::NOT_FOUND);
        }
    }

    #[test]
    fn the_page_can_be_read_and_nothing_else() {
        let refusal = respond(site(), &Method::POST, "/topology", &HeaderMap::new());
        assert_eq!(
            (refusal.status(), &refusal.headers()[header::ALLOW]),
            (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD".parse().unwrap())
        );

        let page = respond(site(), &Method::HEAD, "/topology", &HeaderMap::new());
        assert_eq!((page.status(), &page.headers()[header::CONTENT_LENGTH]), (StatusCode::OK, &7.into()));
        assert_eq!(page.headers()[header::CONTENT_SECURITY_POLICY], CONTENT_SECURITY_POLICY);
    }

    #[test]
    fn a_copy_that_is_still_current_is_not_sent_again() {
        for (known, status) in [("\"x\", W/\"d1-br\"", 304), ("*", 304), ("\"d1-gzip\"", 200)] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, "br".parse().unwrap());
            headers.insert(header::IF_NONE_MATCH, known.parse().unwrap());

            assert_eq!(respond(site(), &Method::GET, "/", &headers).status(), status, "{known}");
        }
    }

    #[test]
    fn a_server_without_an_interface_says_how_to_build_it() {
        let asset = find_in(&[], "/", "br").unwrap();

        assert!(std::str::from_utf8(&asset.body).unwrap().contains("cargo xtask ui"));
    }

    #[test]
    fn every_embedded_file_unpacks_and_has_a_known_type() {
        for file in &EMBEDDED {
            assert!(!file.plain().is_empty(), "{} is empty", file.path);
            assert_ne!(file.asset("").content_type, content_type(""), "{} has no media type", file.path);
        }
    }
}
