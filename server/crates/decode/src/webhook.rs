//! Webhooks: what services and the tools around them post about health, breakers, limits and changes.

mod native;

pub use native::{
    MAX_DETAIL_BYTES, MAX_EVENTS, MAX_FUTURE, MAX_LINK_BYTES, MAX_NAME_BYTES, MAX_TITLE_BYTES, WebhookError, native,
};
