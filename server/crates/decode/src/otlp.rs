//! OTLP: requests in both encodings, traces into one sink and metrics into what they mean, and the answers.

pub(crate) mod error;
pub mod json;
pub mod metrics;
pub mod protobuf;
pub mod response;
pub(crate) mod sink;
pub mod value;
pub mod write;

pub use error::{DecodeError, Malformed};
