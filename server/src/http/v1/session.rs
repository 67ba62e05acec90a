//! `/api/v1/session`: exchange the admin token for a cookie, ask whether one is there, give it back.

use std::time::Instant;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use spillway_api::{Session, SessionStart};

use crate::{
    app::App,
    http::{access::Permission, error::ApiError, route::refuse},
};

/// `GET`: whether this server asks for a token, and whether this browser has shown it.
pub async fn get(State(app): State<App>, headers: HeaderMap) -> Json<Session> {
    Json(Session { required: app.access.token_required(), signed_in: app.access.signed_in(&headers, Instant::now()) })
}

/// `POST`: the token for a cookie.
pub async fn start(State(app): State<App>, Json(start): Json<SessionStart>) -> Result<Response, ApiError> {
    let cookie = match app.access.sign_in(&start.token, Instant::now()) {
        Ok(cookie) => cookie,
        Err(denied) => {
            tracing::warn!(?denied, "a sign-in was refused");
            return Ok(refuse(Permission::Read, denied));
        }
    };
    Ok(with_cookie(Json(Session { required: app.access.token_required(), signed_in: true }), &cookie))
}

/// `DELETE`: sign out.
pub async fn end(State(app): State<App>, headers: HeaderMap) -> Response {
    let cookie = app.access.sign_out(&headers);
    with_cookie(StatusCode::NO_CONTENT, &cookie)
}

fn with_cookie(body: impl IntoResponse, cookie: &str) -> Response {
    let mut response = body.into_response();
    let value = HeaderValue::from_str(cookie).expect("a cookie of ours is plain ASCII");
    response.headers_mut().insert(header::SET_COOKIE, value);
    response
}
