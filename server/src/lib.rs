//! The server: the only place that wires the parts together.

pub mod app;
pub mod assets;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod demo;
pub mod exchange;
pub mod fault;
pub mod http;
pub mod ingest;
pub mod jobs;
pub mod listen;
pub mod live;
pub mod log;
pub mod memory;
pub mod metrics;
pub mod pull;
pub mod routes;
pub mod senders;
pub mod server;
pub mod signal;
mod steady;
pub mod storage;
