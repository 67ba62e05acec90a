//! JSON over `fetch`.

use serde::{Serialize, de::DeserializeOwned};
use spillway_api::Problem;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Headers, RequestInit, Response};

use super::Failure;

/// Longer than the server's own deadlines, so that its answer is seen rather than ours.
const TIMEOUT_MS: u32 = 20_000;

/// What came back, before it is read as anything.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: String,
}

/// `GET`, unread.
pub async fn text(path: &str) -> Result<String, Failure> {
    request("GET", path, None).await
}

/// `GET`.
pub async fn get<T: DeserializeOwned>(path: &str) -> Result<T, Failure> {
    read(&text(path).await?)
}

/// `POST` with a JSON body.
pub async fn post<T: DeserializeOwned>(path: &str, body: &impl Serialize) -> Result<T, Failure> {
    read(&request("POST", path, Some(write(body)?)).await?)
}

/// `PUT` with a JSON body.
pub async fn put<T: DeserializeOwned>(path: &str, body: &impl Serialize) -> Result<T, Failure> {
    read(&request("PUT", path, Some(write(body)?)).await?)
}

/// `DELETE`.
pub async fn delete(path: &str) -> Result<(), Failure> {
    request("DELETE", path, None).await.map(drop)
}

fn write(body: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(body).map_err(|error| Failure::Unreadable(error.to_string()))
}

/// Reads JSON as what the API promises.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::Unreadable(error.to_string()))
}

/// Not generic, so that it is compiled once however many types are read.
async fn request(method: &str, path: &str, body: Option<String>) -> Result<String, Failure> {
    let unreachable = |_: JsValue| Failure::Unreachable;
    let init = RequestInit::new();
    init.set_method(method);
    init.set_signal(Some(&AbortSignal::timeout_with_u32(TIMEOUT_MS)));
    let headers = Headers::new().map_err(unreachable)?;
    headers.set("accept", "application/json").map_err(unreachable)?;
    if let Some(body) = body {
        headers.set("content-type", "application/json").map_err(unreachable)?;
        init.set_body(&JsValue::from_str(&body));
    }
    init.set_headers_headers(&headers);
    let response =
        JsFuture::from(leptos::prelude::window().fetch_with_str_and_init(path, &init)).await.map_err(|error| {
            let name = js_sys::Reflect::get(&error, &JsValue::from_str("name")).ok().and_then(|name| name.as_string());
            if name.as_deref() == Some("TimeoutError") { Failure::TimedOut } else { Failure::Unreachable }
        })?;
    let response: Response = response.unchecked_into();
    let text = JsFuture::from(response.text().map_err(unreachable)?).await.map_err(unreachable)?;
    judge(Answer { status: response.status(), text: text.as_string().unwrap_or_default() })
}

/// Lets a success through and makes a failure of everything else.
pub(super) fn judge(answer: Answer) -> Result<String, Failure> {
    match answer.status {
        200..300 => Ok(answer.text),
        0 => Err(Failure::Unreachable),
        401 => Err(Failure::SignInNeeded),
        status => Err(Failure::Refused(Box::new(serde_json::from_str::<Problem>(&answer.text).unwrap_or_else(|_| {
            // A proxy between us and the server does not speak problem+json.
            let detail: String = answer.text.chars().take(300).collect();
            Problem {
                r#type: "about:blank".to_owned(),
                title: format!("The answer was HTTP {status}."),
                status,
                detail,
                errors: Vec::new(),
            }
        })))),
    }
}
