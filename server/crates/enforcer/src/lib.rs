//! Enforces Spillway's directives inside a service: a `tower` layer for `axum`, `hyper` and `tonic` servers.
//!
//! ```no_run
//! # async fn example() -> Result<(), spillway_enforcer::BuildError> {
//! use spillway_enforcer::{Enforcer, Identity};
//!
//! let enforcer = Enforcer::builder(Identity::new("production", "shop", "checkout", "checkout-1"))
//!     .spillway_url("http://127.0.0.1:7070")
//!     .build()?;
//! let layer = enforcer.layer(); // outermost, so that what is turned away costs least
//! # drop(layer);
//! # Ok(())
//! # }
//! ```
//!
//! Two planes. The request path ([`Admission::decide`]) reads a table behind an atomic pointer and never waits. A
//! background task keeps that table fresh by long poll and reports what was counted each second. When Spillway is away the
//! leases run out and every request is admitted: this crate can turn requests away only for as long as somebody renews
//! the wish.
//!
//! **Invariant:** no lock is held across an await, and nothing on the request path waits for the network.
//!
//! Only `http` is spoken: a remote Spillway is reached through the agent on loopback or a proxy that adds TLS.

mod admission;
mod builder;
mod layer;
mod link;
mod meter;
mod rejection;
mod request;

pub use admission::{Admission, Held, Notice, RequestFacts, Verdict};
pub use builder::{BuildError, Enforcer, EnforcerBuilder, Identity};
pub use layer::{EnforcerBody, EnforcerLayer, EnforcerService, ResponseFuture};
pub use meter::QueueMeter;
pub use rejection::{DECISION_HEADER, Shed};
pub use request::{DEGRADE_HEADER, RequestHead};
