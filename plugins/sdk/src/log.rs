//! Lines for the plugin's page. At most 50 of 1 KiB each are kept per call.

#[cfg(target_arch = "wasm32")]
use crate::bindings::spillway::rule::log::{Level, log};

/// For following a rule step by step.
pub fn debug(message: &str) {
    #[cfg(target_arch = "wasm32")]
    log(Level::Debug, message);
    #[cfg(not(target_arch = "wasm32"))]
    native("DEBUG", message);
}

/// For the operator.
pub fn info(message: &str) {
    #[cfg(target_arch = "wasm32")]
    log(Level::Info, message);
    #[cfg(not(target_arch = "wasm32"))]
    native("INFO", message);
}

/// Something is odd.
pub fn warn(message: &str) {
    #[cfg(target_arch = "wasm32")]
    log(Level::Warn, message);
    #[cfg(not(target_arch = "wasm32"))]
    native("WARN", message);
}

/// Something failed.
pub fn error(message: &str) {
    #[cfg(target_arch = "wasm32")]
    log(Level::Error, message);
    #[cfg(not(target_arch = "wasm32"))]
    native("ERROR", message);
}

/// In a test the lines go where the test's own output goes.
#[cfg(not(target_arch = "wasm32"))]
fn native(level: &str, message: &str) {
    println!("{level} {message}");
}
