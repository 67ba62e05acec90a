//! Zipkin's spans of version 2, in both encodings, straight into columns.
//!
//! Sources: `zipkin2-api.yaml` and `zipkin.proto` of openzipkin/zipkin-api, and what its server does with a body
//! (`ZipkinHttpCollector`). What becomes of each field stands in `docs/INGEST.md`.
//!
//! **One id, two spans.** With B3 a server continues the span of its client: both report the same id and the same parent, the server with
//! `shared`. Nothing has to be invented for that: everywhere here a span is known by its trace, its id *and its kind*, so both are
//! stored, each is counted once, they pair because they have one id, and in a picture the server hangs below the client. So the flag
//! itself is not kept; a shared span without a kind is a server's, which is the only side that shares.

mod json;
mod protobuf;
mod span;

use crate::{
    Decoded, Limits,
    otlp::{DecodeError, Malformed},
};

/// How spans are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A list, `application/json`.
    Json,
    /// `zipkin.proto3.ListOfSpans`, `application/x-protobuf`.
    Protobuf,
}

/// Decodes a list of spans; an empty body is an empty one.
///
/// # Errors
/// [`DecodeError`] with the place when the body is no such list, also when an id in it is none: then nothing of it is kept. Spans
/// beyond a limit or without any time are rejected one by one: see [`Decoded::rejected`].
pub fn decode_spans(body: &[u8], encoding: Encoding, limits: &Limits) -> Result<Decoded, DecodeError> {
    if body.len() > limits.body_bytes {
        return Err(*DecodeError::new(
            limits.body_bytes,
            Malformed::TooLong { bytes: body.len(), limit: limits.body_bytes },
        ));
    }
    match encoding {
        Encoding::Json => json::decode(body, limits),
        Encoding::Protobuf => protobuf::decode(body, limits),
    }
    .map_err(|error| *error)
}

#[cfg(test)]
mod tests;
