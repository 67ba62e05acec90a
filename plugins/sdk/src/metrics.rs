//! Numbers for the plugin's page. At most 32 different names are kept per call.

/// A value as it is now.
pub fn gauge(name: &str, value: f64) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::spillway::rule::metrics::gauge(name, value);
    #[cfg(not(target_arch = "wasm32"))]
    println!("gauge {name} = {value}");
}

/// So many more of something.
pub fn count(name: &str, delta: u64) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::spillway::rule::metrics::count(name, delta);
    #[cfg(not(target_arch = "wasm32"))]
    println!("count {name} + {delta}");
}
