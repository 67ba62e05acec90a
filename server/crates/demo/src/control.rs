//! The control port: `GET` and `PUT /state`.

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{StatusCode, header};
use spillway_api::{DemoState, DemoSwitch, Problem};

use crate::switches::Switches;

pub(crate) fn router(switches: Switches) -> Router {
    Router::new().route("/state", get(state).put(switch)).with_state(switches)
}

async fn state(State(switches): State<Switches>) -> Json<DemoState> {
    Json(switches.state())
}

async fn switch(State(switches): State<Switches>, Json(wish): Json<DemoSwitch>) -> Response {
    match switches.set(&wish) {
        Ok(state) => Json(state).into_response(),
        Err(detail) => {
            let problem = Problem {
                r#type: "about:blank".into(),
                title: "Bad request".into(),
                status: 400,
                detail,
                errors: Vec::new(),
            };
            (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "application/problem+json")], Json(problem))
                .into_response()
        }
    }
}
