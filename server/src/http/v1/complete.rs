//! `GET /api/v1/traces/complete`: what can be typed at a place of an unfinished filter.

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use spillway_api as api;
use spillway_query::{AttributeKey, Completion, Expected, Field, Listing, MOST_BYTES, Place, TextField};
use spillway_store::{OperationRow, SpanReader as _, StoreError};
use spillway_store_sqlite::SqliteStore;

use crate::http::error::ApiError;

/// Choices in one answer: nobody reads more, typing on finds the others.
const CHOICES: usize = 50;
/// Operations that names are taken from.
const OPERATIONS: usize = 10_000;

/// The query string.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    #[serde(default)]
    q: String,
    at: Option<usize>,
}

/// `GET /api/v1/traces/complete`.
#[tracing::instrument(name = "http.traces.complete", skip_all)]
pub async fn handler(
    State(store): State<SqliteStore>,
    Query(asked): Query<Asked>,
) -> Result<Json<api::FilterCompletion>, ApiError> {
    if asked.q.len() > MOST_BYTES {
        return Err(
            ApiError::bad_request(format!("a filter has at most {MOST_BYTES} bytes")).with_error("q", "too long")
        );
    }
    let cursor = asked.at.map_or(asked.q.len(), |at| byte_of(&asked.q, at));
    let Some(completion) = spillway_query::complete(&asked.q, cursor) else {
        let at = characters(&asked.q[..cursor]);
        let expected = api::FilterPart::Nothing;
        return Ok(Json(api::FilterCompletion { expected, replace_from: at, replace_to: at, choices: Vec::new() }));
    };
    let mut choices = completion.known();
    for stored in stored(&store, &completion).await? {
        if choices.len() < CHOICES && !choices.contains(&stored) {
            choices.push(stored);
        }
    }
    Ok(Json(api::FilterCompletion {
        expected: match completion.expected {
            Expected::Key(_) => api::FilterPart::Key,
            Expected::Operator(_) => api::FilterPart::Operator,
            Expected::FieldValue(_) | Expected::AttributeValue(_) => api::FilterPart::Value,
        },
        replace_from: characters(&asked.q[..completion.replace.start]),
        replace_to: characters(&asked.q[..completion.replace.end]),
        choices,
    }))
}

/// What was stored lately and fits, as it is written in a filter.
async fn stored(store: &SqliteStore, completion: &Completion) -> Result<Vec<String>, StoreError> {
    let prefix = &completion.prefix;
    let values = match &completion.expected {
        Expected::Key(place) => {
            let keys = store.attribute_keys(*place, prefix, CHOICES).await?;
            return Ok(keys.into_iter().map(|key| AttributeKey { place: *place, key }.to_string()).collect());
        }
        Expected::Operator(_) => return Ok(Vec::new()),
        Expected::AttributeValue(key) => store.attribute_values(key, prefix, CHOICES).await?,
        Expected::FieldValue(Field::Text(field)) => names(store, *field, prefix).await?,
        Expected::FieldValue(_) => Vec::new(),
    };
    Ok(values.iter().map(|value| Completion::write_value(value)).collect())
}

async fn names(store: &SqliteStore, field: TextField, prefix: &str) -> Result<Vec<String>, StoreError> {
    let name: fn(&OperationRow) -> &str = match field {
        TextField::Service => |row| &row.service.name,
        TextField::Environment => |row| &row.service.environment,
        TextField::Namespace => |row| &row.service.namespace,
        TextField::Operation => |row| &row.name,
        TextField::Instance => return of_resources(store, "service.instance.id", prefix).await,
        TextField::Version => return of_resources(store, "service.version", prefix).await,
        // Not listed by any index; whoever asks for them knows what they look for.
        TextField::Scope | TextField::EventName => return Ok(Vec::new()),
    };
    let mut listing = Listing::new(prefix, CHOICES);
    store.operations(OPERATIONS).await?.iter().for_each(|row| listing.add(name(row)));
    Ok(listing.finish())
}

async fn of_resources(store: &SqliteStore, key: &str, prefix: &str) -> Result<Vec<String>, StoreError> {
    let key = AttributeKey { place: Place::Resource, key: key.to_owned() };
    store.attribute_values(&key, prefix, CHOICES).await
}

fn byte_of(text: &str, character: usize) -> usize {
    text.char_indices().nth(character).map_or(text.len(), |(byte, _)| byte)
}

fn characters(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}
