//! The plugin host with real guests. Needs the compiled guests of `plugins/`: `cargo xtask guests`.

mod compile_worker;
mod examples;
mod hostile;
mod support;
