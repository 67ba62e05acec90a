//! Webhooks: what services post about their health and their circuit breakers.

mod native;

pub use native::{MAX_DETAIL_BYTES, MAX_EVENTS, MAX_FUTURE, MAX_NAME_BYTES, WebhookError, native};
