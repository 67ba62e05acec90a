//! Runs untrusted WebAssembly rules inside hard limits. The only crate that knows wasmtime.
//!
//! An upload passes three gates, each of which answers with one sentence when it says no:
//!
//! 1. [`validate()`] looks at the bytes: is this a rule of the contract `spillway:rule` at all?
//! 2. [`CompileWorker`] compiles it in a child process that may crash, hang or eat memory without harm.
//! 3. [`Host::self_test`] lets it describe itself and evaluate made-up systems, twice, with equal results.
//!
//! After that [`Host::evaluate`] runs it once a tick, in a fresh instance each time, and always comes back in bounded time
//! with an [`Outcome`](spillway_model::rule::Outcome). A rule only proposes: what is done with its directives is decided elsewhere.
//!
//! **Invariant:** a guest can use its own memory, fuel and time, and nothing else: no clock, no randomness, no file, no
//! network. The same bytes, snapshot, configuration and kv give the same directives and the same fuel.

mod artefact;
mod bindings;
mod compile;
mod convert;
mod engine;
mod evaluation;
mod guest;
mod host;
mod kv;
pub mod limits;
mod manifest;
mod self_test;
mod slots;
mod ticker;
mod validate;

pub use artefact::Artefact;
pub use compile::{CompileError, CompileWorker, compile_worker_main};
pub use evaluation::{Evaluation, LogLevel, LogLine, Metric, MetricKind};
pub use host::{Host, HostError, LoadError, Plugin};
pub use kv::{Kv, KvError};
pub use limits::Limits;
pub use manifest::{ManifestError, default_configuration};
pub use self_test::{SelfTest, SelfTestError};
pub use validate::{UploadError, validate};
