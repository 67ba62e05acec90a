//! The pure domain of Spillway: spans in columns, identity, topology, health and breakers, rules and their decisions.
//!
//! No I/O, no clock, no randomness, no async: time and limits are arguments, so that every line can be tested without
//! waiting and replayed with the same result.

pub mod arbitrate;
pub mod batch;
pub mod builtin;
pub mod changes;
pub mod event;
pub mod histogram;
pub mod identity;
pub mod observation;
pub mod rule;
pub mod signals;
pub mod topology;
