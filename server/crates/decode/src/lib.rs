//! Bytes of a protocol to the model, and what was rejected and why.
//!
//! Pure: no I/O, no clock. Every decoder here takes what a stranger sent, so each is bounded by [`Limits`], never panics, and
//! either returns an error that says what is wrong and where, or what it could use together with a count of what it could not.
//!
//! | module | reads |
//! |---|---|
//! | [`otlp::protobuf`] | OTLP trace requests, into the columns of a [`SpanBatch`](spillway_model::batch::SpanBatch) |
//! | [`otlp::response`] | writes OTLP's answers |
//! | [`otlp::value`] | nested attribute values, for showing |
//! | [`gzip`] | compressed bodies |

pub mod gzip;
mod limits;
pub mod otlp;
mod rejected;

pub use limits::Limits;
pub use rejected::{Decoded, Reason, Rejected, Trimmed};
