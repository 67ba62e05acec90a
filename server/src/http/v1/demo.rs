//! `GET` and `PUT /api/v1/demo`: the switches of the demo system, when it runs beside the server.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{Method, header};
use spillway_api::DemoSwitch;

use crate::{app::App, http::error::ApiError};

/// What is switched how.
pub async fn get(State(app): State<App>) -> Result<Response, ApiError> {
    call(&app, Method::GET, Bytes::new()).await
}

/// Switches.
pub async fn put(State(app): State<App>, Json(switch): Json<DemoSwitch>) -> Result<Response, ApiError> {
    if switch.load.is_some_and(|load| !(0.0..=20.0).contains(&load)) {
        return Err(ApiError::bad_request("load is 0 to 20").with_error("/load", "out of range"));
    }
    let body = serde_json::to_vec(&switch).map_err(ApiError::internal)?;
    call(&app, Method::PUT, body.into()).await
}

async fn call(app: &App, method: Method, body: Bytes) -> Result<Response, ApiError> {
    let demo = app
        .demo
        .as_ref()
        .ok_or_else(|| ApiError::not_found("no demo runs beside this server: start it with `spillway serve --demo`"))?;
    let (status, body) = demo.call(method, body).await.map_err(|error| ApiError::unavailable(error.to_string()))?;
    Ok((status, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}
