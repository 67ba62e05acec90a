//! One instance of a service: its identity, its telemetry, its capacity and its own view of its health.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{MatchedPath, Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use opentelemetry::{
    Context, KeyValue,
    trace::{SpanKind, Status, TraceContextExt as _, Tracer as _},
};
use spillway_api::{DemoFault, HealthStatus};
use spillway_enforcer::{Enforcer, Identity, Shed};

use crate::{
    capacity::Capacity,
    report::Reporter,
    switches::Switches,
    telemetry::{self, ENVIRONMENT, Http, NAMESPACE, Telemetry},
};

/// How often each instance says how it is.
const HEALTH_EVERY: Duration = Duration::from_secs(5);

/// What every instance shares.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) http: Http,
    pub(crate) switches: Switches,
    pub(crate) reporter: Reporter,
    pub(crate) target: telemetry::Target,
    pub(crate) spillway_url: String,
}

/// One instance.
#[derive(Clone)]
pub(crate) struct Service(Arc<Inner>);

struct Inner {
    name: &'static str,
    instance: String,
    telemetry: Telemetry,
    capacity: Capacity,
    world: World,
    answered: AtomicU64,
    failed: AtomicU64,
}

/// The request that is being served: its trace, and what is passed on with calls.
#[derive(Clone)]
pub(crate) struct Serving {
    pub(crate) context: Context,
    pub(crate) class: Option<http::HeaderValue>,
}

/// Lives in the router: an enforcer that is dropped stops.
#[derive(Clone)]
struct KeepEnforcing {
    _enforcer: Arc<Enforcer>,
}

impl Service {
    pub(crate) fn new(world: &World, name: &'static str, number: u32, capacity: Capacity) -> Result<Self, String> {
        let instance = format!("{name}-{number}");
        let telemetry = Telemetry::new(&world.target, &world.http, name, &instance)?;
        let inner = Inner {
            name,
            instance,
            telemetry,
            capacity,
            world: world.clone(),
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        };
        let service = Self(Arc::new(inner));
        tokio::spawn(service.clone().say_how_it_is());
        Ok(service)
    }

    pub(crate) fn name(&self) -> &'static str {
        self.0.name
    }

    pub(crate) fn instance(&self) -> &str {
        &self.0.instance
    }

    pub(crate) fn world(&self) -> &World {
        &self.0.world
    }

    pub(crate) fn telemetry(&self) -> &Telemetry {
        &self.0.telemetry
    }

    /// Instruments and protects a router. Tracing stands outside of the enforcer, so that what is shed is seen too.
    ///
    /// # Errors
    /// An address of Spillway that cannot be used.
    pub(crate) fn mount(&self, router: Router) -> Result<Router, String> {
        let identity = Identity::new(ENVIRONMENT, NAMESPACE, self.0.name, &self.0.instance);
        let enforcer = Enforcer::builder(identity)
            .spillway_url(self.0.world.spillway_url.clone())
            .key(self.0.world.target.key.clone())
            .route_fn(|head| head.extensions.get::<MatchedPath>().map(MatchedPath::as_str))
            .build()
            .map_err(|error| error.to_string())?;
        self.0.capacity.meter(enforcer.queue_meter());
        let router = router.layer(enforcer.layer()).layer(from_fn_with_state(self.clone(), trace));
        // It enforces for as long as the service serves.
        Ok(router.layer(axum::Extension(KeepEnforcing { _enforcer: Arc::new(enforcer) })))
    }

    /// Waits for a worker and does the service's own part of the work, with today's faults.
    ///
    /// # Errors
    /// The answer for a request that cannot be served.
    pub(crate) async fn work(&self) -> Result<(), Response> {
        let switches = &self.0.world.switches;
        let (capacity, factor) = (self.0.capacity.clone(), switches.slowness(self.0.name));
        // Spawned: a caller that gives up frees nobody's worker.
        let worked = tokio::spawn(async move { capacity.work(factor).await }).await;
        if !matches!(worked, Ok(Ok(()))) {
            return Err((StatusCode::SERVICE_UNAVAILABLE, "the queue is full\n").into_response());
        }
        if switches.fails(self.0.name) {
            return Err((StatusCode::INTERNAL_SERVER_ERROR, "a fault was switched on\n").into_response());
        }
        Ok(())
    }

    async fn say_how_it_is(self) {
        let mut every = tokio::time::interval(HEALTH_EVERY);
        let (mut answered, mut failed) = (0, 0);
        loop {
            every.tick().await;
            // A dead service says nothing: silence is what there is to see.
            if self.0.world.switches.fault(self.0.name) == DemoFault::Dead {
                continue;
            }
            let (all, bad) = (self.0.answered.load(Relaxed), self.0.failed.load(Relaxed));
            let (since, bad_since) = (all - answered, bad - failed);
            (answered, failed) = (all, bad);
            let share = if since == 0 { 0.0 } else { bad_since as f64 / since as f64 };
            let (status, detail) = match share {
                share if share >= 0.5 => {
                    (HealthStatus::Down, format!("{:.0} % of the last {since} requests failed", share * 100.0))
                }
                share if share >= 0.05 => {
                    (HealthStatus::Degraded, format!("{:.0} % of the last {since} requests failed", share * 100.0))
                }
                _ => (HealthStatus::Up, String::new()),
            };
            self.0.world.reporter.health(self.0.name, &self.0.instance, status, &detail);
        }
    }
}

/// The server's span of each request.
async fn trace(State(service): State<Service>, mut request: Request, next: Next) -> Response {
    let parent = telemetry::extract(request.headers());
    let route = request.extensions().get::<MatchedPath>().map_or_else(String::new, |path| path.as_str().to_owned());
    let method = request.method().as_str().to_owned();
    let tracer = &service.0.telemetry.tracer;
    let span = tracer
        .span_builder(format!("{method} {route}"))
        .with_kind(SpanKind::Server)
        .with_attributes([
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route),
            KeyValue::new("url.path", request.uri().path().to_owned()),
            KeyValue::new("url.scheme", "http"),
        ])
        .start_with_context(tracer, &parent);
    let context = parent.with_span(span);
    let class = request.headers().get("x-criticality").cloned();
    request.extensions_mut().insert(Serving { context: context.clone(), class });

    let response: Response<Body> = next.run(request).await;

    let status = response.status();
    let span = context.span();
    span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    let shed = response.extensions().get::<Shed>().is_some()
        || response.headers().contains_key(spillway_enforcer::DECISION_HEADER);
    if shed {
        span.set_attribute(KeyValue::new("spillway.shed", true));
    } else {
        service.0.answered.fetch_add(1, Relaxed);
        if status.is_server_error() {
            span.set_status(Status::error(status.to_string()));
            service.0.failed.fetch_add(1, Relaxed);
        }
    }
    span.end();
    response
}
