//! The only place that talks to the server.

mod failure;
mod http;
mod upload;

pub use failure::Failure;
pub use http::{delete, get, post, put, read, text};
pub use upload::upload;

use spillway_view::query::encode;

/// The stream of the live view.
pub const LIVE: &str = "/api/v1/live";
/// Whether a token is asked for.
pub const SESSION: &str = "/api/v1/session";
/// What the server says of itself.
pub const STATUS: &str = "/api/v1/status";
/// Where the space goes.
pub const STORAGE: &str = "/api/v1/storage";
/// Traces that are kept.
pub const PINS: &str = "/api/v1/pins";
/// Whom the server asks.
pub const TARGETS: &str = "/api/v1/targets";
/// Operations for completion.
pub const OPERATIONS: &str = "/api/v1/operations";
/// All the rules.
pub const PLUGINS: &str = "/api/v1/plugins";
/// The demo's switches.
pub const DEMO: &str = "/api/v1/demo";

/// One rule, or a part of it.
pub fn plugin(id: &str, part: &str) -> String {
    let id = encode(id);
    if part.is_empty() { format!("{PLUGINS}/{id}") } else { format!("{PLUGINS}/{id}/{part}") }
}

/// One trace.
pub fn trace(id: &str) -> String {
    format!("/api/v1/traces/{}", encode(id))
}

/// Whether a trace is kept.
pub fn pin(id: &str) -> String {
    format!("{}/pin", trace(id))
}

/// One that the server asks.
pub fn target(id: &str) -> String {
    format!("{TARGETS}/{}", encode(id))
}
