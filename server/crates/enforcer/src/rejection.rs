//! The answer to a request that is turned away: it must be cheap, say why, and not be mistaken for a failure.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use crate::admission::Notice;

/// Names the decision in a rejection: `<directive>.<request>`. Spillway's Decisions page explains it.
pub const DECISION_HEADER: HeaderName = HeaderName::from_static("x-spillway-decision");

/// In the extensions of a rejection, so that the layer that makes the server's span can set `spillway.shed=true` on it: a
/// shed request is no error of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shed {
    /// What [`DECISION_HEADER`] says.
    pub decision: String,
    /// Why, in one sentence.
    pub reason: String,
}

/// Crockford's base 32: no letters that are mistaken for digits when a person reads the id out.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Names the requests that were turned away.
#[derive(Debug)]
pub(crate) struct Names {
    next: AtomicU64,
}

impl Names {
    /// Names of two instances, or of two starts, differ in where they begin.
    pub(crate) fn new(seed: u64) -> Self {
        Self { next: AtomicU64::new(seed) }
    }

    /// The next request's number, scrambled: neighbours look different, and it doubles as the dice of the jitter.
    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// What a rejection says.
#[derive(Debug)]
pub(crate) struct Rejection {
    shed: Shed,
    retry_after: Duration,
}

impl Rejection {
    pub(crate) fn new(notice: &Notice, names: &Names) -> Self {
        let number = names.number();
        // The upper bits of a product are its best; 30 of them make six letters.
        let short: String =
            (0..6).map(|letter| char::from(ALPHABET[(number >> (34 + 5 * letter)) as usize & 31])).collect();
        // Between once and twice the wait, so that those turned away together do not come back together.
        let jitter = (number & 0xffff) as f64 / 65_536.0;
        Self {
            shed: Shed { decision: format!("{}.{short}", notice.id), reason: notice.reason.to_string() },
            retry_after: notice.retry_after.mul_f64(1.0 + jitter),
        }
    }

    pub(crate) fn decision(&self) -> &str {
        &self.shed.decision
    }

    /// 503 with a problem document (RFC 9457).
    pub(crate) fn http(self) -> Response<Bytes> {
        let problem = serde_json::json!({
            "type": "about:blank",
            "title": "Service Unavailable",
            "status": 503,
            "detail": self.shed.reason,
            "decision": self.shed.decision,
        });
        let mut response = Response::new(Bytes::from(problem.to_string()));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // Whole seconds is all that Retry-After has.
        headers.insert(header::RETRY_AFTER, HeaderValue::from(self.retry_after.as_secs_f64().ceil().max(1.0) as u64));
        self.mark(response)
    }

    /// Trailers only: status 200, and UNAVAILABLE in the headers.
    pub(crate) fn grpc(self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from_static("14"));
        headers.insert("grpc-message", ascii(&percent_encode(&self.shed.reason)));
        headers.insert(
            "grpc-retry-pushback-ms",
            HeaderValue::from(u64::try_from(self.retry_after.as_millis()).unwrap_or(u64::MAX)),
        );
        self.mark(response)
    }

    fn mark(self, mut response: Response<Bytes>) -> Response<Bytes> {
        response.headers_mut().insert(DECISION_HEADER, ascii(&self.shed.decision));
        response.extensions_mut().insert(self.shed);
        response
    }
}

/// Directive ids come over the network: one that is no header value is left out rather than believed.
fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("?"))
}

/// As gRPC wants its messages: everything but printable ASCII, and the percent sign itself, escaped.
fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use std::collections::BTreeSet;

    use super::*;

    fn notice() -> Notice {
        Notice { id: "d-7".into(), reason: "100 % überlastet".into(), retry_after: Duration::from_secs(2) }
    }

    #[test]
    fn the_waits_of_those_turned_away_together_differ() {
        let names = Names::new(7);

        let waits: Vec<Duration> = (0..100).map(|_| Rejection::new(&notice(), &names).retry_after).collect();

        assert!(waits.iter().all(|wait| (Duration::from_secs(2)..Duration::from_secs(4)).contains(wait)), "{waits:?}");
        assert!(waits.iter().collect::<BTreeSet<_>>().len() > 90);
    }

    #[test]
    fn each_rejection_has_a_name_of_its_own() {
        let names = Names::new(7);

        let decisions: BTreeSet<String> =
            (0..10_000).map(|_| Rejection::new(&notice(), &names).decision().to_owned()).collect();

        assert_eq!(decisions.len(), 10_000);
        assert!(decisions.iter().all(|decision| decision.starts_with("d-7.") && decision.len() == 10));
    }

    #[test]
    fn a_grpc_message_is_escaped() {
        let response = Rejection::new(&notice(), &Names::new(1)).grpc();

        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["grpc-status"], "14");
        assert_eq!(response.headers()["grpc-message"], "100 %25 %C3%BCberlastet");
    }

    #[test]
    fn a_problem_names_reason_and_decision() {
        let response = Rejection::new(&notice(), &Names::new(1)).http();

        let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(problem["detail"], "100 % überlastet");
        assert_eq!(problem["decision"], response.headers()[DECISION_HEADER].to_str().unwrap());
        assert_eq!(response.extensions().get::<Shed>().unwrap().decision, problem["decision"]);
    }
}
