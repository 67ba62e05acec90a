//! The pure domain: no I/O, no clock, no async.

pub mod rule;
