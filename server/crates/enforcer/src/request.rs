//! What the layer reads from a request.

use std::str;

use http::{Extensions, HeaderMap, HeaderName, Method, Uri};
use spillway_api::Criticality;

/// Tells the service to serve its degraded variant.
pub const DEGRADE_HEADER: HeaderName = HeaderName::from_static("x-spillway-degrade");

pub(crate) const CLASS_HEADER: HeaderName = HeaderName::from_static("x-criticality");
const CALLER_HEADER: HeaderName = HeaderName::from_static("x-spillway-caller");
const TENANT_HEADER: HeaderName = HeaderName::from_static("x-tenant");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// Probes of health: to turn them away would take a busy instance out of service and give its load to the next one.
const HEALTH_PATHS: [&str; 3] = ["/healthz", "/livez", "/readyz"];

/// Longest caller, tenant or trace id that is read. A longer one counts as unknown: it can only be made up.
const LONGEST: usize = 256;

/// A request without its body, for naming its route.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its target.
    pub uri: &'a Uri,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// What earlier layers put there, such as `axum::extract::MatchedPath`.
    pub extensions: &'a Extensions,
}

impl<'a> RequestHead<'a> {
    pub(crate) fn of<B>(request: &'a http::Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// Whether this is a health probe.
    pub(crate) fn probe(&self) -> bool {
        HEALTH_PATHS.contains(&self.uri.path())
    }

    /// Whether the caller speaks gRPC.
    pub(crate) fn grpc(&self) -> bool {
        let content_type = self.headers.get(http::header::CONTENT_TYPE).map(http::HeaderValue::as_bytes);
        content_type
            .is_some_and(|value| value.starts_with(b"application/grpc") && !value.starts_with(b"application/grpc-web"))
    }

    fn header(&self, name: &HeaderName) -> &'a str {
        let text = self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        if text.len() > LONGEST { "" } else { text }
    }

    /// The class by header, else by baggage, else `critical`.
    pub(crate) fn class(&self, header: &HeaderName) -> Criticality {
        Criticality::parse(self.header(header).trim()).or_else(|| self.class_in_baggage()).unwrap_or_default()
    }

    /// W3C baggage: `key=value;property,key=value`.
    fn class_in_baggage(&self) -> Option<Criticality> {
        self.headers.get_all(BAGGAGE).iter().filter_map(|value| value.to_str().ok()).find_map(|list| {
            list.split(',').find_map(|member| {
                let (key, value) = member.split(';').next()?.split_once('=')?;
                (key.trim() == "criticality").then(|| Criticality::parse(value.trim()))?
            })
        })
    }

    pub(crate) fn caller(&self) -> &'a str {
        self.header(&CALLER_HEADER)
    }

    pub(crate) fn tenant(&self) -> &'a str {
        self.header(&TENANT_HEADER)
    }

    /// The trace id of a W3C `traceparent`; empty when there is none or it is malformed.
    pub(crate) fn trace_id(&self) -> &'a str {
        let id = self.header(&TRACEPARENT).split('-').nth(1).unwrap_or("");
        if id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) { id } else { "" }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn request(headers: &[(&str, &str)]) -> http::Request<()> {
        let mut builder = http::Request::builder().uri("/");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap()
    }

    #[test]
    fn the_class_comes_from_the_header_then_the_baggage_then_the_default() {
        let cases: [(&[(&str, &str)], Criticality); 5] = [
            (&[("x-criticality", "SHEDDABLE_PLUS")], Criticality::SheddablePlus),
            (&[("baggage", "user=7;ttl=1, criticality=sheddable;p=1")], Criticality::Sheddable),
            (&[("x-criticality", "critical-plus"), ("baggage", "criticality=sheddable")], Criticality::CriticalPlus),
            (&[("x-criticality", "whatever")], Criticality::Critical),
            (&[], Criticality::Critical),
        ];
        for (headers, class) in cases {
            assert_eq!(RequestHead::of(&request(headers)).class(&CLASS_HEADER), class, "{headers:?}");
        }
    }

    #[test]
    fn a_malformed_traceparent_is_no_trace() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let good = request(&[("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]);

        assert_eq!(RequestHead::of(&good).trace_id(), id);
        for bad in ["", "00", "00-xyz-1-1", "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01"] {
            assert_eq!(RequestHead::of(&request(&[("traceparent", bad)])).trace_id(), "", "{bad}");
        }
    }
}
