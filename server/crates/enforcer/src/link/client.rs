//! The two calls of the protocol.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE, IF_NONE_MATCH, InvalidHeaderValue},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use spillway_api::{DirectiveSet, ReadDirectives, UsageAnswer, UsageReport};
use tokio::time::timeout;

use crate::Identity;

/// How long Spillway may hold a poll.
const WAIT: Duration = Duration::from_secs(25);
/// Deadline of a poll: its wait and some time for the way.
const POLL_DEADLINE: Duration = Duration::from_secs(30);
/// Deadline of a report: later than the next one it is of no use.
const REPORT_DEADLINE: Duration = Duration::from_secs(2);
/// Deadline of a connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// Most bytes of an answer: 1,000 directives with full reasons take half of it.
const ANSWER_BYTES: usize = 2 << 20;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("no answer from {uri} within {} s", .within.as_secs())]
    TimedOut { uri: Uri, within: Duration },
    #[error("no connection to {uri}: {source}")]
    Connection { uri: Uri, source: legacy::Error },
    #[error("{uri} answered {status}")]
    Status { uri: Uri, status: StatusCode },
    #[error("the answer of {uri} broke off or is larger than {ANSWER_BYTES} bytes: {source}")]
    Body { uri: Uri, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the answer of {uri} is not understood: {source}")]
    Malformed { uri: Uri, source: serde_json::Error },
}

/// Speaks to one Spillway for one instance.
pub(crate) struct Client {
    http: legacy::Client<HttpConnector, Full<Bytes>>,
    directives: Uri,
    usage: Uri,
    authorization: Option<HeaderValue>,
}

/// The address or the key cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error(transparent)]
    Uri(#[from] http::uri::InvalidUri),
    #[error(transparent)]
    Key(#[from] InvalidHeaderValue),
}

impl Client {
    /// # Errors
    /// When the key is no header value.
    pub(crate) fn new(base: &Uri, identity: &Identity, key: Option<&str>) -> Result<Self, ClientError> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_DEADLINE));
        connector.set_nodelay(true);
        let http = legacy::Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        let base = base.to_string();
        let base = base.trim_end_matches('/');
        let Identity { environment, namespace, service, instance } = identity;
        let directives = format!(
            "{base}/api/v1/directives?environment={}&namespace={}&service={}&instance={}&wait_ms={}",
            encode(environment),
            encode(namespace),
            encode(service),
            encode(instance),
            WAIT.as_millis()
        );
        let authorization = key.map(|key| {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}"))?;
            value.set_sensitive(true);
            Ok::<_, InvalidHeaderValue>(value)
        });
        Ok(Self {
            http,
            directives: directives.parse()?,
            usage: format!("{base}/api/v1/usage").parse()?,
            authorization: authorization.transpose()?,
        })
    }

    /// The directives in force: at once when they are not those of `revision`, else when they change or need renewal.
    /// `None` when there is still nothing.
    pub(crate) async fn directives(&self, revision: &str) -> Result<Option<ReadDirectives>, CallError> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = self.directives.clone();
        if let Ok(tag) = HeaderValue::from_str(&format!("\"{revision}\""))
            && !revision.is_empty()
        {
            request.headers_mut().insert(IF_NONE_MATCH, tag);
        }
        let uri = &self.directives;
        match self.call(request, POLL_DEADLINE).await? {
            (StatusCode::NOT_MODIFIED, _) => Ok(None),
            (_, body) => {
                let read = DirectiveSet::read(&body);
                read.map(Some).map_err(|source| CallError::Malformed { uri: uri.clone(), source })
            }
        }
    }

    /// Delivers a report.
    pub(crate) async fn usage(&self, report: &UsageReport) -> Result<UsageAnswer, CallError> {
        let uri = &self.usage;
        let malformed = |source| CallError::Malformed { uri: uri.clone(), source };
        let mut request = Request::new(Full::from(serde_json::to_vec(report).map_err(malformed)?));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri.clone();
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let (_, body) = self.call(request, REPORT_DEADLINE).await?;
        serde_json::from_slice(&body).map_err(malformed)
    }

    async fn call(
        &self,
        mut request: Request<Full<Bytes>>,
        within: Duration,
    ) -> Result<(StatusCode, Bytes), CallError> {
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let uri = request.uri().clone();
        let exchange = async {
            let response = self.http.request(request).await;
            let response = response.map_err(|source| CallError::Connection { uri: uri.clone(), source })?;
            let status = response.status();
            if !status.is_success() && status != StatusCode::NOT_MODIFIED {
                return Err(CallError::Status { uri: uri.clone(), status });
            }
            let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
            let body = body.map_err(|source| CallError::Body { uri: uri.clone(), source })?;
            Ok((status, body.to_bytes()))
        };
        match timeout(within, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::TimedOut { uri: uri.clone(), within }),
        }
    }
}

/// Percent-encodes a query value: everything but the unreserved characters of RFC 3986.
fn encode(value: &str) -> String {
    value.bytes().fold(String::with_capacity(value.len()), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}
