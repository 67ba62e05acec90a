//! Registering a route: method, path, permission, documentation and handler in one call, so that none can be forgotten.

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    handler::Handler,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::{MethodFilter, on},
};
use http::{HeaderValue, Method, StatusCode, header};
use utoipa::{
    ToSchema,
    openapi::{RefOr, schema::Schema},
};

use super::{
    access::{Denied, Permission},
    error::ApiError,
};
use crate::app::App;

/// Larger bodies are refused unless a route says otherwise: nothing but uploads and telemetry is big.
const BODY_LIMIT: usize = 256 << 10;

/// A schema and everything that it refers to.
#[derive(Clone)]
pub struct Shape {
    /// Its name among the components.
    pub name: String,
    /// It and what it refers to.
    pub components: Vec<(String, RefOr<Schema>)>,
}

impl Shape {
    /// The shape of a type.
    pub fn of<T: ToSchema>() -> Self {
        let mut components = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut components);
        Self { name: T::name().into_owned(), components }
    }
}

/// A query parameter.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub help: &'static str,
    /// True when it cannot be left out.
    pub required: bool,
}

/// What the OpenAPI document says of a route.
#[derive(Clone)]
pub struct Doc {
    /// One line.
    pub summary: &'static str,
    /// Query parameters.
    pub parameters: Vec<Parameter>,
    /// Content type and shape of the body.
    pub request: Option<(&'static str, Option<Shape>)>,
    /// Status, content type and shape of the answer that means success.
    pub response: (StatusCode, Option<(&'static str, Option<Shape>)>),
    /// Largest body.
    pub body_limit: usize,
}

impl Doc {
    /// A route that answers 204 without a body.
    pub fn new(summary: &'static str) -> Self {
        Self {
            summary,
            parameters: Vec::new(),
            request: None,
            response: (StatusCode::NO_CONTENT, None),
            body_limit: BODY_LIMIT,
        }
    }

    /// Answers that status without a body.
    #[must_use]
    pub fn answers(mut self, status: StatusCode) -> Self {
        self.response = (status, None);
        self
    }

    /// Answers 200 with JSON.
    #[must_use]
    pub fn returns<T: ToSchema>(self) -> Self {
        self.returns_status::<T>(StatusCode::OK)
    }

    /// Answers that status with JSON.
    #[must_use]
    pub fn returns_status<T: ToSchema>(mut self, status: StatusCode) -> Self {
        self.response = (status, Some(("application/json", Some(Shape::of::<T>()))));
        self
    }

    /// Answers 200 with something else.
    #[must_use]
    pub fn returns_type(mut self, content_type: &'static str) -> Self {
        self.response = (StatusCode::OK, Some((content_type, None)));
        self
    }

    /// Takes JSON.
    #[must_use]
    pub fn takes<T: ToSchema>(mut self) -> Self {
        self.request = Some(("application/json", Some(Shape::of::<T>())));
        self
    }

    /// Takes something else.
    #[must_use]
    pub fn takes_type(mut self, content_type: &'static str) -> Self {
        self.request = Some((content_type, None));
        self
    }

    /// Takes bodies up to that size.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Has a query parameter that may be left out.
    #[must_use]
    pub fn query(mut self, name: &'static str, help: &'static str) -> Self {
        self.parameters.push(Parameter { name, help, required: false });
        self
    }

    /// Has a query parameter that must be there.
    #[must_use]
    pub fn required_query(mut self, name: &'static str, help: &'static str) -> Self {
        self.parameters.push(Parameter { name, help, required: true });
        self
    }
}

/// A registered route.
#[derive(Clone)]
pub struct Registered {
    /// Its method.
    pub method: Method,
    /// Its path, with `{parameters}`.
    pub path: &'static str,
    /// What it demands.
    pub permission: Permission,
    /// What the document says of it.
    pub doc: Doc,
}

/// Routes, mounted and listed at once.
pub struct Routes {
    app: App,
    router: Router<App>,
    registered: Vec<Registered>,
}

impl Routes {
    /// None yet.
    pub fn new(app: App) -> Self {
        Self { app, router: Router::new(), registered: Vec::new() }
    }

    /// Mounts a handler.
    #[must_use]
    pub fn add<H, T>(mut self, method: Method, path: &'static str, permission: Permission, doc: Doc, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("routes use the common methods");
        let limit = doc.body_limit;
        let guarded = on(filter, handler)
            .layer(DefaultBodyLimit::max(limit))
            .layer(from_fn_with_state((self.app.clone(), permission), authorize));
        self.router = self.router.route(path, guarded);
        self.registered.push(Registered { method, path, permission, doc });
        self
    }

    /// The router and the list of what is in it.
    pub fn finish(self) -> (Router<App>, Vec<Registered>) {
        (self.router, self.registered)
    }
}

async fn authorize(State((app, permission)): State<(App, Permission)>, request: Request, next: Next) -> Response {
    match app.access.check(permission, request.headers(), std::time::Instant::now()) {
        Ok(()) => next.run(request).await,
        Err(denied) => refuse(permission, denied),
    }
}

/// The answer to somebody who may not.
pub fn refuse(permission: Permission, denied: Denied) -> Response {
    if denied == Denied::TooManyFailures {
        return ApiError::new(StatusCode::TOO_MANY_REQUESTS, "Too many wrong tokens", "wait a minute, then try again")
            .with_retry_after(60)
            .into_response();
    }
    let detail = match permission {
        Permission::Ingest => {
            "this call must carry the ingest key: `Authorization: Bearer <key>` or `X-Spillway-Key: <key>`"
        }
        Permission::Webhook => {
            "this call must carry the ingest key (`Authorization: Bearer <key>`), or a signature made with one of `webhooks.secrets`"
        }
        _ => "this call must carry the admin token (`Authorization: Bearer <token>`) or the cookie of a session",
    };
    let mut response = ApiError::new(StatusCode::UNAUTHORIZED, "Unauthorized", detail).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
