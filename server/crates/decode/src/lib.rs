//! Bytes of a protocol to the model, and what was rejected and why.
//!
//! Pure: no I/O, no clock. Every decoder here takes what a stranger sent, so each is bounded by [`Limits`], never panics, and
//! either returns an error that says what is wrong and where, or what it could use together with a count of what it could not.
//!
//! | module | reads |
//! |---|---|
//! | [`otlp::protobuf`], [`otlp::json`] | OTLP trace requests, into the columns of a [`SpanBatch`](spillway_model::batch::SpanBatch) |
//! | [`otlp::metrics`] | OTLP metrics requests: what says how breakers and limiters are, and the names of the rest |
//! | [`otlp::response`] | writes OTLP's answers |
//! | [`otlp::write`] | writes a batch as OTLP/JSON |
//! | [`otlp::value`] | nested attribute values, for showing |
//! | [`zipkin`] | Zipkin's spans of version 2, JSON and protobuf |
//! | [`jaeger`] | what Jaeger's interface saves |
//! | [`inflate`] | compressed bodies |
//! | [`webhook`] | events in the native form, CloudEvents, alerts, deployments; checks their signatures |
//! | [`breaker`] | feeds of breakers and limiters: resilience4j, Hystrix, opossum, Envoy |
//! | [`discovery`] | Prometheus' lists of targets |
//! | [`health`] | answers to the question how somebody is |
//! | [`prometheus`], [`series`] | scrapes, and what a metric's name means |
//! | [`redact`] | takes secrets out of what the others decoded, before anything is stored |

pub mod breaker;
pub mod discovery;
pub mod health;
pub mod inflate;
pub mod jaeger;
mod json;
mod limits;
pub mod otlp;
pub mod prometheus;
pub mod reading;
pub mod redact;
mod rejected;
pub mod series;
pub mod webhook;
pub mod zipkin;

pub use limits::Limits;
pub use rejected::{Decoded, Reason, Rejected, Trimmed};
