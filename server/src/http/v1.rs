//! The public API, version 1: one endpoint a file.

pub mod changes;
pub mod complete;
pub mod decisions;
pub mod demo;
pub mod directives;
pub mod erase;
pub mod events;
pub mod export;
pub mod import;
pub mod live;
pub mod metric_series;
pub mod pins;
pub mod plugins;
pub mod series;
pub mod service_metrics;
pub mod session;
pub mod sources;
pub mod status;
pub mod storage;
pub mod targets;
pub mod topology;
pub mod traces;
pub mod usage;
pub mod view;
