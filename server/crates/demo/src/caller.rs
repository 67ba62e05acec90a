//! Calling another service: time-out, retries with full jitter, circuit breaker, bulkhead, and a client span for each attempt.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use opentelemetry::{
    KeyValue,
    trace::{SpanKind, Status, TraceContextExt as _, Tracer as _},
};
use rand::Rng as _;
use spillway_api::BreakerState;
use spillway_enforcer::DECISION_HEADER;
use tokio::sync::Semaphore;

use crate::{
    breaker::{Breaker, Settings},
    service::{Service, Serving},
    telemetry,
};

/// How often a breaker's state is repeated, so that it does not go stale.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// First backoff; doubles, with full jitter.
const BACKOFF: Duration = Duration::from_millis(50);
/// Answers of the shop are small.
const ANSWER_BYTES: usize = 64 << 10;

/// How calls are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) timeout: Duration,
    /// After the first attempt. No budget bounds them: that is the mistake which turns an overload into a storm.
    pub(crate) retries: u32,
    /// Calls at once; more fail at once.
    pub(crate) bulkhead: usize,
}

/// What kind of thing is called: decides what the span says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Callee {
    /// Another service of the shop.
    Service,
    /// A store: `db.*` attributes.
    Database,
    /// Somebody else's host.
    External,
}

/// A caller's way to one callee.
#[derive(Clone)]
pub(crate) struct Caller(Arc<Inner>);

struct Inner {
    service: Service,
    callee: &'static str,
    kind: Callee,
    /// Instances in turn.
    addresses: Vec<String>,
    policy: Policy,
    bulkhead: Semaphore,
    breaker: Mutex<Watched>,
}

struct Watched {
    breaker: Breaker,
    reported: BreakerState,
    turn: usize,
}

/// Any time up to `most`: full jitter spreads callers that failed together.
pub(crate) fn full_jitter(most: Duration) -> Duration {
    most.mul_f64(rand::rng().random_range(0.0..1.0))
}

/// Why a call went wrong.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The callee sheds: its decision is passed on, and nothing is tried again.
    Shed(http::HeaderValue),
    /// Everything else.
    Error(&'static str),
    /// No answer in time.
    Timeout,
}

impl Failed {
    /// The answer to whoever called us.
    pub(crate) fn into_response(self, callee: &str) -> Response {
        match self {
            Self::Shed(decision) => {
                let mut response = (StatusCode::SERVICE_UNAVAILABLE, format!("{callee} sheds load\n")).into_response();
                response.headers_mut().insert(DECISION_HEADER, decision);
                response
            }
            Self::Error(why) => (StatusCode::BAD_GATEWAY, format!("{callee}: {why}\n")).into_response(),
            Self::Timeout => {
                (StatusCode::GATEWAY_TIMEOUT, format!("{callee} did not answer in time\n")).into_response()
            }
        }
    }
}

impl Caller {
    pub(crate) fn new(
        service: &Service,
        callee: &'static str,
        kind: Callee,
        addresses: Vec<String>,
        policy: Policy,
    ) -> Self {
        let inner = Inner {
            service: service.clone(),
            callee,
            kind,
            addresses,
            policy,
            bulkhead: Semaphore::new(policy.bulkhead),
            breaker: Mutex::new(Watched {
                breaker: Breaker::new(Settings::default()),
                reported: BreakerState::Unknown,
                turn: 0,
            }),
        };
        let caller = Self(Arc::new(inner));
        tokio::spawn(caller.clone().heartbeat());
        caller
    }

    pub(crate) fn callee(&self) -> &'static str {
        self.0.callee
    }

    /// Calls, with retries for what may be repeated: every request of the shop carries an order id, so all of them may.
    pub(crate) async fn call(&self, serving: &Serving, method: Method, path: &str) -> Result<Bytes, Failed> {
        let Ok(_place) = self.0.bulkhead.try_acquire() else { return Err(Failed::Error("the bulkhead is full")) };
        let mut last = Failed::Error("the breaker is open");
        for attempt in 0..=self.0.policy.retries {
            if attempt > 0 {
                let most = BACKOFF * 2u32.pow(attempt);
                tokio::time::sleep(full_jitter(most)).await;
            }
            let Some(address) = self.admit() else { return Err(last) };
            let place = Attempt { caller: self, done: false };
            let outcome = self.attempt(serving, &method, &format!("{address}{path}"), path, attempt).await;
            place.end(&outcome);
            match outcome {
                Ok(body) => return Ok(body),
                Err(shed @ Failed::Shed(_)) => return Err(shed),
                Err(failed) => last = failed,
            }
        }
        Err(last)
    }

    async fn attempt(
        &self,
        serving: &Serving,
        method: &Method,
        url: &str,
        path: &str,
        attempt: u32,
    ) -> Result<Bytes, Failed> {
        let tracer = &self.0.service.telemetry().tracer;
        let mut attributes = vec![KeyValue::new("server.address", self.0.callee)];
        let name = match self.0.kind {
            Callee::Database => {
                attributes.push(KeyValue::new("db.system.name", "other_sql"));
                attributes.push(KeyValue::new("db.namespace", self.0.callee));
                attributes
                    .push(KeyValue::new("db.operation.name", if *method == Method::GET { "SELECT" } else { "INSERT" }));
                format!("{} {}", if *method == Method::GET { "SELECT" } else { "INSERT" }, self.0.callee)
            }
            Callee::Service | Callee::External => {
                attributes.push(KeyValue::new("http.request.method", method.as_str().to_owned()));
                attributes.push(KeyValue::new("url.full", format!("http://{}{path}", self.0.callee)));
                if attempt > 0 {
                    attributes.push(KeyValue::new("http.request.resend_count", i64::from(attempt)));
                }
                method.as_str().to_owned()
            }
        };
        let span = tracer
            .span_builder(name)
            .with_kind(SpanKind::Client)
            .with_attributes(attributes)
            .start_with_context(tracer, &serving.context);
        let context = serving.context.with_span(span);
        let mut request = Request::builder().method(method).uri(url);
        if let Some(headers) = request.headers_mut() {
            telemetry::inject(&context, headers);
            headers.insert("x-spillway-caller", http::HeaderValue::from_static(self.0.service.name()));
            if let Some(class) = &serving.class {
                headers.insert("x-criticality", class.clone());
            }
        }
        let request = request.body(Full::<Bytes>::default()).map_err(|_| Failed::Error("no valid request"))?;
        let http = &self.0.service.world().http;
        let exchange = async {
            let (head, body) =
                http.request(request).await.map_err(|_| Failed::Error("connection refused or broken"))?.into_parts();
            let body =
                Limited::new(body, ANSWER_BYTES).collect().await.map_err(|_| Failed::Error("the answer broke off"))?;
            Ok((head, body.to_bytes()))
        };
        let answer = tokio::time::timeout(self.0.policy.timeout, exchange).await.unwrap_or(Err(Failed::Timeout));
        let span = context.span();
        let outcome = match answer {
            Ok((head, body)) => {
                if self.0.kind != Callee::Database {
                    span.set_attribute(KeyValue::new("http.response.status_code", i64::from(head.status.as_u16())));
                }
                match head.headers.get(DECISION_HEADER) {
                    Some(decision) => Err(Failed::Shed(decision.clone())),
                    None if head.status.is_success() => Ok(body),
                    None if head.status == StatusCode::GATEWAY_TIMEOUT => Err(Failed::Timeout),
                    None => Err(Failed::Error("it failed")),
                }
            }
            Err(failed) => Err(failed),
        };
        match &outcome {
            Ok(_) => {}
            Err(Failed::Shed(_)) => span.set_attribute(KeyValue::new("spillway.shed", true)),
            Err(Failed::Timeout) => {
                span.set_attribute(KeyValue::new("error.type", "timeout"));
                span.set_status(Status::error("timeout"));
            }
            Err(Failed::Error(why)) => {
                span.set_attribute(KeyValue::new("error.type", *why));
                span.set_status(Status::error(*why));
            }
        }
        span.end();
        outcome
    }

    /// The address of the next instance, if the breaker lets a call through.
    fn admit(&self) -> Option<String> {
        let mut watched = self.lock();
        let admitted = watched.breaker.admit(Instant::now());
        self.report_change(&mut watched);
        watched.turn = watched.turn.wrapping_add(1);
        admitted.then(|| self.0.addresses[watched.turn % self.0.addresses.len()].clone())
    }

    fn report_change(&self, watched: &mut Watched) {
        let state = watched.breaker.state();
        if state != watched.reported {
            watched.reported = state;
            let service = &self.0.service;
            service.world().reporter.breaker(service.name(), service.instance(), self.0.callee, state);
        }
    }

    async fn heartbeat(self) {
        let mut every = tokio::time::interval(HEARTBEAT);
        loop {
            every.tick().await;
            let state = self.lock().breaker.state();
            let service = &self.0.service;
            service.world().reporter.breaker(service.name(), service.instance(), self.0.callee, state);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Watched> {
        // Held for a few comparisons, never across an await.
        self.0.breaker.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// An admitted call: when it is dropped without an outcome (our own caller gave up), a half-open breaker gets its probe back.
struct Attempt<'a> {
    caller: &'a Caller,
    done: bool,
}

impl Attempt<'_> {
    fn end<T>(mut self, outcome: &Result<T, Failed>) {
        self.done = true;
        let mut watched = self.caller.lock();
        match outcome {
            Ok(_) => watched.breaker.record(true, Instant::now()),
            // A shed request says that the callee protects itself, not that it is broken.
            Err(Failed::Shed(_)) => watched.breaker.forget(),
            Err(_) => watched.breaker.record(false, Instant::now()),
        }
        self.caller.report_change(&mut watched);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.caller.lock().breaker.forget();
        }
    }
}
