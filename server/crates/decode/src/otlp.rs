//! OTLP traces: requests in both encodings into one sink, and the answers.

pub(crate) mod error;
pub mod json;
pub mod protobuf;
pub mod response;
pub(crate) mod sink;
pub mod value;
pub mod write;

pub use error::{DecodeError, Malformed};
