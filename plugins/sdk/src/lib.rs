//! What a rule author writes against: the types of the contract `spillway:rule`, one trait and one macro.
//!
//! A rule looks at a snapshot of the live system each tick and proposes directives. Implement [`ShedPolicy`], name the
//! type in [`export_policy!`], and build the crate (`crate-type = ["cdylib", "rlib"]`) for `wasm32-unknown-unknown`.
//! The same crate compiles natively, where [`log`], [`kv`] and [`metrics`] have stand-ins, so `cargo test` tests a rule
//! like any other code.
//!
//! ```
//! use spillway_plugin_sdk::{Action, Criticality, Directive, Manifest, ShedPolicy, Snapshot};
//!
//! /// Halves background traffic of every service that waits for its CPU.
//! struct HalveBackground;
//!
//! impl ShedPolicy for HalveBackground {
//!     fn describe() -> Manifest {
//!         Manifest {
//!             name: "halve-background".into(),
//!             version: "1.0.0".into(),
//!             description: "Halves background traffic of services whose CPU is busy.".into(),
//!             config_schema: "{}".into(),
//!             tick_ms: 1_000,
//!         }
//!     }
//!
//!     fn configure(_config: &str) -> Result<Self, String> {
//!         Ok(Self)
//!     }
//!
//!     fn evaluate(&mut self, snapshot: &Snapshot) -> Result<Vec<Directive>, String> {
//!         let busy = snapshot.signals.iter().filter(|signals| signals.cpu.is_some_and(|cpu| cpu > 0.9));
//!         Ok(busy
//!             .map(|signals| Directive {
//!                 target: signals.target.clone(),
//!                 class: Criticality::Sheddable,
//!                 action: Action::AdmitRatio(0.5),
//!                 ttl_ms: 5_000,
//!                 retry_after_ms: Some(2_000),
//!                 reason: format!("the CPU of {} is busy", signals.target.service.name),
//!             })
//!             .collect())
//!     }
//! }
//!
//! spillway_plugin_sdk::export_policy!(HalveBackground);
//!
//! let overloaded = Snapshot { signals: vec![spillway_plugin_sdk::Signals { cpu: Some(0.95), ..Default::default() }], ..Default::default() };
//! assert_eq!(HalveBackground.evaluate(&overloaded).unwrap().len(), 1);
//! ```
//!
//! Three things to know:
//!
//! - **Every tick starts a fresh instance**: `configure`, then `evaluate`, then it is gone. What must last goes to [`kv`],
//!   most easily in a [`table`](table::Table).
//! - **A rule is a function**: there is no clock but `snapshot.now_ms`, no randomness, no I/O. That is why Spillway can
//!   replay yesterday through today's version. Do not iterate over a `HashMap` to make directives; its order is no promise.
//! - **A rule only proposes.** The host clamps ratios and leases and merges rules; a directive ends by itself after its
//!   `ttl_ms`, so a rule says again each tick what should stay.

pub mod bindings;
pub mod class;
mod defaults;
pub mod kv;
pub mod log;
pub mod metrics;
mod policy;
pub mod table;
pub mod text;

pub use bindings::spillway::rule::types::{
    Action, Breaker, ClassCounts, Criticality, Directive, Edge, Latency, Manifest, Origin, Rate, ServiceId, Signals,
    Snapshot, Target,
};
pub use policy::{ShedPolicy, announce_panics};
