//! The `tower` layer: facts → verdict → inner service or rejection, and the count of how it ended.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::SystemTime,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use spillway_api::{ShedSample, Timestamp};
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

mod body;
mod flight;
mod future;

pub use body::EnforcerBody;
pub use future::ResponseFuture;

use flight::Flight;

use crate::{
    admission::{Admission, Notice, RequestFacts, Verdict},
    meter::Meter,
    rejection::{Names, Rejection},
    request::{DEGRADE_HEADER, RequestHead},
};

/// Names the route of a request.
pub(crate) type RouteFn = dyn for<'r, 'a> Fn(&'r RequestHead<'a>) -> Option<&'a str> + Send + Sync;

/// What every request of the process shares.
pub(crate) struct Shared {
    pub(crate) admission: Admission,
    pub(crate) meter: Meter,
    pub(crate) names: Names,
    pub(crate) route: Box<RouteFn>,
    pub(crate) class_header: HeaderName,
}

/// Longest route: longer ones are raw paths, not routes, and share the row of the nameless.
const LONGEST_ROUTE: usize = 256;

impl Shared {
    /// Decides about a request and counts it.
    fn admit(self: &Arc<Self>, head: &RequestHead<'_>) -> Result<(Flight, Option<Arc<str>>), Rejection> {
        let route = (self.route)(head).filter(|route| route.len() <= LONGEST_ROUTE).unwrap_or("");
        let facts = RequestFacts {
            class: head.class(&self.class_header),
            route,
            caller: head.caller(),
            tenant: head.tenant(),
            trace_id: head.trace_id(),
        };
        let now = Instant::now();
        let counters = self.meter.route(route);
        match self.admission.decide(&facts, now.into_std()) {
            Verdict::Admit { degrade, held } => {
                counters.admitted(facts.class);
                Ok((Flight::new(Arc::clone(self), counters, facts.class, held, now), degrade))
            }
            Verdict::Reject(notice) => {
                counters.shed(facts.class);
                Err(self.reject(&notice, &facts))
            }
        }
    }

    fn reject(&self, notice: &Notice, facts: &RequestFacts<'_>) -> Rejection {
        let rejection = Rejection::new(notice, &self.names);
        self.meter.sample(|| ShedSample {
            decision: rejection.decision().to_owned(),
            at: now(),
            route: facts.route.to_owned(),
            class: facts.class,
        });
        rejection
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("admission", &self.admission).finish_non_exhaustive()
    }
}

/// The wall clock, for what leaves the process.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ns(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Put it outermost: what it turns away should have cost nothing before. All clones share their counters and limits, so
/// it works per service, not per connection.
#[derive(Clone, Debug)]
pub struct EnforcerLayer {
    pub(crate) shared: Arc<Shared>,
}

impl<S> Layer<S> for EnforcerLayer {
    type Service = EnforcerService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        EnforcerService { inner, shared: Arc::clone(&self.shared) }
    }
}

/// A service behind the enforcer.
#[derive(Clone, Debug)]
pub struct EnforcerService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for EnforcerService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: http_body::Body,
    ResBody::Data: From<Bytes>,
{
    type Response = Response<EnforcerBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let head = RequestHead::of(&request);
        if head.probe() {
            return ResponseFuture::inner(self.inner.call(request), None);
        }
        let grpc = head.grpc();
        match self.shared.admit(&head) {
            Ok((flight, degrade)) => {
                if let Some(variant) = degrade.and_then(|variant| HeaderValue::from_str(&variant).ok()) {
                    request.headers_mut().insert(DEGRADE_HEADER, variant);
                }
                ResponseFuture::inner(self.inner.call(request), Some(flight))
            }
            Err(rejection) if grpc => ResponseFuture::rejected(rejection.grpc()),
            Err(rejection) => ResponseFuture::rejected(rejection.http()),
        }
    }
}
