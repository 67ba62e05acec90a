//! The public API, version 1: one endpoint a file.

pub mod complete;
pub mod decisions;
pub mod demo;
pub mod directives;
pub mod events;
pub mod live;
pub mod plugins;
pub mod series;
pub mod session;
pub mod status;
pub mod topology;
pub mod traces;
pub mod usage;
pub mod view;
