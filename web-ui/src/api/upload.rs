//! Upload of a plugin, with progress: `fetch` cannot tell how much has gone out, `XMLHttpRequest` can.

use js_sys::Promise;
use spillway_api::Plugin;
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, ProgressEvent, XmlHttpRequest};

use super::{
    Failure, PLUGINS,
    http::{Answer, judge, read},
};

/// Compiling takes its time on the server, so this is longer than other requests.
const TIMEOUT_MS: u32 = 120_000;

/// Sends `file`; `progress` is called with the share that has gone out.
pub async fn upload(file: &File, progress: impl Fn(f64) + 'static) -> Result<Plugin, Failure> {
    let unreachable = |_: JsValue| Failure::Unreachable;
    let request = XmlHttpRequest::new().map_err(unreachable)?;
    request.open("POST", PLUGINS).map_err(unreachable)?;
    request.set_timeout(TIMEOUT_MS);
    request.set_request_header("content-type", "application/wasm").map_err(unreachable)?;
    request.set_request_header("accept", "application/json").map_err(unreachable)?;
    let on_progress = Closure::<dyn Fn(ProgressEvent)>::new(move |event: ProgressEvent| {
        if event.length_computable() && event.total() > 0.0 {
            progress(event.loaded() / event.total());
        }
    });
    if let Ok(outgoing) = request.upload() {
        outgoing.set_onprogress(Some(on_progress.as_ref().unchecked_ref()));
    }
    // `loadend` comes after success, error, abort and time-out alike.
    let ended = Promise::new(&mut |resolve, _| request.set_onloadend(Some(&resolve)));
    request.send_with_opt_blob(Some(file)).map_err(unreachable)?;
    JsFuture::from(ended).await.map_err(unreachable)?;
    request.set_onloadend(None);
    let status = request.status().map_err(unreachable)?;
    let text = request.response_text().ok().flatten().unwrap_or_default();
    read(&judge(Answer { status, text })?)
}
