//! `POST /api/v1/import`: one line of an export. As `/v1/traces`, but spans that are stored already are left out, whenever they came.

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
};
use spillway_api as api;

use crate::{app::App, http::error::ApiError, ingest::Refused};

/// Answers after the commit.
#[tracing::instrument(name = "http.import", skip_all)]
pub async fn post(State(app): State<App>, request: Request) -> Result<Json<api::Imported>, ApiError> {
    let (head, body): (_, Body) = request.into_parts();
    let (body, reservation) = app.ingest.read(&head.headers, body).await.map_err(refused)?;
    let imported = app.ingest.import(&app.store, body, reservation).await.map_err(refused)?;
    Ok(Json(imported))
}

fn refused(refused: Refused) -> ApiError {
    match refused {
        Refused::Malformed(text) | Refused::MediaType(text) | Refused::Unsigned(text) => ApiError::bad_request(text),
        Refused::TooLarge(text) => ApiError::new(http::StatusCode::PAYLOAD_TOO_LARGE, "Too large", text),
        Refused::Full | Refused::Unwritable => {
            ApiError::unavailable("nothing can be written just now").with_retry_after(10)
        }
        Refused::Overloaded => ApiError::unavailable("too much at a time: come back"),
        Refused::Stopping => ApiError::unavailable("the server is stopping"),
        Refused::Conflict(_) | Refused::Failed => ApiError::internal("an import was not stored"),
    }
}
