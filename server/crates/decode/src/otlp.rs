//! OTLP traces: requests in both encodings into one sink, and the answers.

mod error;
pub mod protobuf;
pub mod response;
mod sink;
pub mod value;

pub use error::{DecodeError, Malformed};
