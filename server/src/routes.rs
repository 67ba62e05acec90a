//! Every route of every listener.

use axum::{Router, middleware::from_fn_with_state, routing::post};
use http::{Method, StatusCode};
use spillway_api as api;

use crate::{
    app::App,
    assets,
    http::{
        access::Permission::{Change, Ingest, Public, Read, Webhook},
        guard::guard,
        openapi,
        route::{Doc, Registered, Routes},
        v1,
    },
    ingest::{otlp_grpc, otlp_http, webhook, zipkin},
};

/// Uploads of rules: a Python rule is 18 MB.
const UPLOAD_BYTES: usize = 32 << 20;
/// A usage report with a thousand rows is far below.
const USAGE_BYTES: usize = 1 << 20;

/// The routes of the main listener.
pub fn main_routes(app: &App) -> (Router<App>, Vec<Registered>) {
    let routes = Routes::new(app.clone());
    let routes = ingest(routes, app);
    let routes = telemetry(routes, app);
    let routes = control(routes);
    let routes = targets(routes);
    let routes = server(routes);
    routes.finish()
}

fn otlp(routes: Routes, app: &App) -> Routes {
    let doc = Doc::new(
        "Store the spans of an OTLP request (protobuf or JSON, gzip or zstd); success means committed to disk",
    )
    .takes_type("application/x-protobuf")
    .returns_type("application/x-protobuf")
    .body_limit(app.config.max_body_bytes);
    let metrics = Doc::new("Take an OTLP metrics request: what it says of breakers and limiters becomes events, the rest is counted by name; success means committed to disk")
        .takes_type("application/x-protobuf")
        .returns_type("application/x-protobuf")
        .body_limit(app.config.max_body_bytes);
    routes.add(Method::POST, "/v1/traces", Ingest, doc, otlp_http::traces).add(
        Method::POST,
        "/v1/metrics",
        Ingest,
        metrics,
        otlp_http::metrics,
    )
}

fn zipkin_spans(routes: Routes, app: &App) -> Routes {
    let doc = Doc::new(
        "Store a list of Zipkin's spans of version 2 (JSON or protobuf, gzip or zstd); 202 means committed to disk",
    )
    .takes_type("application/json")
    .answers(StatusCode::ACCEPTED)
    .body_limit(app.config.max_body_bytes);
    routes.add(Method::POST, "/api/v2/spans", Ingest, doc, zipkin::handler)
}

fn ingest(routes: Routes, app: &App) -> Routes {
    let native = Doc::new("Store an event of health, a breaker, a limit or a change, or an array of up to 1,000 (one transaction); repeats by id change nothing")
        .takes::<api::Event>()
        .returns::<api::WebhookAnswer>();
    let foreign = |summary: &'static str, content_type: &'static str| {
        Doc::new(summary).takes_type(content_type).returns_status::<api::WebhookAnswer>(StatusCode::ACCEPTED)
    };
    let cloudevents = foreign(
        "Store CloudEvents 1.0 (structured, binary, batch) of the types spillway.breaker.v1, .health.v1, .limit.v1 and .change.v1",
        "application/cloudevents+json",
    );
    let alerts = foreign(
        "Store what alerts of Alertmanager or Grafana say of the services that their labels name",
        "application/json",
    );
    let github = foreign("Store deployments that GitHub tells of (deployment_status) as changes", "application/json");
    let handshake = Doc::new("Whether CloudEvents are wanted here (WebHook-Request-Origin)").returns_type("text/plain");
    let size = app.config.max_body_bytes;
    zipkin_spans(otlp(routes, app), app)
        .add(Method::POST, "/webhooks/spillway", Webhook, native.body_limit(size), webhook::native::handler)
        .add(
            Method::POST,
            "/webhooks/cloudevents",
            Webhook,
            cloudevents.body_limit(size),
            webhook::cloudevents::handler,
        )
        .add(Method::OPTIONS, "/webhooks/cloudevents", Public, handshake, webhook::cloudevents::handshake)
        .add(Method::POST, "/webhooks/alertmanager", Webhook, alerts.body_limit(size), webhook::alertmanager::handler)
        .add(Method::POST, "/webhooks/github", Webhook, github.body_limit(size), webhook::github::handler)
}

fn telemetry(routes: Routes, app: &App) -> Routes {
    let traces = Doc::new("Search traces, newest first")
        .query("q", "a filter such as `service=checkout duration>250ms http.route=\"/pay/{id}\"`; with the others, all have to hold")
        .query("environment", "deployment.environment.name")
        .query("namespace", "service.namespace")
        .query("service", "service.name")
        .query("operation", "span name")
        .query("status", "unset, ok or error")
        .query("min_duration_ms", "shortest span")
        .query("max_duration_ms", "longest span")
        .query("from", "RFC 3339")
        .query("to", "RFC 3339")
        .query("limit", "1 to 1000, default 20")
        .query("cursor", "next_cursor of the last page")
        .returns::<api::TraceList>();
    let complete = Doc::new("What can be typed at a place of an unfinished filter")
        .query("q", "the text so far")
        .query("at", "the cursor in characters, default the end")
        .returns::<api::FilterCompletion>();
    let erase = Doc::new("Erase spans for good: noted durably, then done in the background, also by the next process; a dry run answers 200")
        .takes::<api::EraseRequest>()
        .returns_status::<api::Erasure>(StatusCode::ACCEPTED);
    let events = Doc::new("Events of health, breakers, limits and changes, newest first")
        .query("kind", "breaker, health, limit or change")
        .query("service", "service.name")
        .query("from", "RFC 3339")
        .query("to", "RFC 3339")
        .query("limit", "1 to 1000, default 100")
        .query("cursor", "next_cursor of the last page")
        .returns::<api::EventList>();
    let changes = Doc::new("What was deployed, configured, switched or scaled, newest first: as senders told, and as versions and instances show")
        .query("service", "service.name")
        .query("from", "RFC 3339, default a day before `to`")
        .query("to", "RFC 3339")
        .query("limit", "1 to 1000, default 100")
        .returns::<api::ChangeList>();
    let range = |doc: Doc| doc.query("from", "RFC 3339").query("to", "RFC 3339").query("step_s", "length of a step");
    let service_series =
        range(Doc::new("A service over time").required_query("node", "node id").returns::<api::ServiceSeries>());
    let edge_series = range(
        Doc::new("An edge over time")
            .required_query("source", "node id")
            .required_query("target", "node id")
            .required_query("protocol", "such as http")
            .returns::<api::EdgeSeries>(),
    );
    let topology = Doc::new("The service map now, or at an instant of the past")
        .query("at", "RFC 3339")
        .query("environment", "only this one")
        .returns::<api::Topology>();
    let live = Doc::new("The service map as it changes: a snapshot, then numbered deltas (server-sent events, resumes by Last-Event-ID)").returns_type("text/event-stream");
    routes
        .add(Method::GET, "/api/v1/traces", Read, traces, v1::traces::search)
        .add(Method::GET, "/api/v1/traces/complete", Read, complete, v1::complete::handler)
        .add(
            Method::GET,
            "/api/v1/traces/{trace_id}",
            Read,
            Doc::new("One trace, whole").returns::<api::Trace>(),
            v1::traces::get,
        )
        .add(
            Method::POST,
            "/api/v1/traces/{trace_id}/pin",
            Change,
            Doc::new("Keep a trace whatever the retention says").takes::<api::PinNote>().returns::<api::Pin>(),
            v1::pins::post,
        )
        .add(
            Method::DELETE,
            "/api/v1/traces/{trace_id}/pin",
            Change,
            Doc::new("Let a trace go with the others of its age"),
            v1::pins::delete,
        )
        .add(
            Method::GET,
            "/api/v1/pins",
            Read,
            Doc::new("Traces that are kept whatever the retention says, newest first").returns::<api::PinList>(),
            v1::pins::list,
        )
        .add(
            Method::GET,
            "/api/v1/operations",
            Read,
            Doc::new("Operations by service").returns::<api::OperationList>(),
            v1::traces::operations,
        )
        .add(Method::POST, "/api/v1/erase", Change, erase, v1::erase::post)
        .add(
            Method::GET,
            "/api/v1/erase/{id}",
            Read,
            Doc::new("How far an erasure is").returns::<api::Erasure>(),
            v1::erase::get,
        )
        .add(
            Method::GET,
            "/api/v1/export",
            Read,
            Doc::new(
                "Traces that have a span fulfilling a filter, as OTLP/JSON: one request a line, newest trace first",
            )
            .query("q", "the filter, default all")
            .returns_type("application/x-ndjson"),
            v1::export::get,
        )
        .add(
            Method::POST,
            "/api/v1/import",
            Change,
            Doc::new("Store one line of an export; spans that are stored already, whenever they came, are left out")
                .takes_type("application/json")
                .returns::<api::Imported>()
                .body_limit(app.config.max_body_bytes),
            v1::import::post,
        )
        .add(Method::GET, "/api/v1/events", Read, events, v1::events::list)
        .add(Method::GET, "/api/v1/changes", Read, changes, v1::changes::list)
        .add(Method::GET, "/api/v1/services/series", Read, service_series, v1::series::service)
        .add(Method::GET, "/api/v1/edges/series", Read, edge_series, v1::series::edge)
        .add(Method::GET, "/api/v1/topology", Read, topology, v1::topology::get)
        .add(Method::GET, "/api/v1/live", Read, live, v1::live::get)
}

fn control(routes: Routes) -> Routes {
    let directives = Doc::new("The directives in force for one instance; ETag and long poll")
        .required_query("service", "service.name")
        .query("environment", "deployment.environment.name")
        .query("namespace", "service.namespace")
        .query("instance", "service.instance.id")
        .query("wait_ms", "how long to wait for a change, up to 30000")
        .returns::<api::DirectiveSet>();
    let usage = Doc::new("What an enforcer counted in the last second; repeats change nothing")
        .takes::<api::UsageReport>()
        .returns::<api::UsageAnswer>()
        .body_limit(USAGE_BYTES);
    let upload = Doc::new("Upload a rule: a component, or a core module with component metadata")
        .takes_type("application/wasm")
        .returns_status::<api::Plugin>(StatusCode::CREATED)
        .body_limit(UPLOAD_BYTES);
    let decisions = Doc::new("Decisions, newest first")
        .query("service", "service.name")
        .query("limit", "1 to 1000, default 50")
        .query("cursor", "next_cursor of the last page")
        .returns::<api::DecisionList>();
    routes
        .add(Method::GET, "/api/v1/directives", Ingest, directives, v1::directives::get)
        .add(Method::POST, "/api/v1/usage", Ingest, usage, v1::usage::post)
        .add(
            Method::GET,
            "/api/v1/plugins",
            Read,
            Doc::new("All rules").returns::<api::PluginList>(),
            v1::plugins::list,
        )
        .add(Method::POST, "/api/v1/plugins", Change, upload, v1::plugins::upload)
        .add(
            Method::PUT,
            "/api/v1/plugins/{id}/mode",
            Change,
            Doc::new("Off, shadow or active").takes::<api::PluginModeChange>().returns::<api::Plugin>(),
            v1::plugins::set_mode,
        )
        .add(
            Method::PUT,
            "/api/v1/plugins/{id}/config",
            Change,
            Doc::new("Set the configuration; the rule is asked whether it accepts it")
                .takes::<api::PluginConfigChange>()
                .returns::<api::Plugin>(),
            v1::plugins::set_config,
        )
        .add(
            Method::DELETE,
            "/api/v1/plugins/{id}",
            Change,
            Doc::new("Delete an upload that is off"),
            v1::plugins::delete,
        )
        .add(
            Method::GET,
            "/api/v1/plugins/{id}/logs",
            Read,
            Doc::new("What a rule logged, newest first").returns::<api::PluginLogList>(),
            v1::plugins::logs,
        )
        .add(Method::GET, "/api/v1/decisions", Read, decisions, v1::decisions::list)
        .add(
            Method::GET,
            "/api/v1/decisions/{id}",
            Read,
            Doc::new("One decision, by the id that a rejected request carries").returns::<api::DecisionRecord>(),
            v1::decisions::get,
        )
}

fn targets(routes: Routes) -> Routes {
    routes
        .add(
            Method::GET,
            "/api/v1/targets",
            Read,
            Doc::new("Whom the server asks how they are, with the last answers").returns::<api::TargetList>(),
            v1::targets::list,
        )
        .add(
            Method::POST,
            "/api/v1/targets",
            Change,
            Doc::new("Ask somebody from now on; private addresses only where `pull.allow_private` is set")
                .takes::<api::TargetSpec>()
                .returns_status::<api::Target>(StatusCode::CREATED),
            v1::targets::post,
        )
        .add(
            Method::DELETE,
            "/api/v1/targets/{id}",
            Change,
            Doc::new("Ask no more; only what was added here"),
            v1::targets::delete,
        )
        .add(
            Method::POST,
            "/api/v1/targets/{id}/check",
            Change,
            Doc::new("Ask now, and wait for the answer").returns::<api::Target>(),
            v1::targets::check,
        )
}

fn server(routes: Routes) -> Routes {
    routes
        .add(
            Method::GET,
            "/api/v1/session",
            Public,
            Doc::new("Whether a token is asked for").returns::<api::Session>(),
            v1::session::get,
        )
        .add(
            Method::POST,
            "/api/v1/session",
            Public,
            Doc::new("Exchange the admin token for a cookie").takes::<api::SessionStart>().returns::<api::Session>(),
            v1::session::start,
        )
        .add(Method::DELETE, "/api/v1/session", Public, Doc::new("Sign out"), v1::session::end)
        .add(
            Method::GET,
            "/api/v1/status",
            Read,
            Doc::new("What the server says of itself").returns::<api::Status>(),
            v1::status::get,
        )
        .add(
            Method::GET,
            "/api/v1/metric-series",
            Read,
            Doc::new("Series that came by OTLP since the start, and why most are not used: used ones first, then the most frequent")
                .query("limit", "1 to 1000, default 100")
                .returns::<api::MetricSeriesList>(),
            v1::metric_series::list,
        )
        .add(
            Method::GET,
            "/api/v1/sources",
            Read,
            Doc::new("Who sends, by protocol and service: rate, refusals with reasons, the last refused body")
                .returns::<api::SenderList>(),
            v1::sources::list,
        )
        .add(
            Method::GET,
            "/api/v1/storage",
            Read,
            Doc::new("Where the space goes, by part and by service, and which bound is met first")
                .returns::<api::Storage>(),
            v1::storage::get,
        )
        .add(
            Method::GET,
            "/api/v1/demo",
            Read,
            Doc::new("Switches of the demo").returns::<api::DemoState>(),
            v1::demo::get,
        )
        .add(
            Method::PUT,
            "/api/v1/demo",
            Change,
            Doc::new("Switch the demo").takes::<api::DemoSwitch>().returns::<api::DemoState>(),
            v1::demo::put,
        )
        .add(
            Method::GET,
            "/api/v1/openapi.json",
            Public,
            Doc::new("This document").returns_type("application/json"),
            v1::status::openapi,
        )
        .add(
            Method::GET,
            "/healthz",
            Public,
            Doc::new("The process answers").returns_type("text/plain"),
            v1::status::healthz,
        )
        .add(
            Method::GET,
            "/readyz",
            Public,
            Doc::new("The server can do its work").returns_type("text/plain"),
            v1::status::readyz,
        )
        .add(
            Method::GET,
            "/metrics",
            Read,
            Doc::new("Metrics in Prometheus text format").returns_type("text/plain"),
            v1::status::metrics,
        )
        .add(
            Method::GET,
            "/metrics/services",
            Read,
            Doc::new("Rates, errors, times, breakers and shedding by service and by call, in Prometheus text format")
                .returns_type("text/plain"),
            v1::service_metrics::handler,
        )
}

/// The main listener: API, ingest, and the web interface for every other path.
pub fn main_router(app: App) -> Router {
    let (router, registered) = main_routes(&app);
    let _ = app.openapi.set(openapi::document(&registered).to_string());
    router.fallback(assets::serve).layer(from_fn_with_state(app.clone(), guard)).with_state(app)
}

/// The OTLP/HTTP listener.
pub fn otlp_http_router(app: App) -> Router {
    let (router, _) = otlp(Routes::new(app.clone()), &app).finish();
    router.layer(from_fn_with_state(app.clone(), guard)).with_state(app)
}

/// The Zipkin listener.
pub fn zipkin_router(app: App) -> Router {
    let (router, _) = zipkin_spans(Routes::new(app.clone()), &app).finish();
    router.layer(from_fn_with_state(app.clone(), guard)).with_state(app)
}

/// The OTLP/gRPC listener. It checks the key itself: gRPC has its own form of refusal.
pub fn otlp_grpc_router(app: App) -> Router {
    Router::new()
        .route(otlp_grpc::TRACES, post(otlp_grpc::traces))
        .route(otlp_grpc::METRICS, post(otlp_grpc::metrics))
        .fallback(otlp_grpc::unimplemented)
        .layer(from_fn_with_state(app.clone(), guard))
        .with_state(app)
}
