//! The reference implementation as oracle: what `opentelemetry-proto` encodes, our decoders read, and nothing is lost.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod back;
mod json;
mod protobuf;
mod request;
mod write;
