//! Errors of the API: RFC 9457 problem details.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use spillway_api::{FieldError, Problem};

/// An error with what the client is told and what only the log is told.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    title: String,
    detail: String,
    errors: Vec<FieldError>,
    retry_after_s: Option<u32>,
    internal: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ApiError {
    /// `title` is the same for every occurrence, `detail` says what happened this time and what to do.
    pub fn new(status: StatusCode, title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            status,
            title: title.into(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_s: None,
            internal: None,
        }
    }

    /// 400: the request itself is wrong.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Bad request", detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", detail)
    }

    /// 409.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Conflict", detail)
    }

    /// 503 with a time to come back.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Temporarily unavailable", detail).with_retry_after(1)
    }

    /// 500: the client learns nothing but that; `error` goes to the log.
    pub fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let mut this = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal error", "the server's log says more");
        this.internal = Some(error.into());
        this
    }

    /// Adds a wrong part: a JSON pointer, a header or a query parameter.
    #[must_use]
    pub fn with_error(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(FieldError { detail: detail.into(), pointer: pointer.into() });
        self
    }

    /// Adds `Retry-After`.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<spillway_store::StoreError> for ApiError {
    /// The store's errors mean the same everywhere in the API.
    fn from(error: spillway_store::StoreError) -> Self {
        use spillway_store::StoreError;
        match error {
            StoreError::Full { .. } => {
                Self::unavailable("the disk is full; reads go on, writes resume when there is room")
                    .with_retry_after(10)
            }
            StoreError::InvalidCursor => {
                Self::bad_request(error.to_string()).with_error("cursor", "start again without a cursor")
            }
            StoreError::Conflict(detail) => Self::conflict(detail),
            StoreError::Io { .. } | StoreError::Corrupt { .. } | StoreError::TooNew { .. } => Self::internal(error),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Some(error) = &self.internal {
            let mut causes = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                causes.push_str(": ");
                causes.push_str(&cause.to_string());
                source = cause.source();
            }
            tracing::error!(error = causes, "request failed");
        }
        let problem = Problem {
            r#type: "about:blank".into(),
            title: self.title,
            status: self.status.as_u16(),
            detail: self.detail,
            errors: self.errors,
        };
        let body = serde_json::to_vec(&problem).expect("a problem is plain text and numbers");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
